//! Group commit: requests that wait together become one log record, one fsync, and only then visible and answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::view::Malformed;
use tokio::sync::oneshot;

use super::state::LogHalf;
use super::{Shared, lock};
use crate::log::Record;
use crate::traits::SpanBatch;
use crate::{Done, Task, WriteError};

/// Bytes of requests after which a group is closed.
const GROUP_BYTES: usize = 4 << 20;

/// When to come back to a disk that refuses writes: RocksDB looks every 5 seconds whether it can go on.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A request and who waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: SpanBatch,
    pub(super) answer: oneshot::Sender<Result<(), WriteError>>,
}

/// Requests that wait for the next group.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: Vec<Waiting>,
    /// Bytes of all requests that are not answered yet.
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

/// The committing thread: ends when the queue is closed and empty.
pub(super) fn run(shared: &Shared) {
    let mut record = Record::default();
    while let Some(group) = shared.next_group() {
        let bytes = group.iter().map(|waiting| waiting.batch.body.len()).sum::<usize>();
        // Who waits for an answer is then told that the outcome is unknown; the next group is committed.
        if catch_unwind(AssertUnwindSafe(|| shared.commit_group(group, &mut record))).is_err() {
            tracing::error!("failed to commit a group of requests: panicked");
            record = Record::default();
        }
        lock(&shared.queue).bytes -= bytes;
    }
}

impl Shared {
    /// Waits for requests; `None` once the queue is closed and empty.
    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.queue);
        while queue.waiting.is_empty() {
            if queue.closed {
                return None;
            }
            queue = self.queued.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = |waiting: &Waiting| {
            bytes += waiting.batch.body.len();
            bytes <= GROUP_BYTES
        };
        let count = queue.waiting.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let rest = queue.waiting.split_off(count);
        Some(std::mem::replace(&mut queue.waiting, rest))
    }

    fn commit_group(&self, group: Vec<Waiting>, record: &mut Record) {
        self.reached(Task::Commit, Done::Begun);
        let started = Instant::now();
        let received = self.clock.now_unix_nano();
        let place = self.read_state().next_record();
        let written = self.disk.has_room_for(0).and_then(|()| {
            record.clear();
            self.disk.remember(self.metrics.count(Task::Commit, self.write_log(place, received, &group, record)))
        });
        self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        self.disk.tell(&written);
        if let Err(reason) = written {
            let error = WriteError::Unavailable { reason, retry_after: RETRY_AFTER };
            group.into_iter().for_each(|waiting| _ = waiting.answer.send(Err(error.clone())));
            return;
        }
        self.reached(Task::Commit, Done::Logged);
        let append = |Waiting { batch, answer }: Waiting| {
            let appended = self.append(received, &batch.tenant, &batch.body);
            self.metrics.spans.inc_by(u64::from(batch.spans));
            // What is durable is not taken back, so this is no refusal.
            (answer, appended.map_err(|error| WriteError::Unknown(format!("not all of it could be read: {error}"))))
        };
        let answers: Vec<_> = group.into_iter().map(append).collect();
        self.end_record(place.1);
        self.reached(Task::Commit, Done::Visible);
        // A client that has gone does not need its answer.
        answers.into_iter().for_each(|(answer, appended)| _ = answer.send(appended));
        self.reached(Task::Commit, Done::Answered);
    }

    /// Makes the spans of a request visible. The lock of the state is free meanwhile, so readers get their turn.
    pub(super) fn append(&self, received: u64, tenant: &TenantId, request: &[u8]) -> Result<(), Malformed> {
        let _in_one_generation = lock(&self.appending);
        let mut part = self.write_state().growing_part(tenant);
        let added = loop {
            match part.append(request) {
                Some(added) => break added,
                None => part = self.write_state().add_part(tenant),
            }
        };
        self.write_state().note(received, &added);
        added.appended
    }

    /// Closes the growing generation. A request is in one generation, whole.
    pub(super) fn rotate(&self) {
        let _between_requests = lock(&self.appending);
        self.write_state().rotate();
    }

    /// Makes the requests durable, with an empty record.
    fn write_log(
        &self,
        (half, sequence): (LogHalf, u64),
        received: u64,
        group: &[Waiting],
        record: &mut Record,
    ) -> Result<(), String> {
        for waiting in group {
            record.push(received, &waiting.batch.tenant, &waiting.batch.body);
        }
        let record = record.encode().map_err(|error| error.to_string())?;
        self.metrics.log_bytes.inc_by(record.len() as u64);
        self.db.append_log(half, sequence, record).map_err(|error| error.to_string())
    }

    /// All requests of the record are in the head.
    fn end_record(&self, sequence: u64) {
        let full = self.write_state().end_record(sequence, self.config.head_bounds());
        if full {
            self.wake_keeper();
        }
    }
}

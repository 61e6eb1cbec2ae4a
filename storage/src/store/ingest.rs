//! Ingest: requests that wait together become one log record, with one fsync. Only then they become visible and are answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::environment::Environment;
use super::maintenance::Alarm;
use super::state::{Bounds, SharedState};
use super::{Config, MOST_REQUEST_BYTES, lock};
use crate::backend::{Backend, BackendError, LogPosition};
use crate::log::Record;
use crate::traits::SpanBatch;
use crate::{Cause, Done, Task, WriteError};

/// Bytes of requests after which a group is closed.
const GROUP_BYTES: usize = 4 << 20;

/// When to retry after the disk refused a write. The database below checks every 5 seconds whether it can go on.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A request and who waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: SpanBatch,
    pub(super) answer: oneshot::Sender<Result<(), WriteError>>,
}

/// Requests that wait for the next group.
#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Bytes of all requests that are not answered yet.
    bytes: usize,
    is_closed: bool,
}

/// How much may wait, and how much the head may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct IngestConfig {
    /// Bytes of requests that wait for the log.
    pub(super) queue_bytes: usize,
    /// What one generation of the head may hold.
    pub(super) head: Bounds,
}

impl From<&Config> for IngestConfig {
    fn from(config: &Config) -> Self {
        Self { queue_bytes: config.queue_size, head: config.head_bounds() }
    }
}

/// Accepts requests, and makes them durable and visible on a thread of its own.
#[derive(Debug)]
pub(super) struct Ingest {
    config: IngestConfig,
    backend: Arc<dyn Backend>,
    state: Arc<SharedState>,
    environment: Environment,
    /// Rung when a generation of the head is full.
    alarm: Arc<Alarm>,
    /// Guards the requests that wait.
    queue: Mutex<Queue>,
    /// Wakes the committing thread.
    queued: Condvar,
}

impl Ingest {
    pub(super) fn new(
        config: IngestConfig,
        backend: Arc<dyn Backend>,
        state: Arc<SharedState>,
        environment: Environment,
        alarm: Arc<Alarm>,
    ) -> Self {
        Self { config, backend, state, environment, alarm, queue: Mutex::default(), queued: Condvar::new() }
    }

    /// Queues a request. Refuses it when more requests wait than memory allows.
    pub(super) fn enqueue(&self, waiting: Waiting) -> Result<(), WriteError> {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            return Err(WriteError::Closed);
        }
        let bytes = waiting.batch.body.len();
        if bytes > MOST_REQUEST_BYTES {
            return Err(WriteError::Invalid(format!("{bytes} bytes are more than the store takes at once")));
        }
        let is_full = queue.bytes + bytes > self.config.queue_bytes && queue.bytes > 0;
        if is_full || self.is_head_overfull() {
            return Err(WriteError::Overloaded { retry_after: Duration::from_secs(1) });
        }
        queue.bytes += bytes;
        queue.waiting.push(waiting);
        self.queued.notify_one();
        Ok(())
    }

    /// Whether so much waits to be sealed that spans are refused.
    pub(super) fn is_head_overfull(&self) -> bool {
        self.state.read().is_overfull(self.config.head)
    }

    /// Refuses requests from now on. Those that wait are still committed.
    pub(super) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.queued.notify_all();
    }

    /// The committing thread: ends when the queue is closed and empty.
    pub(super) fn run(&self) {
        let mut record = Record::default();
        while let Some(group) = self.next_group() {
            let bytes = group.iter().map(|waiting| waiting.batch.body.len()).sum::<usize>();
            // After a panic the answers of this group say that the outcome is unknown, and the next group is committed.
            if catch_unwind(AssertUnwindSafe(|| self.commit_group(group, &mut record))).is_err() {
                tracing::error!("failed to commit a group of requests: panicked");
                record = Record::default();
            }
            lock(&self.queue).bytes -= bytes;
        }
    }

    /// Waits for requests; `None` once the queue is closed and empty.
    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.queue);
        while queue.waiting.is_empty() {
            if queue.is_closed {
                return None;
            }
            queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let count = first_group(&queue.waiting);
        let rest = queue.waiting.split_off(count);
        Some(std::mem::replace(&mut queue.waiting, rest))
    }

    fn commit_group(&self, group: Vec<Waiting>, record: &mut Record) {
        let Environment { clock, disk, metrics, .. } = &self.environment;
        self.environment.reached(Task::Commit, Done::Begun);
        let started = crate::clock::instant();
        let received = clock.now_unix_nano();
        let position = self.state.read().next_record();
        let written = disk.has_room_for(0).and_then(|()| {
            record.clear();
            disk.remember(metrics.count(Task::Commit, self.write_log(position, received, &group, record)))
        });
        metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        disk.report(&written);
        if let Err(refusal) = written {
            let error = WriteError::Unavailable { cause: Cause::new(refusal), retry_after: RETRY_AFTER };
            group.into_iter().for_each(|waiting| _ = waiting.answer.send(Err(error.clone())));
            return;
        }
        self.environment.reached(Task::Commit, Done::Logged);
        let answers: Vec<_> = group.into_iter().map(|waiting| self.make_visible(received, waiting)).collect();
        self.end_record(position.sequence);
        self.environment.reached(Task::Commit, Done::Visible);
        // A client that has gone does not need its answer.
        answers.into_iter().for_each(|(answer, appended)| _ = answer.send(appended));
        self.environment.reached(Task::Commit, Done::Answered);
    }

    /// Writes the requests to the log. `record` is empty before.
    fn write_log(
        &self,
        position: LogPosition,
        received: u64,
        group: &[Waiting],
        record: &mut Record,
    ) -> Result<(), BackendError> {
        for waiting in group {
            record.push(received, &waiting.batch.tenant, &waiting.batch.body);
        }
        let record = record.encode()?;
        self.environment.metrics.log_bytes.inc_by(record.len() as u64);
        self.backend.append(position, record)
    }

    /// Appends the spans of a durable request to the head. The request stays durable even if this fails.
    fn make_visible(&self, received: u64, Waiting { batch, answer }: Waiting) -> (Answer, Result<(), WriteError>) {
        let appended = self.state.append(received, &batch.tenant, &batch.body);
        self.environment.metrics.spans.inc_by(u64::from(batch.spans));
        (answer, appended.map_err(|error| WriteError::Unknown(Cause::new(NotAllRead(error)))))
    }

    /// All requests of the record are in the head.
    fn end_record(&self, sequence: u64) {
        let is_full = self.state.write().end_record(sequence, self.config.head);
        if is_full {
            self.alarm.ring();
        }
    }

    /// Whether every request has been answered.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.queue).bytes == 0
    }
}

type Answer = oneshot::Sender<Result<(), WriteError>>;

/// A durable request is malformed from one of its spans on.
#[derive(Debug, thiserror::Error)]
#[error("not all of it could be read: {0}")]
struct NotAllRead(#[source] hoptrail_proto::otlp::view::Malformed);

/// How many of the waiting requests go into one record: at least one.
fn first_group(waiting: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fitting = waiting.iter().take_while(|waiting| {
        bytes += waiting.batch.body.len();
        bytes <= GROUP_BYTES
    });
    fitting.count().max(1)
}

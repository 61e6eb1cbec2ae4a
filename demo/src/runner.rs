//! Lets the shop's time run with the clock: spans leave when they end, as they leave real processes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Shop;
use crate::send::{Exporter, Retry};

/// Spans of one request, as SDKs and Collectors batch by default.
const BATCH: usize = 512;
/// Requests in flight at once.
const IN_FLIGHT: usize = 8;
/// How often it looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// A server may be away that long, for an upgrade, before spans are given up.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// When asked to stop, it does not wait longer than this for a server that does not answer.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers the present moment in nanoseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Counts of what happened so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Traces begun.
    pub traces: AtomicU64,
    /// Spans that the server took.
    pub accepted: AtomicU64,
    /// Spans that the server rejected in a partial success.
    pub rejected: AtomicU64,
    /// Spans given up.
    pub lost: AtomicU64,
    /// Requests that were sent again.
    pub retries: AtomicU64,
    /// Nanoseconds since 1970 that the shop has reached.
    pub reached: AtomicU64,
    last_failure: std::sync::Mutex<Option<String>>,
}

impl Progress {
    /// What went wrong last.
    pub fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn failure(&self, reason: &impl ToString) {
        *self.last_failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reason.to_string());
    }
}

/// Sends the shop's traces until the span of time is over or `stop` is cancelled.
pub struct Runner {
    shop: Shop,
    /// Whether there is a past to catch up with, however long that takes.
    has_past: bool,
    exporter: Exporter,
    clock: Clock,
    progress: Arc<Progress>,
    pending: BinaryHeap<Reverse<Pending>>,
    batch: Vec<TraceSpan>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("exporter", &self.exporter)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// A shop whose first trace begins `backfill` before now.
    pub fn new(exporter: Exporter, clock: Clock, seed: u64, rate: f64, backfill: Duration) -> Self {
        let start = clock().saturating_sub(nanos(backfill));
        Self {
            shop: Shop::new(seed, start, rate),
            has_past: !backfill.is_zero(),
            exporter,
            clock,
            progress: Arc::default(),
            pending: BinaryHeap::new(),
            batch: Vec::new(),
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            tasks: TaskTracker::new(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Sends until `duration` is over or `stop` is cancelled, then what is left. With `None` only `stop` ends it.
    pub async fn run(mut self, duration: Option<Duration>, stop: CancellationToken) {
        let end = duration.map_or(u64::MAX, |duration| (self.clock)().saturating_add(nanos(duration)));
        while !stop.is_cancelled() {
            let now = (self.clock)();
            let all_made = self.shop.next_start() >= end || (!self.has_past && now >= end);
            if all_made && self.pending.is_empty() {
                break;
            }
            stop.run_until_cancelled(self.advance(now, end)).await;
            stop.run_until_cancelled(tokio::time::sleep(TICK)).await;
        }
        if stop.is_cancelled() {
            _ = tokio::time::timeout(STOP_TIMEOUT, self.finish()).await;
        } else {
            self.finish().await;
        }
    }

    /// Sends what has not ended in the shop as if it had, and waits for the answers.
    async fn finish(&mut self) {
        let rest = std::mem::take(&mut self.pending);
        self.batch.extend(rest.into_iter().map(|Reverse(pending)| pending.span));
        while !self.batch.is_empty() {
            self.send().await;
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Makes the traces that begin before `now` and before `end`, and sends the spans that have ended by `now`.
    async fn advance(&mut self, now: u64, end: u64) {
        while self.shop.next_start() < now.min(end) {
            self.release(self.shop.next_start()).await;
            // A server slower than the rate must not prolong the run.
            if !self.has_past && (self.clock)() >= end {
                break;
            }
            self.progress.traces.fetch_add(1, Ordering::Relaxed);
            self.progress.reached.store(self.shop.next_start(), Ordering::Relaxed);
            for span in self.shop.next_trace() {
                self.pending.push(Reverse(Pending { end: span.span.end_unix_nano, span }));
            }
        }
        self.release(now).await;
        if !self.batch.is_empty() {
            self.send().await;
        }
    }

    /// Hands over the spans that end before `time`.
    async fn release(&mut self, time: u64) {
        while self.pending.peek().is_some_and(|Reverse(next)| next.end <= time) {
            self.batch.extend(self.pending.pop().map(|Reverse(pending)| pending.span));
            if self.batch.len() >= BATCH {
                self.send().await;
            }
        }
    }

    /// Sends one request of the batch, as soon as fewer than [`IN_FLIGHT`] are in flight.
    async fn send(&mut self) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let rest = self.batch.split_off(BATCH.min(self.batch.len()));
        let mut spans = std::mem::replace(&mut self.batch, rest);
        // Spans of one process stand together, as a Collector's batches do.
        spans.sort_by_key(|span| (Arc::as_ptr(&span.resource).addr(), Arc::as_ptr(&span.scope).addr()));
        let (exporter, progress) = (self.exporter.clone(), Arc::clone(&self.progress));
        self.tasks.spawn(async move {
            let count = spans.len() as u64;
            let request = Bytes::from(otlp::encode(&spans));
            let sent = Retry { timeout: RETRY_TIMEOUT }.export(&exporter, &request, |failure| {
                progress.retries.fetch_add(1, Ordering::Relaxed);
                progress.failure(failure);
            });
            match sent.await {
                Ok(partial) => {
                    let rejected = partial.rejected_spans.min(count);
                    progress.rejected.fetch_add(rejected, Ordering::Relaxed);
                    progress.accepted.fetch_add(count - rejected, Ordering::Relaxed);
                    if !partial.message.is_empty() {
                        progress.failure(&partial.message);
                    }
                }
                Err(failure) => {
                    progress.lost.fetch_add(count, Ordering::Relaxed);
                    progress.failure(&failure);
                }
            }
            drop(permit);
        });
    }
}

/// A span that has not ended yet. The order is that of the ends.
#[derive(Debug)]
struct Pending {
    end: u64,
    span: TraceSpan,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.end == other.end
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.end.cmp(&other.end)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! Chunks of the head: rows of one tenant that grow together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::Duration;

use hoptrail_proto::otlp::view::Malformed;

use super::rollups::ChunkRollup;
use crate::rows::{Rows, SpanRow};

/// Spans of one chunk. It is small, so that a search blocks writers only shortly.
const CHUNK_SPANS: usize = 32 << 10;

/// How long a writer waits for the readers of a chunk. Then it begins a new chunk, because a slow query must not stop ingest. The writer
/// waits without the lock of the state, so that nothing else waits for it.
const APPEND_TIMEOUT: Duration = Duration::from_millis(10);

/// Rows of the head. Only the last chunk of a tenant grows.
#[derive(Debug)]
pub(crate) struct Chunk {
    rows: RwLock<Rows>,
    /// Guards what was counted of it so far.
    pub(super) rollup: Mutex<ChunkRollup>,
    /// Bounds of the starts of its spans. With them a search skips a chunk without its lock, as it skips groups.
    earliest: AtomicU64,
    latest: AtomicU64,
    /// Latest end of its spans.
    latest_end: AtomicU64,
    /// No trace in it is ordered by a later start.
    latest_order_start: AtomicU64,
}

/// The times of a chunk's spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkTimes {
    /// Starts of its earliest and latest span.
    pub(crate) starts: (u64, u64),
    /// Latest end of its spans; a span that ends before it starts counts as ending then.
    pub(crate) latest_end: u64,
    /// No trace in it is ordered by a later start.
    pub(crate) latest_order_start: u64,
}

impl Default for Chunk {
    fn default() -> Self {
        let [latest, latest_end, latest_order_start] = Default::default();
        Self {
            rows: RwLock::default(),
            rollup: Mutex::default(),
            earliest: AtomicU64::new(u64::MAX),
            latest,
            latest_end,
            latest_order_start,
        }
    }
}

/// The result of appending a request to a chunk.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) spans: usize,
    pub(crate) bytes: usize,
    /// What is wrong with the request, if anything. Spans from there on are not in the chunk.
    pub(crate) appended: Result<(), Malformed>,
}

impl Chunk {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn times(&self) -> ChunkTimes {
        ChunkTimes {
            starts: (self.earliest.load(Ordering::Acquire), self.latest.load(Ordering::Acquire)),
            latest_end: self.latest_end.load(Ordering::Acquire),
            latest_order_start: self.latest_order_start.load(Ordering::Acquire),
        }
    }

    /// Widens the times to these spans, before a query can see the spans.
    fn note_times(&self, spans: &[SpanRow]) {
        let earliest = spans.iter().map(|span| span.start).min();
        let latest = spans.iter().map(|span| span.start).max();
        self.earliest.fetch_min(earliest.unwrap_or(u64::MAX), Ordering::Release);
        self.latest.fetch_max(latest.unwrap_or(0), Ordering::Release);
        let latest_end = spans.iter().map(SpanRow::latest).max();
        self.latest_end.fetch_max(latest_end.unwrap_or(0), Ordering::Release);
        let order_starts = spans.iter().map(|span| span.extent().order_start());
        self.latest_order_start.fetch_max(order_starts.max().unwrap_or(0), Ordering::Release);
    }

    /// Appends the spans of a request; `None` when it must go to another chunk.
    pub(crate) fn append(&self, request: &[u8]) -> Option<Added> {
        let mut rows = self.write_soon()?;
        let (spans, bytes) = (rows.len(), rows.memory());
        let appended = rows.append_request(request);
        self.note_times(rows.spans.get(spans..).unwrap_or_default());
        Some(Added { spans: rows.len() - spans, bytes: rows.memory().saturating_sub(bytes), appended })
    }

    /// The rows to append to. `None` when the chunk is full, when its readers hold it too long, or when a row in it is half done.
    fn write_soon(&self) -> Option<RwLockWriteGuard<'_, Rows>> {
        let until = crate::clock::instant() + APPEND_TIMEOUT;
        loop {
            match self.rows.try_write() {
                Ok(rows) => return (rows.len() < CHUNK_SPANS).then_some(rows),
                // A writer panicked in the middle of a row, so no row may follow.
                Err(TryLockError::Poisoned(_)) => return None,
                Err(TryLockError::WouldBlock) if crate::clock::instant() < until => {
                    std::thread::sleep(APPEND_TIMEOUT / 100)
                }
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }
}

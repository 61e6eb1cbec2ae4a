//! The store on disk: a log that makes writes durable, a head that makes them visible, segments that make them cheap to keep.
//!
//! Two threads work behind it: one commits groups of waiting requests (`commit`), one seals, merges and drops (`keep`). What
//! readers see is one [`State`] behind one lock, so that no span is seen twice or not at all while it moves from head to segment.

pub(crate) mod care;
mod commit;
mod config;
mod db;
#[cfg(test)]
mod depth_tests;
mod disk;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod hostile_tests;
mod keep;
mod known_starts;
mod metrics;
mod read;
mod recover;
mod retention;
mod state;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use care::{Care, Checked, Checkpoint, Repaired, repair, verify};
pub use config::{Config, MinFree};
pub(crate) use db::Db;
pub use db::OpenError;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hoptrail_proto::model::TenantId;
use prometheus_client::registry::Registry;
use quick_cache::sync::Cache;

use crate::catalog::SegmentEntry;
use crate::rows::LONGEST;
use crate::segment::{Meta, read_meta};
use crate::traits::{SpanBatch, SpanWriter, WriteFuture};
use crate::{Clock, Done, ReadError, Step, Task, Watch, WriteError};
use commit::{Queue, Waiting};
use disk::Disk;
use metrics::Metrics;
use state::State;

/// The trace store in a data folder. Cheap to share; [`Store::close`] ends it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads and readers share.
#[derive(Debug)]
struct Shared {
    config: Config,
    clock: Arc<dyn Clock>,
    watch: Arc<dyn Watch>,
    db: Db,
    disk: Disk,
    queue: Mutex<Queue>,
    /// Wakes the committing thread.
    queued: Condvar,
    state: std::sync::RwLock<State>,
    /// Held while a request is appended to the head, so that no generation is closed in the middle of it.
    appending: Mutex<()>,
    /// Set when there is something to seal or the store closes; wakes the keeping thread.
    to_keep: Mutex<bool>,
    keep: Condvar,
    /// Segments that nobody may number again.
    next_segment: AtomicU64,
    closing: AtomicBool,
    belief: Mutex<retention::Belief>,
    /// Held while the store is put in order.
    keeping: Mutex<()>,
    /// Why the last round of that failed; none when it did not.
    keep_failed: Mutex<Option<String>>,
    /// Segments that readers may still hold but nobody finds any more.
    retired: Mutex<Vec<Arc<SegmentEntry>>>,
    /// Numbers of segments whose pages are, or may be, on the disk without being named by the catalog.
    unnamed: Mutex<BTreeSet<u64>>,
    descriptions: Cache<u64, Arc<Meta>, MetaWeight>,
    summaries: read::Summaries,
    /// Segments that are not merged: damaged, or too large together.
    unmergeable: Mutex<BTreeSet<u64>>,
    /// Damaged places that have been reported.
    damaged: Mutex<BTreeSet<String>>,
    metrics: Metrics,
}

#[derive(Debug, Clone)]
struct MetaWeight;

impl quick_cache::Weighter<u64, Arc<Meta>> for MetaWeight {
    fn weight(&self, _: &u64, meta: &Arc<Meta>) -> u64 {
        meta.memory() as u64 + 1
    }
}

/// The longest request body. With it every attribute fits a slot of the head and every record of the log can be read back.
pub const MOST_REQUEST_BYTES: usize = LONGEST;

/// Damaged places that are told apart; further ones are neither counted nor logged.
const MOST_PLACES: usize = 10_000;

/// A poisoned lock means that another thread panicked between two consistent states; the data behind it is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the data folder, reads the log back into the head, and starts the threads.
    pub fn open(
        path: &Path,
        config: &Config,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, OpenError> {
        Self::open_watched(path, config, clock, Arc::new(()), registry)
    }

    /// The same, and tells `watch` of each step.
    pub fn open_watched(
        path: &Path,
        config: &Config,
        clock: Arc<dyn Clock>,
        watch: Arc<dyn Watch>,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, OpenError> {
        let failed = |reason: String| OpenError::Failed { path: path.to_owned(), reason };
        let db = Db::open(path, config.cache_size)?;
        let shared = Arc::new(Shared::new(config, clock, watch, db, registry));
        shared.recover()?;
        shared.tell_room();
        if let Some(told) = shared.dropped_at_once() {
            tracing::warn!("{told}");
        }
        // Whoever asks first is told how much there is.
        shared.show_sizes();
        let spawn = |name: &str, run: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared))
        };
        let threads = [spawn("commit", commit::run), spawn("keep", keep::run)];
        let threads = threads.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))?;
        Ok(Arc::new(Self { shared, threads: Mutex::new(threads) }))
    }

    /// Commits what waits, stops the threads and makes everything durable. Writes after it are refused with
    /// [`WriteError::Closed`]; reads go on.
    pub fn close(&self) {
        self.shared.close();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
        if let Err(error) = self.shared.db.close() {
            tracing::error!(%error, "failed to flush the store");
        }
    }

    /// Seals everything in memory into segments now, merges what is due, and applies retention. For tests, benches and commands
    /// that need a settled store; blocks until done.
    pub fn settle(&self) -> Result<(), WriteError> {
        self.shared.settle()
    }

    /// Whether spans are taken now and whether the disk is large enough. Costs a system call or two.
    #[must_use]
    pub fn room(&self) -> Room {
        let shared = &self.shared;
        Room {
            refused: shared.disk.refuses().or_else(|| shared.is_stuck()),
            misfits: shared.disk.misfits(self.sizes().segment_bytes),
        }
    }

    /// The tenants for whom spans are stored, each with their number.
    #[must_use]
    pub fn tenants(&self) -> Vec<(TenantId, u64)> {
        self.shared.read_state().spans_of_tenants().into_iter().collect()
    }

    /// Spans and bytes in segments, and spans in memory.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let state = self.shared.read_state();
        let segments = || state.segments.values();
        Sizes {
            segments: segments().count(),
            segment_spans: segments().map(|segment| segment.spans()).sum(),
            segment_bytes: segments().map(|segment| segment.bytes).sum(),
            head_spans: state.head_spans(),
            head_bytes: state.head_bytes(),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Segments.
    pub segments: usize,
    /// Spans in segments.
    pub segment_spans: u64,
    /// Bytes of segments on disk.
    pub segment_bytes: u64,
    /// Spans that only the log and memory hold.
    pub head_spans: usize,
    /// Bytes of memory these take, about.
    pub head_bytes: usize,
}

/// Whether spans are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// Why new spans are refused until somebody makes room; none while they are taken.
    pub refused: Option<String>,
    /// What the settings ask of the disk and it does not have, a sentence for each, with the setting to change.
    pub misfits: Vec<String>,
}

impl SpanWriter for Store {
    fn write(&self, batch: SpanBatch) -> WriteFuture {
        let (answer, answered) = tokio::sync::oneshot::channel();
        match self.shared.enqueue(Waiting { batch, answer }) {
            Ok(()) => Box::pin(async move {
                answered.await.unwrap_or_else(|_| Err(WriteError::Unknown("the store ended".to_owned())))
            }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Shared {
    /// Over what is stored, which has yet to be read.
    fn new(config: &Config, clock: Arc<dyn Clock>, watch: Arc<dyn Watch>, db: Db, registry: &mut Registry) -> Self {
        Self {
            config: config.clone(),
            clock,
            watch,
            disk: Disk::new(db.path(), config),
            db,
            queue: Mutex::default(),
            queued: Condvar::new(),
            state: std::sync::RwLock::default(),
            appending: Mutex::default(),
            to_keep: Mutex::new(false),
            keep: Condvar::new(),
            next_segment: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            belief: Mutex::default(),
            keeping: Mutex::default(),
            keep_failed: Mutex::default(),
            retired: Mutex::default(),
            unnamed: Mutex::default(),
            descriptions: Cache::with_weighter(1024, config.cache_size as u64 / 4, MetaWeight),
            summaries: read::Summaries::default(),
            unmergeable: Mutex::default(),
            damaged: Mutex::default(),
            metrics: Metrics::register(registry),
        }
    }

    fn read_state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says in the log, at the start, what is wrong with the disk.
    fn tell_room(&self) {
        let own = self.read_state().segments.values().map(|segment| segment.bytes).sum();
        self.disk.misfits(own).iter().for_each(|misfit| tracing::warn!("{misfit}"));
        self.disk.tell(&self.disk.has_room_for(0));
    }

    /// Why spans are refused for as long as nothing is sealed.
    fn is_stuck(&self) -> Option<String> {
        let reason = lock(&self.keep_failed).clone()?;
        let overfull = self.read_state().is_overfull(self.config.head_bounds());
        overfull.then(|| format!("what is in memory cannot be sealed: {reason}"))
    }

    fn reached(&self, task: Task, done: Done) {
        self.watch.reached(Step(task, done));
    }

    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        lock(&self.queue).closed = true;
        self.queued.notify_all();
        *lock(&self.to_keep) = true;
        self.keep.notify_all();
    }

    /// Takes a request into the queue, unless more is waiting than memory allows.
    fn enqueue(&self, waiting: Waiting) -> Result<(), WriteError> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(WriteError::Closed);
        }
        let bytes = waiting.batch.body.len();
        if bytes > MOST_REQUEST_BYTES {
            return Err(WriteError::Invalid(format!("{bytes} bytes are more than the store takes at once")));
        }
        let full = queue.bytes + bytes > self.config.queue_size && queue.bytes > 0;
        if full || self.read_state().is_overfull(self.config.head_bounds()) {
            return Err(WriteError::Overloaded { retry_after: Duration::from_secs(1) });
        }
        queue.bytes += bytes;
        queue.waiting.push(waiting);
        self.queued.notify_one();
        Ok(())
    }

    /// Counts and logs a damaged place, once.
    fn note_damage(&self, place: &str, reason: &str) {
        let mut known = lock(&self.damaged);
        if known.len() < MOST_PLACES && known.insert(place.to_owned()) {
            self.metrics.damaged.inc();
            tracing::error!(place, reason, "stored data is damaged; the rest is served");
        }
    }

    /// The description of a segment.
    fn meta(&self, segment: u64) -> Result<Arc<Meta>, ReadError> {
        self.descriptions.get_or_insert_with(&segment, || read_meta(&self.db, segment).map(Arc::new))
    }
}

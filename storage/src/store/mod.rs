//! The store: a log that makes writes durable, a head that makes them visible, segments that make them cheap to keep.
//!
//! ```text
//!          write                                   search, trace by id, ...
//!            |                                               |
//!        [ Ingest ]                                     [ Readers ]
//!   queue, thread `commit`                         caches, damage log
//!      |            \                                  /          |
//!      |             v                                v           |
//!      |        [ SharedState ]: chunks of the head, segments     |
//!      |                           ^                              |
//!      |          [ Maintenance ]: thread `maintenance`           |
//!      |          seals, merges, drops                            |
//!      v             v                                            v
//!  ======================= backend: log, segments, catalog =======================
//! ```
//!
//! - [`Ingest`] takes requests, appends them to the log in groups, then to the head, then answers.
//! - [`Maintenance`] turns the head into segments, small segments into larger ones, and drops what is too old.
//! - [`Readers`] is all that a query needs; `read/` has the queries.
//! - [`SharedState`] is what is visible at a moment.
//! - `recover` does what a start needs, `integrity/` what `hoptrail verify` and `hoptrail repair` do.
//!
//! Only [`crate::backend`] knows where bytes are stored.

mod attribute_sizes;
mod chunk;
mod config;
mod damage;
#[cfg(test)]
mod depth_tests;
mod disk;
mod environment;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod hostile_tests;
mod ingest;
pub(crate) mod integrity;
mod maintenance;
mod metrics;
mod read;
mod readers;
mod recover;
mod rollups;
mod state;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
pub(crate) mod tests;
mod tuning;

pub use crate::backend::{Integrity, OpenError};
pub use attribute_sizes::AttributeSizes;
pub use config::{Config, MinFree};
pub use integrity::{Checked, Checkpoint, Repaired, repair, verify};
pub(crate) use tuning::Tuning;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use hoptrail_proto::model::TenantId;
use prometheus_client::registry::Registry;

use crate::backend::{self, Backend, MemoryBackend};
use crate::rows::LONGEST;
use crate::traits::{SpanBatch, SpanWriter, WriteFuture};
use crate::{Cause, Clock, Watch, WriteError};
use attribute_sizes::KnownSizes;
use damage::DamageLog;
use disk::{Disk, DiskConfig};
use environment::Environment;
use ingest::{Ingest, IngestConfig, Waiting};
use maintenance::{Alarm, Maintenance, MaintenanceConfig};
use metrics::Metrics;
use read::Workers;
use readers::{CacheConfig, ReadCaches, Readers};
use recover::Recovery;
use rollups::RollupRules;
use state::SharedState;

/// The longest request body. With it every attribute fits a slot of the head and every record of the log can be read back.
pub const MOST_REQUEST_BYTES: usize = LONGEST;

/// The trace store. Cheap to share; [`Store::close`] ends it.
#[derive(Debug)]
pub struct Store {
    readers: Readers,
    ingest: Arc<Ingest>,
    maintenance: Arc<Maintenance>,
    environment: Environment,
    attribute_sizes: KnownSizes,
    /// Guards the threads that still run.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Locks, even when the lock is poisoned: a thread that panicked left the data in a consistent state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that opening a store needs, except its back end.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) tuning: Tuning,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watch: Arc<dyn Watch>,
}

impl Setup {
    /// A setup without a watcher of steps.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self { config: config.clone(), tuning: Tuning::default(), clock, watch: Arc::new(()) }
    }
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

    /// The same, and calls `watch` at each step.
    pub fn open_watched(
        path: &Path,
        config: &Config,
        clock: Arc<dyn Clock>,
        watch: Arc<dyn Watch>,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, OpenError> {
        let backend = backend::open(path, config.cache_size)?;
        Self::over(backend, &Setup { watch, ..Setup::new(config, clock) }, registry)
    }

    /// A store without a disk: everything is in memory and ends with the process.
    pub fn in_memory(config: &Config, clock: Arc<dyn Clock>, registry: &mut Registry) -> Result<Arc<Self>, OpenError> {
        Self::over(Arc::<MemoryBackend>::default(), &Setup::new(config, clock), registry)
    }

    /// Opens a store over a back end.
    pub(crate) fn over(
        backend: Arc<dyn Backend>,
        setup: &Setup,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, OpenError> {
        let store = Self::prepare(backend, setup, registry)?;
        store.log_disk();
        if let Some(dropped) = store.maintenance.dropped_at_once() {
            tracing::warn!("{dropped}");
        }
        // So that the first scrape already has the sizes.
        store.maintenance.show_sizes();
        store.start().map_err(|error| OpenError::failed(store.path(), error))?;
        Ok(Arc::new(store))
    }

    /// Reads what is stored. No thread runs yet.
    fn prepare(backend: Arc<dyn Backend>, setup: &Setup, registry: &mut Registry) -> Result<Self, OpenError> {
        let Setup { config, tuning, clock, watch } = setup;
        let metrics = Metrics::register(registry);
        let disk = Arc::new(Disk::new(backend.path(), DiskConfig::from(config)));
        let damage = Arc::new(DamageLog::new(metrics.damaged.clone()));
        let environment = Environment { clock: Arc::clone(clock), watch: Arc::clone(watch), disk, metrics };
        let (state, caches) = (Arc::<SharedState>::default(), Arc::new(ReadCaches::new(CacheConfig::from(config))));
        let workers = Arc::new(Workers::for_this_machine(tuning.parallel_after));
        let rollups = Arc::new(RollupRules::from(config));
        let readers =
            Readers { backend: Arc::clone(&backend), state, caches, damage, workers, tuning: *tuning, rollups };
        let recovered = Recovery { readers: &readers, environment: &environment }.run()?;
        let (alarm, state) = (Arc::<Alarm>::default(), Arc::clone(&readers.state));
        let ingest = Ingest::new(IngestConfig::from(config), backend, state, environment.clone(), Arc::clone(&alarm));
        let maintenance = Maintenance::new(
            MaintenanceConfig::from(config),
            readers.clone(),
            environment.clone(),
            alarm,
            recovered.next_segment,
        );
        let (ingest, maintenance) = (Arc::new(ingest), Arc::new(maintenance));
        let (attribute_sizes, threads) = (KnownSizes::default(), Mutex::default());
        Ok(Self { readers, ingest, maintenance, environment, attribute_sizes, threads })
    }

    fn start(&self) -> std::io::Result<()> {
        let (ingest, maintenance) = (Arc::clone(&self.ingest), Arc::clone(&self.maintenance));
        let mut threads = lock(&self.threads);
        threads.push(std::thread::Builder::new().name("commit".to_owned()).spawn(move || ingest.run())?);
        threads.push(std::thread::Builder::new().name("maintenance".to_owned()).spawn(move || maintenance.run())?);
        Ok(())
    }

    /// The data folder; empty when there is none.
    fn path(&self) -> &Path {
        self.readers.backend.path().unwrap_or(Path::new(""))
    }

    /// Commits the waiting requests, stops the threads and makes everything durable. Later writes are refused with [`WriteError::Closed`];
    /// reads go on.
    pub fn close(&self) {
        self.maintenance.alarm.close();
        self.ingest.close();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
        if let Err(error) = self.readers.backend.close() {
            tracing::error!(%error, "failed to flush the store");
        }
    }

    /// Seals everything in memory into segments now, merges what is due, and applies retention. For tests, benches and commands
    /// that need a settled store; blocks until done.
    pub fn settle(&self) -> Result<(), WriteError> {
        self.maintenance.settle()
    }

    /// Whether spans are accepted now, and whether the disk is large enough. It costs one or two system calls.
    #[must_use]
    pub fn room(&self) -> Room {
        let disk = &self.environment.disk;
        let refused = disk.refuses().map(|refusal| refusal.to_string());
        let misfits = disk.misfits(self.sizes().segment_bytes);
        Room { refused: refused.or_else(|| self.is_stuck()), misfits, disk: disk.space() }
    }

    /// Why spans are refused until something is sealed.
    fn is_stuck(&self) -> Option<String> {
        let reason = self.maintenance.failure()?;
        self.ingest.is_head_overfull().then(|| format!("what is in memory cannot be sealed: {reason}"))
    }

    /// Says in the log, at the start, what is wrong with the disk.
    fn log_disk(&self) {
        let disk = &self.environment.disk;
        disk.misfits(self.sizes().segment_bytes).iter().for_each(|misfit| tracing::warn!("{misfit}"));
        disk.report(&disk.has_room_for(0));
    }

    /// The tenants that have spans, each with the number of its spans.
    #[must_use]
    pub fn tenants(&self) -> Vec<(TenantId, u64)> {
        self.readers.read_state().spans_of_tenants().into_iter().collect()
    }

    /// Spans and bytes in segments, and spans in memory.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let state = self.readers.read_state();
        Sizes {
            segments: state.segments.len(),
            segment_spans: state.segments.values().map(|segment| segment.spans()).sum(),
            segment_bytes: state.segments.values().map(|segment| segment.bytes).sum(),
            rollups: state.rollups.len(),
            rollup_bytes: state.rollups.values().map(|rollup| rollup.bytes).sum(),
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
    /// Rollups.
    pub rollups: usize,
    /// Bytes of rollups on disk.
    pub rollup_bytes: u64,
    /// Spans in memory, which no segment has yet.
    pub head_spans: usize,
    /// Bytes of memory of these, about.
    pub head_bytes: usize,
}

/// Whether spans are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// Why new spans are refused; `None` while they are accepted.
    pub refused: Option<String>,
    /// Each setting that the disk is too small for, as a sentence with the setting to change.
    pub misfits: Vec<String>,
    /// The disk, when the file system tells.
    pub disk: Option<DiskSpace>,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Free for the process.
    pub free: u64,
    /// With less free, spans are refused (`storage.min_free`).
    pub least: u64,
}

impl SpanWriter for Store {
    fn write(&self, batch: SpanBatch) -> WriteFuture {
        let (answer, answered) = tokio::sync::oneshot::channel();
        match self.ingest.enqueue(Waiting { batch, answer }) {
            Ok(()) => Box::pin(async move {
                answered.await.unwrap_or_else(|_| Err(WriteError::Unknown(Cause::new("the store ended"))))
            }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

//! Maintenance: seals the head into segments, merges small segments, drops old ones. One thread does it, round after round.

mod alarm;
mod clock_guard;
mod merge;
mod publish;
mod retention;
mod rollups;
mod seal;
mod start_hints;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::environment::Environment;
use super::readers::Readers;
use super::state::Bounds;
use super::{Config, lock};
use crate::backend::BackendError;
use crate::segment::{MergeError, TooLarge, WriteSegmentError};
use crate::{Cause, ReadError, Task, WriteError};
pub(super) use alarm::Alarm;
use clock_guard::ClockGuard;
use publish::Retired;

/// How often the thread looks for something to do when nobody wakes it.
const TICK: Duration = Duration::from_secs(1);

/// Less memory would end groups of a merge early: groups that are merged take about 2 MiB each when decoded.
const LEAST_MERGE_MEMORY: usize = 16 << 20;

/// When to seal, what to merge, what to keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaintenanceConfig {
    /// What one generation of the head may hold.
    pub(super) head: Bounds,
    /// Time after which spans are sealed even when they are few.
    pub(super) seal_after: Duration,
    /// Spans up to which small segments are merged.
    pub(super) merge_spans: u64,
    /// Bytes of segments that are merged at once.
    pub(super) merge_bytes: u64,
    /// Memory for groups that a merge has decoded.
    pub(super) merge_memory: usize,
    /// How long spans are kept; zero keeps them for ever.
    pub(super) retention: Duration,
    /// Bytes of segments to keep; `None` without a bound.
    pub(super) retention_bytes: Option<u64>,
    /// How long rollups are kept; zero keeps them for ever.
    pub(super) rollup_retention: Duration,
}

impl From<&Config> for MaintenanceConfig {
    fn from(config: &Config) -> Self {
        Self {
            head: config.head_bounds(),
            seal_after: config.seal_after,
            merge_spans: config.merge_spans as u64,
            merge_bytes: config.merge_bytes(),
            merge_memory: config.head_size.saturating_mul(2).max(LEAST_MERGE_MEMORY),
            retention: config.retention,
            retention_bytes: config.retention_bytes(),
            rollup_retention: config.rollup_retention,
        }
    }
}

/// Keeps the store in order.
#[derive(Debug)]
pub(super) struct Maintenance {
    config: MaintenanceConfig,
    readers: Readers,
    environment: Environment,
    /// Wakes the thread, and ends it.
    pub(super) alarm: Arc<Alarm>,
    /// The id of the next segment. An id is not used twice.
    next_segment: AtomicU64,
    /// Held for a round: segments come and go only then.
    running: Mutex<()>,
    /// Guards the error of the last round, if it failed.
    failed: Mutex<Option<String>>,
    /// Guards what is known of the clock.
    clock_guard: Mutex<ClockGuard>,
    /// The same for rollups.
    rollup_clock: Mutex<ClockGuard>,
    /// Guards the segments that no new query finds but running queries may still read.
    retired: Mutex<Vec<(u64, Retired)>>,
    /// Guards the segments that the catalog does not name but whose pages may exist.
    unnamed: Mutex<BTreeSet<u64>>,
    /// Guards the segments that are never merged, because they are damaged or too large together.
    unmergeable: Mutex<BTreeSet<u64>>,
}

impl Maintenance {
    pub(super) fn new(
        config: MaintenanceConfig,
        readers: Readers,
        environment: Environment,
        alarm: Arc<Alarm>,
        next_segment: u64,
    ) -> Self {
        Self {
            config,
            readers,
            environment,
            alarm,
            next_segment: AtomicU64::new(next_segment),
            running: Mutex::default(),
            failed: Mutex::default(),
            clock_guard: Mutex::default(),
            rollup_clock: Mutex::default(),
            retired: Mutex::default(),
            unnamed: Mutex::default(),
            unmergeable: Mutex::default(),
        }
    }

    /// The maintenance thread: ends when the store does.
    pub(super) fn run(&self) {
        while !self.alarm.is_closing() {
            // A panic over one segment must not end the sealing of all others.
            let failed = match catch_unwind(AssertUnwindSafe(|| self.run_round())) {
                Ok(done) => done.err().map(|error| error.to_string()),
                Err(_) => Some("panicked".to_owned()),
            };
            if let Some(error) = failed {
                tracing::error!(error, "failed to keep the store in order; trying again");
                std::thread::park_timeout(TICK);
            }
            self.alarm.wait(TICK);
        }
    }

    /// Seals everything, also the growing generation, and then does a whole round.
    pub(super) fn settle(&self) -> Result<(), WriteError> {
        self.readers.state.rotate();
        self.run_round().map_err(|error| WriteError::Unknown(Cause::new(error)))
    }

    /// One round of maintenance.
    pub(super) fn run_round(&self) -> Result<(), MaintenanceError> {
        let _alone = self.pause();
        let done = self.run_tasks();
        *lock(&self.failed) = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// Waits for the running round. While the returned guard is held, no segment comes or goes.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        lock(&self.running)
    }

    /// Why the last round failed; none when it did not.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    fn run_tasks(&self) -> Result<(), MaintenanceError> {
        let Environment { metrics, .. } = &self.environment;
        self.rotate_old();
        while let Some(generation) = self.next_to_seal() {
            metrics.count(Task::Seal, self.seal(generation))?;
        }
        // Dropping comes before merging, so that segments that go are not merged first.
        metrics.count(Task::Drop, self.drop_old())?;
        while let Some(run) = self.next_to_merge() {
            metrics.count(Task::Merge, self.merge(&run))?;
        }
        metrics.count(Task::Merge, self.keep_rollups())?;
        self.delete_retired();
        self.show_sizes();
        Ok(())
    }

    /// Sets the gauges.
    pub(super) fn show_sizes(&self) {
        let state = self.readers.read_state();
        let segments = &state.segments;
        let Environment { metrics, .. } = &self.environment;
        set(&metrics.segments, segments.len() as u64);
        set(&metrics.segment_spans, segments.values().map(|segment| segment.spans()).sum());
        set(&metrics.segment_bytes, segments.values().map(|segment| segment.bytes).sum());
        set(&metrics.rollups, state.rollups.len() as u64);
        set(&metrics.rollup_bytes, state.rollups.values().map(|rollup| rollup.bytes).sum());
        set(&metrics.head_spans, state.head_spans() as u64);
        set(&metrics.head_bytes, state.head_bytes() as u64);
        set(&metrics.memory, self.readers.backend.memory());
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Why a round failed; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaintenanceError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A segment that is to be merged cannot be read.
    #[error("segment {segment} cannot be read")]
    Segment { segment: u64, source: ReadError },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl From<WriteSegmentError<BackendError>> for MaintenanceError {
    fn from(error: WriteSegmentError<BackendError>) -> Self {
        match error {
            WriteSegmentError::TooLarge(error) => Self::TooLarge(error),
            WriteSegmentError::Sink(error) => Self::Backend(error),
        }
    }
}

impl From<MergeError<BackendError>> for MaintenanceError {
    fn from(error: MergeError<BackendError>) -> Self {
        match error {
            MergeError::Read { segment, source } => Self::Segment { segment, source },
            MergeError::Write(error) => error.into(),
        }
    }
}

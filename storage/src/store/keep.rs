//! The keeping thread: seals the head into segments, merges small segments, drops old ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp;

use super::db::DbError;
use super::state::{Generation, Part};
use super::{Shared, lock};
use crate::catalog::SegmentEntry;
use crate::rows::Rows;
use crate::scan::{Projection, RowGroup};
use crate::segment::{SegmentGroup, encode};
use crate::{ReadError, WriteError};

/// How often the thread looks for something to do when nobody wakes it.
const TICK: Duration = Duration::from_secs(1);
/// Segments of about one size that are merged at once.
const RUN: usize = 4;

pub(super) fn run(shared: &Shared) {
    loop {
        if shared.is_closing() {
            return;
        }
        if let Err(error) = shared.keep_once() {
            tracing::error!(%error, "failed to keep the store in order; trying again");
            std::thread::park_timeout(TICK);
        }
        let mut due = lock(&shared.to_keep);
        if !*due {
            due = shared.keep.wait_timeout(due, TICK).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        *due = false;
    }
}

impl Shared {
    pub(super) fn wake_keeper(&self) {
        *lock(&self.to_keep) = true;
        self.keep.notify_one();
    }

    /// Whether the store ends: what waits can wait for the next start.
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Seals everything, also what still grows.
    pub(super) fn settle(&self) -> Result<(), WriteError> {
        self.write_state().rotate();
        self.keep_once().map_err(|error| WriteError::Unknown(error.to_string()))
    }

    /// One round of everything there is to do.
    pub(super) fn keep_once(&self) -> Result<(), KeepError> {
        let _alone = lock(&self.keeping);
        self.rotate_old();
        while let Some(generation) = self.oldest_closed().filter(|_| !self.is_closing()) {
            self.seal(generation)?;
        }
        while let Some(run) = self.mergeable().filter(|_| !self.is_closing()) {
            self.merge(&run)?;
        }
        self.drop_old()?;
        self.drop_retired()?;
        self.show_sizes();
        Ok(())
    }

    fn oldest_closed(&self) -> Option<Generation> {
        self.read_state().oldest_closed()
    }

    /// Closes a generation that has been open long enough, or is full.
    fn rotate_old(&self) {
        let since = self.read_state().growing_since();
        let age = since.map(|first| self.clock.now_unix_nano().saturating_sub(first));
        let old = age.is_some_and(|age| age / 1_000_000_000 >= self.config.seal_after_seconds);
        // A log read back after a crash may fill the head before anything is committed.
        if old || self.read_state().is_full(self.config.head_bounds()) {
            self.write_state().rotate();
        }
    }

    /// Pages first, then in one step the catalog entries and the end of the log.
    fn seal(&self, generation: Generation) -> Result<(), KeepError> {
        let started = Instant::now();
        let received = generation.received.unwrap_or_default();
        let mut entries = Vec::new();
        for (tenant, parts) in &generation.tenants {
            let guards: Vec<_> = parts.iter().map(|part: &Arc<Part>| part.read()).collect();
            let parts: Vec<&Rows> = guards.iter().map(|guard| &**guard).collect();
            match self.store(tenant, received, &parts) {
                Ok(entry) => entries.push(entry),
                Err(error) => return Err(self.take_back(&entries, error)),
            }
        }
        if let Err(error) = self.enter(&entries, &[], Some(generation.log_end)) {
            return Err(self.take_back(&entries, error));
        }
        self.write_state().replace_oldest(entries);
        drop(generation);
        self.db.release_log()?;
        self.metrics.seal_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Makes segments valid, in one step with the end of what they replace.
    fn enter(&self, new: &[SegmentEntry], old: &[u64], log_end: Option<u64>) -> Result<(), KeepError> {
        let add: Vec<_> = new.iter().map(|entry| (entry.id, entry.encode())).collect();
        Ok(self.db.commit(&add, old, log_end)?)
    }

    /// Lets the pages go of segments that did not become valid: the next try writes them again.
    fn take_back(&self, entries: &[SegmentEntry], cause: KeepError) -> KeepError {
        for entry in entries {
            if let Err(error) = self.db.drop_pages(entry.id) {
                tracing::warn!(segment = entry.id, %error, "unused pages stay until the next start");
            }
        }
        cause
    }

    /// Writes the pages of a new segment, which nobody sees yet.
    pub(super) fn store(
        &self,
        tenant: &TenantId,
        received: (u64, u64),
        parts: &[&Rows],
    ) -> Result<SegmentEntry, KeepError> {
        let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
        let built = encode(parts);
        let bytes = self.db.ingest(id, &built)?;
        Ok(SegmentEntry { id, tenant: tenant.clone(), bytes, received, traces: built.traces, groups: built.groups })
    }

    /// The oldest neighbours of one tenant that are small and of about one size.
    fn mergeable(&self) -> Option<Vec<Arc<SegmentEntry>>> {
        let state = self.read_state();
        let mut tenants: Vec<&TenantId> = state.segments.values().map(|segment| &segment.tenant).collect();
        tenants.sort();
        tenants.dedup();
        let most = self.config.merge_spans as u64;
        for tenant in tenants {
            let segments: Vec<_> = state.segments.values().filter(|segment| segment.tenant == *tenant).collect();
            let good = |run: &&[&Arc<SegmentEntry>]| {
                let sizes = || run.iter().map(|segment| segment.spans());
                let (least, most_of_run) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
                let bytes: u64 = run.iter().map(|segment| segment.bytes).sum();
                sizes().sum::<u64>() <= most / 2
                    && bytes <= self.config.merge_bytes()
                    && most_of_run <= 4 * least.max(1024)
            };
            if let Some(run) = segments.windows(RUN).find(good) {
                return Some(run.iter().map(|segment| Arc::clone(segment)).collect());
            }
        }
        None
    }

    /// One segment of several: spans of a trace meet, exact duplicates collapse.
    fn merge(&self, run: &[Arc<SegmentEntry>]) -> Result<(), KeepError> {
        let Some(first) = run.first() else { return Ok(()) };
        let received = run
            .iter()
            .fold(first.received, |all, segment| (all.0.min(segment.received.0), all.1.max(segment.received.1)));
        let parts = run.iter().map(|segment| self.read_back(segment)).collect::<Result<Vec<_>, _>>()?;
        let entry = self.store(&first.tenant, received, &parts.iter().collect::<Vec<_>>())?;
        let old: Vec<u64> = run.iter().map(|segment| segment.id).collect();
        self.swap(Some(entry), &old)?;
        self.metrics.merges.inc();
        Ok(())
    }

    /// The rows of a segment.
    fn read_back(&self, segment: &SegmentEntry) -> Result<Rows, KeepError> {
        let meta = self.meta(segment.id)?;
        let mut rows = Rows::default();
        for number in 0..segment.groups.len() {
            let group = SegmentGroup::open(&self.db, segment.id, Arc::clone(&meta), number as u16)?;
            for trace in group.each_trace()? {
                let spans = group.spans(&trace, Projection::Whole)?;
                let appended = rows.append_request(&otlp::encode(&spans));
                appended.map_err(|error| KeepError::Read(ReadError::Storage(error.to_string())))?;
            }
        }
        Ok(rows)
    }

    /// Puts a segment in the place of others, for readers and on disk, then lets their files go.
    fn swap(&self, new: Option<SegmentEntry>, old: &[u64]) -> Result<(), KeepError> {
        if let Err(error) = self.enter(new.as_slice(), old, None) {
            return Err(self.take_back(new.as_slice(), error));
        }
        let mut state = self.write_state();
        let removed: Vec<_> = old.iter().filter_map(|id| state.segments.remove(id)).collect();
        state.segments.extend(new.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        drop(state);
        lock(&self.retired).extend(removed);
        self.drop_retired()
    }

    /// Deletes the pages of retired segments that no query reads any more. After a crash the next start does it.
    fn drop_retired(&self) -> Result<(), KeepError> {
        let mut retired = lock(&self.retired);
        let (free, busy) = retired.drain(..).partition(|segment| Arc::strong_count(segment) == 1);
        *retired = busy;
        drop(retired);
        let free: Vec<Arc<SegmentEntry>> = free;
        for segment in free {
            self.descriptions.remove(&segment.id);
            self.db.drop_pages(segment.id)?;
        }
        Ok(())
    }

    /// Drops segments that are too old or too many.
    fn drop_old(&self) -> Result<(), KeepError> {
        let keep = self.config.retention_hours.saturating_mul(3_600_000_000_000);
        let oldest = if keep == 0 { 0 } else { self.clock.now_unix_nano().saturating_sub(keep) };
        let most = if self.config.retention_mb == 0 { u64::MAX } else { self.config.retention_mb << 20 };
        let mut old = Vec::new();
        {
            let state = self.read_state();
            let mut bytes: u64 = state.segments.values().map(|segment| segment.bytes).sum();
            let mut by_age: Vec<_> = state.segments.values().collect();
            by_age.sort_by_key(|segment| (segment.received.1, segment.id));
            for segment in by_age {
                if segment.received.1 < oldest || bytes > most {
                    bytes -= segment.bytes;
                    old.push(segment.id);
                }
            }
        }
        if !old.is_empty() {
            self.swap(None, &old)?;
            self.metrics.dropped_segments.inc_by(old.len() as u64);
        }
        Ok(())
    }

    fn show_sizes(&self) {
        let state = self.read_state();
        let sum = |of: fn(&SegmentEntry) -> u64| state.segments.values().map(|segment| of(segment)).sum::<u64>() as i64;
        self.metrics.segments.set(state.segments.len() as i64);
        self.metrics.segment_spans.set(sum(SegmentEntry::spans));
        self.metrics.segment_bytes.set(sum(|segment| segment.bytes));
        self.metrics.head_spans.set(state.head_spans() as i64);
        self.metrics.head_bytes.set(state.head_bytes() as i64);
        self.metrics.memory.set(self.db.memory() as i64);
    }
}

/// Why keeping failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

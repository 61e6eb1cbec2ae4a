//! The keeping thread: seals the head into segments, merges small segments, drops old ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hoptrail_proto::model::TenantId;

use super::db::DbError;
use super::state::{Generation, Part};
use super::{Shared, lock};
use crate::catalog::{SegmentEntry, about};
use crate::rows::{Rows, TableKind};
use crate::segment::{self, ABOUT, Built, PageSource, SegmentGroup, TooLarge, encode_in_groups, nothing_lost};
use crate::{Done, ReadError, Task, WriteError};

/// How often the thread looks for something to do when nobody wakes it.
const TICK: Duration = Duration::from_secs(1);
/// Segments of about one size that are merged at once.
const RUN: usize = 4;
/// Spans after which a group is closed. Tests have segments of several groups.
const GROUP_SPANS: usize = if cfg!(test) { 16 } else { segment::GROUP_SPANS };

pub(super) fn run(shared: &Shared) {
    loop {
        if shared.is_closing() {
            return;
        }
        // A panic over one segment must not end the sealing of all others.
        let failed = match catch_unwind(AssertUnwindSafe(|| shared.keep_once())) {
            Ok(kept) => kept.err().map(|error| error.to_string()),
            Err(_) => Some("panicked".to_owned()),
        };
        if let Some(error) = failed {
            tracing::error!(error, "failed to keep the store in order; trying again");
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
        self.rotate();
        self.keep_once().map_err(|error| WriteError::Unknown(error.to_string()))
    }

    /// One round of everything there is to do.
    pub(super) fn keep_once(&self) -> Result<(), KeepError> {
        let _alone = lock(&self.keeping);
        let kept = self.keep_all();
        *lock(&self.keep_failed) = kept.as_ref().err().map(ToString::to_string);
        kept
    }

    fn keep_all(&self) -> Result<(), KeepError> {
        self.rotate_old();
        while let Some(generation) = self.oldest_closed().filter(|_| !self.is_closing()) {
            self.metrics.count(Task::Seal, self.seal(generation))?;
        }
        // What goes need not be merged first, and merging does not decide what goes.
        self.metrics.count(Task::Drop, self.drop_old())?;
        while let Some(run) = self.mergeable().filter(|run| !self.is_closing() && self.has_room_to_merge(run)) {
            self.metrics.count(Task::Merge, self.merge(&run))?;
        }
        self.drop_retired();
        self.show_sizes();
        Ok(())
    }

    fn oldest_closed(&self) -> Option<Generation> {
        self.read_state().oldest_closed()
    }

    /// Closes a generation that has been open long enough, or is full.
    fn rotate_old(&self) {
        let since = self.read_state().growing_since();
        // Also when the clock was set back: nothing may wait for years to be sealed.
        let age = since.map(|first| self.clock.now_unix_nano().abs_diff(first));
        let old = age.is_some_and(|age| u128::from(age) >= self.config.seal_after.as_nanos());
        // A log read back after a crash may fill the head before anything is committed.
        if old || self.read_state().is_full(self.config.head_bounds()) {
            self.rotate();
        }
    }

    /// Pages first, then in one step the catalog entries and the end of the log.
    fn seal(&self, generation: Generation) -> Result<(), KeepError> {
        let started = Instant::now();
        self.reached(Task::Seal, Done::Begun);
        let received = generation.received.unwrap_or_default();
        let mut entries = Vec::new();
        for (tenant, parts) in &generation.tenants {
            let guards: Vec<_> = parts.iter().map(|part: &Arc<Part>| part.read()).collect();
            let parts: Vec<&Rows> = guards.iter().map(|guard| &**guard).collect();
            entries.push(self.store(Task::Seal, tenant, received, &parts)?);
        }
        self.enter(Task::Seal, &entries, &[], Some(generation.log_end))?;
        let new: Vec<u64> = entries.iter().map(|entry| entry.id).collect();
        self.write_state().replace_oldest(entries);
        new.into_iter().for_each(|segment| self.warm_up(segment));
        self.reached(Task::Seal, Done::Swapped);
        let half = generation.half;
        drop(generation);
        self.db.release_log(half)?;
        self.reached(Task::Seal, Done::Released);
        self.metrics.seal_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Reads the description of a new segment, so that the first query does not wait for it (about 1 ms). Whether it can be read is
    /// for queries to tell.
    fn warm_up(&self, segment: u64) {
        if let Ok(meta) = self.meta(segment) {
            _ = self.db.shapes(segment, TableKind::Span, &meta);
        }
    }

    /// Makes segments valid, in one step with the end of what they replace.
    fn enter(&self, task: Task, new: &[SegmentEntry], old: &[u64], log_end: Option<u64>) -> Result<(), KeepError> {
        let add: Vec<_> = new.iter().map(|entry| (entry.id, entry.encode())).collect();
        self.db.commit(&add, old, log_end)?;
        let mut unnamed = lock(&self.unnamed);
        new.iter().for_each(|entry| _ = unnamed.remove(&entry.id));
        // Pages of tries that failed go only now: a failed write may lie in RocksDB's own log all the same, and a crash would then
        // bring it to light with the names of these pages.
        unnamed.retain(|segment| !self.delete(*segment));
        drop(unnamed);
        self.reached(task, Done::Entered);
        Ok(())
    }

    /// Writes the pages of a new segment, which nobody sees yet.
    pub(super) fn store(
        &self,
        task: Task,
        tenant: &TenantId,
        received: (u64, u64),
        parts: &[&Rows],
    ) -> Result<SegmentEntry, KeepError> {
        let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
        let mut built = encode_in_groups(parts, GROUP_SPANS, &self.known_starts(tenant, parts))?;
        built.pages.insert(ABOUT, about(tenant, received));
        let bytes = self.db.stage(id, &built)?;
        self.reached(task, Done::Staged);
        lock(&self.unnamed).insert(id);
        self.db.ingest(id)?;
        self.reached(task, Done::Ingested);
        let (tenant, Built { traces, groups, names, .. }) = (tenant.clone(), built);
        Ok(SegmentEntry { id, tenant, bytes, received, traces, groups, names })
    }

    /// The oldest neighbours of one tenant that are small and of about one size.
    fn mergeable(&self) -> Option<Vec<Arc<SegmentEntry>>> {
        let state = self.read_state();
        let mut tenants: Vec<&TenantId> = state.segments.values().map(|segment| &segment.tenant).collect();
        tenants.sort();
        tenants.dedup();
        let most = self.config.merge_spans as u64;
        let damaged = lock(&self.unmergeable);
        for tenant in tenants {
            let whole = |segment: &&Arc<SegmentEntry>| segment.tenant == *tenant && !damaged.contains(&segment.id);
            let mut segments: Vec<_> = state.segments.values().filter(whole).collect();
            // Not by number: a merged segment has a later one than those that were sealed meanwhile.
            segments.sort_by_key(|segment| (segment.received, segment.id));
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

    /// Old and new pages are on the disk together for a while.
    fn has_room_to_merge(&self, run: &[Arc<SegmentEntry>]) -> bool {
        self.disk.has_room_for(run.iter().map(|segment| segment.bytes).sum()).is_ok()
    }

    /// One segment of several: spans of a trace meet, exact duplicates collapse.
    fn merge(&self, run: &[Arc<SegmentEntry>]) -> Result<(), KeepError> {
        let Some(first) = run.first() else { return Ok(()) };
        self.reached(Task::Merge, Done::Begun);
        let received = run
            .iter()
            .fold(first.received, |all, segment| (all.0.min(segment.received.0), all.1.max(segment.received.1)));
        let mut parts = Vec::with_capacity(run.len());
        for segment in run {
            match self.read_back(segment) {
                // It stays as it is, and the others are merged without it.
                Err(KeepError::Read(ReadError::Corrupt { place, reason })) => {
                    self.note_damage(&place, &reason);
                    lock(&self.unmergeable).insert(segment.id);
                    return Ok(());
                }
                rows => parts.push(rows?),
            }
        }
        let entry = match self.store(Task::Merge, &first.tenant, received, &parts.iter().collect::<Vec<_>>()) {
            // They stay as they are.
            Err(KeepError::TooLarge(error)) => {
                tracing::warn!(%error, "segments are too large to be merged");
                lock(&self.unmergeable).extend(run.iter().map(|segment| segment.id));
                return Ok(());
            }
            entry => entry?,
        };
        let old: Vec<u64> = run.iter().map(|segment| segment.id).collect();
        self.swap(Task::Merge, Some(entry), &old)?;
        self.metrics.merges.inc();
        Ok(())
    }

    /// The rows of a segment.
    fn read_back(&self, segment: &SegmentEntry) -> Result<Rows, KeepError> {
        let meta = self.meta(segment.id)?;
        let mut rows = Rows::default();
        for number in 0..segment.groups.len() {
            let group = SegmentGroup::open(&self.db, segment.id, Arc::clone(&meta), number as u16)?;
            group.append_to(&mut rows, &mut nothing_lost)?;
        }
        Ok(rows)
    }

    /// Puts a segment in the place of others, for readers and on disk, then lets their files go.
    pub(super) fn swap(&self, task: Task, new: Option<SegmentEntry>, old: &[u64]) -> Result<(), KeepError> {
        self.enter(task, new.as_slice(), old, None)?;
        let mut state = self.write_state();
        let removed: Vec<_> = old.iter().filter_map(|id| state.segments.remove(id)).collect();
        state.segments.extend(new.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        drop(state);
        self.reached(task, Done::Swapped);
        lock(&self.retired).extend(removed);
        self.drop_retired();
        self.reached(task, Done::Deleted);
        Ok(())
    }

    /// Deletes the pages of retired segments that no query reads any more. After a crash the next start does it.
    fn drop_retired(&self) {
        lock(&self.retired).retain(|segment| Arc::strong_count(segment) > 1 || !self.delete(segment.id));
    }

    /// Whether the pages of a segment are gone.
    fn delete(&self, segment: u64) -> bool {
        self.descriptions.remove(&segment);
        let deleted = self.db.drop_pages(segment);
        if let Err(error) = &deleted {
            tracing::warn!(segment, %error, "failed to delete pages that nobody needs; trying again");
        }
        deleted.is_ok()
    }

    pub(super) fn show_sizes(&self) {
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
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

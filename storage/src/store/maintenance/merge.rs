//! Merging: small neighbours become one segment.

use std::collections::BTreeSet;
use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::{Maintenance, MaintenanceConfig, MaintenanceError};
use crate::catalog::SegmentEntry;
use crate::rows::Rows;
use crate::segment::{META, SegmentGroup, nothing_lost};
use crate::store::lock;
use crate::store::state::State;
use crate::{Done, ReadError, Task};

/// Segments of about one size that are merged at once.
const RUN: usize = 4;
/// Segments are of about one size when none has so many times the spans of another.
const ABOUT_ONE_SIZE: u64 = 4;
/// Segments of fewer spans count as if they had so many.
const LEAST_SPANS: u64 = 1024;

impl Maintenance {
    /// The oldest neighbours of one tenant that are small and of about one size, when the disk has room for them and for what becomes
    /// of them at once. None when the store ends.
    pub(super) fn next_to_merge(&self) -> Option<Vec<Arc<SegmentEntry>>> {
        if self.alarm.is_closing() {
            return None;
        }
        let run = self.mergeable()?;
        let bytes = run.iter().map(|segment| segment.bytes).sum();
        self.environment.disk.has_room_for(bytes).is_ok().then_some(run)
    }

    fn mergeable(&self) -> Option<Vec<Arc<SegmentEntry>>> {
        let state = self.readers.read_state();
        let tenants: BTreeSet<&TenantId> = state.segments.values().map(|segment| &segment.tenant).collect();
        let unmergeable = lock(&self.unmergeable);
        tenants.into_iter().find_map(|tenant| {
            let segments = by_arrival(&state, tenant, &unmergeable);
            let run = segments.windows(RUN).find(|run| self.config.is_good_run(run))?;
            Some(run.iter().map(|segment| Arc::clone(segment)).collect())
        })
    }

    /// One segment of several: spans of a trace meet, exact duplicates collapse.
    pub(super) fn merge(&self, run: &[Arc<SegmentEntry>]) -> Result<(), MaintenanceError> {
        let Some(first) = run.first() else { return Ok(()) };
        self.environment.reached(Task::Merge, Done::Begun);
        let mut inputs = Vec::with_capacity(run.len());
        for segment in run {
            match self.read_back(segment) {
                // It stays as it is, and the others are merged without it.
                Err(ReadError::Corrupt { location, reason }) => {
                    self.readers.note_damage(&location, &reason);
                    lock(&self.unmergeable).insert(segment.id);
                    return Ok(());
                }
                rows => inputs.push(rows?),
            }
        }
        let rows: Vec<&Rows> = inputs.iter().collect();
        let entry = match self.store(Task::Merge, &first.tenant, arrival(run), &rows) {
            // They stay as they are.
            Err(MaintenanceError::TooLarge(error)) => {
                tracing::warn!(%error, "segments are too large to be merged");
                lock(&self.unmergeable).extend(run.iter().map(|segment| segment.id));
                return Ok(());
            }
            entry => entry?,
        };
        let old: Vec<u64> = run.iter().map(|segment| segment.id).collect();
        self.swap(Task::Merge, Some(entry), &old)?;
        self.environment.metrics.merges.inc();
        Ok(())
    }

    /// The rows of a segment.
    fn read_back(&self, segment: &SegmentEntry) -> Result<Rows, ReadError> {
        let meta = self.readers.meta(segment.id)?;
        let groups: Vec<u16> = (0..META.group).take(segment.groups.len()).collect();
        let pages = self.readers.fetch(&[(segment.id, [&groups[..], &[META.group]].concat())])?;
        let mut rows = Rows::default();
        for number in groups {
            let group = SegmentGroup::open(&pages, segment.id, Arc::clone(&meta), number)?;
            group.append_to(&mut rows, &mut nothing_lost)?;
        }
        Ok(rows)
    }
}

/// The segments of a tenant that may be merged, by their arrival. Not by id: a merged segment has a later one than those that were
/// sealed meanwhile.
fn by_arrival<'s>(state: &'s State, tenant: &TenantId, unmergeable: &BTreeSet<u64>) -> Vec<&'s Arc<SegmentEntry>> {
    let of_tenant = state.segments.values().filter(|segment| segment.tenant == *tenant);
    let mut segments: Vec<_> = of_tenant.filter(|segment| !unmergeable.contains(&segment.id)).collect();
    segments.sort_by_key(|segment| (segment.received, segment.id));
    segments
}

/// When the first and the last request of these segments arrived.
fn arrival(run: &[Arc<SegmentEntry>]) -> (u64, u64) {
    let first = run.iter().map(|segment| segment.received.0).min();
    let last = run.iter().map(|segment| segment.received.1).max();
    (first.unwrap_or_default(), last.unwrap_or_default())
}

impl MaintenanceConfig {
    /// Whether it is worth while to merge these, and their rows fit into memory.
    fn is_good_run(&self, run: &[&Arc<SegmentEntry>]) -> bool {
        let spans: Vec<u64> = run.iter().map(|segment| segment.spans()).collect();
        let (least, most) = (spans.iter().min().copied().unwrap_or(0), spans.iter().max().copied().unwrap_or(0));
        let bytes: u64 = run.iter().map(|segment| segment.bytes).sum();
        spans.iter().sum::<u64>() <= self.merge_spans / 2
            && bytes <= self.merge_bytes
            && most <= ABOUT_ONE_SIZE * least.max(LEAST_SPANS)
    }
}

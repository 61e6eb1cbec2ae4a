//! Merging: small segments that are neighbours become one.

use std::collections::BTreeSet;
use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::{Maintenance, MaintenanceConfig, MaintenanceError};
use crate::backend::SegmentWriter;
use crate::catalog::SegmentEntry;
use crate::segment::{About, MergeBounds, MergeInput, Written, merge};
use crate::store::lock;
use crate::store::readers::ReadOnce;
use crate::store::state::State;
use crate::store::tuning::Tuning;
use crate::{Done, ReadError, Task};

/// Segments of about one size that are merged at once.
const RUN: usize = 4;
/// Segments are of about one size when none has this many times the spans of another.
const ABOUT_ONE_SIZE: u64 = 4;
/// Segments of fewer spans count as if they had so many.
const LEAST_SPANS: u64 = 1024;

impl Maintenance {
    /// The oldest neighbours of one tenant that are small and of about one size. The disk must have room for them and for the merged
    /// segment at the same time. `None` when there are none, or when the store ends.
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

    /// Makes one segment of several. Spans of one trace come together, and exact copies collapse.
    pub(super) fn merge(&self, run: &[Arc<SegmentEntry>]) -> Result<(), MaintenanceError> {
        let Some(first) = run.first() else { return Ok(()) };
        self.environment.reached(Task::Merge, Done::Begun);
        let about = About { tenant: first.tenant.clone(), received: arrival(run) };
        let entry = match self.publish(Task::Merge, |out| self.write_merged(run, &about, out)) {
            Err(MaintenanceError::Segment { segment, source: ReadError::Corrupt { location, reason } }) => {
                self.readers.note_damage(&location, &reason);
                lock(&self.unmergeable).insert(segment);
                return Ok(());
            }
            // They stay as they are.
            Err(MaintenanceError::TooLarge(error)) => {
                tracing::warn!(%error, "segments are too large to be merged");
                lock(&self.unmergeable).extend(run.iter().map(|segment| segment.id));
                return Ok(());
            }
            published => SegmentEntry::of(published?, about),
        };
        let old: Vec<u64> = run.iter().map(|segment| segment.id).collect();
        self.swap(Task::Merge, Some(entry), &old)?;
        self.environment.metrics.merges.inc();
        Ok(())
    }

    fn write_merged(
        &self,
        run: &[Arc<SegmentEntry>],
        about: &About,
        out: &mut (dyn SegmentWriter + '_),
    ) -> Result<Written, MaintenanceError> {
        let (pages, mut inputs) = (ReadOnce(&self.readers), Vec::with_capacity(run.len()));
        for segment in run {
            let metadata = self.readers.meta(segment.id);
            let metadata = metadata.map_err(|source| MaintenanceError::Segment { segment: segment.id, source })?;
            inputs.push(MergeInput { source: &pages, segment: segment.id, metadata });
        }
        let Tuning { group_spans, merge_buffer, .. } = self.readers.tuning;
        let buffer_bytes = merge_buffer.min(self.config.merge_memory);
        Ok(merge(&inputs, MergeBounds { group_spans, buffer_bytes }, about, out)?)
    }
}

/// The segments of a tenant that may be merged, by arrival. Ids would give another order: a merged segment has a higher id than those
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
    /// Whether these are worth merging.
    fn is_good_run(&self, run: &[&Arc<SegmentEntry>]) -> bool {
        let spans: Vec<u64> = run.iter().map(|segment| segment.spans()).collect();
        let (least, most) = (spans.iter().min().copied().unwrap_or(0), spans.iter().max().copied().unwrap_or(0));
        let bytes: u64 = run.iter().map(|segment| segment.bytes).sum();
        spans.iter().sum::<u64>() <= self.merge_spans / 2
            && bytes <= self.merge_bytes
            && most <= ABOUT_ONE_SIZE * least.max(LEAST_SPANS)
    }
}

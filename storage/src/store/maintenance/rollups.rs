//! Rollups: written with the segments of a generation, merged, and made coarser with age.

use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::publish::Published;
use super::{Maintenance, MaintenanceError};
use crate::catalog::{RollupEntry, SegmentEntry};
use crate::segment::{About, Written};
use crate::store::chunk::Chunk;
use crate::store::lock;
use crate::store::readers::ReadOnce;
use crate::store::rollups::{Counting, NewRollup, kept_from, later, next_run, next_to_age, write_merged};
use crate::{QueryContext, ReadError, Task};

impl SegmentEntry {
    /// The entry of a segment that was published.
    pub(super) fn of(published: Published<Written>, about: About) -> Self {
        Self::new(published.id, published.bytes, about, published.written)
    }
}

impl Maintenance {
    /// Writes the rollup of a tenant's chunks, which nobody sees yet; `None` when there is nothing in it.
    pub(super) fn write_rollup(
        &self,
        tenant: &TenantId,
        received: (u64, u64),
        chunks: &[Arc<Chunk>],
    ) -> Result<Option<RollupEntry>, MaintenanceError> {
        let started = crate::clock::instant();
        let (_, segments) = self.readers.read_state().snapshot(tenant);
        let (readers, context) = (&self.readers, QueryContext::unbounded());
        let counting = Counting { readers, tenant, chunks, segments: &segments, context: &context };
        let new = NewRollup::of_chunks(&counting)?;
        if new.is_empty() {
            return Ok(None);
        }
        let about = About { tenant: tenant.clone(), received };
        let published = self.publish(Task::Seal, |out| Ok(new.write(&about, out)?))?;
        self.environment.metrics.rollup_seconds.observe(started.elapsed().as_secs_f64());
        Ok(Some(RollupEntry::new(published.id, published.bytes, about, published.written)))
    }

    /// Merges rollups that are many, and writes those again that have much that is too old.
    pub(super) fn keep_rollups(&self) -> Result<(), MaintenanceError> {
        while let Some(run) = self.next_rollups() {
            self.merge_rollups(&run)?;
        }
        Ok(())
    }

    fn next_rollups(&self) -> Option<Vec<Arc<RollupEntry>>> {
        if self.alarm.is_closing() {
            return None;
        }
        let state = self.readers.read_state();
        let unmergeable = lock(&self.unmergeable);
        let run = next_run(state.rollups.values(), &unmergeable);
        let healthy = state.rollups.values().filter(|rollup| !unmergeable.contains(&rollup.id));
        run.or_else(|| next_to_age(healthy, self.kept_from()).map(|old| vec![old]))
    }

    fn kept_from(&self) -> [u64; 3] {
        let now = self.environment.clock.now_unix_nano();
        let retention = u64::try_from(self.config.rollup_retention.as_nanos()).unwrap_or(u64::MAX);
        // While a clock is not believed that jumped ahead, nothing is too old.
        if self.is_believed(now) { kept_from(now, retention) } else { [0; 3] }
    }

    fn merge_rollups(&self, run: &[Arc<RollupEntry>]) -> Result<(), MaintenanceError> {
        let Some(first) = run.first() else { return Ok(()) };
        let kept = run.iter().map(|rollup| rollup.list.kept_from).fold(self.kept_from(), later);
        let received = (
            run.iter().map(|rollup| rollup.received.0).min().unwrap_or_default(),
            run.iter().map(|rollup| rollup.received.1).max().unwrap_or_default(),
        );
        let about = About { tenant: first.tenant.clone(), received };
        let source = ReadOnce(&self.readers);
        let published =
            self.publish(Task::Merge, |out| write_merged::<_, MaintenanceError>(&source, run, (&about, kept), out));
        let published = match published {
            // They stay as they are; queries leave the damaged page out.
            Err(MaintenanceError::Read(ReadError::Corrupt { location, reason })) => {
                self.readers.note_damage(&location, &reason);
                lock(&self.unmergeable).extend(run.iter().map(|rollup| rollup.id));
                return Ok(());
            }
            published => published?,
        };
        let entry = RollupEntry::new(published.id, published.bytes, about, published.written);
        self.swap_rollups(Task::Merge, entry, &run.iter().map(|rollup| rollup.id).collect::<Vec<_>>())
    }
}

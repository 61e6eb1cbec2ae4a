//! Sealing: a generation of the head becomes a segment for each of its tenants.

use std::sync::{Arc, RwLockReadGuard};

use hoptrail_proto::model::TenantId;

use super::publish::Ended;
use super::{Environment, Maintenance, MaintenanceError};
use crate::catalog::{RollupEntry, SegmentEntry};
use crate::rows::Rows;
use crate::segment::{About, write_rows};
use crate::store::chunk::Chunk;
use crate::store::state::Generation;
use crate::{Done, Task};

impl Maintenance {
    /// Closes a generation that has been open long enough, or is full.
    pub(super) fn rotate_old(&self) {
        let since = self.readers.read_state().growing_since();
        // The absolute difference: if the clock was set back, spans must not wait for years to be sealed.
        let age = since.map(|first| self.environment.clock.now_unix_nano().abs_diff(first));
        let is_old = age.is_some_and(|age| u128::from(age) >= self.config.seal_after.as_nanos());
        // After a crash the replayed log may fill the head before anything is committed.
        if is_old || self.readers.read_state().is_full(self.config.head) {
            self.readers.state.rotate();
        }
    }

    /// The oldest closed generation, unless the store ends.
    pub(super) fn next_to_seal(&self) -> Option<Generation> {
        if self.alarm.is_closing() {
            return None;
        }
        self.readers.read_state().oldest_closed()
    }

    /// Writes a segment of these rows, which nobody sees yet.
    pub(in crate::store) fn write_rows(
        &self,
        tenant: &TenantId,
        received: (u64, u64),
        rows: &[&Rows],
    ) -> Result<SegmentEntry, MaintenanceError> {
        let hints = self.start_hints(tenant, rows);
        let group_spans = self.readers.tuning.group_spans;
        let about = About { tenant: tenant.clone(), received };
        let published = self.publish(Task::Seal, |out| Ok(write_rows(rows, group_spans, &hints, &about, out)?))?;
        Ok(SegmentEntry::of(published, about))
    }

    fn seal_chunks(
        &self,
        tenant: &TenantId,
        received: (u64, u64),
        chunks: &[Arc<Chunk>],
    ) -> Result<SegmentEntry, MaintenanceError> {
        let guards: Vec<RwLockReadGuard<'_, Rows>> = chunks.iter().map(|chunk| chunk.read()).collect();
        self.write_rows(tenant, received, &guards.iter().map(|guard| &**guard).collect::<Vec<_>>())
    }

    /// Writes the pages first. Then one step adds the catalog entries and ends the log.
    pub(super) fn seal(&self, generation: Generation) -> Result<(), MaintenanceError> {
        let Environment { metrics, .. } = &self.environment;
        let started = crate::clock::instant();
        self.environment.reached(Task::Seal, Done::Begun);
        let received = generation.received.unwrap_or_default();
        let (mut entries, mut rollups) = (Vec::new(), Vec::new());
        for (tenant, chunks) in &generation.tenants {
            entries.push(self.seal_chunks(tenant, received, chunks)?);
            rollups.extend(self.write_rollup(tenant, received, chunks)?);
        }
        let add = entries.iter().map(|entry: &SegmentEntry| (entry.id, entry.encode()));
        let add = add.chain(rollups.iter().map(|entry: &RollupEntry| (entry.id, entry.encode()))).collect();
        self.enter(Task::Seal, add, &[], Some(Ended::Log(generation.log_end)))?;
        let new: Vec<u64> = entries.iter().map(|entry| entry.id).collect();
        self.readers.state.write().replace_oldest(entries, rollups);
        new.into_iter().for_each(|segment| self.readers.warm_up(segment));
        self.environment.reached(Task::Seal, Done::Swapped);
        let half = generation.half;
        drop(generation);
        self.readers.backend.end(half)?;
        self.environment.reached(Task::Seal, Done::Released);
        metrics.seal_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }
}

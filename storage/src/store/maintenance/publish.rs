//! Adds and removes segments: in their pages, in the catalog and for readers. The order is such that a crash at any moment does no harm.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Maintenance, MaintenanceError};
use crate::backend::SegmentWriter;
use crate::catalog::{RollupEntry, SegmentEntry, StoreEntry};
use crate::scan::HintHorizon;
use crate::store::lock;
use crate::{Done, Task};

/// What ends in the step in which segments come and go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// The log before this sequence: its spans are in the new segments.
    Log(u64),
    /// Start hints up to here count no longer: the spans that they are of are dropped.
    Hints(HintHorizon),
}

/// A segment that was written and that nobody sees yet.
#[derive(Debug)]
pub(super) struct Published<T> {
    pub(super) id: u64,
    /// Bytes of its file.
    pub(super) bytes: u64,
    pub(super) written: T,
}

/// The id of a segment, and its entry for the catalog.
pub(super) type NewEntry = (u64, Vec<u8>);

/// The entry of a segment that queries may still read.
pub(super) type Retired = Arc<dyn Any + Send + Sync>;

impl Maintenance {
    /// Writes a new segment, which nobody sees yet: `write` puts its pages.
    pub(super) fn publish<T>(
        &self,
        task: Task,
        write: impl FnOnce(&mut (dyn SegmentWriter + '_)) -> Result<T, MaintenanceError>,
    ) -> Result<Published<T>, MaintenanceError> {
        let id = self.next_segment.fetch_add(1, Ordering::SeqCst);
        let mut writer = self.readers.backend.stage(id)?;
        let written = write(&mut *writer)?;
        let bytes = writer.finish()?;
        self.environment.reached(task, Done::Staged);
        lock(&self.unnamed).insert(id);
        self.readers.backend.publish(id)?;
        self.environment.reached(task, Done::Ingested);
        Ok(Published { id, bytes, written })
    }

    /// Makes segments valid. What they replace ends in the same step.
    pub(super) fn enter(
        &self,
        task: Task,
        mut add: Vec<NewEntry>,
        old: &[u64],
        end: Option<Ended>,
    ) -> Result<(), MaintenanceError> {
        let new: Vec<u64> = add.iter().map(|(id, _)| *id).collect();
        let log_end = match end {
            Some(Ended::Log(log_end)) => Some(log_end),
            Some(Ended::Hints(horizon)) => {
                add.push((StoreEntry::ID, StoreEntry { horizon }.encode()));
                None
            }
            None => None,
        };
        self.readers.backend.commit(&add, old, log_end)?;
        let mut unnamed = lock(&self.unnamed);
        new.iter().for_each(|id| _ = unnamed.remove(id));
        // Pages of failed attempts are deleted only now. Before this commit, a crash could have made a failed commit visible that names
        // them.
        unnamed.retain(|segment| !self.delete(*segment));
        drop(unnamed);
        self.environment.reached(task, Done::Entered);
        Ok(())
    }

    /// Replaces segments by another one, in the catalog and for readers. Then their pages can be deleted.
    pub(in crate::store) fn swap(
        &self,
        task: Task,
        new: Option<SegmentEntry>,
        old: &[u64],
    ) -> Result<(), MaintenanceError> {
        let horizon = self.horizon_without(task, old);
        self.enter(task, new.iter().map(|entry| (entry.id, entry.encode())).collect(), old, horizon.map(Ended::Hints))?;
        let mut state = self.readers.state.write();
        state.horizon = horizon.unwrap_or(state.horizon);
        let removed: Vec<_> = old.iter().filter_map(|id| state.segments.remove(id)).collect();
        state.segments.extend(new.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        drop(state);
        self.environment.reached(task, Done::Swapped);
        lock(&self.retired).extend(removed.into_iter().map(|entry| (entry.id, entry as Retired)));
        self.delete_retired();
        self.environment.reached(task, Done::Deleted);
        Ok(())
    }

    /// Replaces rollups by another one.
    pub(super) fn swap_rollups(&self, task: Task, new: RollupEntry, old: &[u64]) -> Result<(), MaintenanceError> {
        self.enter(task, vec![(new.id, new.encode())], old, None)?;
        let mut state = self.readers.state.write();
        let removed: Vec<_> = old.iter().filter_map(|id| state.rollups.remove(id)).collect();
        state.rollups.insert(new.id, Arc::new(new));
        drop(state);
        lock(&self.retired).extend(removed.into_iter().map(|entry| (entry.id, entry as Retired)));
        self.delete_retired();
        Ok(())
    }

    /// Which hints can be believed once these segments are dropped; `None` when their spans stay, in a merged segment.
    fn horizon_without(&self, task: Task, old: &[u64]) -> Option<HintHorizon> {
        let state = self.readers.read_state();
        let dropped = old.iter().filter_map(|id| state.segments.get(id)).map(|segment| segment.horizon());
        (task == Task::Drop).then(|| dropped.chain([state.horizon]).max()).flatten()
    }

    /// Deletes the pages of retired segments that no query reads any more. After a crash the next start deletes them.
    pub(super) fn delete_retired(&self) {
        lock(&self.retired).retain(|(id, entry)| Arc::strong_count(entry) > 1 || !self.delete(*id));
    }

    /// Deletes the pages of a segment. Answers whether they are gone.
    fn delete(&self, segment: u64) -> bool {
        self.readers.caches.forget(segment);
        let deleted = self.readers.backend.delete(segment);
        if let Err(error) = &deleted {
            tracing::warn!(segment, %error, "failed to delete pages that nobody needs; trying again");
        }
        deleted.is_ok()
    }
}

//! Recovery at a start: reads the catalog and the log, deletes pages that nothing names, and works around damage.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::environment::Environment;
use super::integrity::{entry_from_pages, rollup_from_pages};
use super::readers::Readers;
use crate::backend::{BackendError, CatalogRead, OpenError, Quarantine, StoredSegment, read_catalog};
use crate::catalog::{RollupEntry, SegmentEntry, StoreEntry};
use crate::{Done, Task, log};

/// A recovery into a state that is still empty.
pub(super) struct Recovery<'r> {
    pub(super) readers: &'r Readers,
    pub(super) environment: &'r Environment,
}

/// The result of a recovery.
pub(super) struct Recovered {
    /// The next id of a segment. No segment has it or a higher one.
    pub(super) next_segment: u64,
}

impl Recovery<'_> {
    /// Reads catalog and log into the state. Fails only when going on would lose readable data.
    pub(super) fn run(&self) -> Result<Recovered, OpenError> {
        let backend = &self.readers.backend;
        let path = backend.path().unwrap_or(Path::new(""));
        self.environment.reached(Task::Start, Done::Opened);
        for damage in backend.damage() {
            self.readers.note_damage(damage, "left out to open the store; `hoptrail verify` says more");
        }
        let next_segment = self.read_catalog().map_err(|error| OpenError::failed(path, error))?;
        self.environment.reached(Task::Start, Done::Swept);
        let mut quarantine = backend.path().map(Quarantine::new);
        self.read_log(quarantine.as_mut()).map_err(|error| OpenError::damaged(path, error))?;
        self.environment.reached(Task::Start, Done::Replayed);
        if let Some(folder) = quarantine.as_ref().and_then(Quarantine::folder) {
            tracing::error!(folder = %folder.display(), "what is damaged is kept there");
        }
        Ok(Recovered { next_segment })
    }

    /// Makes the segments visible that the catalog names, and deletes the others. Answers the next id of a segment.
    fn read_catalog(&self) -> Result<u64, BackendError> {
        let backend = &self.readers.backend;
        let stored = backend.list()?;
        let CatalogRead { entries, mut rollups, damaged, store, unread } = read_catalog(&**backend, &stored);
        for (segment, reason) in &damaged {
            self.readers.note_damage(&format!("segment {segment}, catalog entry"), &reason.to_string());
        }
        if let Some(error) = &unread {
            self.readers.note_damage("catalog", &error.to_string());
        }
        let named = entries.keys().chain(rollups.keys()).chain(damaged.keys()).copied();
        let ids = stored.iter().map(|stored| stored.segment).chain(named);
        let next_segment = ids.max().unwrap_or_default() + 1;
        let adopts_all = unread.is_some() || backend.must_adopt();
        let unnamed = stored
            .into_iter()
            .filter(|stored| !entries.contains_key(&stored.segment) && !rollups.contains_key(&stored.segment));
        let (adopted, orphans): (Vec<_>, Vec<_>) =
            unnamed.partition(|stored| adopts_all || damaged.contains_key(&stored.segment));
        orphans.iter().try_for_each(|orphan| backend.delete(orphan.segment))?;
        let (adopted, adopted_rollups) = self.adopt(&adopted);
        // An entry that does not decode may be from a later hoptrail, so it stays as it is.
        let new = adopted.iter().filter(|entry| !damaged.contains_key(&entry.id));
        let mut add: Vec<_> = new.map(|entry| (entry.id, entry.encode())).collect();
        let named = rollups.values().chain(&adopted_rollups);
        let merged: HashSet<u64> = named.flat_map(|rollup| &rollup.list.merged).copied().collect();
        for entry in adopted_rollups.into_iter().filter(|entry| !merged.contains(&entry.id)) {
            add.extend((!damaged.contains_key(&entry.id)).then(|| (entry.id, entry.encode())));
            rollups.insert(entry.id, entry);
        }
        let visible: Vec<SegmentEntry> = entries.into_values().chain(adopted).collect();
        let mut horizon = store.horizon;
        if adopts_all || !damaged.is_empty() {
            // Segments may have been lost, and hints are of their spans. Hints of what is written from now on count again.
            horizon = visible.iter().map(SegmentEntry::horizon).chain([horizon]).max().unwrap_or_default();
            add.push((StoreEntry::ID, StoreEntry { horizon }.encode()));
        }
        if !add.is_empty() {
            backend.commit(&add, &[], None)?;
        }
        let mut state = self.readers.state.write();
        state.horizon = horizon;
        state.segments.extend(visible.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        state.rollups.extend(rollups.into_iter().map(|(id, entry)| (id, Arc::new(entry))));
        drop(state);
        backend.adopted()?;
        Ok(next_segment)
    }

    /// Makes the entries of segments from their pages.
    fn adopt(&self, stored: &[StoredSegment]) -> (Vec<SegmentEntry>, Vec<RollupEntry>) {
        let rollup = |stored: &StoredSegment| rollup_from_pages(&*self.readers.backend, stored).ok();
        let (rollups, segments): (Vec<_>, Vec<_>) =
            stored.iter().map(|stored| (stored, rollup(stored))).partition(|(_, rollup)| rollup.is_some());
        let segments = segments.into_iter().filter_map(|(stored, _)| self.adopt_one(stored));
        (segments.collect(), rollups.into_iter().filter_map(|(_, rollup)| rollup).collect())
    }

    fn adopt_one(&self, stored: &StoredSegment) -> Option<SegmentEntry> {
        let segment = stored.segment;
        let entry = entry_from_pages(&*self.readers.backend, stored);
        match &entry {
            Ok(entry) => {
                let spans = entry.spans();
                tracing::warn!(segment, spans, "the catalog entry of a segment was made again from its pages");
            }
            Err(error) => {
                let file = stored.file.as_deref().unwrap_or(Path::new("")).display();
                tracing::error!(segment, %file, %error, "a segment without a catalog entry is left out, its pages are kept");
            }
        }
        entry.ok()
    }

    /// Reads the records of the log into the head. Damaged records are copied into the quarantine.
    fn read_log(&self, mut quarantine: Option<&mut Quarantine>) -> Result<(), BackendError> {
        let mut kept = Ok(());
        let read = self.readers.backend.replay(&mut |sequence, record| {
            if let Err(damage) = self.read_record(sequence, record) {
                self.readers.note_damage(&format!("log record {sequence}"), &damage.to_string());
                if let (Ok(()), Some(quarantine)) = (&kept, quarantine.as_deref_mut()) {
                    kept = quarantine.write(&format!("log-record-{sequence}"), record);
                }
            }
        });
        kept?;
        let read = read?;
        self.readers.state.write().next_sequence = read.next;
        for (sequence, reason) in &read.missing {
            self.readers.note_damage(&format!("log records from {sequence} on"), &reason.to_string());
        }
        if let Some(quarantine) = quarantine {
            read.damaged_files.iter().try_for_each(|file| quarantine.copy(file))?;
        }
        Ok(())
    }

    /// Appends the requests of a record to the head.
    fn read_record(&self, sequence: u64, record: &[u8]) -> Result<(), crate::codec::Damaged> {
        log::each_request(record, |received, tenant, body| {
            if let Err(error) = self.readers.state.append(received, &tenant, body) {
                tracing::error!(sequence, %error, "a request in the log is malformed");
            }
        })
    }
}

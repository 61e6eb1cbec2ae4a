//! The catalog as far as it can be read.

use std::collections::BTreeMap;

use super::{BackendError, Catalog, Cause, StoredSegment};
use crate::catalog::{RollupEntry, SegmentEntry, StoreEntry};
use crate::scan::HintHorizon;

/// What could be read of it.
#[derive(Debug, Default)]
pub(crate) struct CatalogRead {
    pub(crate) entries: BTreeMap<u64, SegmentEntry>,
    pub(crate) rollups: BTreeMap<u64, RollupEntry>,
    /// Segments whose entry is there but cannot be read, each with the reason.
    pub(crate) damaged: BTreeMap<u64, Cause>,
    /// The entry of the whole store. When it cannot be read, no start hint can be believed.
    pub(crate) store: StoreEntry,
    /// Set when reading stopped early, so that there may be more entries.
    pub(crate) unread: Option<BackendError>,
}

/// Reads every entry. When the catalog cannot be read from end to end, the entry of each `stored` segment is read by itself.
pub(crate) fn read_catalog(catalog: &(impl Catalog + ?Sized), stored: &[StoredSegment]) -> CatalogRead {
    let mut found = CatalogRead::default();
    if let Err(error) = catalog.each(&mut |segment, entry| found.take(segment, entry)) {
        found.unread = Some(error);
        for segment in stored.iter().map(|stored| stored.segment).chain([StoreEntry::ID]) {
            match catalog.entry(segment) {
                Ok(Some(entry)) => found.take(segment, &entry),
                Ok(None) => {}
                Err(_) if segment == StoreEntry::ID => found.store.horizon = HintHorizon(u64::MAX),
                Err(error) => _ = found.damaged.insert(segment, error.into_cause()),
            }
        }
    }
    found
}

impl CatalogRead {
    fn take(&mut self, segment: u64, entry: &[u8]) {
        if segment == StoreEntry::ID {
            let unknown = StoreEntry { horizon: HintHorizon(u64::MAX) };
            self.store = StoreEntry::decode(entry).unwrap_or(unknown);
            return;
        }
        if RollupEntry::is(entry) {
            match RollupEntry::decode(segment, entry) {
                Ok(entry) => _ = self.rollups.insert(segment, entry),
                Err(error) => _ = self.damaged.insert(segment, Cause::new(error)),
            }
            return;
        }
        match SegmentEntry::decode(segment, entry) {
            Ok(entry) => _ = self.entries.insert(segment, entry),
            Err(error) => _ = self.damaged.insert(segment, Cause::new(error)),
        }
    }
}

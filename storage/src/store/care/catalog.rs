//! The catalog as far as it can be read.

use std::collections::BTreeMap;

use crate::catalog::SegmentEntry;
use crate::store::db::{Db, DbError, SegmentFile};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct CatalogRead {
    pub(crate) entries: BTreeMap<u64, SegmentEntry>,
    /// Segments whose entry is there and cannot be read, and why.
    pub(crate) damaged: BTreeMap<u64, String>,
    /// Why there may be more entries that were not seen.
    pub(crate) unread: Option<String>,
}

/// Reads every entry. `files` are asked for one by one when the catalog cannot be read from end to end.
pub(crate) fn read_catalog(db: &Db, files: &[SegmentFile]) -> Result<CatalogRead, DbError> {
    let mut found = CatalogRead::default();
    let unread = db.each_catalog(|id, entry| found.take(id, entry)).err();
    if let Some(error) = unread {
        found.unread = Some(error.to_string());
        for file in files {
            match db.catalog_entry(file.segment) {
                Ok(Some(entry)) => found.take(file.segment, &entry),
                Ok(None) => {}
                Err(error) => _ = found.damaged.insert(file.segment, error.to_string()),
            }
        }
    }
    Ok(found)
}

impl CatalogRead {
    fn take(&mut self, id: u64, entry: &[u8]) {
        match SegmentEntry::decode(id, entry) {
            Ok(entry) => _ = self.entries.insert(id, entry),
            Err(error) => _ = self.damaged.insert(id, error.to_string()),
        }
    }
}

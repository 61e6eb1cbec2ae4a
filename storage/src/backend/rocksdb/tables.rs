//! Reads a damaged database piece by piece, and fills a new one.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};

use super::{LOGS, RocksDb};
use crate::backend::BackendError;

impl RocksDb {
    /// Takes in the file of a segment by a hard link. Fails when the file is of another kind or unreadable.
    pub(super) fn take_file(&self, file: &Path) -> Result<(), BackendError> {
        let link = self.staging().join(file.file_name().unwrap_or_default());
        std::fs::hard_link(file, &link).or_else(|_| std::fs::copy(file, &link).map(|_| ()))?;
        let taken = self.ingest(&link);
        // After a success the link is gone already; after a failure it must go.
        _ = std::fs::remove_file(&link);
        taken
    }

    /// Appends a record to the log without waiting for the disk. Closing waits for it.
    pub(super) fn append_log_unsynced(&self, sequence: u64, record: &[u8]) -> Result<(), BackendError> {
        Ok(self.db.put_cf(self.family(LOGS[0])?, sequence.to_be_bytes(), record)?)
    }
}

/// Calls `visit` with all keys and values of the tables in a folder that has no MANIFEST. Changes the folder.
pub(super) fn each_in_tables(folder: &Path, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), BackendError> {
    let options = Options::default();
    DB::repair(&options, folder)?;
    let families = DB::list_cf(&options, folder)?;
    let db = DB::open_cf_for_read_only(&options, folder, &families, false)?;
    for family in families.iter().filter_map(|name| db.cf_handle(name)) {
        // A damaged block is lost, and so are all later blocks of its file.
        for (key, value) in db.iterator_cf(family, IteratorMode::Start).map_while(Result::ok) {
            visit(&key, &value);
        }
    }
    Ok(())
}

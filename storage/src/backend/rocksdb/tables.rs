//! Taking a database apart and putting another one together from what can be read of it.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};

use super::{LOGS, RocksDb};
use crate::backend::BackendError;

impl RocksDb {
    /// Takes the file of a segment in by a link. Fails when it is no such file, or is not readable at all.
    pub(super) fn take_file(&self, file: &Path) -> Result<(), BackendError> {
        let link = self.staging().join(file.file_name().unwrap_or_default());
        std::fs::hard_link(file, &link).or_else(|_| std::fs::copy(file, &link).map(|_| ()))?;
        let taken = self.ingest(&link);
        // Moved when it was taken, in the way when it was not.
        _ = std::fs::remove_file(&link);
        taken
    }

    /// Appends a record to the log without waiting for the disk; closing does.
    pub(super) fn append_log_unsynced(&self, sequence: u64, record: &[u8]) -> Result<(), BackendError> {
        Ok(self.db.put_cf(self.family(LOGS[0])?, sequence.to_be_bytes(), record)?)
    }
}

/// Calls `visit` with all keys and values in a folder that has files of tables and nothing that says how they belong together. Changes
/// the folder.
pub(super) fn each_in_tables(folder: &Path, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), BackendError> {
    let options = Options::default();
    DB::repair(&options, folder)?;
    let families = DB::list_cf(&options, folder)?;
    let db = DB::open_cf_for_read_only(&options, folder, &families, false)?;
    for family in families.iter().filter_map(|name| db.cf_handle(name)) {
        // What a damaged block holds is lost with what follows it in its file.
        for (key, value) in db.iterator_cf(family, IteratorMode::Start).map_while(Result::ok) {
            visit(&key, &value);
        }
    }
    Ok(())
}

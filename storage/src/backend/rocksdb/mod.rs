//! The back end of a data folder: RocksDB. Nothing outside of this folder names RocksDB.
//!
//! | column family | holds |
//! |---|---|
//! | `meta` | format version |
//! | `log.0`, `log.1` | the halves of the log |
//! | `catalog` | an entry for each segment |
//! | `segments` | pages; those of a segment are one file, ingested whole and never compacted |
//!
//! Damage of RocksDB's own files is repaired here: `wal_repair` removes damaged records from its write-ahead log, `rebuild` makes a new
//! database from the files that are still readable.

mod batch;
mod catalog;
mod error;
mod files;
mod log;
mod open;
mod options;
mod rebuild;
mod segments;
mod tables;
mod wal;
mod wal_repair;

use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamily, DB, Options, WriteOptions};

use super::{Backend, BackendError, Cause};
pub(crate) use open::{look_before_opening, open, open_read_only};
pub(crate) use rebuild::open_for_repair;

const META: &str = "meta";
const LOGS: [&str; 2] = ["log.0", "log.1"];
const CATALOG: &str = "catalog";
const SEGMENTS: &str = "segments";
const VERSION_KEY: &[u8] = b"format_version";
/// Version of the whole data folder.
const VERSION: u32 = 1;

/// An open data folder.
pub(crate) struct RocksDb {
    db: DB,
    path: PathBuf,
    /// Options for files of pages.
    page_options: Options,
    /// The damage that opening worked around.
    damage: Vec<String>,
    /// Whether it was opened in spite of damaged files.
    is_lenient: bool,
}

impl Debug for RocksDb {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RocksDb").field("path", &self.path).field("damage", &self.damage).finish_non_exhaustive()
    }
}

impl RocksDb {
    fn family(&self, name: &str) -> Result<&ColumnFamily, BackendError> {
        let family = self.db.cf_handle(name);
        family.ok_or_else(|| BackendError::Damaged(Cause::new(format!("column family {name} is missing"))))
    }

    fn staging(&self) -> PathBuf {
        self.path.join("staging")
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// A numeric property of a column family; 0 when RocksDB does not know it.
    fn property(&self, family: &str, name: &str) -> u64 {
        let Ok(family) = self.family(family) else { return 0 };
        self.db.property_int_value_cf(family, name).ok().flatten().unwrap_or_default()
    }

    /// Writes another format version, as a later hoptrail does.
    #[cfg(test)]
    pub(crate) fn set_version(&self, version: &str) -> Result<(), BackendError> {
        Ok(self.db.put_cf(self.family(META)?, VERSION_KEY, version)?)
    }
}

impl Backend for RocksDb {
    fn close(&self) -> Result<(), BackendError> {
        Ok(self.db.flush_wal(true)?)
    }

    /// Memtables, and cached pages.
    fn memory(&self) -> u64 {
        let memtables = LOGS.map(|half| self.property(half, "rocksdb.cur-size-all-mem-tables"));
        memtables.iter().sum::<u64>() + self.property(SEGMENTS, "rocksdb.block-cache-usage")
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn damage(&self) -> &[String] {
        &self.damage
    }

    fn must_adopt(&self) -> bool {
        !self.damage.is_empty() || wal_repair::is_recovering(&self.path)
    }

    fn adopted(&self) -> Result<(), BackendError> {
        Ok(wal_repair::end_recovering(&self.path)?)
    }

    fn checkpoint(&self) -> Result<PathBuf, BackendError> {
        self.make_checkpoint()
    }
}

/// Options of a write that waits for the disk.
fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

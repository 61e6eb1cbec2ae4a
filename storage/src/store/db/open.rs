//! Opening a data folder: as it should be, with what is damaged, or only to look at it.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quick_cache::sync::Cache;
use rocksdb::{ColumnFamilyDescriptor, DB, DBRecoveryMode, Options};

use super::{CATALOG, Db, LOGS, META, SEGMENTS, VERSION, VERSION_KEY, Weight, log, segments, small};
use crate::rows::{ShapeList, TableKind};
use crate::store::care::{mend, rebuild};

/// Why a data folder does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data folder {path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A later hoptrail wrote it.
    #[error("the data folder {path} has format version {found}; this hoptrail reads up to {known}")]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The version known here.
        known: u32,
    },
    /// So much is damaged that nothing can be served.
    #[error(
        "the data folder {path} is damaged: {reason}; `hoptrail repair` puts it in order and keeps what it replaces"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Anything else that RocksDB or the disk says.
    #[error("the data folder {path} does not open: {reason}")]
    Failed {
        /// The folder.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
}

/// How much damage is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rigour {
    /// None, but for a last record of RocksDB's log that was never finished.
    Strict,
    /// Files that do not open are found out when they are read. RocksDB then also passes over damage in its log and goes on when a
    /// compaction fails, so the log is looked at before.
    Lenient,
}

fn failed(path: &Path, reason: &dyn Display) -> OpenError {
    OpenError::Failed { path: path.to_owned(), reason: reason.to_string() }
}

impl Db {
    /// Opens or makes the data folder.
    ///
    /// Where it is damaged, copies of what has to be changed to open it go into the folder `damaged` first, and
    /// [`Db::damage`] says what was found.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(|error| failed(path, &error))?;
        refuse_headless(path)?;
        let (db, damage, is_lenient) = open_or_mend(path, cache_bytes)?;
        let db = Self { db, path: path.to_owned(), shapes: shapes_cache(cache_bytes), damage, is_lenient };
        db.check_version()?;
        db.clear().map_err(|error| failed(path, &error))?;
        Ok(db)
    }

    /// Opens the folder to look at it: nothing in it changes, and its owner is not kept out.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        refuse_headless(path)?;
        let open = |rigour| {
            let options = options(rigour).map_err(|error| open_error(path, &error))?;
            refuse_unknown_families(&options, path)?;
            DB::open_cf_descriptors_read_only(&options, path, families(0), false)
                .map_err(|error| open_error(path, &error))
        };
        let (db, damage, is_lenient) = match open(Rigour::Strict) {
            Err(OpenError::Damaged { reason, .. }) => (open(Rigour::Lenient)?, vec![reason], true),
            opened => (opened?, Vec::new(), false),
        };
        let db = Self { db, path: path.to_owned(), shapes: shapes_cache(0), damage, is_lenient };
        db.refuse_unknown_version()?;
        Ok(db)
    }

    fn refuse_unknown_version(&self) -> Result<bool, OpenError> {
        let family = self.family(META).map_err(|error| failed(&self.path, &error))?;
        match self.db.get_cf(family, VERSION_KEY).map_err(|error| open_error(&self.path, &error))? {
            Some(found) if found != VERSION.to_string().as_bytes() => Err(OpenError::NewerFormat {
                path: self.path.clone(),
                found: String::from_utf8_lossy(&found).into_owned(),
                known: VERSION,
            }),
            found => Ok(found.is_some()),
        }
    }

    fn check_version(&self) -> Result<(), OpenError> {
        if self.refuse_unknown_version()? {
            return Ok(());
        }
        let family = self.family(META).map_err(|error| failed(&self.path, &error))?;
        self.db.put_cf(family, VERSION_KEY, VERSION.to_string()).map_err(|error| failed(&self.path, &error))
    }

    /// Removes what a process that ended was building: files of segments, and checkpoints.
    fn clear(&self) -> std::io::Result<()> {
        for folder in [self.staging(), self.checkpoints()] {
            match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::create_dir_all(self.staging())
    }
}

/// Opens strictly, then with damaged records out of the log, then with damaged files.
fn open_or_mend(path: &Path, cache_bytes: usize) -> Result<(DB, Vec<String>, bool), OpenError> {
    let open = |rigour| {
        let options = options(rigour).map_err(|error| open_error(path, &error))?;
        refuse_unknown_families(&options, path)?;
        DB::open_cf_descriptors(&options, path, families(cache_bytes)).map_err(|error| open_error(path, &error))
    };
    let broken = |error: std::io::Error| failed(path, &error);
    let mut damage =
        if mend::logs_hide_records(path).map_err(broken)? { mend::logs(path).map_err(broken)? } else { Vec::new() };
    let mut reason = match open(Rigour::Strict) {
        Err(OpenError::Damaged { reason, .. }) => reason,
        opened => return Ok((opened?, damage, false)),
    };
    let mended = mend::logs(path).map_err(broken)?;
    if !mended.is_empty() {
        damage.extend(mended);
        reason = match open(Rigour::Strict) {
            Err(OpenError::Damaged { reason, .. }) => reason,
            opened => return Ok((opened?, damage, false)),
        };
    }
    let db = open(Rigour::Lenient)?;
    damage.push(reason);
    Ok((db, damage, true))
}

fn options(rigour: Rigour) -> Result<Options, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(3);
    options.set_max_log_file_size(4 << 20);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(rigour == Rigour::Strict);
    // Else RocksDB reserves 281 MB for its own log with the first write, which a small volume does not have.
    options.get_options_from_string("allow_fallocate=false")
}

fn shapes_cache(cache_bytes: usize) -> Cache<(u64, TableKind), Arc<ShapeList>, Weight> {
    Cache::with_weighter(1024, (cache_bytes / 4) as u64, Weight)
}

fn families(cache_bytes: usize) -> Vec<ColumnFamilyDescriptor> {
    let [even, odd] = LOGS.map(|half| (half, log()));
    let families = [(META, small()), even, odd, (CATALOG, small()), (SEGMENTS, segments(cache_bytes))];
    families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options)).into()
}

/// Without CURRENT, RocksDB would begin a new database among the files of the old one, and delete them.
fn refuse_headless(path: &Path) -> Result<(), OpenError> {
    if rebuild::is_interrupted(path) {
        return Err(OpenError::Damaged { path: path.to_owned(), reason: "a repair did not end".to_owned() });
    }
    if path.join("CURRENT").exists() {
        return Ok(());
    }
    let is_data = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        name.starts_with(b"MANIFEST-") || name.ends_with(b".sst")
    };
    let mut entries = std::fs::read_dir(path).map_err(|error| failed(path, &error))?;
    match entries.any(|entry| entry.is_ok_and(is_data)) {
        true => Err(OpenError::Damaged { path: path.to_owned(), reason: "the file CURRENT is missing".to_owned() }),
        false => Ok(()),
    }
}

/// A column family that is not known here was made by a later hoptrail.
fn refuse_unknown_families(options: &Options, path: &Path) -> Result<(), OpenError> {
    let [even, odd] = LOGS;
    let known = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, META, even, odd, CATALOG, SEGMENTS];
    // A folder without a database has no list; opening says what else is wrong.
    let families = DB::list_cf(options, path).unwrap_or_default();
    match families.into_iter().find(|family| !known.contains(&family.as_str())) {
        Some(family) => Err(OpenError::NewerFormat {
            path: path.to_owned(),
            found: format!("unknown (with a column family {family:?})"),
            known: VERSION,
        }),
        None => Ok(()),
    }
}

fn open_error(path: &Path, error: &rocksdb::Error) -> OpenError {
    let reason = error.to_string();
    match error.kind() {
        // RocksDB has no kind of error for it, only texts that name its LOCK file.
        // A disk that does not let it be opened is another matter.
        rocksdb::ErrorKind::IOError if reason.contains("/LOCK: ") && !reason.contains("while open a file for lock") => {
            OpenError::InUse { path: path.to_owned() }
        }
        rocksdb::ErrorKind::IOError if reason.contains("No such file") => {
            OpenError::Damaged { path: path.to_owned(), reason }
        }
        rocksdb::ErrorKind::Corruption => OpenError::Damaged { path: path.to_owned(), reason },
        _ => OpenError::Failed { path: path.to_owned(), reason },
    }
}

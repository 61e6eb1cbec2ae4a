//! Opens a data folder: normally, in spite of damage, or read-only.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{ColumnFamilyDescriptor, DB, DBRecoveryMode, Options};

use super::error::{Meaning, meaning};
use super::{CATALOG, LOGS, META, RocksDb, SEGMENTS, VERSION, VERSION_KEY, options, rebuild, wal_repair};
use crate::backend::{Backend, Cause, Integrity, OpenError, Report};

/// How much damage RocksDB may accept when it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rigour {
    /// None. Only the last record of its log may be unfinished.
    Strict,
    /// Any. A file that does not open is noticed only when it is read. RocksDB also skips damage in its log, so the log is checked before;
    /// and it goes on when a compaction fails.
    Lenient,
}

/// Opens or makes a data folder.
///
/// When it is damaged, the files that must be changed to open it are first copied into the folder `damaged`, and [`Backend::damage`] says
/// what was found.
pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Arc<dyn Backend>, OpenError> {
    Ok(Arc::new(RocksDb::open(path, cache_bytes)?))
}

/// Opens a folder for reading only. Nothing in it changes, and another process may have it open.
pub(crate) fn open_read_only(path: &Path) -> Result<Arc<dyn Backend>, OpenError> {
    Ok(Arc::new(RocksDb::open_read_only(path)?))
}

/// Reports damage that opening would skip: damaged records of RocksDB's write-ahead log.
pub(crate) fn look_before_opening(path: &Path, report: Report<'_>) -> Result<(), OpenError> {
    let damage = wal_repair::look_at_logs(path).map_err(|error| OpenError::failed(path, error))?;
    damage.into_iter().for_each(|location| report(Integrity::found(location, "damaged log of RocksDB")));
    Ok(())
}

impl RocksDb {
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(|error| OpenError::failed(path, error))?;
        refuse_headless(path)?;
        let db = open_or_repair_logs(path, cache_bytes)?.into_folder(path);
        db.check_version()?;
        db.clear().map_err(|error| OpenError::failed(path, error))?;
        Ok(db)
    }

    fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        refuse_headless(path)?;
        let opened = match try_open_read_only(path, Rigour::Strict) {
            Err(OpenError::Damaged { source, .. }) => {
                let db = try_open_read_only(path, Rigour::Lenient)?;
                Opened { db, damage: vec![source.to_string()], is_lenient: true }
            }
            opened => Opened { db: opened?, damage: Vec::new(), is_lenient: false },
        };
        let db = opened.into_folder(path);
        db.refuse_unknown_version()?;
        Ok(db)
    }

    fn refuse_unknown_version(&self) -> Result<bool, OpenError> {
        let family = self.family(META).map_err(|error| OpenError::failed(&self.path, error))?;
        match self.db.get_cf(family, VERSION_KEY).map_err(|error| open_error(&self.path, error))? {
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
        let family = self.family(META).map_err(|error| OpenError::failed(&self.path, error))?;
        self.db.put_cf(family, VERSION_KEY, VERSION.to_string()).map_err(|error| OpenError::failed(&self.path, error))
    }

    /// Removes what a process that has ended left unfinished: files of segments, and checkpoints.
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

/// RocksDB, and the damage that opening it worked around.
struct Opened {
    db: DB,
    damage: Vec<String>,
    is_lenient: bool,
}

impl Opened {
    fn into_folder(self, path: &Path) -> RocksDb {
        let Self { db, damage, is_lenient } = self;
        RocksDb { db, path: path.to_owned(), page_options: options::segments(0), damage, is_lenient }
    }
}

/// Opens strictly. If that fails, it removes damaged records from the log and tries again; at last it accepts damaged files.
fn open_or_repair_logs(path: &Path, cache_bytes: usize) -> Result<Opened, OpenError> {
    let failed = |error: std::io::Error| OpenError::failed(path, error);
    let mut damage = Vec::new();
    if wal_repair::logs_hide_records(path).map_err(failed)? {
        damage = wal_repair::repair_logs(path).map_err(failed)?;
    }
    let mut opened = try_open(path, cache_bytes, Rigour::Strict);
    if let Err(OpenError::Damaged { .. }) = &opened {
        let repaired = wal_repair::repair_logs(path).map_err(failed)?;
        if !repaired.is_empty() {
            damage.extend(repaired);
            opened = try_open(path, cache_bytes, Rigour::Strict);
        }
    }
    match opened {
        Err(OpenError::Damaged { source, .. }) => {
            damage.push(source.to_string());
            Ok(Opened { db: try_open(path, cache_bytes, Rigour::Lenient)?, damage, is_lenient: true })
        }
        opened => Ok(Opened { db: opened?, damage, is_lenient: false }),
    }
}

fn try_open(path: &Path, cache_bytes: usize, rigour: Rigour) -> Result<DB, OpenError> {
    let options = database_options(path, rigour)?;
    DB::open_cf_descriptors(&options, path, families(cache_bytes)).map_err(|error| open_error(path, error))
}

fn try_open_read_only(path: &Path, rigour: Rigour) -> Result<DB, OpenError> {
    let options = database_options(path, rigour)?;
    DB::open_cf_descriptors_read_only(&options, path, families(0), false).map_err(|error| open_error(path, error))
}

/// The options of the database. An error when the folder is of another version.
fn database_options(path: &Path, rigour: Rigour) -> Result<Options, OpenError> {
    let options = all_options(rigour).map_err(|error| open_error(path, error))?;
    refuse_unknown_families(&options, path)?;
    Ok(options)
}

fn all_options(rigour: Rigour) -> Result<Options, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(3);
    options.set_max_log_file_size(4 << 20);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(rigour == Rigour::Strict);
    // By default RocksDB reserves 281 MB for its own log with the first write. A small volume does not have that.
    options.get_options_from_string("allow_fallocate=false")
}

fn families(cache_bytes: usize) -> Vec<ColumnFamilyDescriptor> {
    let [even, odd] = LOGS.map(|half| (half, options::log()));
    let segments = (SEGMENTS, options::segments(cache_bytes));
    let families = [(META, options::small()), even, odd, (CATALOG, options::small()), segments];
    families.map(|(name, options)| ColumnFamilyDescriptor::new(name, options)).into()
}

/// Without the file CURRENT, RocksDB would create a new database among the files of the old one, and delete those.
fn refuse_headless(path: &Path) -> Result<(), OpenError> {
    if rebuild::is_interrupted(path) {
        return Err(damaged(path, "a repair did not end"));
    }
    if path.join("CURRENT").exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path).map_err(|error| OpenError::failed(path, error))?;
    if entries.any(|entry| entry.is_ok_and(|entry| is_data(&entry))) {
        return Err(damaged(path, "the file CURRENT is missing"));
    }
    Ok(())
}

/// Whether it is a data file of RocksDB.
fn is_data(entry: &std::fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.as_encoded_bytes();
    name.starts_with(b"MANIFEST-") || name.ends_with(b".sst")
}

/// An unknown column family was made by a later hoptrail.
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

fn damaged(path: &Path, reason: &'static str) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), source: Cause::new(reason) }
}

fn open_error(path: &Path, error: rocksdb::Error) -> OpenError {
    match meaning(&error) {
        Meaning::InUse => OpenError::InUse { path: path.to_owned() },
        Meaning::FileGone | Meaning::Corrupt => OpenError::damaged(path, error),
        // The disk may work again later, so nothing is repaired.
        Meaning::Unreadable | Meaning::Failed => OpenError::failed(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        RocksDb::open(folder.path(), 0).expect("opens").set_version("2").expect("written");
        let refused = open(folder.path(), 0);
        assert!(matches!(&refused, Err(OpenError::NewerFormat { found, known: 1, .. }) if found == "2"), "{refused:?}");
    }
}

//! Builds a new database in place of one that RocksDB cannot open, or whose small tables are damaged.
//!
//! Files of segments are taken over by hard links. Records of the log are read from every file that still has some. Lost catalog entries
//! are made again later, from the pages, when the new database is opened. The new database is built in `rebuilding/`. Then the old files
//! are moved to `damaged/`, and the new files to where the old ones were. Two mark files in `rebuilding/` say how far this is, so that an
//! interrupted repair can go on.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{Operation, operations};
use super::tables::each_in_tables;
use super::wal_repair::{self, log_files};
use super::{RocksDb, wal};
use crate::backend::quarantine::{Quarantine, sync_folder, write_synced};
use crate::backend::{
    Backend, BackendError, Catalog, Cause, Integrity, Log, OpenError, Report, StoredSegment, read_catalog,
};
use crate::catalog::SegmentEntry;
use crate::log;

/// Where the new database is built.
const REBUILDING: &str = "rebuilding";
/// The new database is whole.
const COMPLETE: &str = "complete";
/// The old files are in the folder that this mark names.
const MOVED: &str = "moved";

/// Everything that could be read.
#[derive(Debug, Default)]
struct Found {
    entries: BTreeMap<u64, SegmentEntry>,
    /// Records of the log with their sequences, in order.
    records: Vec<(u64, Vec<u8>)>,
}

/// Whether a rebuild has begun and not ended.
pub(super) fn is_interrupted(data: &Path) -> bool {
    data.join(REBUILDING).join(COMPLETE).exists()
}

/// What is rebuilt, as messages name it.
const DATABASE: &str = "RocksDB";

/// Opens a folder that no process has open, and repairs it as far as opening needs. Reports the damage that it finds and repairs. Answers
/// how many spans are lost with unreadable files.
pub(crate) fn open_for_repair(
    data: &Path,
    quarantine: &mut Quarantine,
    report: Report<'_>,
) -> Result<(Arc<dyn Backend>, u64), OpenError> {
    let db = open_or_rebuild(data, quarantine, report)?;
    if !db.is_lenient && is_readable(&db) {
        return Ok((Arc::new(db), 0));
    }
    let lost = rebuild(data, Some(db), quarantine, report).map_err(|error| OpenError::failed(data, error))?;
    Ok((Arc::new(RocksDb::open(data, 0)?), lost))
}

fn open_or_rebuild(data: &Path, quarantine: &mut Quarantine, report: Report<'_>) -> Result<RocksDb, OpenError> {
    match RocksDb::open(data, 0) {
        Err(OpenError::Damaged { source, .. }) => {
            report(Integrity::found(DATABASE, source.to_string()));
            rebuild(data, None, quarantine, report).map_err(|error| OpenError::failed(data, error))?;
            RocksDb::open(data, 0)
        }
        opened => {
            let db = opened?;
            db.damage.iter().for_each(|line| report(Integrity::repaired(DATABASE, line)));
            Ok(db)
        }
    }
}

/// Whether catalog and log can be read from end to end.
fn is_readable(db: &RocksDb) -> bool {
    let log = db.replay(&mut |_, _| ());
    read_catalog(db, &[]).unread.is_none() && log.is_ok_and(|read| read.missing.is_empty())
}

/// Builds the new database and puts it in place of the old one. `old` is the old one, if it opens.
fn rebuild(
    data: &Path,
    old: Option<RocksDb>,
    quarantine: &mut Quarantine,
    report: Report<'_>,
) -> Result<u64, BackendError> {
    let lost = if is_interrupted(data) { 0 } else { build(data, old, report)? };
    swap(data, quarantine)?;
    report(Integrity::repaired(DATABASE, "its files were put together again"));
    Ok(lost)
}

fn build(data: &Path, old: Option<RocksDb>, report: Report<'_>) -> Result<u64, BackendError> {
    let new = data.join(REBUILDING);
    remove_folder(&new)?;
    let fresh = RocksDb::open(&new, 0).map_err(|error| BackendError::Failed(Cause::new(error)))?;
    let known = old.as_ref().map(RocksDb::segment_files).transpose()?;
    let others = take_segments(&fresh, files_ending(data, "sst")?, known.as_deref(), report);
    let taken: HashSet<u64> = fresh.segment_files()?.iter().map(|stored| stored.segment).collect();
    let found = match old.as_ref().and_then(read_database) {
        Some(found) => found,
        None => {
            drop(old);
            read_files(data, &new, &others, &taken)?
        }
    };
    let (entries, lost): (Vec<_>, Vec<_>) = found.entries.values().partition(|entry| taken.contains(&entry.id));
    // Without a MANIFEST there may be entries of segments that were deleted long ago.
    let lost = if known.is_some() { lost.iter().map(|entry| entry.spans()).sum() } else { 0 };
    fresh.commit(&entries.iter().map(|entry| (entry.id, entry.encode())).collect::<Vec<_>>(), &[], None)?;
    for (sequence, (_, record)) in (0..).zip(&found.records) {
        fresh.append_log_unsynced(sequence, record)?;
    }
    fresh.close()?;
    drop(fresh);
    wal_repair::begin_recovering(data)?;
    write_synced(&new.join(COMPLETE), b"").and_then(|()| sync_folder(&new))?;
    Ok(lost)
}

/// Takes the files of segments over into the new database. Answers the other files. `known` are the segments of the old database, if it
/// opens. If it does not, a file that cannot be taken over counts as no segment.
fn take_segments(
    fresh: &RocksDb,
    tables: Vec<PathBuf>,
    known: Option<&[StoredSegment]>,
    report: Report<'_>,
) -> Vec<PathBuf> {
    let mut others = Vec::new();
    for table in tables {
        let is_segment = known.map(|known| known.iter().any(|stored| stored.file.as_deref() == Some(&*table)));
        if is_segment == Some(false) {
            others.push(table);
        } else if let Err(error) = fresh.take_file(&table) {
            if is_segment.is_some() {
                report(Integrity::found(table.display().to_string(), format!("cannot be taken over: {error}")));
            } else {
                others.push(table);
            }
        }
    }
    others
}

/// Everything in the old database; `None` when its log cannot be read to the end.
fn read_database(db: &RocksDb) -> Option<Found> {
    let mut found = Found { entries: read_catalog(db, &db.segment_files().ok()?).entries, ..Found::default() };
    db.replay(&mut |sequence, record| found.records.push((sequence, record.to_vec()))).ok()?;
    Some(found)
}

/// Reads tables and logs without a MANIFEST that lists them.
fn read_files(data: &Path, new: &Path, tables: &[PathBuf], taken: &HashSet<u64>) -> Result<Found, BackendError> {
    let mut found = Found::default();
    if !tables.is_empty() {
        let scratch = new.join("scratch");
        fs::create_dir_all(&scratch)?;
        for table in tables {
            fs::copy(table, scratch.join(table.file_name().unwrap_or_default()))?;
        }
        let read = each_in_tables(&scratch, |key, value| found.take(key, value));
        remove_folder(&scratch)?;
        read?;
    }
    for file in log_files(data)? {
        let bytes = fs::read(&file)?;
        for record in wal::scan(&bytes).unwrap_or_default().records {
            let batch: Vec<u8> = record.into_iter().filter_map(|range| bytes.get(range)).flatten().copied().collect();
            found.replay(&operations(&batch).unwrap_or_default(), taken);
        }
    }
    Ok(found)
}

impl Found {
    /// Applies the operations of a batch.
    fn replay(&mut self, operations: &[Operation<'_>], taken: &HashSet<u64>) {
        let before: HashSet<u64> = self.entries.keys().copied().collect();
        for operation in operations {
            if let Operation::Put(key, value) = operation {
                self.take(key, value);
            }
        }
        let new: Vec<u64> = self.entries.keys().filter(|id| !before.contains(id)).copied().collect();
        // Records are removed only when the segments that replace them are there. Keeping a record too long is harmless.
        if new.is_empty() || !new.iter().all(|id| taken.contains(id)) {
            return;
        }
        for operation in operations {
            if let Operation::DeleteRange(from, to) = operation {
                self.records.retain(|(sequence, _)| {
                    let key = sequence.to_be_bytes();
                    key.as_slice() < *from || key.as_slice() >= *to
                });
            }
        }
    }

    /// A key is the sequence of a record or the id of a segment. The value tells which: a record has a checksum.
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let Ok(key) = <[u8; 8]>::try_from(key).map(u64::from_be_bytes) else { return };
        if log::each_request(value, |_, _, _| ()).is_ok() {
            self.records.push((key, value.to_vec()));
        } else if let Ok(entry) = SegmentEntry::decode(key, value) {
            self.entries.insert(key, entry);
        }
    }
}

/// Moves the old files away and the new ones in. After an interruption it can run again from the beginning.
fn swap(data: &Path, quarantine: &mut Quarantine) -> io::Result<()> {
    let new = data.join(REBUILDING);
    if !new.join(MOVED).exists() {
        // CURRENT goes first: without it nothing opens the folder.
        let mut files = database_files(data)?;
        files.sort_by_key(|file| !file.ends_with("CURRENT"));
        files.iter().try_for_each(|file| quarantine.take(file))?;
        sync_folder(data)?;
        write_synced(&new.join(MOVED), b"")?;
        sync_folder(&new)?;
    }
    let mut files = database_files(&new)?;
    files.sort_by_key(|file| file.ends_with("CURRENT"));
    for file in files {
        fs::rename(&file, data.join(file.file_name().unwrap_or_default()))?;
    }
    sync_folder(data)?;
    remove_folder(&new)
}

/// RocksDB's files in a folder.
fn database_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.ends_with(".sst") || name.ends_with(".log") || name == "CURRENT" || name == "IDENTITY";
        if ours || name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn files_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let files = database_files(folder)?.into_iter();
    Ok(files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect())
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

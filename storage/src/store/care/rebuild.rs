//! A new database in the place of one that RocksDB cannot open, or whose small tables are damaged.
//!
//! Files of segments are taken over by links. Records of the log are read out of whatever still gives them. Entries of the catalog
//! that are lost are made again from the pages by who opens the result. The new database is built in `rebuilding/`; then the old files
//! are moved to `damaged/`, and the new ones to their places. Two marks in `rebuilding/` say how far that is, so that a repair which is
//! interrupted goes on.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::aside::{Aside, sync_folder, write_synced};
use super::batch::{Operation, operations};
use super::mend::{self, log_files};
use super::verify::{Care, Tell};
use super::{read_catalog, wal};
use crate::catalog::SegmentEntry;
use crate::log;
use crate::store::db::{Db, DbError, each_in_tables};

/// Where the new database is built.
pub(crate) const REBUILDING: &str = "rebuilding";
/// The new database is whole.
const COMPLETE: &str = "complete";
/// The old files are in the folder that this mark names.
const MOVED: &str = "moved";

/// What could be read.
#[derive(Debug, Default)]
struct Found {
    entries: BTreeMap<u64, SegmentEntry>,
    /// Records of the log with their sequences, in order.
    records: Vec<(u64, Vec<u8>)>,
}

/// Whether a rebuild has begun and not ended.
pub(crate) fn is_interrupted(data: &Path) -> bool {
    data.join(REBUILDING).join(COMPLETE).exists()
}

/// Builds the new database and puts it in the place of the old one. `db` is the old one, when it opens. Answers how many spans are
/// lost with files that cannot be taken over.
pub(crate) fn rebuild(data: &Path, db: Option<Db>, aside: &mut Aside, tell: Tell<'_>) -> Result<u64, DbError> {
    let lost = if is_interrupted(data) { 0 } else { build(data, db, tell)? };
    swap(data, aside).map_err(|error| DbError(error.to_string()))?;
    Ok(lost)
}

fn build(data: &Path, db: Option<Db>, tell: Tell<'_>) -> Result<u64, DbError> {
    let new = data.join(REBUILDING);
    let io = |error: io::Error| DbError(error.to_string());
    remove_folder(&new).map_err(io)?;
    let fresh = Db::open(&new, 0).map_err(|error| DbError(error.to_string()))?;
    let tables: Vec<PathBuf> = files_ending(data, "sst").map_err(io)?;
    let mut others = Vec::new();
    let known = db.as_ref().map(Db::segment_files).transpose()?;
    for table in tables {
        let of_segment = known.as_ref().map(|known| known.iter().any(|file| file.path == table));
        if of_segment == Some(false) {
            others.push(table);
        } else if let Err(error) = fresh.take_file(&table) {
            match of_segment {
                Some(_) => tell(Care::Found {
                    place: table.display().to_string(),
                    reason: format!("cannot be taken over: {error}"),
                }),
                None => others.push(table),
            }
        }
    }
    let taken: HashSet<u64> = fresh.segments_with_pages()?.into_iter().collect();
    let found = match db.as_ref().and_then(read_database) {
        Some(found) => found,
        None => {
            drop(db);
            read_files(data, &new, &others, &taken)?
        }
    };
    let (entries, lost): (Vec<_>, Vec<_>) = found.entries.values().partition(|entry| taken.contains(&entry.id));
    // Without a MANIFEST, entries of segments that went long ago may be among them.
    let lost = if known.is_some() { lost.iter().map(|entry| entry.spans()).sum() } else { 0 };
    fresh.commit(&entries.iter().map(|entry| (entry.id, entry.encode())).collect::<Vec<_>>(), &[], None)?;
    for (sequence, (_, record)) in (0..).zip(&found.records) {
        fresh.append_log_unsynced(sequence, record)?;
    }
    fresh.close()?;
    drop(fresh);
    mend::begin_recovering(data).map_err(io)?;
    write_synced(&new.join(COMPLETE), b"").and_then(|()| sync_folder(&new)).map_err(io)?;
    Ok(lost)
}

/// What the old database says; `None` when its log cannot be read up to the end.
fn read_database(db: &Db) -> Option<Found> {
    let mut found = Found { entries: read_catalog(db, &db.segment_files().ok()?).ok()?.entries, ..Found::default() };
    db.each_log(|sequence, record| found.records.push((sequence, record.to_vec()))).ok()?;
    Some(found)
}

/// Reads tables and logs that nothing says anything about.
fn read_files(data: &Path, new: &Path, tables: &[PathBuf], taken: &HashSet<u64>) -> Result<Found, DbError> {
    let io = |error: io::Error| DbError(error.to_string());
    let mut found = Found::default();
    if !tables.is_empty() {
        let scratch = new.join("scratch");
        fs::create_dir_all(&scratch).map_err(io)?;
        for table in tables {
            fs::copy(table, scratch.join(table.file_name().unwrap_or_default())).map_err(io)?;
        }
        let read = each_in_tables(&scratch, |key, value| found.take(key, value));
        remove_folder(&scratch).map_err(io)?;
        read?;
    }
    for file in log_files(data).map_err(io)? {
        let bytes = fs::read(&file).map_err(io)?;
        for record in wal::scan(&bytes).unwrap_or_default().records {
            let batch: Vec<u8> = record.into_iter().filter_map(|range| bytes.get(range)).flatten().copied().collect();
            found.replay(&operations(&batch).unwrap_or_default(), taken);
        }
    }
    Ok(found)
}

impl Found {
    /// Does what a batch did.
    fn replay(&mut self, operations: &[Operation<'_>], taken: &HashSet<u64>) {
        let before: HashSet<u64> = self.entries.keys().copied().collect();
        for operation in operations {
            if let Operation::Put(key, value) = operation {
                self.take(key, value);
            }
        }
        let new: Vec<u64> = self.entries.keys().filter(|id| !before.contains(id)).copied().collect();
        // Records go when the segments that replace them are there; to keep some twice is harmless.
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

    /// Keys are numbers in both tables; values tell which it is.
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let Ok(number) = <[u8; 8]>::try_from(key).map(u64::from_be_bytes) else { return };
        if log::each_request(value, |_, _, _| ()).is_ok() {
            self.records.push((number, value.to_vec()));
        } else if let Ok(entry) = SegmentEntry::decode(number, value) {
            self.entries.insert(number, entry);
        }
    }
}

/// Moves the old files away and the new ones in. May be run again from any point of it.
fn swap(data: &Path, aside: &mut Aside) -> io::Result<()> {
    let new = data.join(REBUILDING);
    if !new.join(MOVED).exists() {
        // First the file without which nothing opens the folder.
        let mut files = database_files(data)?;
        files.sort_by_key(|file| !file.ends_with("CURRENT"));
        files.iter().try_for_each(|file| aside.take(file))?;
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

/// The files of RocksDB's in a folder.
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

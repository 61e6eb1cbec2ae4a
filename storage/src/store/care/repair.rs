//! Puts a damaged folder in order. What is replaced is kept in `damaged/`, and every span that can be read stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::verify::{Care, Tell, check_segment};
use super::{Aside, entry_from_pages, mend, read_catalog, rebuild};
use crate::catalog::{SegmentEntry, about};
use crate::log;
use crate::rows::Rows;
use crate::segment::{ABOUT, Built, LostPart, SegmentGroup, encode, read_metadata};
use crate::store::OpenError;
use crate::store::db::{Db, DbError, SegmentFile};

/// What a repair did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Catalog entries that were made again; nothing is lost by that.
    pub entries: u64,
    /// Segments that were written again without what is damaged.
    pub segments: u64,
    /// Spans in these.
    pub spans_saved: u64,
    /// Spans that no one can read any more, as far as is known.
    pub spans_lost: u64,
    /// Attributes and other values that spans, events or links are without now.
    pub values_lost: u64,
    /// Events and links that spans are without now.
    pub children_lost: u64,
    /// Records of the log that were damaged, each with the spans of one commit.
    pub records_lost: u64,
    /// Where the originals are.
    pub aside: Vec<PathBuf>,
}

impl Repaired {
    /// The same in words.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if *self == Self::default() {
            return vec!["nothing had to be repaired".to_owned()];
        }
        let mut lines = vec![
            format!("made {} catalog entries again, with nothing lost", self.entries),
            format!("wrote {} segments again, with {} spans", self.segments, self.spans_saved),
            format!(
                "lost {} spans, {} values of others, {} events and links, {} log records",
                self.spans_lost, self.values_lost, self.children_lost, self.records_lost
            ),
        ];
        lines.extend(self.aside.iter().map(|folder| format!("the originals are in {}", folder.display())));
        lines
    }
}

/// Puts a folder in order that no process has open.
pub fn repair(data: &Path, tell: &mut dyn FnMut(Care)) -> Result<Repaired, OpenError> {
    let failed = |error: DbError| OpenError::Failed { path: data.to_owned(), reason: error.to_string() };
    let mut aside = Aside::new(data);
    let mut db = open(data, &mut aside, tell)?;
    let mut lost = 0;
    if db.is_lenient || !is_readable(&db).map_err(failed)? {
        lost = rebuild::rebuild(data, Some(db), &mut aside, tell).map_err(failed)?;
        tell(mended("RocksDB", "its files were put together again"));
        db = Db::open(data, 0)?;
    }
    let mut work =
        Work { db: &db, aside: &mut aside, tell, done: Repaired { spans_lost: lost, ..Repaired::default() } };
    work.run().map_err(failed)?;
    let mut done = work.done;
    db.close().map_err(failed)?;
    done.aside = aside.folder().map(Path::to_owned).into_iter().collect();
    Ok(done)
}

/// Opens the folder, whatever it takes.
fn open(data: &Path, aside: &mut Aside, tell: Tell<'_>) -> Result<Db, OpenError> {
    let reason = match if rebuild::is_interrupted(data) { None } else { Some(Db::open(data, 0)) } {
        None => "a repair did not end".to_owned(),
        Some(Err(OpenError::Damaged { reason, .. })) => reason,
        Some(opened) => {
            let db = opened?;
            db.damage.iter().for_each(|line| tell(mended("RocksDB", line)));
            return Ok(db);
        }
    };
    tell(Care::Found { place: "RocksDB".to_owned(), reason });
    let failed = |error: DbError| OpenError::Failed { path: data.to_owned(), reason: error.to_string() };
    rebuild::rebuild(data, None, aside, tell).map_err(failed)?;
    tell(mended("RocksDB", "its files were put together again"));
    Db::open(data, 0)
}

/// Whether catalog and log can be read from end to end.
fn is_readable(db: &Db) -> Result<bool, DbError> {
    let log = db.each_log(|_, _| ());
    Ok(read_catalog(db, &[])?.unread.is_none() && log.is_ok_and(|read| read.missing.is_empty()))
}

fn mended(place: &str, how: &str) -> Care {
    Care::Mended { place: place.to_owned(), how: how.to_owned() }
}

struct Work<'w> {
    db: &'w Db,
    aside: &'w mut Aside,
    tell: Tell<'w>,
    done: Repaired,
}

impl Work<'_> {
    fn run(&mut self) -> Result<(), DbError> {
        let files = self.db.segment_files()?;
        let mut entries = self.mend_catalog(&files)?;
        (self.tell)(Care::Begun { what: "repairing", bytes: files.iter().map(|file| file.bytes).sum() });
        let mut next =
            files.last().map_or(0, |file| file.segment).max(entries.keys().max().copied().unwrap_or_default());
        for file in &files {
            if let Some(entry) = entries.remove(&file.segment) {
                self.mend_segment(&entry, file, &mut next)?;
            }
            (self.tell)(Care::Done { bytes: file.bytes });
        }
        for entry in entries.values() {
            self.drop_entry(entry)?;
        }
        self.mend_log()
    }

    /// Makes lost entries again. Answers all entries.
    fn mend_catalog(
        &mut self,
        files: &[SegmentFile],
    ) -> Result<std::collections::BTreeMap<u64, SegmentEntry>, DbError> {
        let read = read_catalog(self.db, files)?;
        let mut entries = read.entries;
        let recovering = mend::is_recovering(self.db.path());
        for file in files.iter().filter(|file| !entries.contains_key(&file.segment)).collect::<Vec<_>>() {
            let damaged = read.damaged.get(&file.segment);
            if damaged.is_none() && !recovering {
                continue;
            }
            match entry_from_pages(self.db, file) {
                Ok(entry) => {
                    self.replace_entry(&entry, "made again from the pages of the segment")?;
                    entries.insert(entry.id, entry);
                }
                Err(error) => {
                    let place = format!("catalog entry of segment {}", file.segment);
                    (self.tell)(Care::Found {
                        place,
                        reason: format!("cannot be made again: {error}; the pages are kept"),
                    });
                }
            }
        }
        if recovering {
            mend::recovered(self.db.path()).map_err(|error| DbError(error.to_string()))?;
        }
        Ok(entries)
    }

    fn replace_entry(&mut self, entry: &SegmentEntry, how: &str) -> Result<(), DbError> {
        self.keep_entry(entry.id)?;
        self.db.commit(&[(entry.id, entry.encode())], &[], None)?;
        self.done.entries += 1;
        (self.tell)(mended(&format!("catalog entry of segment {}", entry.id), how));
        Ok(())
    }

    fn keep_entry(&mut self, segment: u64) -> Result<(), DbError> {
        match self.db.catalog_entry(segment) {
            Ok(Some(bytes)) => self.keep(&format!("catalog-entry-{segment}"), &bytes),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, name: &str, bytes: &[u8]) -> Result<(), DbError> {
        self.aside.write(name, bytes).map_err(|error| DbError(error.to_string()))
    }

    /// Writes a segment again when its pages are damaged, or its entry when only that is wrong.
    fn mend_segment(&mut self, entry: &SegmentEntry, file: &SegmentFile, next: &mut u64) -> Result<(), DbError> {
        let mut found = Vec::new();
        check_segment(self.db, entry, file, &mut |damage| found.push(damage));
        if found.is_empty() {
            return Ok(());
        }
        let entry_only = found.iter().all(|damage| damage.entry_only);
        found.into_iter().for_each(|damage| (self.tell)(damage.into()));
        if entry_only && let Ok(right) = entry_from_pages(self.db, file) {
            return self.replace_entry(&right, "made again from the pages of the segment");
        }
        self.aside.copy(&file.path).map_err(|error| DbError(error.to_string()))?;
        self.keep_entry(entry.id)?;
        let rows = self.salvage(entry);
        let mut new = Vec::new();
        if rows.len() > 0 {
            *next += 1;
            let mut built = encode(&[&rows]).map_err(|error| DbError(error.to_string()))?;
            built.pages.insert(ABOUT, about(&entry.tenant, entry.received));
            let bytes = self.db.stage(*next, &built)?;
            self.db.ingest(*next)?;
            let (tenant, Built { traces, groups, names, .. }) = (entry.tenant.clone(), built);
            let entry = SegmentEntry { id: *next, tenant, bytes, received: entry.received, traces, groups, names };
            new.push((entry.id, entry.encode()));
            self.done.segments += 1;
            self.done.spans_saved += entry.spans();
        }
        self.db.commit(&new, &[entry.id], None)?;
        self.db.drop_pages(entry.id)?;
        let how = format!("{} of its {} spans are in segment {next} now", rows.len(), entry.spans());
        (self.tell)(mended(&format!("segment {}", entry.id), &how));
        Ok(())
    }

    /// All that can be read of a segment.
    fn salvage(&mut self, entry: &SegmentEntry) -> Rows {
        let mut rows = Rows::default();
        let Ok(meta) = read_metadata(self.db, entry.id).map(Arc::new) else {
            self.done.spans_lost += entry.spans();
            return rows;
        };
        for number in 0..meta.groups.len().max(entry.groups.len()) {
            let spans = entry.groups.get(number).map_or(0, |group| u64::from(group.spans));
            let done = &mut self.done;
            let group = SegmentGroup::open(self.db, entry.id, Arc::clone(&meta), number as u16);
            let read = group.and_then(|group| {
                group.append_to(&mut rows, &mut |lost| {
                    match lost.what {
                        LostPart::Column(..) => done.values_lost += lost.count as u64,
                        LostPart::Table(_) => done.children_lost += lost.count as u64,
                    }
                    Ok(())
                })
            });
            if read.is_err() {
                done.spans_lost += spans;
            }
        }
        rows
    }

    /// An entry without a file: the spans are gone.
    fn drop_entry(&mut self, entry: &SegmentEntry) -> Result<(), DbError> {
        let place = format!("segment {}", entry.id);
        (self.tell)(Care::Found { place, reason: format!("its file is missing, and {} spans with it", entry.spans()) });
        self.keep_entry(entry.id)?;
        self.done.spans_lost += entry.spans();
        self.db.commit(&[], &[entry.id], None)
    }

    /// Takes damaged records out of the log.
    fn mend_log(&mut self) -> Result<(), DbError> {
        let mut damaged = Vec::new();
        self.db.each_log(|sequence, record| {
            if let Err(error) = log::each_request(record, |_, _, _| ()) {
                damaged.push((sequence, record.to_vec(), error.to_string()));
            }
        })?;
        for (sequence, record, reason) in damaged {
            let place = format!("log record {sequence}");
            (self.tell)(Care::Found { place, reason });
            self.keep(&format!("log-record-{sequence}"), &record)?;
            self.db.drop_log_record(sequence)?;
            self.done.records_lost += 1;
        }
        Ok(())
    }
}

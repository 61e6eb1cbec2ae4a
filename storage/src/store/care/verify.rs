//! Reads everything and says what is wrong. Changes nothing.

use std::path::Path;
use std::sync::Arc;

use super::adopt::names_from_pages;
use super::{CatalogRead, mend, read_catalog};
use crate::catalog::{SegmentEntry, read_about};
use crate::codec::fuse;
use crate::log;
use crate::rows::Rows;
use crate::segment::{ABOUT, Lost, LostPart, Metadata, SegmentGroup, read_metadata};
use crate::store::OpenError;
use crate::store::db::{Db, DbError, SegmentFile};
use crate::{ReadError, rows};

/// What is told while a folder is verified or repaired.
#[derive(Debug)]
#[non_exhaustive]
pub enum Care {
    /// A part of the work begins.
    Begun {
        /// What is done.
        what: &'static str,
        /// To how many bytes.
        bytes: u64,
    },
    /// So many more bytes are done.
    Done {
        /// Bytes.
        bytes: u64,
    },
    /// Damage.
    Found {
        /// File, and where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Damage is gone.
    Mended {
        /// Where it was.
        place: String,
        /// What was saved and what was lost.
        how: String,
    },
}

/// Hears what is told.
pub(crate) type Tell<'t> = &'t mut dyn FnMut(Care);

/// How much was looked through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Segments.
    pub segments: u64,
    /// Spans in them that can be read.
    pub segment_spans: u64,
    /// Records of the log.
    pub log_records: u64,
    /// Spans in them. Some may be in a segment as well.
    pub log_spans: u64,
}

/// Reads every byte of a folder that nobody writes to, and tells of all damage. `None` when so much is damaged that nothing can be
/// looked into.
pub fn verify(folder: &Path, tell: &mut dyn FnMut(Care)) -> Result<Option<Checked>, OpenError> {
    let failed = |reason: String| OpenError::Failed { path: folder.to_owned(), reason };
    let damage = mend::look_at_logs(folder).map_err(|error| failed(error.to_string()))?;
    damage.into_iter().for_each(|place| tell(Care::Found { place, reason: "damaged log of RocksDB".to_owned() }));
    let db = match Db::open_read_only(folder) {
        Err(OpenError::Damaged { reason, .. }) => {
            tell(Care::Found { place: folder.display().to_string(), reason });
            return Ok(None);
        }
        opened => opened?,
    };
    db.damage.iter().for_each(|reason| tell(Care::Found { place: "RocksDB".to_owned(), reason: reason.clone() }));
    check(&db, tell).map(Some).map_err(|error| failed(error.to_string()))
}

fn check(db: &Db, tell: Tell<'_>) -> Result<Checked, DbError> {
    let files = db.segment_files()?;
    let catalog = read_catalog(db, &files)?;
    tell_of_catalog(&catalog, &files, tell);
    tell(Care::Begun { what: "verifying", bytes: files.iter().map(|file| file.bytes).sum() });
    let mut checked = Checked::default();
    for file in &files {
        // Pages without an entry are of a merge or seal that did not end, and go at the next start.
        if let Some(entry) = catalog.entries.get(&file.segment) {
            checked.segments += 1;
            checked.segment_spans += check_segment(db, entry, file, &mut |damage| tell(damage.into()));
        }
        tell(Care::Done { bytes: file.bytes });
    }
    check_log(db, &mut checked, tell)?;
    Ok(checked)
}

fn tell_of_catalog(catalog: &CatalogRead, files: &[SegmentFile], tell: Tell<'_>) {
    let mut found = |place: String, reason: &str| tell(Care::Found { place, reason: reason.to_owned() });
    if let Some(reason) = &catalog.unread {
        found("catalog".to_owned(), reason);
    }
    for (segment, reason) in &catalog.damaged {
        found(format!("catalog entry of segment {segment}"), reason);
    }
    for segment in catalog.entries.keys().filter(|id| !files.iter().any(|file| file.segment == **id)) {
        found(format!("segment {segment}"), "its file is missing");
    }
}

fn check_log(db: &Db, checked: &mut Checked, tell: Tell<'_>) -> Result<(), DbError> {
    let read = db.each_log(|sequence, record| {
        checked.log_records += 1;
        let mut rows = Rows::default();
        let mut malformed = None;
        let read = log::each_request(record, |_, _, body| malformed = malformed.or(rows.append_request(body).err()));
        checked.log_spans += rows.len() as u64;
        let wrong = read.err().map(|error| error.to_string()).or(malformed.map(|error| error.to_string()));
        if let Some(reason) = wrong {
            tell(Care::Found { place: format!("log record {sequence}"), reason });
        }
    });
    match read {
        Ok(read) => {
            for (sequence, reason) in read.missing {
                tell(Care::Found { place: format!("log records from {sequence} on"), reason });
            }
        }
        Err(error) => tell(Care::Found { place: "log".to_owned(), reason: error.to_string() }),
    }
    Ok(())
}

/// Damage of a segment.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) place: String,
    pub(crate) reason: String,
    /// Whether its catalog entry is wrong and its pages are right.
    pub(crate) entry_only: bool,
}

impl From<Damage> for Care {
    fn from(damage: Damage) -> Self {
        Self::Found { place: damage.place, reason: damage.reason }
    }
}

/// Reads every page of a segment and compares them with each other and with the catalog. Answers how many spans can be read.
pub(crate) fn check_segment(db: &Db, entry: &SegmentEntry, file: &SegmentFile, found: &mut dyn FnMut(Damage)) -> u64 {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut in_pages = |error: ReadError| found(of_pages(&name, entry.id, error));
    if let Err(error) = check_about(db, entry) {
        in_pages(error);
    }
    let groups = match Groups::of(db, entry.id) {
        Ok(groups) => groups,
        Err(error) => {
            in_pages(error);
            return 0;
        }
    };
    let spans = groups.check(&mut in_pages);
    let place = format!("catalog entry of segment {}", entry.id);
    let mut in_entry = |what: String| found(Damage { place: place.clone(), reason: what, entry_only: true });
    if entry.bytes != file.bytes {
        in_entry("another size than the file has".to_owned());
    }
    groups.check_entry(entry, &mut in_entry);
    spans
}

/// The groups of a segment.
struct Groups<'d> {
    db: &'d Db,
    segment: u64,
    meta: Arc<Metadata>,
}

impl<'d> Groups<'d> {
    fn of(db: &'d Db, segment: u64) -> Result<Self, ReadError> {
        Ok(Self { db, segment, meta: Arc::new(read_metadata(db, segment)?) })
    }

    fn open(&self, number: usize) -> Result<SegmentGroup<'d>, ReadError> {
        SegmentGroup::open(self.db, self.segment, Arc::clone(&self.meta), number as u16)
    }

    /// Reads every page. Answers how many spans can be read.
    fn check(&self, found: &mut dyn FnMut(ReadError)) -> u64 {
        let (mut spans, mut last) = (0, None);
        for number in 0..self.meta.groups.len() {
            let mut rows = Rows::default();
            let read = self.open(number).and_then(|group| {
                group.append_to(&mut rows, &mut |lost| {
                    found(described(lost));
                    Ok(())
                })?;
                group.check_filters(found);
                group.check_order(last)
            });
            last = read.unwrap_or_else(|error| {
                found(error);
                None
            });
            spans += rows.len() as u64;
        }
        spans
    }

    /// Compares what the catalog says with what the pages say.
    fn check_entry(&self, entry: &SegmentEntry, found: &mut dyn FnMut(String)) {
        if entry.groups.len() != self.meta.groups.len() {
            found("another number of groups than the segment has".to_owned());
        }
        for (number, said) in entry.groups.iter().enumerate() {
            // A group that cannot be read is found when its pages are.
            let Ok((is, ids)) = self.open(number).and_then(|group| Ok((group.stats()?, group.trace_ids()?))) else {
                continue;
            };
            if (said.spans, said.starts, said.latest_trace) != (is.spans, is.starts, is.latest_trace) {
                found(format!("group {number}: other counts or times than the group has"));
            }
            let knows = |filter: &[u8]| ids.iter().all(|id| fuse::may_hold(filter, fuse::hash(&id.0)).unwrap_or(false));
            if !knows(&said.traces) || !knows(&entry.traces) {
                found(format!("group {number}: a filter that does not know a trace"));
            }
        }
        // Entries of the first format list none.
        if entry.names.is_some()
            && let Ok(names) = names_from_pages(self.db, self.segment, &self.meta)
            && names != entry.names
        {
            found("other services or span names than the segment has".to_owned());
        }
    }
}

fn check_about(db: &Db, entry: &SegmentEntry) -> Result<(), ReadError> {
    let wrong = |reason: String| ReadError::Corrupt { place: format!("segment {}, origin", entry.id), reason };
    // Segments of the first format have none.
    let Some(page) = db.optional_page(entry.id, ABOUT)? else { return Ok(()) };
    let (tenant, received) = read_about(&page).map_err(|error| wrong(error.to_string()))?;
    if tenant == entry.tenant && received == entry.received {
        return Ok(());
    }
    Err(wrong("another tenant or time than the catalog says".to_owned()))
}

fn of_pages(file: &str, segment: u64, error: ReadError) -> Damage {
    let (place, reason) = match error {
        ReadError::Corrupt { place, reason } => (place, reason),
        other => (format!("segment {segment}"), other.to_string()),
    };
    Damage { place: format!("{file}: {place}"), reason, entry_only: false }
}

/// The error with what was lost by it.
fn described(lost: Lost) -> ReadError {
    let count = lost.count;
    let what = match &lost.what {
        LostPart::Column(key) => format!("{count} values of {}", rows::text(&key.name)),
        LostPart::Table(kind) => {
            format!("{count} {}", if *kind == rows::TableKind::Event { "events" } else { "links" })
        }
    };
    match lost.error {
        ReadError::Corrupt { place, reason } => ReadError::Corrupt { place, reason: format!("{reason} ({what})") },
        other => other,
    }
}

//! One segment, read to its last page and compared with what the catalog says of it.

use std::sync::Arc;

use super::adopt::{names_from_pages, origin_damaged};
use crate::ReadError;
use crate::backend::{Backend, Integrity, StoredSegment};
use crate::catalog::{SegmentEntry, read_about};
use crate::codec::fuse;
use crate::rows::{self, Rows};
use crate::segment::{ABOUT, GroupStats, Lost, LostPart, Meta, SegmentGroup, read_meta};

/// Damage of a segment.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) location: String,
    pub(super) reason: String,
    /// Whether its catalog entry is wrong and its pages are right.
    pub(super) entry_only: bool,
}

impl From<Damage> for Integrity {
    fn from(damage: Damage) -> Self {
        Self::Found { location: damage.location, reason: damage.reason }
    }
}

/// Reads every page of a segment and compares them with each other and with the catalog. Answers how many spans can be read.
pub(super) fn check_segment(
    backend: &dyn Backend,
    entry: &SegmentEntry,
    stored: &StoredSegment,
    found: &mut dyn FnMut(Damage),
) -> u64 {
    let mut in_pages = |error: ReadError| found(of_pages(stored, error));
    if let Err(error) = check_origin(backend, entry) {
        in_pages(error);
    }
    let groups = match Groups::of(backend, entry.id) {
        Ok(groups) => groups,
        Err(error) => {
            in_pages(error);
            return 0;
        }
    };
    let spans = groups.check(&mut in_pages);
    let location = format!("catalog entry of segment {}", entry.id);
    let mut in_entry = |reason: String| found(Damage { location: location.clone(), reason, entry_only: true });
    if entry.bytes != stored.bytes {
        in_entry("another size than the file has".to_owned());
    }
    groups.check_entry(entry, &mut in_entry);
    spans
}

/// The groups of a segment.
struct Groups<'b> {
    backend: &'b dyn Backend,
    segment: u64,
    meta: Arc<Meta>,
}

impl<'b> Groups<'b> {
    fn of(backend: &'b dyn Backend, segment: u64) -> Result<Self, ReadError> {
        Ok(Self { backend, segment, meta: Arc::new(read_meta(backend, segment)?) })
    }

    fn open(&self, number: u16) -> Result<SegmentGroup<'b>, ReadError> {
        SegmentGroup::open(self.backend, self.segment, Arc::clone(&self.meta), number)
    }

    /// Reads every page. Answers how many spans can be read.
    fn check(&self, found: &mut dyn FnMut(ReadError)) -> u64 {
        let (mut spans, mut last) = (0, None);
        for number in (0u16..).take(self.meta.groups.len()) {
            let mut rows = Rows::default();
            let read = self.open(number).and_then(|group| {
                group.append_to(&mut rows, &mut |lost| {
                    found(with_loss(lost));
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
        for (number, said) in (0u16..).zip(&entry.groups) {
            self.check_stats(number, said, entry, found);
        }
        // Entries of the first format list none.
        if entry.names.is_some()
            && let Ok(names) = names_from_pages(self.backend, self.segment, &self.meta)
            && names != entry.names
        {
            found("other services or span names than the segment has".to_owned());
        }
    }

    /// Compares what the catalog says of a group. A group that cannot be read is found when its pages are.
    fn check_stats(&self, number: u16, said: &GroupStats, entry: &SegmentEntry, found: &mut dyn FnMut(String)) {
        let read = self.open(number).and_then(|group| Ok((group.stats()?, group.trace_ids()?)));
        let Ok((is, ids)) = read else { return };
        if (said.spans, said.starts, said.latest_trace) != (is.spans, is.starts, is.latest_trace) {
            found(format!("group {number}: other counts or times than the group has"));
        }
        let is_known = |filter: &[u8], id: &[u8]| fuse::may_hold(filter, fuse::hash(id)).unwrap_or(false);
        if !ids.iter().all(|id| is_known(&said.traces, &id.0) && is_known(&entry.traces, &id.0)) {
            found(format!("group {number}: a filter that does not know a trace"));
        }
    }
}

fn check_origin(backend: &dyn Backend, entry: &SegmentEntry) -> Result<(), ReadError> {
    // Segments of the first format have none.
    let Some(page) = backend.optional_page(entry.id, ABOUT)? else { return Ok(()) };
    let (tenant, received) = read_about(&page).map_err(|error| origin_damaged(entry.id, &error))?;
    if tenant == entry.tenant && received == entry.received {
        return Ok(());
    }
    Err(origin_damaged(entry.id, &"another tenant or time than the catalog says"))
}

fn of_pages(stored: &StoredSegment, error: ReadError) -> Damage {
    let (location, reason) = match error {
        ReadError::Corrupt { location, reason } => (location, reason),
        other => (format!("segment {}", stored.segment), other.to_string()),
    };
    let file = stored.file.as_ref().and_then(|file| file.file_name());
    let location = match file {
        Some(file) => format!("{}: {location}", file.to_string_lossy()),
        None => location,
    };
    Damage { location, reason, entry_only: false }
}

/// The error with what was lost by it.
fn with_loss(lost: Lost) -> ReadError {
    let count = lost.count;
    let what = match &lost.what {
        LostPart::Column(key) => format!("{count} values of {}", rows::text(&key.name)),
        LostPart::Table(rows::TableKind::Event) => format!("{count} events"),
        LostPart::Table(_) => format!("{count} links"),
    };
    match lost.error {
        ReadError::Corrupt { location, reason } => {
            ReadError::Corrupt { location, reason: format!("{reason} ({what})") }
        }
        other => other,
    }
}

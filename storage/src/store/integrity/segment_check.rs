//! Checks one segment: reads all its pages and compares them with its catalog entry.

use std::sync::Arc;

use super::adopt::read_about;
use crate::ReadError;
use crate::backend::{Backend, Integrity, StoredSegment};
use crate::catalog::SegmentEntry;
use crate::codec::{Damaged, fuse};
use crate::names::{Names, ShapeCounts};
use crate::rows::{self, Rows, TableKind};
use crate::scan::SpanColumns;
use crate::segment::{
    About, GroupFilters, GroupStats, Lost, LostPart, Metadata, SegmentGroup, damaged_tail, read_metadata, tail,
};

/// Damage of a segment.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) location: String,
    pub(super) reason: String,
    /// Whether only its catalog entry is wrong.
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
    if let Err(error) = check_about(backend, entry) {
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
    groups.check_tail(&mut in_pages);
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
    meta: Arc<Metadata>,
}

impl<'b> Groups<'b> {
    fn of(backend: &'b dyn Backend, segment: u64) -> Result<Self, ReadError> {
        Ok(Self { backend, segment, meta: Arc::new(read_metadata(backend, segment)?) })
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

    /// Compares the catalog entry with the pages.
    fn check_entry(&self, entry: &SegmentEntry, found: &mut dyn FnMut(String)) {
        if entry.groups.len() != self.meta.groups.len() {
            found("another number of groups than the segment has".to_owned());
        }
        for (number, said) in (0u16..).zip(&entry.groups) {
            self.check_stats(number, said, found);
        }
    }

    /// Compares the catalog's entry of a group with its pages. An unreadable group is skipped: it is reported when its pages are checked.
    fn check_stats(&self, number: u16, said: &GroupStats, found: &mut dyn FnMut(String)) {
        let Ok(is) = self.open(number).and_then(|group| group.stats()) else { return };
        if *said != is {
            found(format!("group {number}: other counts or times than the group has"));
        }
    }

    /// Compares the filters over trace ids, and the services and span names, with the groups. An unreadable group is skipped: it is
    /// reported when its pages are checked.
    fn check_tail(&self, found: &mut dyn FnMut(ReadError)) {
        if let Err(error) = self.check_trace_filters() {
            found(error);
        }
        if let Err(error) = self.check_names() {
            found(error);
        }
    }

    fn check_trace_filters(&self) -> Result<(), ReadError> {
        let wrong = damaged_tail(self.segment, "filters over trace ids");
        let all = self.backend.page(self.segment, tail::TRACE_FILTER)?;
        let of_groups = self.backend.page(self.segment, tail::GROUP_TRACE_FILTERS)?;
        let of_groups = GroupFilters::decode(&of_groups).map_err(&wrong)?;
        for number in (0u16..).take(self.meta.groups.len()) {
            let Ok(ids) = self.open(number).and_then(|group| group.trace_ids()) else { continue };
            for id in ids {
                let hash = fuse::hash(&id.0);
                if !fuse::may_hold(&all, hash).map_err(&wrong)? || !of_groups.may_hold(number, hash) {
                    return Err(wrong(Damaged("a filter that does not know a trace")));
                }
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), ReadError> {
        let wrong = damaged_tail(self.segment, "services and span names");
        let listed = Names::decode_list(&self.backend.page(self.segment, tail::NAMES)?).map_err(&wrong)?;
        match self.names() {
            Ok(names) if listed.is_some() && names != listed => {
                Err(wrong(Damaged("other services or span names than the segment has")))
            }
            _ => Ok(()),
        }
    }

    fn names(&self) -> Result<Option<Names>, ReadError> {
        let shapes = self.backend.shapes(self.segment, TableKind::Span, &self.meta)?;
        let mut counts = ShapeCounts::default();
        for number in (0u16..).take(self.meta.groups.len()) {
            let group = self.open(number)?;
            group.table(TableKind::Span).shape_codes()?.iter().for_each(|shape| counts.add(*shape));
        }
        Ok(Names::of(&shapes, &counts, &self.meta.resources, |name| self.meta.span_name(name)))
    }
}

fn check_about(backend: &dyn Backend, entry: &SegmentEntry) -> Result<(), ReadError> {
    let About { tenant, received } = read_about(backend, entry.id)?;
    if tenant == entry.tenant && received == entry.received {
        return Ok(());
    }
    let wrong = damaged_tail(entry.id, "tenant and arrival");
    Err(wrong(Damaged("another tenant or time than the catalog says")))
}

fn of_pages(stored: &StoredSegment, error: ReadError) -> Damage {
    let (location, reason) = in_file(stored, error);
    Damage { location, reason, entry_only: false }
}

/// Where damage is, with the name of the file, and the reason.
pub(super) fn in_file(stored: &StoredSegment, error: ReadError) -> (String, String) {
    let (location, reason) = match error {
        ReadError::Corrupt { location, reason } => (location, reason),
        other => (format!("segment {}", stored.segment), other.to_string()),
    };
    let file = stored.file.as_ref().and_then(|file| file.file_name());
    let location = match file {
        Some(file) => format!("{}: {location}", file.to_string_lossy()),
        None => location,
    };
    (location, reason)
}

/// The error, with the loss in its text.
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

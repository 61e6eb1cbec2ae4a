//! Segments: immutable sets of pages, a page for each column of each row group. `FORMAT.md` describes every byte.
//!
//! A segment needs nothing outside of itself: its tail holds its resources, scopes, names, columns and shapes. A page is found by (segment,
//! group, page) alone, wherever pages are stored.

mod check;
mod columns;
mod container;
mod decoded;
#[cfg(test)]
mod face_tests;
mod filters;
mod group;
mod materialize;
mod merge;
mod metadata;
mod parents;
mod positions;
mod prune;
mod rows;
mod shapes;
mod summary;
pub(crate) mod tail;
mod trace_index;
mod traces;
mod view;
mod write;

pub(crate) use container::{Container, ContainerWriter};
pub(crate) use filters::GroupFilters;
pub(crate) use group::SegmentGroup;
pub(crate) use merge::{MergeBounds, MergeError, MergeInput, merge};
pub(crate) use metadata::{GroupMeta, Metadata};
pub(crate) use prune::possible_groups;
pub(crate) use rows::{Lost, LostPart};
pub(crate) use tail::About;
pub(crate) use write::{GROUP_SPANS, PageSink, StartHints, TooLarge, WriteSegmentError, Written, write_rows};

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use hoptrail_proto::model::{Extent, TenantId};

use crate::ReadError;
use crate::codec::Damaged;
use crate::rows::{Rows, ShapeList, TableKind};
use crate::scan::HintHorizon;

/// The name of a page in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PageId {
    pub(crate) group: u16,
    pub(crate) page: u32,
}

/// The pages that every group has. Columns follow from [`pages::COLUMNS`] on.
pub(crate) mod pages {
    pub(crate) const TRACES: u32 = 0;
    pub(crate) const SPAN_SHAPES: u32 = 1;
    pub(crate) const SPAN_IDS: u32 = 2;
    pub(crate) const PARENTS: u32 = 3;
    pub(crate) const STARTS: u32 = 4;
    pub(crate) const DURATIONS: u32 = 5;
    pub(crate) const EVENTS: u32 = 6;
    pub(crate) const LINKS: u32 = 7;
    /// Columns of few bytes, one after the other.
    pub(crate) const SMALL_COLUMNS: u32 = 8;
    /// Column `c` of table `t` (0 spans, 1 events, 2 links) is page `COLUMNS + 3 * c + t`: [`PageId::column`](super::PageId::column).
    pub(crate) const COLUMNS: u32 = 1 << 8;
    /// The filter over the values of column page `p`, for all groups, is page `p + FILTERS` of the tail.
    pub(crate) const FILTERS: u32 = 1 << 30;
}

impl PageId {
    /// The page with the values of a column. Only groups that have values have the page. An impossible column index gives the last page.
    pub(crate) const fn column(kind: TableKind, column: u32) -> u32 {
        pages::COLUMNS.saturating_add(column.saturating_mul(3)).saturating_add(kind as u32)
    }
}

/// The entry of a group in the catalog. It tells which groups a query need not open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupStats {
    pub(crate) spans: u32,
    /// Earliest and latest span start.
    pub(crate) starts: (u64, u64),
    /// Latest span end; a span that ends before it starts counts as ending then.
    pub(crate) latest_end: u64,
    /// The latest order start of a trace, by its spans here. By all its spans a trace may start earlier, but not later.
    pub(crate) latest_trace: u64,
    /// Earliest and latest order start of a trace by start hints.
    pub(crate) hints: (u64, u64),
}

impl GroupStats {
    /// No trace of the group is later in the order of traces.
    pub(crate) fn latest(&self, horizon: HintHorizon) -> u64 {
        let (earliest, latest) = self.hints;
        if horizon.believes(earliest) && horizon.believes(latest) { latest } else { self.latest_trace }
    }

    /// No trace of the group has a later order start that can be real.
    pub(crate) fn horizon(&self) -> HintHorizon {
        let real = |start: u64| Extent::are_real(start, start).then_some(start);
        HintHorizon(real(self.latest_trace).or_else(|| real(self.starts.1)).unwrap_or(u64::MAX))
    }
}

/// Writes a segment in memory.
pub(crate) fn encode(rows: &[&Rows]) -> Result<(Pages, Written), TooLarge> {
    let (mut pages, about) = (Pages::default(), About { tenant: TenantId::single(), received: (0, 0) });
    match write_rows(rows, GROUP_SPANS, &StartHints::default(), &about, &mut pages) {
        Ok(written) => Ok((pages, written)),
        Err(WriteSegmentError::TooLarge(error)) => Err(error),
    }
}

/// A segment in memory.
pub(crate) type Pages = BTreeMap<PageId, Vec<u8>>;

impl PageSource for Pages {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        let PageId { group, page } = id;
        let missing = || ReadError::Corrupt {
            location: format!("segment {segment}, group {group}, page {page}"),
            reason: "the page is missing".to_owned(),
        };
        Ok(Box::new(self.get(&id).ok_or_else(missing)?.as_slice()))
    }
}

/// Bytes of a page, wherever they are.
pub(crate) type Page<'a> = Box<dyn Deref<Target = [u8]> + Send + Sync + 'a>;

/// A source of pages.
pub(crate) trait PageSource: Send + Sync {
    /// The page, or an error when it is not there.
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError>;

    /// The shapes of a table. An implementation that is asked often keeps them.
    fn shapes(&self, segment: u64, kind: TableKind, meta: &Metadata) -> Result<Arc<ShapeList>, ReadError> {
        read_shapes(self, segment, kind, meta)
    }
}

/// Makes an error of damage in the tail, with its location.
pub(crate) fn damaged_tail(segment: u64, what: &str) -> impl Fn(Damaged) -> ReadError + use<> {
    let location = format!("segment {segment}, {what}");
    move |error| ReadError::Corrupt { location: location.clone(), reason: error.to_string() }
}

/// An error of damage in a page of a rollup.
pub(crate) fn damaged_page(segment: u64, id: PageId, damaged: Damaged) -> ReadError {
    let location = format!("segment {segment}, group {}, page {}", id.group, id.page);
    ReadError::Corrupt { location, reason: damaged.to_string() }
}

/// Reads the metadata of a segment.
pub(crate) fn read_metadata(source: &(impl PageSource + ?Sized), segment: u64) -> Result<Metadata, ReadError> {
    let corrupt = |error: Damaged| ReadError::Corrupt {
        location: format!("segment {segment}, description"),
        reason: error.to_string(),
    };
    Metadata::decode(&source.page(segment, tail::METADATA)?).map_err(corrupt)
}

/// Reads the shapes of a table from their page.
pub(crate) fn read_shapes(
    source: &(impl PageSource + ?Sized),
    segment: u64,
    kind: TableKind,
    meta: &Metadata,
) -> Result<Arc<ShapeList>, ReadError> {
    let corrupt = |error: Damaged| ReadError::Corrupt {
        location: format!("segment {segment}, shapes of table {}", kind as u32),
        reason: error.to_string(),
    };
    shapes::decode(&source.page(segment, tail::shapes(kind))?, kind, meta).map(Arc::new).map_err(corrupt)
}

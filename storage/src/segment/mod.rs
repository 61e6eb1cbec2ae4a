//! Segments: immutable sets of pages, a page for each column of each row group. `FORMAT.md` describes every byte.
//!
//! A segment names nothing outside of itself: [`Metadata`] holds its resources, scopes, names, columns and shapes, and pages are
//! found by (segment, group, page) alone, wherever they live.

mod check;
mod columns;
mod encode;
#[cfg(test)]
mod face_tests;
mod fit;
mod group;
mod materialize;
mod metadata;
mod order;
mod parents;
mod prune;
mod rows;
mod shapes;
mod summary;
mod trace_index;
mod traces;
mod view;

pub(crate) use encode::{Built, GROUP_SPANS, GroupStats, encode, encode_in_groups};
pub(crate) use fit::TooLarge;
pub(crate) use group::SegmentGroup;
pub(crate) use metadata::Metadata;
pub(crate) use order::KnownStarts;
pub(crate) use prune::possible_groups;
pub(crate) use rows::{Lost, LostPart, nothing_lost};

use std::ops::Deref;
use std::sync::Arc;

use crate::ReadError;
use crate::codec::Damaged;
use crate::rows::{ShapeList, TableKind};

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
    pub(crate) const TAIL: u32 = 8;
    /// Column `c` of table `t` (0 spans, 1 events, 2 links) is page `COLUMNS + 3 * c + t`: [`PageId::column`](super::PageId::column).
    pub(crate) const COLUMNS: u32 = 1 << 8;
    /// The filter over its values is that page plus `FILTERS`, one for all groups, beside the description.
    pub(crate) const FILTERS: u32 = 1 << 30;
}

/// The segment's own page.
pub(crate) const META: PageId = PageId { group: u16::MAX, page: 0 };

/// Whose the segment is and when it arrived, should the catalog forget.
pub(crate) const ABOUT: PageId = PageId { group: META.group, page: 8 };

impl PageId {
    /// The page that has the values of a column, in each group that has any. A column that cannot be has the last page.
    pub(crate) const fn column(kind: TableKind, column: u32) -> u32 {
        pages::COLUMNS.saturating_add(column.saturating_mul(3)).saturating_add(kind as u32)
    }
}

/// Where the filter over a column's values is.
pub(crate) fn filter_of(kind: TableKind, column: u32) -> PageId {
    PageId { group: META.group, page: PageId::column(kind, column).saturating_add(pages::FILTERS) }
}

/// The page with the shapes of a table.
pub(crate) fn shapes_of(kind: TableKind) -> PageId {
    PageId { group: META.group, page: 1 + kind as u32 }
}

/// Bytes of a page, wherever they are.
pub(crate) type Page<'a> = Box<dyn Deref<Target = [u8]> + Send + Sync + 'a>;

/// Gives pages by name.
pub(crate) trait PageSource: Send + Sync {
    /// The page, or an error when it is not there.
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError>;

    /// The shapes of a table. Whoever is asked often keeps them.
    fn shapes(&self, segment: u64, kind: TableKind, meta: &Metadata) -> Result<Arc<ShapeList>, ReadError> {
        read_shapes(self, segment, kind, meta)
    }
}

/// Reads the description of a segment.
pub(crate) fn read_metadata(source: &(impl PageSource + ?Sized), segment: u64) -> Result<Metadata, ReadError> {
    let corrupt = |error: Damaged| ReadError::Corrupt {
        place: format!("segment {segment}, description"),
        reason: error.to_string(),
    };
    Metadata::decode(&source.page(segment, META)?).map_err(corrupt)
}

/// Reads the shapes of a table from their page.
pub(crate) fn read_shapes(
    source: &(impl PageSource + ?Sized),
    segment: u64,
    kind: TableKind,
    meta: &Metadata,
) -> Result<Arc<ShapeList>, ReadError> {
    let corrupt = |error: Damaged| ReadError::Corrupt {
        place: format!("segment {segment}, shapes of table {}", kind as u32),
        reason: error.to_string(),
    };
    shapes::decode(&source.page(segment, shapes_of(kind))?, kind, meta).map(Arc::new).map_err(corrupt)
}

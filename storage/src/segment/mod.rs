//! Segments: immutable sets of pages, a page for each column of each row group. `FORMAT.md` describes every byte.
//!
//! A segment names nothing outside of itself: [`Meta`] holds its resources, scopes, names, columns and shapes, and pages are
//! found by (segment, group, page) alone, wherever they live.

mod encode;
mod group;
mod meta;
mod order;
mod read;
mod view;

pub(crate) use encode::{Built, GroupStats, encode};
pub(crate) use group::SegmentGroup;
pub(crate) use meta::{Meta, Place};

use std::ops::Deref;

use crate::ReadError;

/// Where a page stands in its segment.
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
    /// Column `c` of table `t` (0 spans, 1 events, 2 links) is page `COLUMNS + 3 * c + t`.
    pub(crate) const COLUMNS: u32 = 1 << 8;
    /// Its filter is that page plus `FILTERS`.
    pub(crate) const FILTERS: u32 = 1 << 30;
}

/// The segment's own page.
pub(crate) const META: PageId = PageId { group: u16::MAX, page: 0 };

/// Bytes of a page, wherever they are.
pub(crate) type Page<'a> = Box<dyn Deref<Target = [u8]> + 'a>;

/// Gives pages by name.
pub(crate) trait PageSource: Send + Sync {
    /// The page, or an error when it is not there.
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError>;
}

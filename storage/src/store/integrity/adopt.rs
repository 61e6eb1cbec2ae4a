//! Makes the catalog entry of a segment again from its pages. Nothing is lost: the pages hold everything that an entry says.

use std::sync::Arc;

use crate::ReadError;
use crate::backend::StoredSegment;
use crate::catalog::SegmentEntry;
use crate::segment::{About, PageSource, SegmentGroup, Written, damaged_tail, read_metadata, tail};

pub(crate) fn entry_from_pages(pages: &dyn PageSource, stored: &StoredSegment) -> Result<SegmentEntry, ReadError> {
    let segment = stored.segment;
    let about = read_about(pages, segment)?;
    let meta = Arc::new(read_metadata(pages, segment)?);
    let groups = (0u16..).take(meta.groups.len());
    let stats = groups.map(|group| SegmentGroup::open(pages, segment, Arc::clone(&meta), group)?.stats());
    let groups = stats.collect::<Result<_, ReadError>>()?;
    Ok(SegmentEntry::new(segment, stored.bytes, about, Written { groups }))
}

/// Reads the tenant and the arrival of a segment.
pub(super) fn read_about(pages: &dyn PageSource, segment: u64) -> Result<About, ReadError> {
    About::decode(&pages.page(segment, tail::ABOUT)?).map_err(damaged_tail(segment, "tenant and arrival"))
}

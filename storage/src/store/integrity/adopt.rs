//! The catalog entry of a segment, made again from its pages. Nothing is lost: pages hold all that an entry says.

use std::fmt::Display;
use std::sync::Arc;

use crate::ReadError;
use crate::backend::StoredSegment;
use crate::catalog::{SegmentEntry, read_about};
use crate::codec::fuse;
use crate::names::{Names, ShapeCounts};
use crate::rows::TableKind;
use crate::scan::RowGroup;
use crate::segment::{ABOUT, Meta, PageSource, SegmentGroup, read_meta};

pub(crate) fn entry_from_pages(pages: &dyn PageSource, stored: &StoredSegment) -> Result<SegmentEntry, ReadError> {
    let segment = stored.segment;
    let (tenant, received) =
        read_about(&pages.page(segment, ABOUT)?).map_err(|error| origin_damaged(segment, &error))?;
    let meta = Arc::new(read_meta(pages, segment)?);
    let mut hashes = Vec::new();
    let mut groups = Vec::with_capacity(meta.groups.len());
    for number in (0u16..).take(meta.groups.len()) {
        let group = SegmentGroup::open(pages, segment, Arc::clone(&meta), number)?;
        groups.push(group.stats()?);
        hashes.extend(group.trace_ids()?.iter().map(|id| fuse::hash(&id.0)));
    }
    let traces = fuse::encode(hashes);
    let names = names_from_pages(pages, segment, &meta)?;
    Ok(SegmentEntry { id: segment, tenant, bytes: stored.bytes, received, traces, groups, names })
}

/// Damage of the page that says whose a segment is.
pub(super) fn origin_damaged(segment: u64, reason: &dyn Display) -> ReadError {
    ReadError::Corrupt { location: format!("segment {segment}, origin"), reason: reason.to_string() }
}

/// Services and span names of a segment.
pub(super) fn names_from_pages(
    pages: &dyn PageSource,
    segment: u64,
    meta: &Arc<Meta>,
) -> Result<Option<Names>, ReadError> {
    let shapes = pages.shapes(segment, TableKind::Span, meta)?;
    let mut counts = ShapeCounts::of(&shapes);
    for number in (0u16..).take(meta.groups.len()) {
        let group = SegmentGroup::open(pages, segment, Arc::clone(meta), number)?;
        group.table(TableKind::Span).shape_numbers()?.iter().for_each(|shape| counts.add(*shape));
    }
    Ok(Names::of(&shapes, &counts, &meta.resources, |name| meta.span_name(name)))
}

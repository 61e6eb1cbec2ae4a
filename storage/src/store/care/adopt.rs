//! The catalog entry of a segment, made again from its pages. Nothing is lost: pages hold all that an entry says.

use std::sync::Arc;

use crate::ReadError;
use crate::catalog::{SegmentEntry, read_about};
use crate::codec::{Damaged, fuse};
use crate::names::{Names, ShapeCounts};
use crate::rows::TableKind;
use crate::scan::SpanColumns;
use crate::segment::{ABOUT, Metadata, PageSource, SegmentGroup, read_metadata};
use crate::store::db::{Db, SegmentFile};

pub(crate) fn entry_from_pages(db: &Db, file: &SegmentFile) -> Result<SegmentEntry, ReadError> {
    let segment = file.segment;
    let damaged =
        |error: Damaged| ReadError::Corrupt { place: format!("segment {segment}, origin"), reason: error.to_string() };
    let (tenant, received) = read_about(&db.page(segment, ABOUT)?).map_err(damaged)?;
    let meta = Arc::new(read_metadata(db, segment)?);
    let mut hashes = Vec::new();
    let mut groups = Vec::with_capacity(meta.groups.len());
    for number in 0..meta.groups.len() {
        let group = SegmentGroup::open(db, segment, Arc::clone(&meta), number as u16)?;
        groups.push(group.stats()?);
        hashes.extend(group.trace_ids()?.iter().map(|id| fuse::hash(&id.0)));
    }
    let traces = fuse::encode(hashes);
    let names = names_from_pages(db, segment, &meta)?;
    Ok(SegmentEntry { id: segment, tenant, bytes: file.bytes, received, traces, groups, names })
}

/// Services and span names of a segment.
pub(crate) fn names_from_pages(db: &Db, segment: u64, meta: &Arc<Metadata>) -> Result<Option<Names>, ReadError> {
    let shapes = db.shapes(segment, TableKind::Span, meta)?;
    let mut counts = ShapeCounts::of(&shapes);
    for number in 0..meta.groups.len() {
        let group = SegmentGroup::open(db, segment, Arc::clone(meta), number as u16)?;
        group.table(TableKind::Span).shape_codes()?.iter().for_each(|shape| counts.add(*shape));
    }
    Ok(Names::of(&shapes, &counts, &meta.resources, |name| meta.span_name(name)))
}

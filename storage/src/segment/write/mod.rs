//! Writes a segment, group by group. What the groups share (codes, filters, metadata) is collected meanwhile and written last, as the tail.

mod fit;
mod group;
mod order;
mod parents;
mod translate;

pub(crate) use fit::TooLarge;
pub(super) use fit::at_most;
pub(super) use group::Scratch;
pub(crate) use order::StartHints;
pub(super) use order::{RowRef, TraceRun, sort_trace};
pub(super) use translate::Codes;

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::metadata::GroupMeta;
use super::tail::About;
use super::{GroupStats, PageId, Pages, filters, shapes, tail};
use crate::codec::bytes::put_varint;
use crate::codec::{fuse, to_u32};
use crate::names::{Names, ShapeCounts};
use crate::rows::Rows;
use fit::fit;
use group::GroupWriter;
use order::in_order;
use translate::Translator;

/// Spans after which a group is closed, at the end of a trace.
pub(crate) const GROUP_SPANS: usize = 8 << 10;

/// Takes the pages of a segment, in ascending order of their ids.
pub(crate) trait PageSink {
    /// Why a page was not taken.
    type Error;
    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), Self::Error>;
}

impl PageSink for Pages {
    type Error = Infallible;

    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), Infallible> {
        self.insert(id, page.into());
        Ok(())
    }
}

/// Why a segment was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteSegmentError<E> {
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The error of the sink.
    #[error(transparent)]
    Sink(E),
}

/// The facts of a written segment that go into its catalog entry.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Written {
    pub(crate) groups: Vec<GroupStats>,
}

/// Rows whose spans go into a segment, and their codes there.
#[derive(Clone, Copy)]
pub(crate) struct Source<'r> {
    pub(super) rows: &'r Rows,
    pub(super) codes: &'r Codes,
}

/// Writes a segment with all spans of these rows, in groups of about `group_spans`. Exact copies collapse.
pub(crate) fn write_rows<S: PageSink + ?Sized>(
    rows: &[&Rows],
    group_spans: usize,
    hints: &StartHints,
    about: &About,
    sink: &mut S,
) -> Result<Written, WriteSegmentError<S::Error>> {
    let mut writer = SegmentBuilder::new(sink);
    let (traces, order) = in_order(rows, hints);
    let codes = rows.iter().map(|rows| writer.codes(rows)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> = rows.iter().zip(&codes).map(|(rows, codes)| Source { rows, codes }).collect();
    let (mut rest, mut scratch) = (traces.as_slice(), Scratch::default());
    while let Some(first) = rest.first().map(|trace| trace.rows.start) {
        let full = rest.iter().position(|trace| trace.rows.end - first >= group_spans);
        let (group, others) = rest.split_at(full.map_or(rest.len(), |last| last + 1));
        let end = group.last().map_or(first, |trace| trace.rows.end);
        let group: Vec<TraceRun> = group.iter().map(|trace| trace.moved_back(first)).collect();
        writer.put_group(&sources, &group, order.get(first..end).unwrap_or_default(), &mut scratch)?;
        rest = others;
    }
    writer.finish(about)
}

/// A segment that is being written.
pub(super) struct SegmentBuilder<'s, S: ?Sized> {
    sink: &'s mut S,
    translator: Translator,
    groups: Vec<GroupMeta>,
    stats: Vec<GroupStats>,
    trace_filters: filters::Builder,
    /// Hashes of the values of each filtered column, by the page of its filter.
    values: BTreeMap<u32, Vec<u64>>,
    shape_counts: ShapeCounts,
}

impl<'s, S: PageSink + ?Sized> SegmentBuilder<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        Self {
            sink,
            translator: Translator::default(),
            groups: Vec::new(),
            stats: Vec::new(),
            trace_filters: filters::Builder::default(),
            values: BTreeMap::new(),
            shape_counts: ShapeCounts::default(),
        }
    }

    /// Gives codes to the shapes and columns of these rows.
    pub(super) fn codes(&mut self, rows: &Rows) -> Result<Codes, TooLarge> {
        self.translator.add(rows)
    }

    /// Writes the next group with these traces. `rows` are exactly their rows, trace after trace, and name rows of `sources`.
    pub(super) fn put_group<'r>(
        &mut self,
        sources: &[Source<'r>],
        traces: &[TraceRun],
        rows: &[RowRef],
        scratch: &mut Scratch<'r>,
    ) -> Result<(), WriteSegmentError<S::Error>> {
        // The last index is that of the tail.
        let most = usize::from(tail::GROUP) - 1;
        let number = fit(at_most(self.groups.len(), most, "row groups")?, "row groups")?;
        let group = GroupWriter::new(number, sources, &self.translator, scratch).write(traces, rows)?;
        for (page, bytes) in &group.pages {
            self.put(PageId { group: number, page: *page }, bytes)?;
        }
        group.values.into_iter().for_each(|(page, hashes)| self.values.entry(page).or_default().extend(hashes));
        group.shapes.iter().for_each(|shape| self.shape_counts.add(to_u32(*shape)));
        self.trace_filters.add_group(traces.iter().map(|trace| trace.id));
        self.groups.push(group.metadata);
        self.stats.push(group.stats);
        Ok(())
    }

    /// Writes the tail.
    pub(super) fn finish(mut self, about: &About) -> Result<Written, WriteSegmentError<S::Error>> {
        let (mut metadata, resources, tables) = std::mem::take(&mut self.translator).finish();
        metadata.groups = std::mem::take(&mut self.groups);
        self.put(tail::METADATA, &metadata.encode()?)?;
        for (kind, shapes) in tables.iter() {
            self.put(tail::shapes(kind), &shapes::encode(shapes)?)?;
        }
        let [of_segment, of_groups] = std::mem::take(&mut self.trace_filters).encode();
        self.put(tail::TRACE_FILTER, &of_segment)?;
        self.put(tail::GROUP_TRACE_FILTERS, &of_groups)?;
        let names = Names::of(&tables.spans, &self.shape_counts, &resources, |code| metadata.span_name(code));
        self.put(tail::NAMES, &Names::encode_list(names.as_ref()))?;
        self.put(tail::ABOUT, &about.encode())?;
        for (page, hashes) in std::mem::take(&mut self.values) {
            self.put(PageId { group: tail::GROUP, page }, &fuse::encode(hashes))?;
        }
        Ok(Written { groups: self.stats })
    }

    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), WriteSegmentError<S::Error>> {
        self.sink.put(id, page).map_err(WriteSegmentError::Sink)
    }
}

/// Joins pages into one. Each but the last has its length before it.
fn join_pages(joined: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, page) in joined.iter().enumerate() {
        if index + 1 < joined.len() {
            put_varint(&mut out, page.len() as u64);
        }
        out.extend_from_slice(page);
    }
    out
}

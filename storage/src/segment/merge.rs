//! Merges segments trace by trace, in the order of their starts.
//!
//! Only the groups with the next traces are in memory, up to a bound. An input has its traces in order already, so mostly that is one group
//! of each input. Traces that more than one input may have are collected first, because one input may know an earlier start than another.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::TraceId;

use super::decoded::{DecodedGroups, GroupOf};
use super::metadata::Metadata;
use super::tail::About;
use super::write::{
    PageSink, RowRef, Scratch, SegmentBuilder, Source, TraceRun, WriteSegmentError, Written, sort_trace,
};
use super::{Page, PageSource, SegmentGroup, tail};
use crate::ReadError;
use crate::codec::{fuse, len_u32};
use crate::copies::Contents;

/// A segment to be merged.
pub(crate) struct MergeInput<'a> {
    pub(crate) source: &'a dyn PageSource,
    pub(crate) segment: u64,
    pub(crate) metadata: Arc<Metadata>,
}

/// The bounds of a merge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MergeBounds {
    /// Spans after which a group of the new segment is closed.
    pub(crate) group_spans: usize,
    /// Bytes of decoded groups after which one is closed early.
    pub(crate) buffer_bytes: usize,
}

/// Why segments were not merged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError<E> {
    /// An input cannot be read.
    #[error("segment {segment}: {source}")]
    Read { segment: u64, source: ReadError },
    #[error(transparent)]
    Write(#[from] WriteSegmentError<E>),
}

/// Some rows of a trace, in one group of an input.
struct Piece {
    group: GroupOf,
    rows: Range<usize>,
}

/// A trace to be written, with all its rows.
struct Due {
    start: u64,
    id: TraceId,
    pieces: Vec<Piece>,
}

impl Due {
    fn key(&self) -> (u64, TraceId) {
        (self.start, self.id)
    }
}

/// Writes a segment with all spans of the inputs. Exact copies collapse.
pub(crate) fn merge<S: PageSink + ?Sized>(
    inputs: &[MergeInput<'_>],
    bounds: MergeBounds,
    about: &About,
    sink: &mut S,
) -> Result<Written, MergeError<S::Error>> {
    let shared = shared_traces(inputs).map_err(of_input)?;
    let ids: HashSet<TraceId> = shared.iter().map(|trace| trace.id).collect();
    let mut shared = shared.into_iter().peekable();
    let mut cursors: Vec<Cursor<'_>> = (0..).zip(inputs).map(|(index, input)| Cursor::new(index, input)).collect();
    let mut merge = Merge {
        writer: SegmentBuilder::new(sink),
        decoded: DecodedGroups::default(),
        contents: Contents::default(),
        scratch: Scratch::default(),
        bounds,
        due: Vec::new(),
        spans: 0,
    };
    for cursor in &mut cursors {
        cursor.advance(&ids).map_err(of_input)?;
    }
    loop {
        let first = cursors.iter_mut().filter(|cursor| cursor.next.is_some()).min_by_key(|cursor| cursor.key());
        let shared_first = shared.peek().map(Due::key);
        let due = match first {
            Some(cursor) if shared_first.is_none_or(|shared| cursor.key() < Some(shared)) => {
                let due = cursor.next.take();
                cursor.advance(&ids).map_err(of_input)?;
                due
            }
            _ => shared.next(),
        };
        let Some(due) = due else { break };
        merge.add(due, inputs)?;
    }
    merge.flush()?;
    Ok(merge.writer.finish(about)?)
}

/// The id of an input, and what is wrong with it.
type Unreadable = (u64, ReadError);

fn of_input<E>((segment, source): Unreadable) -> MergeError<E> {
    MergeError::Read { segment, source }
}

/// The traces that more than one input may have, in order.
fn shared_traces(inputs: &[MergeInput<'_>]) -> Result<Vec<Due>, Unreadable> {
    let filters = inputs.iter().map(MergeInput::filter).collect::<Result<Vec<_>, _>>()?;
    let mut shared: HashMap<TraceId, Due> = HashMap::new();
    for (index, input) in inputs.iter().enumerate() {
        for number in 0..input.groups() {
            for (id, start, rows) in input.traces(number)? {
                if may_be_elsewhere(&filters, index, id) {
                    let due = shared.entry(id).or_insert_with(|| Due { start, id, pieces: Vec::new() });
                    due.start = due.start.min(start);
                    due.pieces.push(Piece { group: GroupOf { input: index, number }, rows });
                }
            }
        }
    }
    let mut shared: Vec<Due> = shared.into_values().collect();
    shared.sort_unstable_by_key(Due::key);
    Ok(shared)
}

/// Whether any input but the one with this index may have the trace.
fn may_be_elsewhere(filters: &[Page<'_>], index: usize, id: TraceId) -> bool {
    let hash = fuse::hash(&id.0);
    let mut others = filters.iter().enumerate().filter(|(other, _)| *other != index);
    others.any(|(_, filter)| fuse::may_hold(filter, hash).unwrap_or(true))
}

/// Ids, starts and rows of the traces of a group.
type TraceTable = Vec<(TraceId, u64, Range<usize>)>;

impl MergeInput<'_> {
    fn groups(&self) -> u16 {
        u16::try_from(self.metadata.groups.len()).unwrap_or(u16::MAX)
    }

    fn group(&self, number: u16) -> Result<SegmentGroup<'_>, Unreadable> {
        let group = SegmentGroup::open(self.source, self.segment, Arc::clone(&self.metadata), number);
        group.map_err(|error| (self.segment, error))
    }

    fn traces(&self, number: u16) -> Result<TraceTable, Unreadable> {
        self.group(number)?.trace_table().map_err(|error| (self.segment, error))
    }

    fn filter(&self) -> Result<Page<'_>, Unreadable> {
        self.source.page(self.segment, tail::TRACE_FILTER).map_err(|error| (self.segment, error))
    }
}

/// Passes over the traces of an input that no other input has.
struct Cursor<'i> {
    index: usize,
    input: &'i MergeInput<'i>,
    /// The group after that of `traces`.
    next_group: u16,
    traces: <TraceTable as IntoIterator>::IntoIter,
    next: Option<Due>,
}

impl<'i> Cursor<'i> {
    fn new(index: usize, input: &'i MergeInput<'i>) -> Self {
        Self { index, input, next_group: 0, traces: Vec::new().into_iter(), next: None }
    }

    /// The key of the next trace; `None` at the end.
    fn key(&self) -> Option<(u64, TraceId)> {
        self.next.as_ref().map(Due::key)
    }

    fn advance(&mut self, shared: &HashSet<TraceId>) -> Result<(), Unreadable> {
        loop {
            for (id, start, rows) in self.traces.by_ref() {
                if !shared.contains(&id) {
                    let group = GroupOf { input: self.index, number: self.next_group.saturating_sub(1) };
                    self.next = Some(Due { start, id, pieces: vec![Piece { group, rows }] });
                    return Ok(());
                }
            }
            if self.next_group == self.input.groups() {
                return Ok(());
            }
            self.traces = self.input.traces(self.next_group)?.into_iter();
            self.next_group += 1;
        }
    }
}

/// A merge that is going on.
struct Merge<'s, S: ?Sized> {
    writer: SegmentBuilder<'s, S>,
    decoded: DecodedGroups,
    contents: Contents,
    scratch: Scratch<'static>,
    bounds: MergeBounds,
    /// The traces of the next group, and how many spans they have.
    due: Vec<Due>,
    spans: usize,
}

impl<S: PageSink + ?Sized> Merge<'_, S> {
    fn add(&mut self, due: Due, inputs: &[MergeInput<'_>]) -> Result<(), MergeError<S::Error>> {
        for Piece { group, rows } in &due.pieces {
            if !self.decoded.has(*group) {
                self.decode(*group, inputs)?;
            }
            self.decoded.take_trace(*group);
            self.spans += rows.len();
        }
        self.due.push(due);
        if self.spans >= self.bounds.group_spans || self.decoded.memory() > self.bounds.buffer_bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn decode(&mut self, of: GroupOf, inputs: &[MergeInput<'_>]) -> Result<(), MergeError<S::Error>> {
        let Some(input) = inputs.get(of.input) else { return Ok(()) };
        let group = input.group(of.number).map_err(of_input)?;
        let rows = group.all_rows().map_err(|error| of_input((input.segment, error)))?;
        let codes = self.writer.codes(&rows).map_err(WriteSegmentError::from)?;
        self.decoded.insert(of, rows, codes);
        Ok(())
    }

    /// Writes the due traces as a group.
    fn flush(&mut self) -> Result<(), MergeError<S::Error>> {
        if self.due.is_empty() {
            return Ok(());
        }
        let (groups, sources): (Vec<GroupOf>, Vec<Source<'_>>) = self.decoded.sources().unzip();
        let source_of: HashMap<GroupOf, u32> = groups.into_iter().zip(0..).collect();
        let rows_of: Vec<_> = sources.iter().map(|source| source.rows).collect();
        let (mut traces, mut rows, mut own) = (Vec::with_capacity(self.due.len()), Vec::new(), Vec::new());
        for Due { start, id, pieces } in self.due.drain(..) {
            own.clear();
            for Piece { group, rows } in &pieces {
                let source = source_of.get(group).copied().unwrap_or_default();
                own.extend(rows.clone().map(|row| RowRef { source, row: len_u32(row) }));
            }
            let first = rows.len();
            sort_trace(&rows_of, &mut own, &mut self.contents, &mut rows);
            traces.push(TraceRun { id, start, rows: first..rows.len() });
        }
        let mut scratch = std::mem::take(&mut self.scratch).reused();
        self.writer.put_group(&sources, &traces, &rows, &mut scratch)?;
        self.scratch = scratch.reused();
        self.spans = 0;
        // The hashes keep resources in memory, and those of dropped groups must go.
        self.contents = Contents::default();
        self.decoded.shrink(self.bounds.buffer_bytes / 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{TenantId, TraceSpan};
    use proptest::prelude::*;

    use super::super::{Pages, StartHints, read_metadata, write_rows};
    use super::*;
    use crate::codec::fuse;
    use crate::rows::Rows;
    use crate::test_spans::{any_batch, encode as request};

    fn about() -> About {
        About { tenant: TenantId::single(), received: (1, 2) }
    }

    fn segment_of(batch: &[TraceSpan]) -> Pages {
        let (mut rows, mut pages) = (Rows::default(), Pages::default());
        rows.append_request(&request(batch)).expect("valid");
        write_rows(&[&rows], 2, &StartHints::default(), &about(), &mut pages).expect("fits");
        pages
    }

    fn input(pages: &Pages) -> MergeInput<'_> {
        MergeInput { source: pages, segment: 0, metadata: Arc::new(read_metadata(pages, 0).expect("metadata")) }
    }

    /// The spans of a segment, whose order and filters are checked.
    fn spans_of(pages: &Pages, written: &Written) -> Vec<String> {
        let metadata = Arc::new(read_metadata(pages, 0).expect("metadata"));
        let (mut spans, mut before) = (Vec::new(), None);
        let filter = pages.page(0, tail::TRACE_FILTER).expect("a filter");
        for (number, stats) in (0..).zip(&written.groups) {
            let group = SegmentGroup::open(pages, 0, Arc::clone(&metadata), number).expect("opens");
            before = group.check_order(before).expect("in order");
            group.check_filters(&mut |error| panic!("{error}"));
            assert_eq!(group.stats().expect("stats"), *stats);
            let ids = group.trace_ids().expect("ids");
            assert!(ids.iter().all(|id| fuse::may_hold(&filter, fuse::hash(&id.0)) == Ok(true)));
            let rows = group.all_rows().expect("rows");
            spans.extend((0..rows.len() as u32).map(|row| format!("{:?}", rows.span(row).expect("a span"))));
        }
        assert_eq!(metadata.groups.len(), written.groups.len());
        spans.sort();
        spans
    }

    proptest! {
        #[test]
        fn a_merged_segment_has_every_span_once(
            batches in prop::collection::vec(any_batch(), 1..5),
            group_spans in 1usize..6,
            buffer_bytes in prop::sample::select(vec![0, 20_000, 1 << 30]),
        ) {
            let segments: Vec<Pages> = batches.iter().map(|batch| segment_of(batch)).collect();
            let inputs: Vec<MergeInput<'_>> = segments.iter().map(input).collect();
            let mut pages = Pages::default();
            let merged = merge(&inputs, MergeBounds { group_spans, buffer_bytes }, &about(), &mut pages).expect("merged");
            let mut expected: Vec<String> = batches.iter().flatten().map(|span| format!("{span:?}")).collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(spans_of(&pages, &merged), expected);
        }
    }
}

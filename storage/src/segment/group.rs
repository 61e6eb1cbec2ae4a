//! A row group of a segment, read page by page as a query asks for them.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId, TraceSpan};

use super::meta::{GroupMeta, Meta, Place, TableMeta};
use super::traces::{self, Traces};
use super::view::View;
use super::{Page, PageId, PageSource, filter_of, pages};
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::bytes::Input;
use crate::codec::fuse;
use crate::codec::ints::{Ints, decode};
use crate::rows::{ShapeList, TableKind};
use crate::scan::{Projection, RowGroup, TableView};

/// A group whose pages are fetched when needed and kept while the query runs.
pub(crate) struct SegmentGroup<'a> {
    source: &'a dyn PageSource,
    segment: u64,
    pub(super) number: u16,
    pub(super) meta: Arc<Meta>,
    pages: [OnceCell<Page<'a>>; 9],
    shapes: [OnceCell<Arc<ShapeList>>; 3],
    shape_numbers: [OnceCell<Vec<u32>>; 3],
    owners: [OnceCell<Vec<u32>>; 2],
    starts: OnceCell<Vec<u64>>,
    ends: OnceCell<Vec<u64>>,
    event_times: OnceCell<Vec<u64>>,
    link_ids: OnceCell<Vec<(TraceId, SpanId)>>,
    traces: OnceCell<Traces>,
    /// Damage that cost spans some of what they had.
    left_out: RefCell<Vec<ReadError>>,
}

/// Keeps the first good value of a cell; errors are not kept.
fn fill<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T, ReadError>) -> Result<&T, ReadError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

impl<'a> SegmentGroup<'a> {
    /// Group `number` of the segment that `meta` describes.
    pub(crate) fn open(
        source: &'a dyn PageSource,
        segment: u64,
        meta: Arc<Meta>,
        number: u16,
    ) -> Result<Self, ReadError> {
        if meta.groups.len() <= usize::from(number) {
            return Err(ReadError::Corrupt {
                place: format!("segment {segment}"),
                reason: format!("group {number} is not described"),
            });
        }
        Ok(Self {
            source,
            segment,
            number,
            meta,
            pages: Default::default(),
            shapes: Default::default(),
            shape_numbers: Default::default(),
            owners: Default::default(),
            starts: OnceCell::new(),
            ends: OnceCell::new(),
            event_times: OnceCell::new(),
            link_ids: OnceCell::new(),
            traces: OnceCell::new(),
            left_out: RefCell::default(),
        })
    }

    /// Goes on without a damaged column, or without damaged events or links. Other errors stay errors.
    pub(super) fn leave_out(&self, error: ReadError) -> Result<(), ReadError> {
        if !matches!(error, ReadError::Corrupt { .. }) {
            return Err(error);
        }
        self.left_out.borrow_mut().push(error);
        Ok(())
    }

    /// The damage that spans were read without since it was last asked.
    pub(crate) fn take_left_out(&self) -> Vec<ReadError> {
        self.left_out.take()
    }

    /// Checked when the group was opened.
    pub(super) fn group(&self) -> &GroupMeta {
        &self.meta.groups[usize::from(self.number)]
    }

    pub(super) fn corrupt(&self, page: u32) -> impl Fn(Damaged) -> ReadError + use<> {
        let place = format!("segment {}, group {}, page {page}", self.segment, self.number);
        move |damaged| ReadError::Corrupt { place: place.clone(), reason: damaged.to_string() }
    }

    /// Each trace and its rows.
    pub(crate) fn trace_table(
        &self,
    ) -> Result<impl Iterator<Item = (TraceId, std::ops::Range<usize>)> + '_, ReadError> {
        let traces = self.traces()?;
        let rows = |(trace, id): (usize, &[u8; 16])| traces.rows(trace).map(|rows| (TraceId(*id), rows));
        Ok(self.ids()?.iter().enumerate().filter_map(rows))
    }

    /// Start of each trace.
    pub(super) fn trace_starts(&self) -> Result<&[u64], ReadError> {
        Ok(&self.traces()?.starts)
    }

    /// The segment's filter over the values of a column.
    pub(super) fn filter(&self, kind: TableKind, column: u32) -> Result<Page<'a>, ReadError> {
        self.source.page(self.segment, filter_of(kind, column))
    }

    /// Where that filter is.
    pub(super) fn filter_place(&self, kind: TableKind, column: u32) -> String {
        let PageId { group, page } = filter_of(kind, column);
        format!("segment {}, group {group}, page {page}", self.segment)
    }

    /// Steps to parents, rows of strangers, ids of strangers.
    pub(super) fn parent_parts(&self) -> Result<[&[u8]; 3], ReadError> {
        split(self.page(pages::PARENTS)?).map_err(self.corrupt(pages::PARENTS))
    }

    /// Ends minus starts of all spans, wrapping.
    pub(super) fn raw_durations(&self) -> Result<Vec<u64>, ReadError> {
        self.ints(pages::DURATIONS, self.group().spans as usize)
    }

    /// Times of all events minus the starts of their spans, wrapping.
    pub(super) fn raw_event_times(&self) -> Result<Vec<u64>, ReadError> {
        self.child_ints(TableKind::Event, 2, |time| time)
    }

    pub(super) fn page(&self, page: u32) -> Result<&Page<'a>, ReadError> {
        let fetch = || self.source.page(self.segment, PageId { group: self.number, page });
        match self.pages.get(page as usize) {
            Some(cell) => fill(cell, fetch),
            None => Err(self.corrupt(page)(Damaged("no such page"))),
        }
    }

    /// Decodes a page of integers that must have `len` values.
    fn ints(&self, page: u32, len: usize) -> Result<Vec<u64>, ReadError> {
        let bytes = self.page(page)?;
        decode(bytes, len, |number| number).map_err(self.corrupt(page))
    }

    pub(super) fn rows(&self, kind: TableKind) -> usize {
        match kind {
            TableKind::Span => self.group().spans as usize,
            TableKind::Event => self.group().events as usize,
            TableKind::Link => self.group().links as usize,
        }
    }

    /// The parts of the event or link page: owners, shapes, the rest.
    fn child_parts(&self, kind: TableKind) -> Result<[&[u8]; 3], ReadError> {
        let page = if kind == TableKind::Event { pages::EVENTS } else { pages::LINKS };
        if self.rows(kind) == 0 {
            return Ok([&[], &[], &[]]);
        }
        split(self.page(page)?).map_err(self.corrupt(page))
    }

    fn child_ints<T>(&self, kind: TableKind, part: usize, map: impl Fn(u64) -> T) -> Result<Vec<T>, ReadError> {
        if self.rows(kind) == 0 {
            return Ok(Vec::new());
        }
        let parts = self.child_parts(kind)?;
        let page = if kind == TableKind::Event { pages::EVENTS } else { pages::LINKS };
        let part = parts.get(part).copied().unwrap_or_default();
        decode(part, self.rows(kind), map).map_err(self.corrupt(page))
    }

    pub(super) fn shapes(&self, kind: TableKind) -> Result<&ShapeList, ReadError> {
        let fetch = || self.source.shapes(self.segment, kind, &self.meta);
        fill(&self.shapes[kind as usize], fetch).map(|shapes| &**shapes)
    }

    /// For each shape whether its rows have the column.
    fn holders(&self, kind: TableKind, column: u32) -> Result<Vec<bool>, ReadError> {
        Ok(self.shapes(kind)?.by_layout(|columns| columns.contains(&column)))
    }

    pub(super) fn shape_numbers(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        let Some(cell) = self.shape_numbers.get(kind as usize) else { return Ok(&[]) };
        let numbers = fill(cell, || match kind {
            TableKind::Span => {
                let numbers = decode(self.page(pages::SPAN_SHAPES)?, self.rows(kind), |number| number as u32);
                numbers.map_err(self.corrupt(pages::SPAN_SHAPES))
            }
            _ => self.child_ints(kind, 1, |number| number as u32),
        });
        numbers.map(Vec::as_slice)
    }

    fn traces(&self) -> Result<&Traces, ReadError> {
        fill(&self.traces, || {
            let (page, group) = (self.page(pages::TRACES)?, self.group());
            Traces::parse(page, group.traces as usize, group.spans).map_err(self.corrupt(pages::TRACES))
        })
    }

    fn ids(&self) -> Result<&[[u8; 16]], ReadError> {
        traces::ids(self.page(pages::TRACES)?, self.group().traces as usize).map_err(self.corrupt(pages::TRACES))
    }

    /// Where the trace stands in the trace table. Ids are in no order.
    fn trace_number(&self, id: TraceId) -> Result<Option<usize>, ReadError> {
        Ok(self.ids()?.iter().position(|known| *known == id.0))
    }

    pub(super) fn table_meta(&self, kind: TableKind) -> &TableMeta {
        &self.meta.tables[kind as usize]
    }

    /// The bytes of a column, when the group has values of it.
    pub(super) fn column(&self, kind: TableKind, column: u32) -> Result<Option<ColumnBytes<'_, 'a>>, ReadError> {
        let page = pages::COLUMNS.saturating_add(column.saturating_mul(3)).saturating_add(kind as u32);
        match self.group().columns[kind as usize].get(&column) {
            None => Ok(None),
            Some(Place::Page { .. }) => {
                let id = PageId { group: self.number, page };
                Ok(Some(ColumnBytes::Page(self.source.page(self.segment, id)?)))
            }
            Some(Place::Tail { at, len }) => {
                let (at, len) = (*at as usize, *len as usize);
                let tail = self.page(pages::TAIL)?.get(at..at.saturating_add(len));
                tail.map(|bytes| Some(ColumnBytes::Tail(bytes)))
                    .ok_or_else(|| self.corrupt(page)(Damaged("outside of the tail")))
            }
        }
    }

    /// Whether the column may hold this text. A damaged filter rules nothing out.
    pub(super) fn may_hold(&self, kind: TableKind, column: u32, needle: &[u8]) -> Result<bool, ReadError> {
        let Some(Place::Page { filter: true }) = self.group().columns[kind as usize].get(&column) else {
            return Ok(true);
        };
        let set = match self.filter(kind, column) {
            Err(ReadError::Corrupt { .. }) => return Ok(true),
            set => set?,
        };
        Ok(fuse::may_hold(&set, fuse::hash_in(self.number, fuse::hash(needle))).unwrap_or(true))
    }

    /// Column positions to rows: position `n` is the `n`th row whose shape has the column.
    pub(super) fn to_rows(&self, kind: TableKind, column: u32, positions: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.rows(kind));
        let mut wanted = positions.iter();
        let Some(mut next) = wanted.next() else { return Ok(rows) };
        let has = self.holders(kind, column)?;
        let mut position = 0;
        for (row, shape) in self.shape_numbers(kind)?.iter().enumerate() {
            if !has.get(*shape as usize).copied().unwrap_or(false) {
                continue;
            }
            if position == next {
                rows.insert(row);
                match wanted.next() {
                    Some(found) => next = found,
                    None => break,
                }
            }
            position += 1;
        }
        Ok(rows)
    }

    /// The other way round.
    pub(super) fn to_positions(
        &self,
        kind: TableKind,
        column: u32,
        rows: &Bitmap,
        len: usize,
    ) -> Result<Bitmap, ReadError> {
        let has = self.holders(kind, column)?;
        let mut positions = Bitmap::none(len);
        let mut position = 0;
        for (row, shape) in self.shape_numbers(kind)?.iter().enumerate() {
            if has.get(*shape as usize).copied().unwrap_or(false) {
                positions.insert_if(position, rows.contains(row));
                position += 1;
            }
        }
        Ok(positions)
    }
}

/// Three parts, of which the first two have their length before them.
fn split(page: &[u8]) -> Result<[&[u8]; 3], Damaged> {
    let mut input = Input(page);
    Ok([input.bytes()?, input.bytes()?, input.0])
}

/// Bytes of a column, in its own page or in the tail.
pub(super) enum ColumnBytes<'s, 'a> {
    Page(Page<'a>),
    Tail(&'s [u8]),
}

impl std::ops::Deref for ColumnBytes<'_, '_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Page(page) => page,
            Self::Tail(bytes) => bytes,
        }
    }
}

impl RowGroup for SegmentGroup<'_> {
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_> {
        Box::new(View { group: self, kind })
    }

    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        let Some(cell) = (kind as usize).checked_sub(1).and_then(|place| self.owners.get(place)) else {
            return Ok(&[]);
        };
        let owners = fill(cell, || self.child_ints(kind, 0, |owner| u32::try_from(owner).unwrap_or(u32::MAX)));
        owners.map(Vec::as_slice)
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.meta.resources
    }

    fn scopes(&self) -> &[Arc<InstrumentationScope>] {
        &self.meta.scopes
    }

    fn starts(&self) -> Result<&[u64], ReadError> {
        let starts = fill(&self.starts, || {
            let mut starts = self.ints(pages::STARTS, self.group().spans as usize)?;
            let traces = self.traces()?;
            for (trace, base) in traces.starts.iter().enumerate() {
                let rows = traces.rows(trace).and_then(|rows| starts.get_mut(rows)).unwrap_or_default();
                rows.iter_mut().for_each(|start| *start = start.wrapping_add(*base));
            }
            Ok(starts)
        });
        starts.map(Vec::as_slice)
    }

    fn ends(&self) -> Result<&[u64], ReadError> {
        let ends = fill(&self.ends, || {
            let mut ends = self.raw_durations()?;
            ends.iter_mut().zip(self.starts()?).for_each(|(end, start)| *end = start.wrapping_add(*end));
            Ok(ends)
        });
        ends.map(Vec::as_slice)
    }

    fn times(&self, row: usize) -> Result<(u64, u64), ReadError> {
        let times = self.starts()?.get(row).zip(self.ends()?.get(row));
        times
            .map(|(start, end)| (*start, *end))
            .ok_or_else(|| self.corrupt(pages::STARTS)(Damaged("row outside of its page")))
    }

    fn shape_number(&self, row: usize) -> Result<u32, ReadError> {
        let number = self.shape_numbers(TableKind::Span)?.get(row).copied();
        number.ok_or_else(|| self.corrupt(pages::SPAN_SHAPES)(Damaged("row outside of its page")))
    }

    fn event_times(&self) -> Result<&[u64], ReadError> {
        let times = fill(&self.event_times, || {
            let mut times = self.raw_event_times()?;
            let starts = self.starts()?;
            for (time, owner) in times.iter_mut().zip(self.owners(TableKind::Event)?) {
                *time = time.wrapping_add(starts.get(*owner as usize).copied().unwrap_or_default());
            }
            Ok(times)
        });
        times.map(Vec::as_slice)
    }

    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError> {
        let ids = fill(&self.link_ids, || {
            let mut input = Input(self.child_parts(TableKind::Link)?[2]);
            let mut take = || Ok((TraceId(input.array()?), SpanId(input.array()?)));
            (0..self.group().links).map(|_| take()).collect::<Result<_, _>>().map_err(self.corrupt(pages::LINKS))
        });
        ids.map(Vec::as_slice)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        let id = self.ids()?.get(self.traces()?.of_row(row)).copied();
        id.map(TraceId).ok_or_else(|| self.corrupt(pages::TRACES)(Damaged("row without a trace")))
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        let page = self.page(pages::SPAN_IDS)?;
        let bytes = page.get(row * 8..row * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(SpanId).ok_or_else(|| self.corrupt(pages::SPAN_IDS)(Damaged("row outside of its page")))
    }

    fn parent(&self, row: usize) -> Result<SpanId, ReadError> {
        let corrupt = self.corrupt(pages::PARENTS);
        let [steps, strangers, ids] = self.parent_parts()?;
        match Ints::parse(steps).and_then(|steps| steps.get(row)).map_err(&corrupt)? {
            0 => Ok(SpanId::default()),
            1 => stranger(strangers, ids, row).map_err(&corrupt),
            step => {
                let parent = (row as u64 + 1).checked_sub(step).ok_or(Damaged("parent before its group"));
                self.span_id(parent.map_err(&corrupt)? as usize)
            }
        }
    }

    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<(TraceId, u64)>, ReadError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (traces, ids) = (self.traces()?, self.ids()?);
        let mut out = Vec::new();
        let mut end = 0;
        for row in rows.iter() {
            if row < end {
                continue;
            }
            let trace = traces.of_row(row);
            end = traces.rows(trace).map_or(usize::MAX, |rows| rows.end);
            if let (Some(id), Some(start)) = (ids.get(trace), traces.starts.get(trace)) {
                out.push((TraceId(*id), *start));
            }
        }
        Ok(out)
    }

    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError> {
        let Some(trace) = self.trace_number(id)? else { return Ok(None) };
        let start = traces::start(self.page(pages::TRACES)?, self.group().traces as usize, trace);
        start.map(Some).map_err(self.corrupt(pages::TRACES))
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        let Some(trace) = self.trace_number(id)? else { return Ok(Vec::new()) };
        let rows = self.traces()?.rows(trace);
        Ok(rows.map(|rows| (rows.start as u32..rows.end as u32).collect()).unwrap_or_default())
    }

    fn spans(&self, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let traces = self.traces()?;
        let trace = traces.of_row(*first as usize);
        let Some((id, start)) = self.ids()?.get(trace).zip(traces.starts.get(trace)) else {
            return Ok(Vec::new());
        };
        self.run(*first as usize..*last as usize + 1, TraceId(*id), *start, projection)
    }
}

/// The id of a parent that is not in the trace's rows before.
fn stranger(rows: &[u8], ids: &[u8], row: usize) -> Result<SpanId, Damaged> {
    let rows = Ints::parse(rows)?;
    let (mut low, mut high) = (0, rows.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if rows.get(middle)? < row as u64 { low = middle + 1 } else { high = middle }
    }
    let id = ids.get(low * 8..low * 8 + 8).and_then(|bytes| bytes.try_into().ok());
    id.map(SpanId).ok_or(Damaged("parent outside of its page"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::encode;
    use super::*;
    use crate::rows::Rows;
    use crate::scan::Test;
    use crate::test_spans::{any_batch, encode as request};
    use crate::{Pattern, QueryContext};
    use hoptrail_proto::model::{Attribute, Span};
    use proptest::prelude::*;

    pub(in super::super) struct InMemory(pub(in super::super) BTreeMap<PageId, Vec<u8>>);

    impl PageSource for InMemory {
        fn page(&self, _: u64, id: PageId) -> Result<Page<'_>, ReadError> {
            let page = self.0.get(&id).ok_or_else(|| ReadError::Storage(format!("no page {id:?}")))?;
            Ok(Box::new(page.as_slice()))
        }
    }

    #[test]
    fn a_column_has_no_more_values_than_the_group_has_rows() {
        let mut rows = Rows::default();
        let letter = |n: u32| char::from(b'!' + (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) % 90) as u8);
        let value: String = (0..3000).map(letter).collect();
        let span =
            Span { attributes: vec![Attribute::new("long", value)], trace_id: TraceId([1; 16]), ..Span::default() };
        rows.append_request(&request(&[TraceSpan { span, resource: Arc::default(), scope: Arc::default() }])).unwrap();
        let mut source = InMemory(encode(&[&rows]).pages);
        let meta = Arc::new(Meta::decode(&source.page(0, super::super::META).unwrap()).unwrap());
        let select = |source: &InMemory| {
            let group = SegmentGroup::open(source, 0, Arc::clone(&meta), 0).unwrap();
            let test = Test::matches(&Pattern::new(".*").unwrap(), false, &QueryContext::unbounded());
            group.table(TableKind::Span).select(0, &test).map(|rows| rows.len())
        };
        assert_eq!(select(&source).unwrap(), 1);
        let page = source.0.get_mut(&PageId { group: 0, page: pages::COLUMNS }).unwrap();
        assert_eq!(page[1], 1, "the count");
        page.splice(1..2, [0x80, 0x80, 0x80, 0x80, 0x08]);
        assert!(select(&source).is_err());
    }

    proptest! {
        #[test]
        fn what_goes_into_a_segment_comes_out(batches in prop::collection::vec(any_batch(), 1..4)) {
            let parts: Vec<Rows> = batches.iter().map(|batch| {
                let mut rows = Rows::default();
                rows.append_request(&request(batch)).unwrap();
                rows
            }).collect();
            let built = encode(&parts.iter().collect::<Vec<_>>());
            let source = InMemory(built.pages);
            let meta = Arc::new(Meta::decode(&source.page(0, super::super::META).unwrap()).unwrap());
            prop_assert_eq!(meta.groups.len(), 1);
            let group = SegmentGroup::open(&source, 0, Arc::clone(&meta), 0).unwrap();
            let mut expected: Vec<TraceSpan> = Vec::new();
            for span in batches.into_iter().flatten() {
                if !expected.contains(&span) {
                    expected.push(span);
                }
            }
            let mut found = Vec::new();
            for trace in 1..4 {
                let rows = group.rows_of(TraceId([trace; 16])).unwrap();
                found.extend(group.spans(&rows, Projection::Whole).unwrap());
            }
            prop_assert_eq!(found.len(), expected.len());
            for span in &found {
                prop_assert!(expected.contains(span), "{span:?}");
            }
        }
    }
}

//! A row group of a segment, read page by page as a query asks for them.

use std::cell::OnceCell;
use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, InstrumentationScope, Resource, SpanEvent, SpanId, SpanLink, TraceId, TraceSpan,
};
use hoptrail_proto::otlp::view::ValueView;

use super::meta::{GroupMeta, Meta, Place, TableMeta};
use super::{Page, PageId, PageSource, pages};
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::bytes::Input;
use crate::codec::fuse;
use crate::codec::ints::{Ints, unordered};
use crate::codec::strings::{StringCursor, Strings};
use crate::rows::{
    ColumnKey, Owner, Shape, SpanRow, TableKind, ValueType, owned_by, set_on_event, set_on_link, set_on_span, span_of,
    to_value,
};
use crate::scan::{Projection, RowGroup, TableView, Test, columns_named};

/// A group whose pages are fetched when needed and kept while the query runs.
pub(crate) struct SegmentGroup<'a> {
    source: &'a dyn PageSource,
    segment: u64,
    number: u16,
    meta: &'a Meta,
    group: &'a GroupMeta,
    pages: [OnceCell<Page<'a>>; 9],
    shape_numbers: [OnceCell<Vec<u32>>; 3],
    owners: [OnceCell<Vec<u32>>; 2],
    starts: OnceCell<Vec<u64>>,
    durations: OnceCell<Vec<u64>>,
    event_times: OnceCell<Vec<u64>>,
    link_ids: OnceCell<Vec<(TraceId, SpanId)>>,
    traces: OnceCell<Traces>,
}

/// The trace table, decoded.
struct Traces {
    ids: Vec<TraceId>,
    starts: Vec<u64>,
    /// First row of each trace, and after the last one the number of rows.
    firsts: Vec<u32>,
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
        meta: &'a Meta,
        number: u16,
    ) -> Result<Self, ReadError> {
        let group = meta.groups.get(usize::from(number)).ok_or_else(|| ReadError::Corrupt {
            place: format!("segment {segment}"),
            reason: format!("group {number} is not described"),
        })?;
        Ok(Self {
            source,
            segment,
            number,
            meta,
            group,
            pages: Default::default(),
            shape_numbers: Default::default(),
            owners: Default::default(),
            starts: OnceCell::new(),
            durations: OnceCell::new(),
            event_times: OnceCell::new(),
            link_ids: OnceCell::new(),
            traces: OnceCell::new(),
        })
    }

    fn corrupt(&self, page: u32) -> impl Fn(Damaged) -> ReadError {
        let place = format!("segment {}, group {}, page {page}", self.segment, self.number);
        move |damaged| ReadError::Corrupt { place: place.clone(), reason: damaged.to_string() }
    }

    fn page(&self, page: u32) -> Result<&Page<'a>, ReadError> {
        let fetch = || self.source.page(self.segment, PageId { group: self.number, page });
        match self.pages.get(page as usize) {
            Some(cell) => fill(cell, fetch),
            None => Err(self.corrupt(page)(Damaged("no such page"))),
        }
    }

    /// Decodes a page of integers that must have `len` values.
    fn ints(&self, page: u32, len: usize) -> Result<Vec<u64>, ReadError> {
        let bytes = self.page(page)?;
        decode(bytes, len).map_err(self.corrupt(page))
    }

    fn rows(&self, kind: TableKind) -> usize {
        match kind {
            TableKind::Span => self.group.spans as usize,
            TableKind::Event => self.group.events as usize,
            TableKind::Link => self.group.links as usize,
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

    fn child_ints(&self, kind: TableKind, part: usize) -> Result<Vec<u64>, ReadError> {
        if self.rows(kind) == 0 {
            return Ok(Vec::new());
        }
        let parts = self.child_parts(kind)?;
        decode(parts.get(part).copied().unwrap_or_default(), self.rows(kind)).map_err(self.corrupt(pages::EVENTS))
    }

    fn shape_numbers(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        let Some(cell) = self.shape_numbers.get(kind as usize) else { return Ok(&[]) };
        let numbers = fill(cell, || {
            let numbers = match kind {
                TableKind::Span => self.ints(pages::SPAN_SHAPES, self.rows(kind))?,
                _ => self.child_ints(kind, 1)?,
            };
            Ok(numbers.into_iter().map(|number| number as u32).collect())
        });
        numbers.map(Vec::as_slice)
    }

    fn traces(&self) -> Result<&Traces, ReadError> {
        fill(&self.traces, || {
            let page = self.page(pages::TRACES)?;
            let traces = Traces::parse(page, self.group.traces as usize).map_err(self.corrupt(pages::TRACES))?;
            if traces.firsts.last().copied() != Some(self.group.spans) {
                return Err(self.corrupt(pages::TRACES)(Damaged("traces do not add up to the group")));
            }
            Ok(traces)
        })
    }

    fn table_meta(&self, kind: TableKind) -> &'a TableMeta {
        &self.meta.tables[kind as usize]
    }

    /// The bytes of a column, when the group has values of it.
    fn column(&self, kind: TableKind, column: u32) -> Result<Option<ColumnBytes<'_, 'a>>, ReadError> {
        let page = pages::COLUMNS.saturating_add(column.saturating_mul(3)).saturating_add(kind as u32);
        match self.group.columns[kind as usize].get(&column) {
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

    /// Whether the column may hold this text.
    fn may_hold(&self, kind: TableKind, column: u32, needle: &[u8]) -> Result<bool, ReadError> {
        let Some(Place::Page { filter: true }) = self.group.columns[kind as usize].get(&column) else {
            return Ok(true);
        };
        let page = pages::COLUMNS + 3 * column + kind as u32 + pages::FILTERS;
        let set = self.source.page(self.segment, PageId { group: self.number, page })?;
        fuse::may_hold(&set, fuse::hash(needle)).map_err(self.corrupt(page))
    }

    /// Column positions to rows: position `n` is the `n`th row whose shape has the column.
    fn to_rows(&self, kind: TableKind, column: u32, positions: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.rows(kind));
        if positions.is_empty() {
            return Ok(rows);
        }
        let has: Vec<bool> = self.table_meta(kind).shapes.iter().map(|shape| shape.columns.contains(&column)).collect();
        let mut position = 0;
        for (row, shape) in self.shape_numbers(kind)?.iter().enumerate() {
            if has.get(*shape as usize).copied().unwrap_or(false) {
                rows.insert_if(row, positions.contains(position));
                position += 1;
            }
        }
        Ok(rows)
    }

    /// The other way round.
    fn to_positions(&self, kind: TableKind, column: u32, rows: &Bitmap, len: usize) -> Result<Bitmap, ReadError> {
        let has: Vec<bool> = self.table_meta(kind).shapes.iter().map(|shape| shape.columns.contains(&column)).collect();
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

    /// The values of rows `from..to`, for each row in the order of its shape's columns; `None` where not asked for.
    fn values(
        &self,
        kind: TableKind,
        range: std::ops::Range<usize>,
        projection: Projection<'_>,
    ) -> Result<Vec<(u32, Vec<Option<AnyValue>>)>, ReadError> {
        let meta = self.table_meta(kind);
        let numbers = self.shape_numbers(kind)?;
        let shape = |number: u32| meta.shapes.get(number as usize).map_or(&[][..], |shape| shape.columns.as_slice());
        let here = numbers.get(range.clone()).unwrap_or_default();
        let mut out: Vec<(u32, Vec<Option<AnyValue>>)> =
            here.iter().map(|number| (*number, vec![None; shape(*number).len()])).collect();
        let mut columns: Vec<u32> = here.iter().flat_map(|number| shape(*number).iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(|column| meta.columns.get(*column as usize).is_some_and(|key| projection.wants(key)));
        let ranks = self.ranks(kind, numbers.get(..range.start).unwrap_or_default(), &columns);
        for (column, rank) in columns.into_iter().zip(ranks) {
            let rows = out.iter_mut().filter_map(|(number, values)| {
                let place = shape(*number).iter().position(|own| *own == column)?;
                values.get_mut(place)
            });
            self.read_column(kind, column, rank, rows)?;
        }
        Ok(out)
    }

    /// For each of these columns how many of the rows before have it.
    fn ranks(&self, kind: TableKind, before: &[u32], columns: &[u32]) -> Vec<usize> {
        let shapes = &self.table_meta(kind).shapes;
        let mut counts = vec![0usize; shapes.len()];
        for number in before {
            if let Some(count) = counts.get_mut(*number as usize) {
                *count += 1;
            }
        }
        let mut ranks = vec![0; columns.len()];
        for (shape, count) in shapes.iter().zip(counts).filter(|(_, count)| *count > 0) {
            for column in &shape.columns {
                if let Ok(place) = columns.binary_search(column) {
                    ranks[place] += count;
                }
            }
        }
        ranks
    }

    /// Reads consecutive values of a column, from position `position` on.
    fn read_column<'v>(
        &self,
        kind: TableKind,
        column: u32,
        mut position: usize,
        places: impl Iterator<Item = &'v mut Option<AnyValue>>,
    ) -> Result<(), ReadError> {
        let Some(key) = self.table_meta(kind).columns.get(column as usize) else { return Ok(()) };
        let corrupt = self.corrupt(pages::COLUMNS + 3 * column + kind as u32);
        let bytes = self.column(kind, column)?.ok_or_else(|| corrupt(Damaged("column without values")))?;
        if key.value_type.is_bytes() {
            let page = Strings::parse(&bytes).map_err(&corrupt)?;
            let mut cursor = StringCursor::new(&page);
            let mut value = Vec::new();
            for place in places {
                value.clear();
                cursor.read(position, &mut value).map_err(&corrupt)?;
                *place = Some(to_value(string_view(key.value_type, &value)));
                position += 1;
            }
        } else {
            let page = Ints::parse(&bytes).map_err(&corrupt)?;
            for place in places {
                let number = page.get(position).map_err(&corrupt)?;
                *place = Some(to_value(number_view(key.value_type, number)));
                position += 1;
            }
        }
        Ok(())
    }

    fn scalars(
        &self,
        range: std::ops::Range<usize>,
        trace: TraceId,
        trace_start: u64,
    ) -> Result<Vec<SpanRow>, ReadError> {
        let starts = self.page(pages::STARTS)?;
        let starts = Ints::parse(starts).map_err(self.corrupt(pages::STARTS))?;
        let durations = self.page(pages::DURATIONS)?;
        let durations = Ints::parse(durations).map_err(self.corrupt(pages::DURATIONS))?;
        range
            .map(|row| {
                let start = trace_start.wrapping_add(starts.get(row).map_err(self.corrupt(pages::STARTS))?);
                let end = start.wrapping_add(durations.get(row).map_err(self.corrupt(pages::DURATIONS))?);
                Ok(SpanRow::new(trace, self.span_id(row)?, self.parent(row)?, start, end))
            })
            .collect()
    }

    fn children(&self, kind: TableKind, rows: &std::ops::Range<usize>) -> Result<std::ops::Range<usize>, ReadError> {
        let owners = self.owners(kind)?;
        let first = owners.partition_point(|owner| (*owner as usize) < rows.start);
        let end = owners.partition_point(|owner| (*owner as usize) < rows.end);
        Ok(first..end)
    }

    /// The spans of consecutive rows of one trace.
    fn run(
        &self,
        rows: std::ops::Range<usize>,
        trace: TraceId,
        trace_start: u64,
        projection: Projection<'_>,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let scalars = self.scalars(rows.clone(), trace, trace_start)?;
        let values = self.values(TableKind::Span, rows.clone(), projection)?;
        let meta = self.table_meta(TableKind::Span);
        let missing = || self.corrupt(pages::SPAN_SHAPES)(Damaged("shape that is not described"));
        let mut spans = Vec::with_capacity(scalars.len());
        for (scalars, (shape, values)) in scalars.iter().zip(values) {
            let shape = meta.shapes.get(shape as usize).ok_or_else(missing)?;
            let name = meta.names.get(shape.name as usize).map_or(&[][..], |name| name);
            let mut span = span_of(scalars, shape, name);
            each_value(meta, shape, values, |key, value| set_on_span(&mut span, key, value));
            let resource = self.meta.resources.get(shape.resource as usize).ok_or_else(missing)?;
            let scope = self.meta.scopes.get(shape.scope as usize).ok_or_else(missing)?;
            spans.push(TraceSpan { span, resource: Arc::clone(resource), scope: Arc::clone(scope) });
        }
        if projection.wants_children() {
            self.add_events(rows.clone(), &mut spans)?;
            self.add_links(rows, &mut spans)?;
        }
        Ok(spans)
    }

    fn add_events(&self, rows: std::ops::Range<usize>, spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let range = self.children(TableKind::Event, &rows)?;
        if range.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Event, range.clone(), Projection::Whole)?;
        let (owners, times) = (self.owners(TableKind::Event)?, self.event_times()?);
        let meta = self.table_meta(TableKind::Event);
        for (row, (shape, values)) in range.zip(values) {
            let time_unix_nano = times.get(row).copied().unwrap_or_default();
            let mut event = SpanEvent { time_unix_nano, ..SpanEvent::default() };
            if let Some(shape) = meta.shapes.get(shape as usize) {
                event.name =
                    meta.names.get(shape.name as usize).map(|name| crate::rows::text(name)).unwrap_or_default();
                each_value(meta, shape, values, |key, value| set_on_event(&mut event, key, value));
            }
            let owner = owners.get(row).map_or(usize::MAX, |owner| *owner as usize);
            if let Some(span) = owner.checked_sub(rows.start).and_then(|place| spans.get_mut(place)) {
                span.span.events.push(event);
            }
        }
        Ok(())
    }

    fn add_links(&self, rows: std::ops::Range<usize>, spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let range = self.children(TableKind::Link, &rows)?;
        if range.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Link, range.clone(), Projection::Whole)?;
        let (owners, ids) = (self.owners(TableKind::Link)?, self.link_ids()?);
        let meta = self.table_meta(TableKind::Link);
        for (row, (shape, values)) in range.zip(values) {
            let (trace_id, span_id) = ids.get(row).copied().unwrap_or_default();
            let mut link = SpanLink { trace_id, span_id, ..SpanLink::default() };
            if let Some(shape) = meta.shapes.get(shape as usize) {
                link.flags = shape.flags;
                each_value(meta, shape, values, |key, value| set_on_link(&mut link, key, value));
            }
            let owner = owners.get(row).map_or(usize::MAX, |owner| *owner as usize);
            if let Some(span) = owner.checked_sub(rows.start).and_then(|place| spans.get_mut(place)) {
                span.span.links.push(link);
            }
        }
        Ok(())
    }
}

fn each_value(
    meta: &TableMeta,
    shape: &Shape,
    values: Vec<Option<AnyValue>>,
    mut visit: impl FnMut(&ColumnKey, AnyValue),
) {
    for (column, value) in shape.columns.iter().zip(values) {
        if let (Some(key), Some(value)) = (meta.columns.get(*column as usize), value) {
            visit(key, value);
        }
    }
}

fn decode(page: &[u8], len: usize) -> Result<Vec<u64>, Damaged> {
    let page = Ints::parse(page)?;
    if page.len() == len { page.decode() } else { Err(Damaged("page with a wrong count")) }
}

/// Three parts, of which the first two have their length before them.
fn split(page: &[u8]) -> Result<[&[u8]; 3], Damaged> {
    let mut input = Input(page);
    Ok([input.bytes()?, input.bytes()?, input.0])
}

fn string_view(value_type: ValueType, bytes: &[u8]) -> ValueView<'_> {
    match value_type {
        ValueType::Bytes => ValueView::Bytes(bytes),
        ValueType::Nested => ValueView::Nested(bytes),
        _ => ValueView::Text(bytes),
    }
}

fn number_view(value_type: ValueType, number: u64) -> ValueView<'static> {
    match value_type {
        ValueType::Bool => ValueView::Bool(number != 0),
        ValueType::Int => ValueView::Int(unordered(number)),
        ValueType::Double => ValueView::Double(f64::from_bits(number)),
        _ => ValueView::Empty,
    }
}

/// Bytes of a column, in its own page or in the tail.
enum ColumnBytes<'s, 'a> {
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

impl Traces {
    fn parse(page: &[u8], count: usize) -> Result<Self, Damaged> {
        let mut input = Input(page);
        let mut ids = Vec::with_capacity(count.min(page.len() / 16));
        for _ in 0..count {
            ids.push(TraceId(input.array()?));
        }
        let lengths = decode(input.bytes()?, count)?;
        let starts = decode(input.0, count)?;
        let mut firsts = Vec::with_capacity(count + 1);
        let mut first = 0u64;
        for length in lengths {
            firsts.push(u32::try_from(first).map_err(|_| Damaged("trace longer than its group"))?);
            first = first.saturating_add(length);
        }
        firsts.push(u32::try_from(first).map_err(|_| Damaged("trace longer than its group"))?);
        Ok(Self { ids, starts, firsts })
    }

    fn of_row(&self, row: usize) -> usize {
        self.firsts.partition_point(|first| *first as usize <= row).saturating_sub(1)
    }

    fn rows(&self, trace: usize) -> Option<std::ops::Range<usize>> {
        Some(*self.firsts.get(trace)? as usize..*self.firsts.get(trace + 1)? as usize)
    }
}

/// The spans, events or links of a segment group.
struct View<'g, 'a> {
    group: &'g SegmentGroup<'a>,
    kind: TableKind,
}

impl View<'_, '_> {
    fn meta(&self) -> &TableMeta {
        self.group.table_meta(self.kind)
    }

    fn key(&self, column: u32) -> Option<&ColumnKey> {
        self.meta().columns.get(column as usize)
    }

    fn corrupt(&self, column: u32) -> impl Fn(Damaged) -> ReadError {
        self.group.corrupt(pages::COLUMNS + 3 * column + self.kind as u32)
    }

    fn select_strings(&self, column: u32, key: &ColumnKey, test: &Test) -> Result<Bitmap, ReadError> {
        let none = || Bitmap::none(0);
        if key.value_type == ValueType::Text
            && let Some(needle) = test.needle()
            && !self.group.may_hold(self.kind, column, needle)?
        {
            return Ok(none());
        }
        let Some(bytes) = self.group.column(self.kind, column)? else { return Ok(none()) };
        let page = Strings::parse(&bytes).map_err(self.corrupt(column))?;
        let found = match test.needle().filter(|_| key.value_type == ValueType::Text) {
            Some(needle) => page.find(needle),
            None => page.select(|value| test.holds_stored(string_view(key.value_type, value))),
        };
        found.map_err(self.corrupt(column))
    }

    fn select_numbers(&self, column: u32, key: &ColumnKey, test: &Test) -> Result<Bitmap, ReadError> {
        let Some(bytes) = self.group.column(self.kind, column)? else { return Ok(Bitmap::none(0)) };
        let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
        if page.len() > self.len() {
            return Err(self.corrupt(column)(Damaged("page with a wrong count")));
        }
        let mut positions = Bitmap::none(page.len());
        let mut position = 0;
        let visit = |number| {
            positions.insert_if(position, test.holds_stored(number_view(key.value_type, number)));
            position += 1;
        };
        page.each(0, page.len(), visit).map_err(self.corrupt(column))?;
        Ok(positions)
    }
}

impl TableView for View<'_, '_> {
    fn len(&self) -> usize {
        self.group.rows(self.kind)
    }

    fn shapes(&self) -> &[Shape] {
        &self.meta().shapes
    }

    fn shape_numbers(&self) -> Result<&[u32], ReadError> {
        self.group.shape_numbers(self.kind)
    }

    fn name(&self, number: u32) -> &[u8] {
        self.meta().names.get(number as usize).map_or(&[], |name| name)
    }

    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<(u32, ValueType)> {
        columns_named(self.keys(), owner, name)
    }

    fn select(&self, column: u32, test: &Test) -> Result<Bitmap, ReadError> {
        let Some(key) = self.key(column) else { return Ok(Bitmap::none(self.len())) };
        let positions = match test {
            Test::Present => Bitmap::all(self.len()),
            _ if key.value_type.is_bytes() => self.select_strings(column, key, test)?,
            _ => self.select_numbers(column, key, test)?,
        };
        self.group.to_rows(self.kind, column, &positions)
    }

    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError> {
        let (Some(key), Some(bytes)) = (self.key(column), self.group.column(self.kind, column)?) else { return Ok(()) };
        if key.value_type.is_bytes() {
            let page = Strings::parse(&bytes).map_err(self.corrupt(column))?;
            let positions = self.group.to_positions(self.kind, column, rows, page.len())?;
            let visit = |value: &[u8]| visit(string_view(key.value_type, value));
            return page.distinct(&positions, visit).map_err(self.corrupt(column));
        }
        let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
        let positions = self.group.to_positions(self.kind, column, rows, page.len().min(self.len()))?;
        let mut seen = hashbrown::HashSet::new();
        for position in positions.iter() {
            let number = page.get(position).map_err(self.corrupt(column))?;
            if seen.insert(number) {
                visit(number_view(key.value_type, number));
            }
        }
        Ok(())
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_> {
        Box::new(self.meta().columns.iter())
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
        let owners = fill(cell, || {
            let owners = self.child_ints(kind, 0)?;
            Ok(owners.into_iter().map(|owner| u32::try_from(owner).unwrap_or(u32::MAX)).collect())
        });
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
            let mut starts = self.ints(pages::STARTS, self.group.spans as usize)?;
            let traces = self.traces()?;
            for (trace, base) in traces.starts.iter().enumerate() {
                let rows = traces.rows(trace).and_then(|rows| starts.get_mut(rows)).unwrap_or_default();
                rows.iter_mut().for_each(|start| *start = start.wrapping_add(*base));
            }
            Ok(starts)
        });
        starts.map(Vec::as_slice)
    }

    fn durations(&self) -> Result<&[u64], ReadError> {
        let durations = fill(&self.durations, || {
            let mut durations = self.ints(pages::DURATIONS, self.group.spans as usize)?;
            for (duration, start) in durations.iter_mut().zip(self.starts()?) {
                *duration = start.wrapping_add(*duration).saturating_sub(*start);
            }
            Ok(durations)
        });
        durations.map(Vec::as_slice)
    }

    fn event_times(&self) -> Result<&[u64], ReadError> {
        let times = fill(&self.event_times, || {
            if self.group.events == 0 {
                return Ok(Vec::new());
            }
            let parts = self.child_parts(TableKind::Event)?;
            let mut times = decode(parts[2], self.group.events as usize).map_err(self.corrupt(pages::EVENTS))?;
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
            (0..self.group.links).map(|_| take()).collect::<Result<_, _>>().map_err(self.corrupt(pages::LINKS))
        });
        ids.map(Vec::as_slice)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        let traces = self.traces()?;
        let id = traces.ids.get(traces.of_row(row)).copied();
        id.ok_or_else(|| self.corrupt(pages::TRACES)(Damaged("row without a trace")))
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        let page = self.page(pages::SPAN_IDS)?;
        let bytes = page.get(row * 8..row * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(SpanId).ok_or_else(|| self.corrupt(pages::SPAN_IDS)(Damaged("row outside of its page")))
    }

    fn parent(&self, row: usize) -> Result<SpanId, ReadError> {
        let corrupt = self.corrupt(pages::PARENTS);
        let [steps, strangers, ids] = split(self.page(pages::PARENTS)?).map_err(&corrupt)?;
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
        let traces = self.traces()?;
        let mut out = Vec::new();
        let mut end = 0;
        for row in rows.iter() {
            if row < end {
                continue;
            }
            let trace = traces.of_row(row);
            end = traces.rows(trace).map_or(usize::MAX, |rows| rows.end);
            if let (Some(id), Some(start)) = (traces.ids.get(trace), traces.starts.get(trace)) {
                out.push((*id, *start));
            }
        }
        Ok(out)
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        let traces = self.traces()?;
        let rows = traces.ids.iter().position(|known| *known == id).and_then(|trace| traces.rows(trace));
        Ok(rows.map(|rows| (rows.start as u32..rows.end as u32).collect()).unwrap_or_default())
    }

    fn spans(&self, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let traces = self.traces()?;
        let trace = traces.of_row(*first as usize);
        let (Some(id), Some(start)) = (traces.ids.get(trace), traces.starts.get(trace)) else { return Ok(Vec::new()) };
        self.run(*first as usize..*last as usize + 1, *id, *start, projection)
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
mod tests {
    use std::collections::BTreeMap;

    use super::super::encode;
    use super::*;
    use crate::rows::Rows;
    use crate::test_spans::{any_batch, encode as request};
    use proptest::prelude::*;

    struct InMemory(BTreeMap<PageId, Vec<u8>>);

    impl PageSource for InMemory {
        fn page(&self, _: u64, id: PageId) -> Result<Page<'_>, ReadError> {
            let page = self.0.get(&id).ok_or_else(|| ReadError::Storage(format!("no page {id:?}")))?;
            Ok(Box::new(page.as_slice()))
        }
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
            let meta = Meta::decode(&source.page(0, super::super::META).unwrap()).unwrap();
            prop_assert_eq!(meta.groups.len(), 1);
            let group = SegmentGroup::open(&source, 0, &meta, 0).unwrap();
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

//! From the pages of a segment group back to spans.

use std::ops::Range;
use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, SpanEvent, SpanLink, TraceId, TraceSpan};

use super::group::SegmentGroup;
use super::metadata::TableMeta;
use super::view::stored_number;
use super::{PageId, pages};
use crate::ReadError;
use crate::codec::ints::Ints;
use crate::codec::strings::{StringCursor, Strings};
use crate::codec::{Damaged, to_usize};
use crate::rows::{
    ColumnKey, ShapeList, SpanRow, TableKind, set_on_event, set_on_link, set_on_span, span_of, text, to_value,
};
use crate::scan::{Materialize, Projection, SpanColumns};

/// A row's shape, and for each of the shape's columns the value.
type RowValues = (u32, Vec<Option<AnyValue>>);

/// A value that is to be read.
struct Wanted {
    /// Where it is in its column.
    position: usize,
    /// Where its row is among those that are read.
    row: usize,
    /// Where its column is among those of the row.
    place: usize,
}

impl Materialize for SegmentGroup<'_> {
    fn spans(&self, id: TraceId, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let Some((start, own)) = self.find(id)? else { return Ok(Vec::new()) };
        let mut rows: Vec<usize> = rows.iter().map(|row| *row as usize).filter(|row| own.contains(row)).collect();
        if !rows.is_sorted_by(|one, next| one < next) {
            rows.sort_unstable();
            rows.dedup();
        }
        self.spans_at(&rows, id, start, projection)
    }
}

impl SegmentGroup<'_> {
    /// The values of these rows, for each row in the order of its shape's columns; `None` where not asked for.
    fn values(&self, kind: TableKind, rows: &[usize], projection: Projection<'_>) -> Result<Vec<RowValues>, ReadError> {
        let (meta, shapes) = (self.table_meta(kind), self.shapes(kind)?);
        let mut out: Vec<RowValues> = Vec::with_capacity(rows.len());
        for run in runs(rows) {
            let codes = self.shapes_of(kind, run)?;
            out.extend(codes.into_iter().map(|code| (code, vec![None; shapes.columns(code).len()])));
        }
        let mut columns: Vec<u32> = out.iter().flat_map(|(code, _)| shapes.columns(*code).iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(|column| meta.columns.get(*column as usize).is_some_and(|key| projection.wants(key)));
        if columns.is_empty() {
            return Ok(out);
        }
        let wanted = self.wanted(kind, rows, &columns, &out)?;
        for (column, wanted) in columns.into_iter().zip(wanted) {
            self.read_column(kind, column, &wanted, &mut out).or_else(|error| self.leave_out(error))?;
        }
        Ok(out)
    }

    /// For each of these columns the values that these rows have. Each row is looked at once, and not once a column: there may be
    /// thousands of both.
    fn wanted(
        &self,
        kind: TableKind,
        rows: &[usize],
        columns: &[u32],
        here: &[RowValues],
    ) -> Result<Vec<Vec<Wanted>>, ReadError> {
        let shapes = self.shapes(kind)?;
        let codes = self.shape_page(kind)?;
        let mut passed = Passed::new(shapes, columns);
        let mut wanted: Vec<Vec<Wanted>> = columns.iter().map(|_| Vec::new()).collect();
        let mut next = 0;
        for (index, (row, (code, _))) in rows.iter().zip(here).enumerate() {
            if next < *row {
                passed.pass(&codes, next..*row).map_err(self.corrupt(Self::page_of_shapes(kind)))?;
            }
            next = row + 1;
            for (place, column) in shapes.columns(*code).iter().enumerate() {
                let Ok(found) = columns.binary_search(column) else { continue };
                if let (Some(wanted), Some(position)) = (wanted.get_mut(found), passed.positions.get_mut(found)) {
                    wanted.push(Wanted { position: *position, row: index, place });
                    *position += 1;
                }
            }
        }
        Ok(wanted)
    }

    /// Reads values of a column, whose positions ascend.
    fn read_column(
        &self,
        kind: TableKind,
        column: u32,
        wanted: &[Wanted],
        out: &mut [RowValues],
    ) -> Result<(), ReadError> {
        let Some(key) = self.table_meta(kind).columns.get(column as usize) else { return Ok(()) };
        let corrupt = self.corrupt(PageId::column(kind, column));
        let bytes = self.column(kind, column)?.ok_or_else(|| corrupt(Damaged("column without values")))?;
        if key.value_type.is_bytes() {
            let page = Strings::parse(&bytes).map_err(&corrupt)?;
            let mut cursor = StringCursor::new(&page);
            let mut value = Vec::new();
            for wanted in wanted {
                value.clear();
                cursor.read(wanted.position, &mut value).map_err(&corrupt)?;
                put(out, wanted, to_value(key.value_type.string(&value)));
            }
        } else {
            let page = Ints::parse(&bytes).map_err(&corrupt)?;
            for wanted in wanted {
                let number = page.get(wanted.position).map_err(&corrupt)?;
                put(out, wanted, to_value(stored_number(key.value_type, number)));
            }
        }
        Ok(())
    }

    /// Ids, parents and times of these rows of one trace.
    fn scalars(&self, rows: &[usize], trace: TraceId, trace_start: u64) -> Result<Vec<SpanRow>, ReadError> {
        let mut scalars = Vec::with_capacity(rows.len());
        for run in runs(rows) {
            let starts = self.some_ints(pages::STARTS, run.clone())?;
            let durations = self.some_ints(pages::DURATIONS, run.clone())?;
            for (row, (start, duration)) in run.zip(starts.into_iter().zip(durations)) {
                let start = trace_start.wrapping_add(start);
                let (id, parent) = (self.span_id(row)?, self.parent_id(row)?);
                scalars.push(SpanRow::new(trace, id, parent, start, start.wrapping_add(duration)));
            }
        }
        Ok(scalars)
    }

    /// The events or links of these spans.
    fn children(&self, kind: TableKind, rows: &[usize]) -> Result<Vec<usize>, ReadError> {
        let owners = self.owners(kind)?;
        let first = |row: usize| owners.partition_point(|owner| (*owner as usize) < row);
        Ok(runs(rows).flat_map(|run| first(run.start)..first(run.end)).collect())
    }

    /// The spans of these rows of one trace.
    fn spans_at(
        &self,
        rows: &[usize],
        trace: TraceId,
        trace_start: u64,
        projection: Projection<'_>,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let scalars = self.scalars(rows, trace, trace_start)?;
        let values = self.values(TableKind::Span, rows, projection)?;
        let (meta, shapes) = (self.table_meta(TableKind::Span), self.shapes(TableKind::Span)?);
        let missing = || self.corrupt(pages::SPAN_SHAPES)(Damaged("shape that is not described"));
        let mut spans = Vec::with_capacity(scalars.len());
        for (scalars, (shape, values)) in scalars.iter().zip(values) {
            let shape = shapes.get(shape).ok_or_else(missing)?;
            let name = meta.names.get(shape.name as usize).map_or(&[][..], |name| name);
            let mut span = span_of(scalars, shape, name);
            span.attributes.reserve_exact(values.iter().flatten().count());
            each_value(meta, shapes.layout(shape), values, |key, value| set_on_span(&mut span, key, value));
            let resource = self.meta.resources.get(shape.resource as usize).ok_or_else(missing)?;
            let scope = self.meta.scopes.get(shape.scope as usize).ok_or_else(missing)?;
            spans.push(TraceSpan { span, resource: Arc::clone(resource), scope: Arc::clone(scope) });
        }
        if projection.wants_children() {
            self.add_events(rows, &mut spans).or_else(|error| self.leave_out(error))?;
            self.add_links(rows, &mut spans).or_else(|error| self.leave_out(error))?;
        }
        Ok(spans)
    }

    fn add_events(&self, rows: &[usize], spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let events = self.children(TableKind::Event, rows)?;
        if events.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Event, &events, Projection::Whole)?;
        let times = self.event_times()?;
        let (meta, shapes) = (self.table_meta(TableKind::Event), self.shapes(TableKind::Event)?);
        for (row, (shape, values)) in events.into_iter().zip(values) {
            let time_unix_nano = times.get(row).copied().unwrap_or_default();
            let mut event = SpanEvent { time_unix_nano, ..SpanEvent::default() };
            if let Some(shape) = shapes.get(shape) {
                event.name = meta.names.get(shape.name as usize).map(|name| text(name)).unwrap_or_default();
                each_value(meta, shapes.layout(shape), values, |key, value| set_on_event(&mut event, key, value));
            }
            if let Some(span) = self.owner_of(TableKind::Event, row, rows, spans)? {
                span.span.events.push(event);
            }
        }
        Ok(())
    }

    fn add_links(&self, rows: &[usize], spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let links = self.children(TableKind::Link, rows)?;
        if links.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Link, &links, Projection::Whole)?;
        let ids = self.link_ids()?;
        let (meta, shapes) = (self.table_meta(TableKind::Link), self.shapes(TableKind::Link)?);
        for (row, (shape, values)) in links.into_iter().zip(values) {
            let (trace_id, span_id) = ids.get(row).copied().unwrap_or_default();
            let mut link = SpanLink { trace_id, span_id, ..SpanLink::default() };
            if let Some(shape) = shapes.get(shape) {
                link.flags = shape.flags;
                each_value(meta, shapes.layout(shape), values, |key, value| set_on_link(&mut link, key, value));
            }
            if let Some(span) = self.owner_of(TableKind::Link, row, rows, spans)? {
                span.span.links.push(link);
            }
        }
        Ok(())
    }

    /// That of these spans, which have these rows, that an event or link belongs to.
    fn owner_of<'t>(
        &self,
        kind: TableKind,
        child: usize,
        rows: &[usize],
        spans: &'t mut [TraceSpan],
    ) -> Result<Option<&'t mut TraceSpan>, ReadError> {
        let owner = self.owners(kind)?.get(child).map_or(usize::MAX, |owner| *owner as usize);
        Ok(rows.binary_search(&owner).ok().and_then(|index| spans.get_mut(index)))
    }
}

/// Ascending rows as ranges of those that follow each other: 3, 4, 5, 9 are 3..6 and 9..10.
fn runs(rows: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let runs = rows.chunk_by(|one, next| one + 1 == *next);
    runs.filter_map(|run| Some(*run.first()?..run.last()? + 1))
}

fn put(out: &mut [RowValues], wanted: &Wanted, value: AnyValue) {
    if let Some(known) = out.get_mut(wanted.row).and_then(|(_, values)| values.get_mut(wanted.place)) {
        *known = Some(value);
    }
}

/// Passes over rows, and knows for some columns where the value of the next row is.
struct Passed<'s> {
    shapes: &'s ShapeList,
    /// Ascending.
    columns: &'s [u32],
    /// For each of these columns how many rows passed have it.
    positions: Vec<usize>,
    of_shapes: Counts,
    of_layouts: Counts,
}

impl<'s> Passed<'s> {
    fn new(shapes: &'s ShapeList, columns: &'s [u32]) -> Self {
        let of_shapes = Counts::new(shapes.shapes.len());
        let of_layouts = Counts::new(shapes.layouts.len());
        Self { shapes, columns, positions: vec![0; columns.len()], of_shapes, of_layouts }
    }

    /// Passes over these rows. They are counted by shape and then by layout, because thousands of shapes share a few layouts.
    fn pass(&mut self, codes: &Ints<'_>, rows: Range<usize>) -> Result<(), Damaged> {
        codes.each(rows.start, rows.end, |code| {
            self.of_shapes.add(to_usize(code), 1);
        })?;
        for (shape, rows) in self.of_shapes.take() {
            if let Some(shape) = self.shapes.shapes.get(shape) {
                self.of_layouts.add(shape.layout as usize, rows);
            }
        }
        for (layout, rows) in self.of_layouts.take() {
            for column in self.shapes.layouts.get(layout).into_iter().flatten() {
                if let Ok(found) = self.columns.binary_search(column)
                    && let Some(position) = self.positions.get_mut(found)
                {
                    *position += rows;
                }
            }
        }
        Ok(())
    }
}

/// How often each index was met.
struct Counts {
    counts: Vec<usize>,
    /// Those with a count.
    met: Vec<usize>,
}

impl Counts {
    fn new(len: usize) -> Self {
        Self { counts: vec![0; len], met: Vec::new() }
    }

    #[inline]
    fn add(&mut self, index: usize, times: usize) {
        if let Some(count) = self.counts.get_mut(index) {
            if *count == 0 {
                self.met.push(index);
            }
            *count += times;
        }
    }

    /// The counts, which begin anew.
    fn take(&mut self) -> impl Iterator<Item = (usize, usize)> {
        let Self { counts, met } = self;
        met.drain(..).filter_map(|index| Some((index, std::mem::take(counts.get_mut(index)?))))
    }
}

fn each_value(
    meta: &TableMeta,
    columns: &[u32],
    values: Vec<Option<AnyValue>>,
    mut visit: impl FnMut(&ColumnKey, AnyValue),
) {
    for (column, value) in columns.iter().zip(values) {
        if let (Some(key), Some(value)) = (meta.columns.get(*column as usize), value) {
            visit(key, value);
        }
    }
}

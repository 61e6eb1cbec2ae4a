//! From the pages of a segment group back to spans.

use std::ops::Range;
use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, SpanEvent, SpanLink, TraceId, TraceSpan};

use super::group::SegmentGroup;
use super::meta::TableMeta;
use super::view::{number_view, string_view};
use super::{PageId, pages};
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::ints::Ints;
use crate::codec::strings::{StringCursor, Strings};
use crate::rows::{
    ColumnKey, ShapeList, SpanRow, TableKind, set_on_event, set_on_link, set_on_span, span_of, text, to_value,
};
use crate::scan::{Projection, RowGroup};

/// A row's shape, and for each of the shape's columns the value.
type RowValues = (u32, Vec<Option<AnyValue>>);

impl SegmentGroup<'_> {
    /// The values of rows `from..to`, for each row in the order of its shape's columns; `None` where not asked for.
    fn values(
        &self,
        kind: TableKind,
        range: Range<usize>,
        projection: Projection<'_>,
    ) -> Result<Vec<RowValues>, ReadError> {
        let (meta, shapes) = (self.table_meta(kind), self.shapes(kind)?);
        let here = self.shapes_of(kind, range.clone())?;
        let shape = |number: u32| shapes.columns(number);
        let mut out: Vec<RowValues> = here.iter().map(|number| (*number, vec![None; shape(*number).len()])).collect();
        let mut columns: Vec<u32> = here.iter().flat_map(|number| shape(*number).iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(|column| meta.columns.get(*column as usize).is_some_and(|key| projection.wants(key)));
        if columns.is_empty() {
            return Ok(out);
        }
        // Each row is looked at once, and not once a column: there may be thousands of both.
        let mut places = vec![Vec::new(); columns.len()];
        for (row, number) in here.iter().enumerate() {
            for (place, column) in shape(*number).iter().enumerate() {
                if let Some(places) = columns.binary_search(column).ok().and_then(|found| places.get_mut(found)) {
                    places.push((row, place));
                }
            }
        }
        let ranks = ranks(shapes, &self.shapes_before(kind, range.start)?, &columns);
        for ((column, rank), places) in columns.into_iter().zip(ranks).zip(places) {
            self.read_column(kind, column, rank, &places, &mut out).or_else(|error| self.leave_out(error))?;
        }
        Ok(out)
    }

    /// Reads consecutive values of a column, from position `position` on, to these places: a row, and a place among its values.
    fn read_column(
        &self,
        kind: TableKind,
        column: u32,
        position: usize,
        places: &[(usize, usize)],
        out: &mut [RowValues],
    ) -> Result<(), ReadError> {
        let mut put = |(row, place): (usize, usize), value| {
            if let Some(known) = out.get_mut(row).and_then(|(_, values)| values.get_mut(place)) {
                *known = Some(value);
            }
        };
        let Some(key) = self.table_meta(kind).columns.get(column as usize) else { return Ok(()) };
        let corrupt = self.corrupt(PageId::column(kind, column));
        let bytes = self.column(kind, column)?.ok_or_else(|| corrupt(Damaged("column without values")))?;
        if key.value_type.is_bytes() {
            let page = Strings::parse(&bytes).map_err(&corrupt)?;
            let mut cursor = StringCursor::new(&page);
            let mut value = Vec::new();
            for (position, place) in (position..).zip(places) {
                value.clear();
                cursor.read(position, &mut value).map_err(&corrupt)?;
                put(*place, to_value(string_view(key.value_type, &value)));
            }
        } else {
            let page = Ints::parse(&bytes).map_err(&corrupt)?;
            for (position, place) in (position..).zip(places) {
                let number = page.get(position).map_err(&corrupt)?;
                put(*place, to_value(number_view(key.value_type, number)));
            }
        }
        Ok(())
    }

    fn scalars(&self, rows: Range<usize>, trace: TraceId, trace_start: u64) -> Result<Vec<SpanRow>, ReadError> {
        let starts = self.some_ints(pages::STARTS, rows.clone())?;
        let durations = self.some_ints(pages::DURATIONS, rows.clone())?;
        let scalars = |(row, (start, duration)): (usize, (u64, u64))| {
            let start = trace_start.wrapping_add(start);
            Ok(SpanRow::new(trace, self.span_id(row)?, self.parent(row)?, start, start.wrapping_add(duration)))
        };
        rows.zip(starts.into_iter().zip(durations)).map(scalars).collect()
    }

    fn children(&self, kind: TableKind, rows: &Range<usize>) -> Result<Range<usize>, ReadError> {
        let owners = self.owners(kind)?;
        let first = owners.partition_point(|owner| (*owner as usize) < rows.start);
        let end = owners.partition_point(|owner| (*owner as usize) < rows.end);
        Ok(first..end)
    }

    /// The spans of consecutive rows of one trace.
    pub(super) fn run(
        &self,
        rows: Range<usize>,
        trace: TraceId,
        trace_start: u64,
        projection: Projection<'_>,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let scalars = self.scalars(rows.clone(), trace, trace_start)?;
        let values = self.values(TableKind::Span, rows.clone(), projection)?;
        let (meta, shapes) = (self.table_meta(TableKind::Span), self.shapes(TableKind::Span)?);
        let missing = || self.corrupt(pages::SPAN_SHAPES)(Damaged("shape that is not described"));
        let mut spans = Vec::with_capacity(scalars.len());
        for (scalars, (shape, values)) in scalars.iter().zip(values) {
            let shape = shapes.get(shape).ok_or_else(missing)?;
            let name = meta.names.get(shape.name as usize).map_or(&[][..], |name| name);
            let mut span = span_of(scalars, shape, name);
            each_value(meta, shapes.layout(shape), values, |key, value| set_on_span(&mut span, key, value));
            let resource = self.meta.resources.get(shape.resource as usize).ok_or_else(missing)?;
            let scope = self.meta.scopes.get(shape.scope as usize).ok_or_else(missing)?;
            spans.push(TraceSpan { span, resource: Arc::clone(resource), scope: Arc::clone(scope) });
        }
        if projection.wants_children() {
            self.add_events(rows.clone(), &mut spans).or_else(|error| self.leave_out(error))?;
            self.add_links(rows, &mut spans).or_else(|error| self.leave_out(error))?;
        }
        Ok(spans)
    }

    fn add_events(&self, rows: Range<usize>, spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let range = self.children(TableKind::Event, &rows)?;
        if range.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Event, range.clone(), Projection::Whole)?;
        let (owners, times) = (self.owners(TableKind::Event)?, self.event_times()?);
        let (meta, shapes) = (self.table_meta(TableKind::Event), self.shapes(TableKind::Event)?);
        for (row, (shape, values)) in range.zip(values) {
            let time_unix_nano = times.get(row).copied().unwrap_or_default();
            let mut event = SpanEvent { time_unix_nano, ..SpanEvent::default() };
            if let Some(shape) = shapes.get(shape) {
                event.name = meta.names.get(shape.name as usize).map(|name| text(name)).unwrap_or_default();
                each_value(meta, shapes.layout(shape), values, |key, value| set_on_event(&mut event, key, value));
            }
            let owner = owners.get(row).map_or(usize::MAX, |owner| *owner as usize);
            if let Some(span) = owner.checked_sub(rows.start).and_then(|place| spans.get_mut(place)) {
                span.span.events.push(event);
            }
        }
        Ok(())
    }

    fn add_links(&self, rows: Range<usize>, spans: &mut [TraceSpan]) -> Result<(), ReadError> {
        let range = self.children(TableKind::Link, &rows)?;
        if range.is_empty() {
            return Ok(());
        }
        let values = self.values(TableKind::Link, range.clone(), Projection::Whole)?;
        let (owners, ids) = (self.owners(TableKind::Link)?, self.link_ids()?);
        let (meta, shapes) = (self.table_meta(TableKind::Link), self.shapes(TableKind::Link)?);
        for (row, (shape, values)) in range.zip(values) {
            let (trace_id, span_id) = ids.get(row).copied().unwrap_or_default();
            let mut link = SpanLink { trace_id, span_id, ..SpanLink::default() };
            if let Some(shape) = shapes.get(shape) {
                link.flags = shape.flags;
                each_value(meta, shapes.layout(shape), values, |key, value| set_on_link(&mut link, key, value));
            }
            let owner = owners.get(row).map_or(usize::MAX, |owner| *owner as usize);
            if let Some(span) = owner.checked_sub(rows.start).and_then(|place| spans.get_mut(place)) {
                span.span.links.push(link);
            }
        }
        Ok(())
    }
}

/// For each of these columns how many rows before have it, by the shapes of these rows.
fn ranks(shapes: &ShapeList, before: &[u32], columns: &[u32]) -> Vec<usize> {
    let mut rows = vec![0; shapes.layouts.len()];
    for (shape, count) in shapes.shapes.iter().zip(before).filter(|(_, count)| **count > 0) {
        if let Some(rows) = rows.get_mut(shape.layout as usize) {
            *rows += *count as usize;
        }
    }
    let mut ranks = vec![0; columns.len()];
    for (layout, rows) in shapes.layouts.iter().zip(rows).filter(|(_, rows)| *rows > 0) {
        for column in layout {
            if let Ok(place) = columns.binary_search(column) {
                ranks[place] += rows;
            }
        }
    }
    ranks
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

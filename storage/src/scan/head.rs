//! Rows in memory as a group that is searched.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use hoptrail_proto::model::{Extent, InstrumentationScope, Resource, SpanId, TraceId, TraceSpan};
use hoptrail_proto::otlp::view::ValueView;

use super::{Among, Outline, Projection, RootKey, RowGroup, SpanKey, TableView, Test, TraceStart, tally};
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::matcher::MOST_VALUES;
use crate::rows::{Column, ColumnKey, Owner, Rows, ShapeList, Slot, SpanRow, Table, TableKind, ValueType};

/// A view over rows; what a query derives from them is kept for its other conditions.
pub(crate) struct HeadGroup<'a> {
    rows: &'a Rows,
    tables: [HeadTable<'a>; 3],
    starts: OnceCell<Vec<u64>>,
}

struct HeadTable<'a> {
    table: &'a Table,
    shape_numbers: OnceCell<Vec<u32>>,
}

impl<'a> HeadGroup<'a> {
    pub(crate) fn new(rows: &'a Rows) -> Self {
        let tables = [&rows.span_table, &rows.event_table, &rows.link_table];
        let tables = tables.map(|table| HeadTable { table, shape_numbers: OnceCell::new() });
        Self { rows, tables, starts: OnceCell::new() }
    }

    fn row(&self, row: usize) -> Result<&'a SpanRow, ReadError> {
        self.rows.spans.get(row).ok_or_else(|| ReadError::Storage(format!("row {row} is not in the head")))
    }
}

/// The spans, events or links of the head.
struct View<'g, 'a>(&'g HeadTable<'a>);

impl TableView for View<'_, '_> {
    fn len(&self) -> usize {
        self.0.table.len()
    }

    fn shapes(&self) -> Result<&ShapeList, ReadError> {
        Ok(self.0.table.shapes.list())
    }

    fn shape_numbers(&self) -> Result<&[u32], ReadError> {
        Ok(self.0.shape_numbers())
    }

    fn names(&self) -> usize {
        self.0.table.names.len()
    }

    fn name(&self, number: u32) -> &[u8] {
        self.0.table.names.get(number)
    }

    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<u32> {
        let named = (0..).zip(self.keys()).filter(|(_, key)| key.owner == owner && *key.name == *name);
        searched(named)
    }

    fn select(&self, column: u32, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let (table, rows) = (self.0, Bitmap::none(self.len()));
        let Some(own) = table.table.columns.get(column as usize) else { return Ok(rows) };
        let mut selection = Selection { table, column, among, places: OnceCell::new(), rows };
        if own.key.value_type.is_bytes() {
            selection.look_at_strings(own, test);
        } else {
            selection.look(0..self.len(), |slot| test.holds_stored(table.table.value(column, slot)));
        }
        Ok(selection.rows)
    }

    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError> {
        let is_bytes = self.0.table.columns.get(column as usize).is_some_and(|column| column.key.value_type.is_bytes());
        let mut seen = hashbrown::HashSet::new();
        self.0.each(&self.0.places(column), 0..self.len(), |row, slot| {
            let repeated = || (!is_bytes || slot.number().is_some()) && !seen.insert(slot.0);
            if rows.contains(row) && !{ repeated }() {
                visit(self.0.table.value(column, slot));
            }
        });
        Ok(())
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_> {
        Box::new(self.0.table.columns.iter().map(|column| &column.key))
    }
}

/// The rows of a column that satisfy a test, as far as they were looked at.
struct Selection<'s, 'a> {
    table: &'s HeadTable<'a>,
    column: u32,
    among: &'s Bitmap,
    /// Of the column, once a row is looked at.
    places: OnceCell<Vec<Option<usize>>>,
    rows: Bitmap,
}

impl Selection<'_, '_> {
    fn look(&mut self, range: Range<usize>, mut holds: impl FnMut(Slot) -> bool) {
        let places = self.places.get_or_init(|| self.table.places(self.column));
        self.table.each(places, range, |row, slot| {
            if self.among.contains(row) {
                self.rows.insert_if(row, holds(slot));
            }
        });
    }

    /// Looks at the rows whose string may satisfy the test.
    fn look_at_strings(&mut self, own: &Column, test: &Test) {
        let (table, column, end) = (self.table.table, self.column, self.table.table.len());
        let holds = |slot| test.holds_stored(table.value(column, slot));
        // Each distinct value is judged once. Only the rows before the first one that the dictionary had no room for have its numbers.
        let in_arena = own.arena.first_row().unwrap_or(end);
        let text = Some(test).filter(|_| own.key.value_type == ValueType::Text);
        match text.and_then(Test::needle) {
            Some(needle) => {
                if let Some(number) = own.dictionary.find(needle) {
                    self.look(0..in_arena, |slot| slot.number() == Some(number));
                }
            }
            None => {
                let mut known: Vec<Option<bool>> = vec![None; own.dictionary.len()];
                self.look(0..in_arena, |slot| {
                    let known = slot.number().and_then(|number| known.get_mut(number as usize));
                    known.is_some_and(|known| *known.get_or_insert_with(|| holds(slot)))
                });
            }
        }
        match text.and_then(Test::required_text) {
            Some(text) => own.arena.rows_with(text, end).for_each(|range| self.look(range, holds)),
            None => self.look(in_arena..end, holds),
        }
    }
}

impl HeadTable<'_> {
    fn shape_numbers(&self) -> &[u32] {
        self.shape_numbers.get_or_init(|| (0..self.table.len()).map(|row| self.table.shape_of(row)).collect())
    }

    /// For each shape the place of a column among its slots.
    fn places(&self, column: u32) -> Vec<Option<usize>> {
        self.table.shapes.list().by_layout(|columns| columns.iter().position(|own| *own == column))
    }

    /// Calls `visit` with those of the rows that have a column, by its places.
    fn each(&self, places: &[Option<usize>], rows: Range<usize>, mut visit: impl FnMut(usize, Slot)) {
        for row in rows {
            if let Some(place) = places.get(self.table.shape_of(row) as usize).copied().flatten()
                && let Some(slot) = self.table.slots(row).get(place)
            {
                visit(row, Slot(*slot));
            }
        }
    }
}

/// The numbers of those columns of one name that are searched.
pub(crate) fn searched<'a>(columns: impl Iterator<Item = (u32, &'a ColumnKey)>) -> Vec<u32> {
    columns
        .filter(|(_, key)| key.occurrence < MOST_VALUES && key.value_type != ValueType::Empty)
        .map(|(number, _)| number)
        .collect()
}

fn key(span: &SpanRow) -> SpanKey {
    (span.start, span.span_id)
}

impl RowGroup for HeadGroup<'_> {
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_> {
        Box::new(View(&self.tables[kind as usize]))
    }

    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        Ok(match kind {
            TableKind::Span => &[],
            TableKind::Event => &self.rows.event_owners,
            TableKind::Link => &self.rows.link_owners,
        })
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.rows.resources.decoded
    }

    fn scopes(&self) -> &[Arc<InstrumentationScope>] {
        &self.rows.scopes.decoded
    }

    fn starts(&self) -> Result<&[u64], ReadError> {
        Ok(self.starts.get_or_init(|| self.rows.spans.iter().map(|span| span.start).collect()))
    }

    fn each_duration(&self, rows: &Bitmap, visit: &mut dyn FnMut(usize, u64)) -> Result<(), ReadError> {
        for row in rows.iter() {
            let span = self.row(row)?;
            visit(row, span.end.saturating_sub(span.start));
        }
        Ok(())
    }

    fn event_times(&self) -> Result<&[u64], ReadError> {
        Ok(&self.rows.event_times)
    }

    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError> {
        Ok(&self.rows.link_ids)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        Ok(self.row(row)?.trace_id)
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        Ok(self.row(row)?.span_id)
    }

    fn parent(&self, row: usize) -> Result<SpanId, ReadError> {
        Ok(self.row(row)?.parent)
    }

    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError> {
        let mut seen = hashbrown::HashSet::new();
        let mut out = Vec::new();
        for row in rows.iter() {
            let id = self.row(row)?.trace_id;
            if seen.insert(id) {
                let start = self.start_of(id)?.unwrap_or_default();
                out.push(TraceStart { id, start, hint: start });
            }
        }
        Ok(out)
    }

    fn rows_from(&self, _: u64) -> Result<Bitmap, ReadError> {
        Ok(Bitmap::all(self.rows.len()))
    }

    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError> {
        let spans = self.rows.trace_rows(id).filter_map(|row| self.rows.spans.get(row as usize));
        Ok(spans.map(|span| span.extent().place()).min())
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        Ok(self.rows.trace_rows(id).collect())
    }

    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError> {
        let spans = self.rows.trace_rows(id).filter_map(|row| self.rows.spans.get(row as usize));
        Ok(spans.map(key).filter(|(start, _)| (from..=to).contains(start)).collect())
    }

    fn among(&self, id: TraceId, rows: &Bitmap, _: usize) -> Result<Among, ReadError> {
        let own = self.rows.trace_rows(id).filter(|row| rows.contains(*row as usize));
        let all: Vec<_> = own.filter_map(|row| Some((key(self.rows.spans.get(row as usize)?), row))).collect();
        Ok(Among { count: all.len(), earliest: all })
    }

    fn outline(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<Outline>, ReadError> {
        let rows = || self.rows.trace_rows(id).filter_map(|row| Some((row, self.rows.spans.get(row as usize)?)));
        let mut keys = self.keys(id, 0, u64::MAX)?;
        keys.sort_unstable();
        let (Some((earliest, _)), Some((latest, _))) = (keys.first(), keys.last()) else { return Ok(None) };
        let shape = |row: u32| self.rows.span_table.shape_of(row as usize);
        let Some(extent) = Extent::of_all(rows().map(|(_, span)| span.extent())) else { return Ok(None) };
        let root_key = |span: &SpanRow| (span.extent().place(), key(span));
        let is_root =
            |span: &SpanRow| span.parent == SpanId::default() && root.is_none_or(|root| root_key(span) < root);
        let roots = rows().filter(|(_, span)| is_root(span));
        Ok(Some(Outline {
            starts: (*earliest, *latest),
            extent,
            shapes: tally(rows().map(|(row, _)| shape(row)).collect()),
            root: roots.map(|(row, span)| (root_key(span), shape(row))).min(),
            repeats: keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other)),
        }))
    }

    fn spans(&self, _: TraceId, rows: &[u32], _: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        Ok(rows.iter().filter_map(|row| self.rows.span(*row)).collect())
    }
}

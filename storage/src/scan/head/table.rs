//! The spans, events or links of the head as a table of columns.

use std::cell::OnceCell;
use std::ops::Range;

use hashbrown::HashSet;
use hoptrail_proto::otlp::view::ValueView;

use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::matcher::MOST_VALUES;
use crate::rows::{Column, ColumnKey, Owner, ShapeList, Slot, Table, ValueType};
use crate::scan::{Hashes, NO_CODE, TableView, Test, hashes_of_values};

pub(super) struct HeadTable<'a> {
    table: &'a Table,
    shape_codes: OnceCell<Vec<u32>>,
}

/// The spans, events or links of the head.
pub(super) struct View<'g, 'a>(pub(super) &'g HeadTable<'a>);

impl TableView for View<'_, '_> {
    fn len(&self) -> usize {
        self.0.table.len()
    }

    fn shapes(&self) -> Result<&ShapeList, ReadError> {
        Ok(self.0.table.shapes.list())
    }

    fn shape_codes(&self) -> Result<&[u32], ReadError> {
        let table = self.0.table;
        let codes = self.0.shape_codes.get_or_init(|| (0..table.len()).map(|row| table.shape_of(row)).collect());
        Ok(codes)
    }

    fn names(&self) -> usize {
        self.0.table.names.len()
    }

    fn name(&self, index: u32) -> &[u8] {
        self.0.table.names.get(index)
    }

    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<u32> {
        let named = (0..).zip(self.keys()).filter(|(_, key)| key.owner == owner && *key.name == *name);
        searched(named)
    }

    fn select(&self, column: u32, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let (table, rows) = (self.0, Bitmap::none(self.len()));
        let Some(own) = table.column(column) else { return Ok(rows) };
        let mut selection = Selection { table, column, among, indexes: OnceCell::new(), rows };
        if own.key.value_type.is_bytes() {
            selection.look_at_strings(own, test);
        } else {
            selection.look(0..self.len(), |slot| test.holds_stored(table.table.value(column, slot)));
        }
        Ok(selection.rows)
    }

    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError> {
        let Some(own) = self.0.column(column) else { return Ok(()) };
        if rows.is_full() && own.key.value_type.is_bytes() && own.arena.first_row().is_none() {
            // Each value of the dictionary is that of a row.
            own.dictionary.iter().for_each(|value| visit(own.key.value_type.string(value)));
            return Ok(());
        }
        let mut seen = HashSet::new();
        for (_, slot) in self.0.slots(column, rows) {
            // Strings outside of the dictionary are not compared: each is visited, even if it comes twice.
            let is_comparable = !own.key.value_type.is_bytes() || slot.code().is_some();
            if !is_comparable || seen.insert(slot.0) {
                visit(self.0.table.value(column, slot));
            }
        }
        Ok(())
    }

    fn values(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(usize, ValueView<'_>)) -> Result<(), ReadError> {
        self.0.slots(column, rows).for_each(|(row, slot)| visit(row, self.0.table.value(column, slot)));
        Ok(())
    }

    fn hashes(&self, column: u32, rows: &Bitmap) -> Result<Hashes, ReadError> {
        hashes_of_values(self, column, rows)
    }

    fn codes(&self, column: u32, rows: &Bitmap) -> Result<Option<Vec<u32>>, ReadError> {
        if !self.0.column(column).is_some_and(|own| own.key.value_type.is_bytes()) {
            return Ok(None);
        }
        let indexes = self.0.indexes(column);
        Ok(rows.iter().map(|row| self.0.slot(&indexes, row).map_or(Some(NO_CODE), Slot::code)).collect())
    }

    fn dictionary(&self, column: u32, visit: &mut dyn FnMut(u32, ValueView<'_>)) -> Result<(), ReadError> {
        if let Some(own) = self.0.column(column).filter(|own| own.key.value_type.is_bytes()) {
            (0..).zip(own.dictionary.iter()).for_each(|(code, value)| visit(code, own.key.value_type.string(value)));
        }
        Ok(())
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_> {
        Box::new(self.0.table.columns.iter().map(|column| &column.key))
    }
}

/// The rows of a column that satisfy a test, among those tested so far.
struct Selection<'s, 'a> {
    table: &'s HeadTable<'a>,
    column: u32,
    among: &'s Bitmap,
    /// The indexes of the column among the slots of each shape. Filled when the first row is tested.
    indexes: OnceCell<Vec<Option<usize>>>,
    rows: Bitmap,
}

impl Selection<'_, '_> {
    fn look(&mut self, range: Range<usize>, mut holds: impl FnMut(Slot) -> bool) {
        let indexes = self.indexes.get_or_init(|| self.table.indexes(self.column));
        for row in range {
            if let Some(slot) = self.table.slot(indexes, row)
                && self.among.contains(row)
            {
                self.rows.insert_if(row, holds(slot));
            }
        }
    }

    /// Tests the rows whose string may satisfy the test.
    fn look_at_strings(&mut self, own: &Column, test: &Test) {
        let (table, column, end) = (self.table.table, self.column, self.table.table.len());
        let holds = |slot| test.holds_stored(table.value(column, slot));
        // Each distinct value is tested once. Codes of the dictionary are only in rows before the first string of the arena.
        let in_arena = own.arena.first_row().unwrap_or(end);
        let text = Some(test).filter(|_| own.key.value_type == ValueType::Text);
        match text.and_then(Test::literal) {
            Some(literal) => {
                if let Some(code) = own.dictionary.find(literal) {
                    self.look(0..in_arena, |slot| slot.code() == Some(code));
                }
            }
            None => {
                let mut known: Vec<Option<bool>> = vec![None; own.dictionary.len()];
                self.look(0..in_arena, |slot| {
                    let known = slot.code().and_then(|code| known.get_mut(code as usize));
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

impl<'a> HeadTable<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { table, shape_codes: OnceCell::new() }
    }

    fn column(&self, column: u32) -> Option<&'a Column> {
        self.table.columns.get(column as usize)
    }

    /// The rows among these that have the column, with their slots.
    fn slots(&self, column: u32, rows: &Bitmap) -> impl Iterator<Item = (usize, Slot)> {
        let indexes = self.indexes(column);
        rows.iter().filter_map(move |row| Some((row, self.slot(&indexes, row)?)))
    }

    /// The slot of a row, by the indexes of the column.
    #[inline]
    fn slot(&self, indexes: &[Option<usize>], row: usize) -> Option<Slot> {
        let index = indexes.get(self.table.shape_of(row) as usize).copied().flatten()?;
        self.table.slots(row).get(index).map(|slot| Slot(*slot))
    }

    /// For each shape the index of the column among its slots.
    fn indexes(&self, column: u32) -> Vec<Option<usize>> {
        self.table.shapes.list().by_layout(|columns| columns.iter().position(|own| *own == column))
    }
}

/// The columns of one name that are searched.
pub(crate) fn searched<'a>(columns: impl Iterator<Item = (u32, &'a ColumnKey)>) -> Vec<u32> {
    columns
        .filter(|(_, key)| key.occurrence < MOST_VALUES && key.value_type != ValueType::Empty)
        .map(|(column, _)| column)
        .collect()
}

//! The spans, events or links of a segment group as a table that is searched.

use hoptrail_proto::otlp::view::ValueView;

use super::group::SegmentGroup;
use super::meta::TableMeta;
use super::pages;
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::ints::{Ints, unordered};
use crate::codec::strings::Strings;
use crate::rows::{ColumnKey, Owner, ShapeList, TableKind, ValueType};
use crate::scan::{TableView, Test, columns_named};

/// The spans, events or links of a segment group.
pub(super) struct View<'g, 'a> {
    pub(super) group: &'g SegmentGroup<'a>,
    pub(super) kind: TableKind,
}

impl View<'_, '_> {
    fn meta(&self) -> &TableMeta {
        self.group.table_meta(self.kind)
    }

    fn key(&self, column: u32) -> Option<&ColumnKey> {
        self.meta().columns.get(column as usize)
    }

    fn corrupt(&self, column: u32) -> impl Fn(Damaged) -> ReadError + use<> {
        self.group.corrupt(pages::COLUMNS + 3 * column + self.kind as u32)
    }

    /// A page of strings has no more values than the table has rows.
    fn strings<'p>(&self, column: u32, bytes: &'p [u8]) -> Result<Strings<'p>, ReadError> {
        let page = Strings::parse(bytes).map_err(self.corrupt(column))?;
        if page.len() > self.len() { Err(self.corrupt(column)(Damaged("page with a wrong count"))) } else { Ok(page) }
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
        let page = self.strings(column, &bytes)?;
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

    fn shapes(&self) -> Result<&ShapeList, ReadError> {
        self.group.shapes(self.kind)
    }

    fn shape_numbers(&self) -> Result<&[u32], ReadError> {
        self.group.shape_numbers(self.kind)
    }

    fn names(&self) -> usize {
        self.meta().names.len()
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
            let page = self.strings(column, &bytes)?;
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

pub(super) fn string_view(value_type: ValueType, bytes: &[u8]) -> ValueView<'_> {
    match value_type {
        ValueType::Bytes => ValueView::Bytes(bytes),
        ValueType::Nested => ValueView::Nested(bytes),
        _ => ValueView::Text(bytes),
    }
}

pub(super) fn number_view(value_type: ValueType, number: u64) -> ValueView<'static> {
    match value_type {
        ValueType::Bool => ValueView::Bool(number != 0),
        ValueType::Int => ValueView::Int(unordered(number)),
        ValueType::Double => ValueView::Double(f64::from_bits(number)),
        _ => ValueView::Empty,
    }
}

//! Columns: the values of the spans, events and links of a group, by row.

use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId};
use hoptrail_proto::otlp::view::ValueView;

use super::{Hashes, Test, ValueHasher};
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::rows::{ColumnKey, Owner, Shape, ShapeList, TableKind};

/// The columns of a group.
///
/// # Contract
///
/// - Each table counts its rows from 0. A row stays the same span, event or link for as long as the group is borrowed.
/// - A set of rows has the length of its table. Where an answer is by row, rows ascend.
/// - Reading a damaged page is a [`ReadError::Corrupt`]; other pages can still be read. A group may remember the pages that it has read, so
///   reading twice is cheap. It never remembers an error.
/// - A page is read only when it is needed. Reading few rows costs little where the codec allows it.
pub(crate) trait SpanColumns {
    /// Its spans, events or links.
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_>;
    /// For each event or link the row of its span, ascending; empty for spans.
    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError>;
    /// The resources that the shapes of spans name.
    fn resources(&self) -> &[Arc<Resource>];
    /// The instrumentation scopes that the shapes of spans name.
    fn scopes(&self) -> &[Arc<InstrumentationScope>];
    /// Start of each span.
    fn starts(&self) -> Result<&[u64], ReadError>;
    /// Calls `visit` with each of these spans and its duration in nanoseconds; 0 when it ends before it starts.
    fn each_duration(&self, rows: &Bitmap, visit: &mut dyn FnMut(usize, u64)) -> Result<(), ReadError>;
    /// Time of each event.
    fn event_times(&self) -> Result<&[u64], ReadError>;
    /// The span that each link leads to.
    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError>;
    /// The trace of a span.
    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError>;
    /// The id of a span.
    fn span_id(&self, row: usize) -> Result<SpanId, ReadError>;
    /// The parent that a span names; all zero when it names none.
    fn parent_id(&self, row: usize) -> Result<SpanId, ReadError>;
}

/// The spans, events or links of a group.
///
/// A row has a *shape*: everything that it shares with many others. The *columns* hold what differs, one for each key and type, and for
/// each further time that a row repeats the key.
pub(crate) trait TableView {
    /// How many rows there are.
    fn len(&self) -> usize;
    /// The shapes that rows may have.
    fn shapes(&self) -> Result<&ShapeList, ReadError>;
    /// The shape of each row, as an index into [`TableView::shapes`].
    fn shape_codes(&self) -> Result<&[u32], ReadError>;
    /// How many names there are.
    fn names(&self) -> usize;
    /// The name with this index; empty when there is none.
    fn name(&self, index: u32) -> &[u8];
    /// The columns of this name that are searched: one for each type, and for each further time that a row has the key.
    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<u32>;
    /// The rows whose value in the column satisfies the test. For rows outside of `among` the answer may be wrong.
    fn select(&self, column: u32, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError>;
    /// Calls `visit` with the column's values on these rows. A value that several rows share may come only once.
    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError>;
    /// Calls `visit` with each of these rows that has the column, ascending, and its value.
    fn values(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(usize, ValueView<'_>)) -> Result<(), ReadError>;
    /// The hashes of the column's values on these rows, as [`ValueHasher`] makes them.
    ///
    /// [`ValueHasher`]: super::ValueHasher
    fn hashes(&self, column: u32, rows: &Bitmap) -> Result<Hashes, ReadError>;
    /// For each of these rows, ascending, the code of its value in the column's dictionary, or [`NO_CODE`] when the row does not have the
    /// column. `None` when the column has no dictionary that knows all of these values.
    fn codes(&self, column: u32, rows: &Bitmap) -> Result<Option<Vec<u32>>, ReadError>;
    /// Calls `visit` with each code of the column's dictionary, ascending, and its value. Does nothing without a dictionary.
    fn dictionary(&self, column: u32, visit: &mut dyn FnMut(u32, ValueView<'_>)) -> Result<(), ReadError>;
    /// The keys of all columns.
    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_>;

    /// The rows among these whose shape is good; `good` has an entry for each shape.
    fn rows_of_shapes(&self, among: &Bitmap, good: &[bool]) -> Result<Bitmap, ReadError> {
        let codes = self.shape_codes()?;
        let mut rows = Bitmap::none(self.len());
        for row in among.iter() {
            let shape = codes.get(row).and_then(|code| good.get(*code as usize));
            rows.insert_if(row, shape.copied().unwrap_or(false));
        }
        Ok(rows)
    }

    /// For each of these rows, ascending, the value of this part of its shape.
    fn shape_values(&self, part: ShapePart, rows: &Bitmap) -> Result<Vec<u32>, ReadError> {
        let (shapes, codes) = (self.shapes()?, self.shape_codes()?);
        let found = rows.iter().map(|row| codes.get(row).and_then(|code| shapes.get(*code)));
        Ok(found.map(|shape| shape.map_or(0, |shape| part.of(shape))).collect())
    }
}

/// The code of a row that does not have the column, in [`TableView::codes`].
pub(crate) const NO_CODE: u32 = u32::MAX;

/// A part of a shape. A query sees it as a column with a dictionary: a value is an index into a list of the group, or a code of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShapePart {
    /// An index into [`SpanColumns::resources`].
    Resource,
    /// An index into [`SpanColumns::scopes`].
    Scope,
    /// An index for [`TableView::name`].
    Name,
    /// OTLP's code of the span kind.
    Kind,
    /// OTLP's status code.
    Status,
}

impl ShapePart {
    #[inline]
    pub(crate) fn of(self, shape: &Shape) -> u32 {
        match self {
            Self::Resource => shape.resource,
            Self::Scope => shape.scope,
            Self::Name => shape.name,
            Self::Kind => u32::from(shape.kind),
            Self::Status => u32::from(shape.status),
        }
    }
}

/// Hashes by looking at each value.
pub(crate) fn hashes_of_values(table: &dyn TableView, column: u32, rows: &Bitmap) -> Result<Hashes, ReadError> {
    let (mut hashes, mut hasher) = (Hashes::default(), ValueHasher::default());
    table.values(column, rows, &mut |row, value| hashes.push(row, hasher.hash(value)))?;
    Ok(hashes)
}

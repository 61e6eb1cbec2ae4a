//! Answers filters over row groups, by columns. The head's rows and a segment's groups look the same from here.

mod by_shape;
mod eval;
mod head;
mod test;
mod values;

pub(crate) use eval::{matching, matching_among};
pub(crate) use head::{HeadGroup, searched};
pub(crate) use test::Test;
pub(crate) use values::values;

use std::sync::Arc;

use hoptrail_proto::model::{Extent, InstrumentationScope, Resource, SpanId, TraceId, TraceSpan};
use hoptrail_proto::otlp::view::ValueView;

use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::rows::{ColumnKey, Owner, ShapeList, TableKind};

/// The spans, events or links of a group.
pub(crate) trait TableView {
    /// How many rows there are.
    fn len(&self) -> usize;
    /// The shapes that rows may have.
    fn shapes(&self) -> Result<&ShapeList, ReadError>;
    /// The shape number of each row.
    fn shape_numbers(&self) -> Result<&[u32], ReadError>;
    /// How many names there are.
    fn names(&self) -> usize;
    /// The name with this number.
    fn name(&self, number: u32) -> &[u8];
    /// The columns of this name that are searched: by type, and where the key is repeated on a row, by how often it came before.
    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<u32>;
    /// The rows that have the column with a value that satisfies the test. Those that are not among `among` need not be looked at.
    fn select(&self, column: u32, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError>;
    /// Calls `visit` with the column's values on these rows; equal ones may come once.
    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError>;
    /// The keys of all columns.
    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_>;

    /// The rows among these whose shape is good; `good` has an entry for each shape.
    fn rows_of_shapes(&self, among: &Bitmap, good: &[bool]) -> Result<Bitmap, ReadError> {
        let numbers = self.shape_numbers()?;
        let mut rows = Bitmap::none(self.len());
        let holds = |number: &u32| good.get(*number as usize).copied().unwrap_or(false);
        among.iter().for_each(|row| rows.insert_if(row, numbers.get(row).is_some_and(holds)));
        Ok(rows)
    }
}

/// Which attributes of a span to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Projection<'a> {
    /// Everything: the span as received.
    Whole,
    /// Only columns of these names, and no events or links unless asked for.
    Only {
        /// Attribute keys and field names, sorted.
        names: &'a [Vec<u8>],
        /// Events and links too.
        children: bool,
    },
}

impl Projection<'_> {
    pub(crate) fn wants(&self, key: &ColumnKey) -> bool {
        match self {
            Self::Whole => true,
            Self::Only { names, .. } => names.binary_search_by(|name| name.as_slice().cmp(&key.name)).is_ok(),
        }
    }

    pub(crate) fn wants_children(&self) -> bool {
        matches!(self, Self::Whole | Self::Only { children: true, .. })
    }
}

/// A group of spans that is searched at once.
pub(crate) trait RowGroup {
    /// Its spans, events or links.
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_>;
    /// For each event or link the row of its span, ascending.
    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError>;
    fn resources(&self) -> &[Arc<Resource>];
    fn scopes(&self) -> &[Arc<InstrumentationScope>];
    /// Start of each span.
    fn starts(&self) -> Result<&[u64], ReadError>;
    /// Calls `visit` with the duration in nanoseconds of these spans; 0 of one that ends before it starts.
    fn each_duration(&self, rows: &Bitmap, visit: &mut dyn FnMut(usize, u64)) -> Result<(), ReadError>;
    /// Time of each event.
    fn event_times(&self) -> Result<&[u64], ReadError>;
    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError>;
    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError>;
    fn span_id(&self, row: usize) -> Result<SpanId, ReadError>;
    /// All zero for a root.
    fn parent(&self, row: usize) -> Result<SpanId, ReadError>;
    /// The rows of traces whose order key, by their spans here, is `start` or later, and maybe others.
    fn rows_from(&self, start: u64) -> Result<Bitmap, ReadError>;
    /// The traces that have any of these rows.
    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError>;
    /// The order key of a trace by its spans here; `None` when it is not here.
    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError>;
    /// The rows of a trace; none when it is not here.
    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError>;
    /// The keys of a trace's spans that start at `from` or later and not after `to`.
    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError>;
    /// Those of a trace's spans whose rows are among these.
    fn among(&self, id: TraceId, rows: &Bitmap, shown: usize) -> Result<Among, ReadError>;
    /// What a trace's spans in this group come to; `None` when it is not here. Of roots only those count that come before `root`.
    fn outline(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<Outline>, ReadError>;
    /// The spans of consecutive rows of a trace.
    fn spans(&self, id: TraceId, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError>;
}

/// A span as the spans of a trace are put in order: start, then id.
pub(crate) type SpanKey = (u64, SpanId);

/// A span as the roots of a trace are put in order: by the places of their starts ([`Extent::place`](hoptrail_proto::model::Extent)).
pub(crate) type RootKey = (u64, SpanKey);

/// When a trace began, as one group knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceStart {
    pub(crate) id: TraceId,
    /// Its order key by its spans here. By all its spans the trace has this one or an earlier one.
    pub(crate) start: u64,
    /// The order key by what was stored elsewhere when the group was written. It may be out of date, or wrong: what it says of
    /// the order is only tried first, and never believed.
    pub(crate) hint: u64,
}

/// Spans of one trace in one group.
#[derive(Debug, Default)]
pub(crate) struct Among {
    /// How many there are.
    pub(crate) count: usize,
    /// The keys and rows of as many of the earliest as are to be shown, and maybe of others.
    pub(crate) earliest: Vec<(SpanKey, u32)>,
}

/// What the spans of one trace in one group come to. There is at least one.
#[derive(Debug)]
pub(crate) struct Outline {
    /// Earliest and latest start.
    pub(crate) starts: (u64, u64),
    /// The time by which the spans count.
    pub(crate) extent: Extent,
    /// How many spans have each shape.
    pub(crate) shapes: Vec<(u32, u32)>,
    /// The earliest span without a parent, and the number of its shape.
    pub(crate) root: Option<(RootKey, u32)>,
    /// Whether two spans have one key.
    pub(crate) repeats: bool,
}

/// How often each number is there.
pub(crate) fn tally(mut numbers: Vec<u32>) -> Vec<(u32, u32)> {
    numbers.sort_unstable();
    numbers.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len() as u32))).collect()
}

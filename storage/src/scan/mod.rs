//! A group of spans as queries see it: a chunk of the head or a row group of a segment, which look the same from here.
//!
//! A group has three faces. [`SpanColumns`] has values by row, [`TraceIndex`] knows which rows are whose, and [`Materialize`] makes
//! spans of rows. Whoever asks takes the narrowest; [`RowGroup`] is all three.

mod by_shape;
mod columns;
mod eval;
mod head;
mod materialize;
mod parents;
mod test;
mod traces;
mod values;

pub(crate) use columns::{NO_CODE, ShapePart, SpanColumns, TableView};
pub(crate) use eval::{matching, matching_among};
pub(crate) use head::{HeadGroup, searched};
pub(crate) use materialize::{Materialize, Projection};
pub(crate) use parents::{Link, ParentRow, SpanIdentity, decide};
pub(crate) use test::Test;
pub(crate) use traces::{Among, PartialSummary, RootKey, SpanKey, TraceIndex, TraceStart, tally};
pub(crate) use values::values;

/// A group with all its faces.
pub(crate) trait RowGroup: SpanColumns + TraceIndex + Materialize {}

impl<G: SpanColumns + TraceIndex + Materialize> RowGroup for G {}

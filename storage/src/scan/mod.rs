//! A group of spans as queries see it. It is a chunk of the head or a row group of a segment; both look the same.
//!
//! A group has three interfaces. [`SpanColumns`] gives values by row, [`TraceIndex`] tells which rows belong to which trace, and
//! [`Materialize`] makes spans of rows. A function takes the narrowest that is enough; [`RowGroup`] is all three.

mod by_shape;
mod coded;
mod columns;
mod eval;
mod hashes;
mod head;
mod keys;
mod materialize;
mod numbers;
mod parents;
mod shape_fields;
mod test;
mod traces;
mod values;
mod weights;

pub(crate) use coded::{Coded, coded};
pub(crate) use columns::{NO_CODE, ShapePart, SpanColumns, TableView, hashes_of_values};
pub(crate) use eval::expr::{both, computed};
pub(crate) use eval::{matching, matching_among};
pub(crate) use hashes::{Hashes, ValueHasher, hash_of, hash_of_int};
pub(crate) use head::{HeadGroup, searched};
pub(crate) use keys::{Keys, add_all_keys, keys_of};
pub(crate) use materialize::{Materialize, Projection};
pub(crate) use numbers::{Number, numbers};
pub(crate) use parents::{Link, ParentRow, SpanIdentity, decide};
pub(crate) use shape_fields::{PartCodes, used_shapes};
pub(crate) use test::Test;
pub(crate) use traces::{
    Among, FirstRoot, HintHorizon, PartialSummary, RootKey, SpanKey, TraceIndex, TraceStart, first_of_roots, tally,
};
pub(crate) use values::values;
pub(crate) use weights::weights;

/// A group with all three interfaces.
pub(crate) trait RowGroup: SpanColumns + TraceIndex + Materialize {}

impl<G: SpanColumns + TraceIndex + Materialize> RowGroup for G {}

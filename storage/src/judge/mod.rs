//! Judges whole traces: which spansets a pipeline makes of one.
//!
//! [`Program`] is a pipeline in which everything that columns can tell of one span alone is a *leaf*. A [`Subject`] is the rows of one trace:
//! it knows the leaves of its rows, and the tree. Spans are never built; a span is its index among the rows, which stand in the order of
//! start, id and content.

mod evaluate;
mod program;
mod tree;

pub(crate) use evaluate::{Spanset, calculate, judge};
pub(crate) use program::{Calc, Program};
pub(crate) use tree::Tree;

use crate::matcher::TraceIntrinsics;
use crate::{ReadError, Value};

/// The rows of one trace. What it is asked for is found when it is asked for.
pub(crate) trait Subject {
    /// How many rows there are.
    fn len(&self) -> usize;
    /// For each row whether it satisfies this leaf of [`Program::filters`].
    fn satisfies(&self, leaf: usize) -> Result<&[bool], ReadError>;
    /// For each row the value of this leaf of [`Program::values`].
    fn values(&self, leaf: usize) -> Result<&[Option<Value>], ReadError>;
    /// How the rows hang together.
    fn tree(&self) -> Result<&Tree, ReadError>;
    /// What the trace is as a whole.
    fn whole(&self) -> Result<&TraceIntrinsics, ReadError>;
}

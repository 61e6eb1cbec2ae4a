//! The tree of a query. It is built once and never changed; every node knows its bytes in the text.

mod field;
mod literal;
mod pipeline;

pub use field::{BinaryOp, FieldExpr, FieldKind, FieldRef, LogicOp, Name, UnaryOp};
pub use literal::{Literal, LiteralKind};
pub use pipeline::{
    Expr, ExprKind, Hint, MetricsCall, MetricsFunction, Pipeline, Query, Rank, Stage, StageKind, StructuralOp,
};

use std::ops::Range;

pub use hoptrail_storage::{Aggregate, Relation, StructuralMode};

/// The bytes of the text that a node stands for. All ranges are equal, so that trees compare by what they mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextRange {
    start: usize,
    end: usize,
}

impl TextRange {
    /// The bytes `range`.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Range<usize> {
        self.start..self.end
    }

    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.end) }
    }
}

impl PartialEq for TextRange {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TextRange {}

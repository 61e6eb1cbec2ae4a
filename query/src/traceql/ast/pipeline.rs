//! Pipelines: what stands outside of `{ … }`.

use hoptrail_storage::{Aggregate, Relation, StructuralMode};

use super::{BinaryOp, FieldExpr, Literal, LogicOp, TextRange};

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What is asked.
    pub pipeline: Pipeline,
    /// `with(name=value, …)`.
    pub hints: Vec<Hint>,
    /// Where it stands.
    pub range: TextRange,
}

/// A wish about how a query is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Literal,
    /// Where it stands.
    pub range: TextRange,
}

/// Stages joined by `|`, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// In the order of the text.
    pub stages: Vec<Stage>,
    /// Where it stands.
    pub range: TextRange,
}

/// One stage of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// Where it stands.
    pub range: TextRange,
}

/// The stages.
#[derive(Debug, Clone, PartialEq)]
pub enum StageKind {
    /// Spansets, a scalar filter or a metrics function.
    Expr(Expr),
    /// `by(x)`
    By(FieldExpr),
    /// `coalesce()`
    Coalesce,
    /// `select(a, b)`
    Select(Vec<FieldExpr>),
    /// `topk(n)`, `bottomk(n)`
    Rank {
        /// Which of both.
        rank: Rank,
        /// How many series to keep.
        count: Literal,
    },
    /// `sort(x)`, `sort(x asc)`
    Sort {
        /// By what.
        value: FieldExpr,
        /// Whether the greatest comes first.
        descending: bool,
    },
    /// `spans`
    Spans,
    /// `> 5` after a metrics stage that is no expression, such as `topk(3) > 5`.
    Keep {
        /// The comparison.
        op: BinaryOp,
        /// With what.
        value: Literal,
    },
}

/// Which series to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// `topk`
    Top,
    /// `bottomk`
    Bottom,
}

/// An expression over spansets, scalars of them, or series.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub range: TextRange,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `{ … }`; `{ }` is every span.
    Filter(Option<FieldExpr>),
    /// `( … | … )`
    Pipeline(Pipeline),
    /// `a && b`: at least two operands, none of them the same operator.
    Logic {
        /// The operator between all of them.
        op: LogicOp,
        /// In the order of the text.
        operands: Vec<Expr>,
    },
    /// `a >> b`
    Structural {
        /// The operator.
        op: StructuralOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `count()`, `avg(x)`
    Aggregate {
        /// The function.
        function: Aggregate,
        /// Of what; `None` for `count()`.
        argument: Option<FieldExpr>,
    },
    /// A constant.
    Literal(Literal),
    /// `-x`
    Negate(Box<Expr>),
    /// A comparison or arithmetic of scalars or series.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `rate() by (x)`
    Metrics(MetricsCall),
    /// Text that could not be read. Never in a tree that `parse` returns.
    Error,
}

/// A structural operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructuralOp {
    /// The relation.
    pub relation: Relation,
    /// What is answered.
    pub mode: StructuralMode,
}

/// A metrics function with its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsCall {
    /// The function.
    pub function: MetricsFunction,
    /// `by (a, b)`.
    pub by: Vec<FieldExpr>,
}

/// Functions from spans to series.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricsFunction {
    /// `rate()`
    Rate,
    /// `count_over_time()`
    CountOverTime,
    /// `min_over_time(x)`
    MinOverTime(FieldExpr),
    /// `max_over_time(x)`
    MaxOverTime(FieldExpr),
    /// `avg_over_time(x)`
    AvgOverTime(FieldExpr),
    /// `sum_over_time(x)`
    SumOverTime(FieldExpr),
    /// `histogram_over_time(x)`
    HistogramOverTime(FieldExpr),
    /// `quantile_over_time(x, .5, .9)`
    QuantileOverTime(FieldExpr, Vec<Literal>),
    /// `compare({ … }, topN, startNs, endNs)`
    Compare {
        /// Which spans are the selection; `None` for `{ }`.
        selection: Option<FieldExpr>,
        /// The numbers after it.
        numbers: Vec<Literal>,
    },
}

impl MetricsFunction {
    /// Its name as written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::CountOverTime => "count_over_time",
            Self::MinOverTime(_) => "min_over_time",
            Self::MaxOverTime(_) => "max_over_time",
            Self::AvgOverTime(_) => "avg_over_time",
            Self::SumOverTime(_) => "sum_over_time",
            Self::HistogramOverTime(_) => "histogram_over_time",
            Self::QuantileOverTime(..) => "quantile_over_time",
            Self::Compare { .. } => "compare",
        }
    }
}

impl StructuralOp {
    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
        use StructuralMode::{Negated, Plain, Union};
        match (self.mode, self.relation) {
            (Plain, Child) => ">",
            (Plain, Parent) => "<",
            (Plain, Descendant) => ">>",
            (Plain, Ancestor) => "<<",
            (Plain, Sibling) => "~",
            (Negated, Child) => "!>",
            (Negated, Parent) => "!<",
            (Negated, Descendant) => "!>>",
            (Negated, Ancestor) => "!<<",
            (Negated, Sibling) => "!~",
            (Union, Child) => "&>",
            (Union, Parent) => "&<",
            (Union, Descendant) => "&>>",
            (Union, Ancestor) => "&<<",
            (Union, Sibling) => "&~",
        }
    }
}

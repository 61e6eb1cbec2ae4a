//! What a question asks of whole traces: sets of spans, and what is computed of them. TraceQL compiles to this form.

use crate::{ArithmeticOp, CompareOp, Expr, Filter, Value};

/// Stages that follow one another. It begins with one spanset for each trace, which has all spans of the trace. Each stage makes new
/// spansets of those before it. A trace of which no spanset is left is no answer.
///
/// ```
/// use hoptrail_storage::{CompareOp, Filter, Pipeline, Scalar, Stage, Value};
/// use hoptrail_proto::model::{AnyValue, StatusCode};
/// use hoptrail_storage::{Field, Intrinsic};
///
/// // TraceQL: { status = error } | count() > 3
/// let failed = Filter::compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error));
/// let mut pipeline = Pipeline::from(failed);
/// let left = Scalar::count("count()");
/// pipeline.stages.push(Stage::Keep { left, op: CompareOp::Gt, right: Scalar::Constant(Value::Any(AnyValue::Int(3))) });
/// assert!(pipeline.as_filter().is_none(), "one span alone does not tell");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// In their order.
    pub stages: Vec<Stage>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// An expression is applied to each spanset; it sees only the spans of that spanset.
    Sets(SetExpr),
    /// Each spanset is divided by the value of an expression. Values are the same when type and value are: 1, 1.0 and "1" are three groups.
    /// Spans without a value are a group as well. The spansets come in the order of their earliest spans.
    By {
        /// What is the same in each group.
        value: Expr,
        /// The name of the attribute that each group gets, such as `by(span.foo)`.
        label: String,
    },
    /// The spansets of a trace become one, without attributes.
    Coalesce,
    /// Spansets stay for which the comparison holds. The aggregates in it, also those of pipelines in it, become attributes of the spansets
    /// that stay, from left to right.
    Keep {
        /// Left side.
        left: Scalar,
        /// Relation.
        op: CompareOp,
        /// Right side.
        right: Scalar,
    },
}

/// A spanset of a spanset.
#[derive(Debug, Clone, PartialEq)]
pub enum SetExpr {
    /// The spans that satisfy a filter.
    Filter(Filter),
    /// `&&`: the spans of all operands, if each has spans; else nothing.
    All(Vec<SetExpr>),
    /// `||`: the spans of any operand.
    Any(Vec<SetExpr>),
    /// Spans by their place in the tree.
    Structural {
        /// How right-hand spans stand to left-hand spans.
        relation: Relation,
        /// Which spans are answered.
        mode: StructuralMode,
        /// Left side.
        left: Box<SetExpr>,
        /// Right side.
        right: Box<SetExpr>,
    },
    /// The spans of all spansets of a pipeline.
    Pipeline(Pipeline),
}

/// How the right-hand spans stand to the left-hand spans. The tree is that of the whole trace, also where spans between are not in the
/// spanset. `storage/src/scan/parents.rs` says which span is a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `>`: right is a child of left.
    Child,
    /// `<`: right is the parent of left.
    Parent,
    /// `>>`: right is a descendant of left.
    Descendant,
    /// `<<`: right is an ancestor of left.
    Ancestor,
    /// `~`: right and left are different children of one parent, which is in the trace.
    Sibling,
}

/// Which spans a structural operator answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StructuralMode {
    /// Right-hand spans with such a left-hand span.
    Plain,
    /// `!`: right-hand spans without one.
    Negated,
    /// `&`: right-hand spans with such a left-hand span, and left-hand spans with such a right-hand span.
    Union,
}

/// A number computed of a spanset. It may be missing; then no comparison with it holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A number or a duration.
    Constant(Value),
    /// Computed of all spans of the spanset.
    Aggregate {
        /// The function.
        function: Aggregate,
        /// Of what; `None` for a count.
        argument: Option<Expr>,
        /// The name of the attribute that the spanset gets, such as `avg(duration)`.
        label: String,
    },
    /// Arithmetic, by the rules of [`Expr`].
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// Left side.
        left: Box<Scalar>,
        /// Right side.
        right: Box<Scalar>,
    },
    /// A scalar of what a pipeline makes of the spanset: `({ … } | count())`. When it leaves several spansets, they are taken as one.
    Pipeline(Pipeline, Box<Scalar>),
}

/// Functions from a spanset to a number. Spans without a number for the argument are passed over, and so is NaN. With none left, only a
/// count has a value. Values are taken in the order of start, id and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many spans.
    Count,
    /// The mean: a duration, rounded down, when all values are durations, else a double.
    Avg,
    /// The least, of its own type.
    Min,
    /// The greatest, of its own type.
    Max,
    /// The sum: an int of ints, a duration if any value is one, else a double. Missing when it does not fit 64 bits.
    Sum,
}

impl Aggregate {
    /// Its name in TraceQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
        }
    }
}

impl From<Filter> for Pipeline {
    fn from(filter: Filter) -> Self {
        Self { stages: vec![Stage::Sets(SetExpr::Filter(filter))] }
    }
}

impl Pipeline {
    /// The filter, when the pipeline is no more than one. Without stages it is [`Filter::True`].
    #[must_use]
    pub fn as_filter(&self) -> Option<&Filter> {
        match self.stages.as_slice() {
            [] => Some(&Filter::True),
            [Stage::Sets(SetExpr::Filter(filter))] => Some(filter),
            _ => None,
        }
    }
}

impl Scalar {
    /// The number of spans.
    #[must_use]
    pub fn count(label: impl Into<String>) -> Self {
        Self::Aggregate { function: Aggregate::Count, argument: None, label: label.into() }
    }
}

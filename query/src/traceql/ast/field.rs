//! Expressions inside `{ … }` and as arguments: they are about one span.

use hoptrail_storage::AttributeScope;

use super::{Literal, TextRange};

/// An expression over the fields of one span.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldExpr {
    /// What it is.
    pub kind: FieldKind,
    /// Where it stands.
    pub range: TextRange,
}

/// The forms of a field expression.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    /// A field.
    Field(FieldRef),
    /// A constant.
    Literal(Literal),
    /// `!x`, `-x`.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// Its operand.
        operand: Box<FieldExpr>,
    },
    /// A comparison or arithmetic.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left side.
        left: Box<FieldExpr>,
        /// Right side.
        right: Box<FieldExpr>,
    },
    /// `a && b && c`: at least two operands, none of them the same operator.
    Logic {
        /// The operator between all of them.
        op: LogicOp,
        /// In the order of the text.
        operands: Vec<FieldExpr>,
    },
    /// Text that could not be read. Never in a tree that `parse` returns.
    Error,
}

/// A field by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRef {
    /// Known by the language.
    Intrinsic(Name),
    /// An attribute.
    Attribute {
        /// Of the parent span (`parent.x`).
        of_parent: bool,
        /// Where to look.
        scope: AttributeScope,
        /// Its key.
        key: String,
    },
}

/// The names that TraceQL gives to what every span has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// `duration`
    Duration,
    /// `name`
    SpanName,
    /// `status`
    Status,
    /// `statusMessage`
    StatusMessage,
    /// `kind`
    Kind,
    /// `parent`
    Parent,
    /// `rootName`
    RootName,
    /// `rootServiceName`
    RootServiceName,
    /// `traceDuration`
    TraceDuration,
    /// `nestedSetLeft`
    NestedSetLeft,
    /// `nestedSetRight`
    NestedSetRight,
    /// `nestedSetParent`
    NestedSetParent,
    /// `trace:duration`
    ScopedTraceDuration,
    /// `trace:start`
    TraceStart,
    /// `trace:spanCount`
    TraceSpans,
    /// `trace:errorCount`
    TraceErrors,
    /// `trace:rootName`
    ScopedRootName,
    /// `trace:rootService`
    ScopedRootService,
    /// `trace:id`
    TraceId,
    /// `span:duration`
    ScopedDuration,
    /// `span:name`
    ScopedName,
    /// `span:kind`
    ScopedKind,
    /// `span:status`
    ScopedStatus,
    /// `span:statusMessage`
    ScopedStatusMessage,
    /// `span:id`
    SpanId,
    /// `span:parentID`
    ParentId,
    /// `span:childCount`
    ChildCount,
    /// `event:name`
    EventName,
    /// `event:timeSinceStart`
    EventTimeSinceStart,
    /// `link:traceID`
    LinkTraceId,
    /// `link:spanID`
    LinkSpanId,
    /// `instrumentation:name`
    ScopeName,
    /// `instrumentation:version`
    ScopeVersion,
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Negate,
}

/// `&&` and `||`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicOp {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Operators with two operands that are no logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
}

impl BinaryOp {
    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }

    /// `+ - * / % ^`.
    #[must_use]
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow)
    }

    /// The operator with its sides exchanged: `<` becomes `>`. `None` for an operator that needs its field on the left, such as `=~`.
    #[must_use]
    pub fn flipped(self) -> Option<Self> {
        match self {
            Self::Eq | Self::Ne => Some(self),
            Self::Lt => Some(Self::Gt),
            Self::Le => Some(Self::Ge),
            Self::Gt => Some(Self::Lt),
            Self::Ge => Some(Self::Le),
            _ => None,
        }
    }
}

impl LogicOp {
    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

impl FieldExpr {
    /// Whether this or any part of it could not be read.
    #[must_use]
    pub fn has_error(&self) -> bool {
        match &self.kind {
            FieldKind::Error => true,
            FieldKind::Field(_) | FieldKind::Literal(_) => false,
            FieldKind::Unary { operand, .. } => operand.has_error(),
            FieldKind::Binary { left, right, .. } => left.has_error() || right.has_error(),
            FieldKind::Logic { operands, .. } => operands.iter().any(Self::has_error),
        }
    }
}

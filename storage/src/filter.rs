//! What a search asks of a span. TraceQL, the old `tags` search and the UI all compile to this form.

use std::cmp::Ordering;

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};

use crate::Pattern;

/// Where an attribute lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeScope {
    /// Anywhere: the first of span, resource, event, link, instrumentation scope that has the key (TraceQL `.key`).
    Any,
    /// On the resource.
    Resource,
    /// On the span.
    Span,
    /// On an event of the span.
    Event,
    /// On a link of the span.
    Link,
    /// On the instrumentation scope.
    Instrumentation,
}

impl AttributeScope {
    /// The scopes in which [`Any`](Self::Any) looks, in this order.
    pub(crate) const LOOKED_UP: [Self; 5] =
        [Self::Span, Self::Resource, Self::Event, Self::Link, Self::Instrumentation];

    /// The word before a key: `resource` of `resource.service.name`; empty for [`Any`](Self::Any).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Resource => "resource",
            Self::Span => "span",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }
}

/// The fields of a span that are no attributes. Names as in TraceQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Intrinsic {
    /// Span name, a string.
    Name,
    /// End minus start, in nanoseconds.
    Duration,
    /// Side of the exchange.
    Kind,
    /// Status code.
    Status,
    /// Status message, a string; missing when empty.
    StatusMessage,
    /// Trace id as 32 hex digits.
    TraceId,
    /// Span id as 16 hex digits.
    SpanId,
    /// Parent's span id as 16 hex digits; missing on a root.
    ParentId,
    /// Latest end minus earliest start of all spans of the trace, in nanoseconds.
    TraceDuration,
    /// Earliest start of all spans of the trace, in nanoseconds since 1970 UTC, an int.
    TraceStart,
    /// How many spans the trace has, an int.
    TraceSpans,
    /// How many of them have status error, an int.
    TraceErrors,
    /// Name of the trace's root span; missing when it has not arrived.
    RootName,
    /// Service of the trace's root span; missing when it has not arrived.
    RootService,
    /// Name of an event.
    EventName,
    /// Event time minus span start, in nanoseconds.
    EventTimeSinceStart,
    /// Trace id of a link as hex.
    LinkTraceId,
    /// Span id of a link as hex.
    LinkSpanId,
    /// Name of the instrumentation scope; missing when empty.
    ScopeName,
    /// Version of the instrumentation scope; missing when empty.
    ScopeVersion,
    /// How many spans have this one as their parent, an int.
    ChildCount,
    /// Number of the span when the trace is walked from its roots, an int from 1: roots and children in the order of start, id and content.
    /// A number is given on the way down and on the way up. Spans whose parent is missing are walked like roots.
    NestedSetLeft,
    /// The number that it gets on the way up.
    NestedSetRight,
    /// The number that its parent got on the way down; -1 on a root, and 0 on a span whose parent is missing.
    NestedSetParent,
}

impl Intrinsic {
    /// Its name in TraceQL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Duration => "duration",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::StatusMessage => "statusMessage",
            Self::TraceId => "trace:id",
            Self::SpanId => "span:id",
            Self::ParentId => "span:parentID",
            Self::TraceDuration => "traceDuration",
            Self::TraceStart => "trace:start",
            Self::TraceSpans => "trace:spanCount",
            Self::TraceErrors => "trace:errorCount",
            Self::RootName => "rootName",
            Self::RootService => "rootServiceName",
            Self::EventName => "event:name",
            Self::EventTimeSinceStart => "event:timeSinceStart",
            Self::LinkTraceId => "link:traceID",
            Self::LinkSpanId => "link:spanID",
            Self::ScopeName => "instrumentation:name",
            Self::ScopeVersion => "instrumentation:version",
            Self::ChildCount => "span:childCount",
            Self::NestedSetLeft => "nestedSetLeft",
            Self::NestedSetRight => "nestedSetRight",
            Self::NestedSetParent => "nestedSetParent",
        }
    }

    /// Whether it can only be known from all spans of the trace.
    #[must_use]
    pub fn is_of_trace(self) -> bool {
        matches!(
            self,
            Self::TraceDuration
                | Self::TraceStart
                | Self::TraceSpans
                | Self::TraceErrors
                | Self::RootName
                | Self::RootService
                | Self::ChildCount
                | Self::NestedSetLeft
                | Self::NestedSetRight
                | Self::NestedSetParent
        )
    }
}

/// A field of a span. It has a value, or is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A field that is no attribute.
    Intrinsic(Intrinsic),
    /// An attribute.
    Attribute {
        /// Where to look.
        scope: AttributeScope,
        /// Its key.
        key: String,
    },
    /// The field of the parent span; missing where the parent is. There is no `Parent` inside of it.
    Parent(Box<Field>),
}

impl Field {
    /// The attribute `key` in `scope`.
    pub fn attribute(scope: AttributeScope, key: impl Into<String>) -> Self {
        Self::Attribute { scope, key: key.into() }
    }

    /// Whether it can only be known from all spans of the trace.
    #[must_use]
    pub fn is_of_trace(&self) -> bool {
        match self {
            Self::Intrinsic(intrinsic) => intrinsic.is_of_trace(),
            Self::Attribute { .. } => false,
            Self::Parent(_) => true,
        }
    }

    /// The service that made the span: resource attribute `service.name`.
    #[must_use]
    pub fn service() -> Self {
        Self::attribute(AttributeScope::Resource, "service.name")
    }
}

/// The value of a field, or a constant to compare it with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// An attribute's value, or a string, number or boolean constant.
    Any(AnyValue),
    /// Nanoseconds.
    Duration(u64),
    /// A span status.
    Status(StatusCode),
    /// A span kind.
    Kind(SpanKind),
}

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::Any(AnyValue::String(text.into()))
    }
}

/// How a value is compared with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl CompareOp {
    /// Whether `left op right` holds where `left` stands in this order to `right`.
    ///
    /// ```
    /// use hoptrail_storage::CompareOp;
    ///
    /// assert!(CompareOp::Le.holds(3.cmp(&7)));
    /// assert!(!CompareOp::Ne.holds("a".cmp("a")));
    /// ```
    #[must_use]
    #[inline]
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
}

/// A condition on one span.
///
/// On a missing field every comparison is false, also `Ne` and a negated pattern. The same holds for a constant of another type. Ints,
/// doubles and durations compare with each other by number; durations count nanoseconds. Strings are ordered by their bytes. An array
/// satisfies `Eq`, an order or a pattern when any element does, and `Ne` or a negated pattern when all elements do.
///
/// ```
/// use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};
///
/// // TraceQL: { duration > 1s && !(span.url.path =~ "/health.*") && rootServiceName = "shop" }
/// let path = Field::attribute(AttributeScope::Span, "url.path");
/// let health = Filter::Matches { field: path, pattern: Pattern::new("/health.*").unwrap(), negated: false };
/// let slow = Filter::compare(Field::Intrinsic(Intrinsic::Duration), CompareOp::Gt, Value::Duration(1_000_000_000));
/// let root = Filter::compare(Field::Intrinsic(Intrinsic::RootService), CompareOp::Eq, Value::string("shop"));
/// let filter = Filter::And(vec![slow, Filter::Not(Box::new(health)), root]);
/// assert!(filter.needs_trace(), "only the whole trace knows its root");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every span.
    True,
    /// All of them.
    And(Vec<Filter>),
    /// Any of them.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The field's value stands in this relation to the constant.
    Compare {
        /// Left side.
        field: Field,
        /// Relation.
        op: CompareOp,
        /// Right side.
        value: Value,
    },
    /// The field is a string (or array of strings) that matches, or with `negated` does not.
    Matches {
        /// What is matched.
        field: Field,
        /// The expression.
        pattern: Pattern,
        /// `!~` instead of `=~`.
        negated: bool,
    },
    /// The field has a value (`true`) or is missing (`false`).
    Exists {
        /// The field.
        field: Field,
        /// Which of both.
        present: bool,
    },
    /// Two computed values stand in this relation, by the rules above. When one is an array, each of its elements is compared.
    Relation {
        /// Left side.
        left: Expr,
        /// Relation.
        op: CompareOp,
        /// Right side.
        right: Expr,
    },
    /// A computed value is there (`true`) or missing (`false`).
    Computed {
        /// The expression.
        value: Expr,
        /// Which of both.
        present: bool,
    },
    /// One single event of the span satisfies the whole condition. Outside of `Event`, each condition on an event field may be satisfied by
    /// another event. There is no `Event`, `Link`, `Relation` or `Computed` inside of it, and no field of the whole trace.
    Event(Box<Filter>),
    /// One single link of the span satisfies the whole condition. Outside of `Link`, each condition on a link field may be satisfied by
    /// another link. There is no `Link`, `Event`, `Relation` or `Computed` inside of it, and no field of the whole trace.
    Link(Box<Filter>),
}

impl Filter {
    /// `field op value`.
    #[must_use]
    pub fn compare(field: Field, op: CompareOp, value: Value) -> Self {
        Self::Compare { field, op, value }
    }

    /// Whether spans can be tested only with the rest of their trace.
    #[must_use]
    pub fn needs_trace(&self) -> bool {
        match self {
            Self::True => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::needs_trace),
            Self::Not(inner) | Self::Event(inner) | Self::Link(inner) => inner.needs_trace(),
            Self::Compare { field, .. } | Self::Matches { field, .. } | Self::Exists { field, .. } => {
                field.is_of_trace()
            }
            Self::Relation { left, right, .. } => left.needs_trace() || right.needs_trace(),
            Self::Computed { value, .. } => value.needs_trace(),
        }
    }
}

/// A value computed for one span. It may be missing.
///
/// A field stands for its first value: of span, resource, event, link, scope for [`AttributeScope::Any`](crate::AttributeScope), of the
/// first event or link that has one, and of the first attribute with the key.
///
/// Arithmetic needs numbers; with anything else the result is missing. Two ints make an int; `/` drops what is behind the point. A duration
/// counts as an int of nanoseconds. The result is a duration when exactly one operand is one, and when both are unless they are divided. A
/// double makes a double, or a duration that is rounded. A negative duration is an int of nanoseconds. Division by zero, what is not
/// finite, and what does not fit 64 bits is missing. An int to a negative power is a double.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// The same for all spans.
    Constant(Value),
    /// The first value of a field.
    Field(Field),
    /// `-x`
    Negate(Box<Expr>),
    /// `x + y` and so on.
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// Whether the span satisfies a filter, as a boolean. Never missing.
    Condition(Box<Filter>),
}

/// Operators on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`: its sign is that of the left side.
    Mod,
    /// `^`
    Pow,
}

impl Expr {
    /// Whether it can only be known with other spans of the trace.
    #[must_use]
    pub fn needs_trace(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Field(field) => field.is_of_trace(),
            Self::Negate(inner) => inner.needs_trace(),
            Self::Arithmetic { left, right, .. } => left.needs_trace() || right.needs_trace(),
            Self::Condition(filter) => filter.needs_trace(),
        }
    }
}

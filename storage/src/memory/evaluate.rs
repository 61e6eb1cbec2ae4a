//! Tests whether a span satisfies a filter, written directly from the rules of [`Filter`].

use std::cmp::Ordering;

use hoptrail_proto::model::{AnyValue, Attribute, SpanEvent, SpanKind, SpanLink, StatusCode, TraceSpan};

use crate::matcher::MOST_VALUES;
use crate::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Value};

/// What all spans of a trace say together.
pub(super) struct WholeTrace {
    pub(super) start: u64,
    pub(super) duration: u64,
    /// Service and name of the root.
    pub(super) root: Option<(String, String)>,
}

/// A span of a trace. Inside of [`Filter::Event`] or [`Filter::Link`], also the event or link that is tested.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    span: &'a TraceSpan,
    trace: &'a WholeTrace,
    event: Option<&'a SpanEvent>,
    link: Option<&'a SpanLink>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(span: &'a TraceSpan, trace: &'a WholeTrace) -> Self {
        Self { span, trace, event: None, link: None }
    }

    pub(super) fn satisfies(&self, filter: &Filter) -> bool {
        match filter {
            Filter::True => true,
            Filter::And(parts) => !parts.iter().any(|part| !self.satisfies(part)),
            Filter::Or(parts) => parts.iter().any(|part| self.satisfies(part)),
            Filter::Not(part) => !self.satisfies(part),
            Filter::Compare { field, op, value } => self.values(field).iter().any(|found| compare(found, *op, value)),
            Filter::Matches { field, pattern, negated } => {
                let text = |text: &str| pattern.matches(text) != *negated;
                self.values(field).iter().any(|found| matches(found, *negated, &text))
            }
            Filter::Exists { field, present } => self.values(field).is_empty() != *present,
            Filter::Relation { .. } | Filter::Computed { .. } => false,
            Filter::Event(part) => {
                let mut events = self.span.span.events.iter();
                events.any(|event| Self { event: Some(event), ..*self }.satisfies(part))
            }
            Filter::Link(part) => {
                let mut links = self.span.span.links.iter();
                links.any(|link| Self { link: Some(link), ..*self }.satisfies(part))
            }
        }
    }

    /// All values that the field has.
    pub(super) fn values(&self, field: &Field) -> Vec<Value> {
        match field {
            Field::Attribute { scope, key } => self.attribute(*scope, key),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic),
            Field::Parent(_) => Vec::new(),
        }
    }

    fn attribute(&self, scope: AttributeScope, key: &str) -> Vec<Value> {
        use AttributeScope::{Any, Event, Instrumentation, Link, Resource, Span};
        match scope {
            Resource => searched(&self.span.resource.attributes, key),
            Span => searched(&self.span.span.attributes, key),
            Instrumentation => searched(&self.span.scope.attributes, key),
            Event => self.events().into_iter().flat_map(|event| searched(&event.attributes, key)).collect(),
            Link => self.links().into_iter().flat_map(|link| searched(&link.attributes, key)).collect(),
            Any => {
                let scopes = [Span, Resource, Event, Link, Instrumentation].into_iter();
                scopes.map(|scope| self.attribute(scope, key)).find(|found| !found.is_empty()).unwrap_or_default()
            }
        }
    }

    fn intrinsic(&self, intrinsic: Intrinsic) -> Vec<Value> {
        let TraceSpan { span, scope, .. } = self.span;
        let root = self.trace.root.as_ref();
        match intrinsic {
            Intrinsic::Name => vec![Value::string(span.name.as_str())],
            Intrinsic::Duration => vec![Value::Duration(span.end_unix_nano.saturating_sub(span.start_unix_nano))],
            Intrinsic::Kind => vec![Value::Kind(span.kind)],
            Intrinsic::Status => vec![Value::Status(span.status.code)],
            Intrinsic::StatusMessage => unless_empty(&span.status.message),
            Intrinsic::TraceId => vec![Value::string(span.trace_id.to_string())],
            Intrinsic::SpanId => vec![Value::string(span.span_id.to_string())],
            Intrinsic::ParentId => span.parent_span_id.map(|id| Value::string(id.to_string())).into_iter().collect(),
            Intrinsic::TraceDuration => vec![Value::Duration(self.trace.duration)],
            Intrinsic::RootName => root.map(|(_, name)| Value::string(name.as_str())).into_iter().collect(),
            Intrinsic::RootService => root.map(|(service, _)| Value::string(service.as_str())).into_iter().collect(),
            Intrinsic::EventName => self.events().iter().map(|event| Value::string(event.name.as_str())).collect(),
            Intrinsic::EventTimeSinceStart => {
                let (start, events) = (span.start_unix_nano, self.events());
                events.iter().map(|event| Value::Duration(event.time_unix_nano.saturating_sub(start))).collect()
            }
            Intrinsic::LinkTraceId => {
                self.links().iter().map(|link| Value::string(link.trace_id.to_string())).collect()
            }
            Intrinsic::LinkSpanId => self.links().iter().map(|link| Value::string(link.span_id.to_string())).collect(),
            Intrinsic::ScopeName => unless_empty(&scope.name),
            Intrinsic::ScopeVersion => unless_empty(&scope.version),
            Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent => Vec::new(),
        }
    }

    fn events(&self) -> Vec<&'a SpanEvent> {
        self.event.map_or_else(|| self.span.span.events.iter().collect(), |event| vec![event])
    }

    fn links(&self) -> Vec<&'a SpanLink> {
        self.link.map_or_else(|| self.span.span.links.iter().collect(), |link| vec![link])
    }
}

fn unless_empty(text: &str) -> Vec<Value> {
    if text.is_empty() { Vec::new() } else { vec![Value::string(text)] }
}

/// The values of a key that are searched: the first [`MOST_VALUES`] of each type, without empty ones.
fn searched(attributes: &[Attribute], key: &str) -> Vec<Value> {
    let mut found: Vec<&AnyValue> = Vec::new();
    for Attribute { value, .. } in attributes.iter().filter(|attribute| attribute.key == key) {
        let before = found.iter().filter(|known| stored_type(known) == stored_type(value)).count();
        if before < MOST_VALUES as usize && *value != AnyValue::Empty {
            found.push(value);
        }
    }
    found.into_iter().cloned().map(Value::Any).collect()
}

/// Arrays and lists of attributes count as one type.
fn stored_type(value: &AnyValue) -> u8 {
    match value {
        AnyValue::Empty => 0,
        AnyValue::String(_) => 1,
        AnyValue::Bool(_) => 2,
        AnyValue::Int(_) => 3,
        AnyValue::Double(_) => 4,
        AnyValue::Bytes(_) => 5,
        AnyValue::Array(_) | AnyValue::KvList(_) => 6,
    }
}

fn compare(found: &Value, op: CompareOp, constant: &Value) -> bool {
    if let Value::Any(AnyValue::Array(elements)) = found {
        let each: Vec<bool> =
            elements.iter().map(|element| compare(&Value::Any(element.clone()), op, constant)).collect();
        return if op == CompareOp::Ne { all_of_some(&each) } else { each.contains(&true) };
    }
    order(found, constant).is_some_and(|order| match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
    })
}

fn matches(found: &Value, negated: bool, text: &dyn Fn(&str) -> bool) -> bool {
    match found {
        Value::Any(AnyValue::String(found)) => text(found),
        Value::Any(AnyValue::Array(elements)) => {
            let each: Vec<bool> =
                elements.iter().map(|element| matches(&Value::Any(element.clone()), negated, text)).collect();
            if negated { all_of_some(&each) } else { each.contains(&true) }
        }
        _ => false,
    }
}

/// Whether the list is not empty and all of it is true.
fn all_of_some(each: &[bool]) -> bool {
    !each.is_empty() && !each.contains(&false)
}

/// `None` when the types do not compare.
fn order(found: &Value, constant: &Value) -> Option<Ordering> {
    match (found, constant) {
        (Value::Any(AnyValue::String(one)), Value::Any(AnyValue::String(other))) => Some(one.cmp(other)),
        (Value::Any(AnyValue::Bool(one)), Value::Any(AnyValue::Bool(other))) => Some(one.cmp(other)),
        (Value::Any(AnyValue::Bytes(one)), Value::Any(AnyValue::Bytes(other))) => Some(one.cmp(other)),
        (Value::Status(one), Value::Status(other)) => Some(one.cmp(other)),
        (Value::Kind(one), Value::Kind(other)) => Some(one.cmp(other)),
        _ => match (whole_number(found), whole_number(constant)) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => real_number(found)?.partial_cmp(&real_number(constant)?),
        },
    }
}

fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::Any(AnyValue::Int(number)) => Some(i128::from(*number)),
        Value::Duration(nanos) => Some(i128::from(*nanos)),
        _ => None,
    }
}

fn real_number(value: &Value) -> Option<f64> {
    match value {
        Value::Any(AnyValue::Double(number)) => Some(*number),
        value => whole_number(value).map(|number| number as f64),
    }
}

/// The order in which values are listed: by type as below, then by value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortKey {
    Text(String),
    Int(i64),
    /// The bits of a double, changed so that they sort as the numbers do.
    Double(i64),
    Bool(bool),
    Duration(u64),
    Status(StatusCode),
    Kind(SpanKind),
    Bytes(Vec<u8>),
    Array(Vec<SortKey>),
    Attributes(Vec<(String, SortKey)>),
    Empty,
}

impl SortKey {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Any(value) => Self::of_any(value),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Status(code) => Self::Status(*code),
            Value::Kind(kind) => Self::Kind(*kind),
        }
    }

    fn of_any(value: &AnyValue) -> Self {
        match value {
            AnyValue::String(text) => Self::Text(text.clone()),
            AnyValue::Int(number) => Self::Int(*number),
            AnyValue::Double(number) => {
                let bits = number.to_bits().cast_signed();
                // The larger a negative double is, the smaller are its bits as a number.
                Self::Double(if bits < 0 { bits ^ i64::MAX } else { bits })
            }
            AnyValue::Bool(value) => Self::Bool(*value),
            AnyValue::Bytes(bytes) => Self::Bytes(bytes.clone()),
            AnyValue::Array(elements) => Self::Array(elements.iter().map(Self::of_any).collect()),
            AnyValue::KvList(list) => {
                Self::Attributes(list.iter().map(|own| (own.key.clone(), Self::of_any(&own.value))).collect())
            }
            AnyValue::Empty => Self::Empty,
        }
    }
}

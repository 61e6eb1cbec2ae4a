//! Tests whether a span satisfies a filter, and computes values of it, written directly from the rules of [`Filter`] and [`Expr`].

use hoptrail_proto::model::{AnyValue, Attribute, SpanEvent, SpanLink, TraceSpan};

use super::compare::{compare, matches};
use super::number::{arithmetic, count, negated};
use super::parents::Parent;
use super::whole::WholeTrace;
use crate::matcher::MOST_VALUES;
use crate::{AttributeScope, Expr, Field, Filter, Intrinsic, Value};

/// A span of a trace. Inside of [`Filter::Event`] or [`Filter::Link`], also the event or link that is tested.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    trace: &'a WholeTrace<'a>,
    index: usize,
    event: Option<&'a SpanEvent>,
    link: Option<&'a SpanLink>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(trace: &'a WholeTrace<'a>, index: usize) -> Self {
        Self { trace, index, event: None, link: None }
    }

    pub(super) fn span(&self) -> &'a TraceSpan {
        self.trace.spans[self.index]
    }

    fn parent(&self) -> Option<Self> {
        self.trace.tree().parents[self.index].index().map(|parent| Self::new(self.trace, parent))
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
            Filter::Relation { left, op, right } => match (self.computed(left), self.computed(right)) {
                (Some(left), Some(right)) => compare(&left, *op, &right),
                _ => false,
            },
            Filter::Computed { value, present } => self.computed(value).is_some() == *present,
            Filter::Event(part) => {
                let mut events = self.span().span.events.iter();
                events.any(|event| Self { event: Some(event), ..*self }.satisfies(part))
            }
            Filter::Link(part) => {
                let mut links = self.span().span.links.iter();
                links.any(|link| Self { link: Some(link), ..*self }.satisfies(part))
            }
        }
    }

    /// All values that the field has.
    pub(super) fn values(&self, field: &Field) -> Vec<Value> {
        match field {
            Field::Attribute { scope, key } => self.attribute(*scope, key),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic),
            Field::Parent(field) => self.parent().map(|parent| parent.values(field)).unwrap_or_default(),
        }
    }

    /// The first value of the field.
    pub(super) fn first(&self, field: &Field) -> Option<Value> {
        self.values(field).into_iter().next()
    }

    pub(super) fn computed(&self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Constant(value) => Some(value.clone()),
            Expr::Field(field) => self.first(field),
            Expr::Negate(inner) => negated(&self.computed(inner)?),
            Expr::Arithmetic { op, left, right } => arithmetic(*op, &self.computed(left)?, &self.computed(right)?),
            Expr::Condition(filter) => Some(Value::Any(AnyValue::Bool(self.satisfies(filter)))),
        }
    }

    fn attribute(&self, scope: AttributeScope, key: &str) -> Vec<Value> {
        use AttributeScope::{Any, Event, Instrumentation, Link, Resource, Span};
        match scope {
            Resource => searched(&self.span().resource.attributes, key),
            Span => searched(&self.span().span.attributes, key),
            Instrumentation => searched(&self.span().scope.attributes, key),
            Event => self.events().into_iter().flat_map(|event| searched(&event.attributes, key)).collect(),
            Link => self.links().into_iter().flat_map(|link| searched(&link.attributes, key)).collect(),
            Any => {
                let scopes = [Span, Resource, Event, Link, Instrumentation].into_iter();
                scopes.map(|scope| self.attribute(scope, key)).find(|found| !found.is_empty()).unwrap_or_default()
            }
        }
    }

    fn intrinsic(&self, intrinsic: Intrinsic) -> Vec<Value> {
        let TraceSpan { span, scope, .. } = self.span();
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
            Intrinsic::TraceStart => vec![int(i64::try_from(self.trace.start).unwrap_or(i64::MAX))],
            Intrinsic::TraceSpans => vec![count(self.trace.spans.len())],
            Intrinsic::TraceErrors => vec![count(self.trace.errors())],
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
            Intrinsic::ChildCount => vec![count(self.trace.tree().children[self.index].len())],
            Intrinsic::NestedSetLeft => vec![int(self.trace.tree().left[self.index])],
            Intrinsic::NestedSetRight => vec![int(self.trace.tree().right[self.index])],
            Intrinsic::NestedSetParent => vec![int(match self.trace.tree().parents[self.index] {
                Parent::None => -1,
                Parent::Missing => 0,
                Parent::Span(parent) => self.trace.tree().left[parent],
            })],
        }
    }

    fn events(&self) -> Vec<&'a SpanEvent> {
        self.event.map_or_else(|| self.span().span.events.iter().collect(), |event| vec![event])
    }

    fn links(&self) -> Vec<&'a SpanLink> {
        self.link.map_or_else(|| self.span().span.links.iter().collect(), |link| vec![link])
    }
}

fn int(number: i64) -> Value {
    Value::Any(AnyValue::Int(number))
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

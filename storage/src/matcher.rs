//! Tests one whole span against a filter. It decides the conditions that need the whole trace. The columnar scan and the plain store
//! (`memory/`) must give the same answers.

use std::cmp::Ordering;

use hoptrail_proto::model::{AnyValue, Attribute, TraceSpan};

use crate::rows::ValueType;
use crate::{AttributeScope, CompareOp, Field, Intrinsic, Pattern, Value};

/// When a span repeats a key, so many values of each type are searched; further ones are only shown. Without this bound a key that is
/// repeated 50,000 times would make every search read 50,000 columns.
pub(crate) const MOST_VALUES: u32 = 16;

/// The values of a key that are searched.
#[expect(clippy::indexing_slicing, reason = "there is a count for each type")]
pub(crate) fn values_of<'a>(attributes: &'a [Attribute], key: &str) -> impl Iterator<Item = &'a AnyValue> {
    let mut seen = [0; ValueType::COUNT];
    attributes.iter().filter(move |attribute| attribute.key == key).map(|attribute| &attribute.value).filter(
        move |value| {
            let count = &mut seen[ValueType::of(value) as usize];
            *count += 1;
            **value != AnyValue::Empty && *count <= MOST_VALUES
        },
    )
}

/// The trace-level intrinsics of TraceQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceIntrinsics {
    /// Latest end minus earliest start, by the rule of [`Extent`](hoptrail_proto::model::Extent).
    pub(crate) duration_nanos: u64,
    /// Earliest start, by the same rule.
    pub(crate) start: u64,
    /// How many spans it has, and how many of them failed.
    pub(crate) spans: u64,
    pub(crate) errors: u64,
    /// Service and name of the root span.
    pub(crate) root: Option<(String, String)>,
}

/// A span and its trace.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) span: &'a TraceSpan,
    pub(crate) trace: &'a TraceIntrinsics,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(span: &'a TraceSpan, trace: &'a TraceIntrinsics) -> Self {
        Self { span, trace }
    }

    /// The first value of the field.
    pub(crate) fn first(&self, field: &Field) -> Option<Value> {
        let mut first = None;
        self.each_value(field, &mut |value| _ = first.get_or_insert(value));
        first
    }

    /// Calls `visit` with each value of the field. A missing field has none; a field of events or links and a repeated key may have
    /// several.
    pub(crate) fn each_value(&self, field: &Field, visit: &mut dyn FnMut(Value)) {
        match field {
            Field::Intrinsic(intrinsic) => self.each_intrinsic(*intrinsic, visit),
            Field::Attribute { scope, key } => self.each_attribute(*scope, key, visit),
            Field::Parent(_) => {}
        }
    }

    fn each_attribute(&self, scope: AttributeScope, key: &str, visit: &mut dyn FnMut(Value)) {
        match scope {
            AttributeScope::Any => {
                let mut scopes = AttributeScope::LOOKED_UP.into_iter();
                scopes.any(|scope| self.visit_scope(scope, key, visit));
            }
            scope => _ = self.visit_scope(scope, key, visit),
        }
    }

    /// Visits the values of a key in one scope. Answers whether there are any.
    fn visit_scope(&self, scope: AttributeScope, key: &str, visit: &mut dyn FnMut(Value)) -> bool {
        match scope {
            AttributeScope::Any => false,
            AttributeScope::Resource => visit_key(&self.span.resource.attributes, key, visit),
            AttributeScope::Span => visit_key(&self.span.span.attributes, key, visit),
            AttributeScope::Instrumentation => visit_key(&self.span.scope.attributes, key, visit),
            AttributeScope::Event => self
                .span
                .span
                .events
                .iter()
                .fold(false, |found, event| visit_key(&event.attributes, key, visit) | found),
            AttributeScope::Link => {
                self.span.span.links.iter().fold(false, |found, link| visit_key(&link.attributes, key, visit) | found)
            }
        }
    }

    fn each_intrinsic(&self, intrinsic: Intrinsic, visit: &mut dyn FnMut(Value)) {
        let span = &self.span.span;
        match intrinsic {
            Intrinsic::Name => visit(Value::string(span.name.as_str())),
            Intrinsic::Duration => visit(Value::Duration(span.duration_nanos())),
            Intrinsic::Kind => visit(Value::Kind(span.kind)),
            Intrinsic::Status => visit(Value::Status(span.status.code)),
            Intrinsic::StatusMessage => visit_text(&span.status.message, visit),
            Intrinsic::TraceId => visit_text(&span.trace_id.to_string(), visit),
            Intrinsic::SpanId => visit_text(&span.span_id.to_string(), visit),
            Intrinsic::ParentId => span.parent_span_id.iter().for_each(|id| visit_text(&id.to_string(), visit)),
            Intrinsic::TraceDuration => visit(Value::Duration(self.trace.duration_nanos)),
            Intrinsic::TraceStart => visit(int(self.trace.start)),
            Intrinsic::TraceSpans => visit(int(self.trace.spans)),
            Intrinsic::TraceErrors => visit(int(self.trace.errors)),
            Intrinsic::RootName => self.trace.root.iter().for_each(|(_, name)| visit(Value::string(name.as_str()))),
            Intrinsic::RootService => {
                self.trace.root.iter().for_each(|(service, _)| visit(Value::string(service.as_str())));
            }
            Intrinsic::EventName => {
                self.span.span.events.iter().for_each(|event| visit(Value::string(event.name.as_str())))
            }
            Intrinsic::EventTimeSinceStart => self.span.span.events.iter().for_each(|event| {
                visit(Value::Duration(event.time_unix_nano.saturating_sub(span.start_unix_nano)));
            }),
            Intrinsic::LinkTraceId => {
                self.span.span.links.iter().for_each(|link| visit_text(&link.trace_id.to_string(), visit))
            }
            Intrinsic::LinkSpanId => {
                self.span.span.links.iter().for_each(|link| visit_text(&link.span_id.to_string(), visit))
            }
            Intrinsic::ScopeName => visit_text(&self.span.scope.name, visit),
            Intrinsic::ScopeVersion => visit_text(&self.span.scope.version, visit),
            Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent => {}
        }
    }
}

/// A number as an int.
pub(crate) fn int(number: u64) -> Value {
    Value::Any(AnyValue::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

/// Visits the values of a key that are searched. Answers whether there are any.
fn visit_key(attributes: &[Attribute], key: &str, visit: &mut dyn FnMut(Value)) -> bool {
    let mut found = false;
    for value in values_of(attributes, key) {
        visit(Value::Any(value.clone()));
        found = true;
    }
    found
}

/// An empty text counts as missing.
fn visit_text(text: &str, visit: &mut dyn FnMut(Value)) {
    if !text.is_empty() {
        visit(Value::string(text));
    }
}

/// Whether `found op constant` holds, by the rules of [`Filter`].
pub(crate) fn compare(found: &Value, op: CompareOp, constant: &Value) -> bool {
    if let Value::Any(AnyValue::Array(elements)) = found {
        let mut each = elements.iter().map(|element| compare(&Value::Any(element.clone()), op, constant));
        return if op == CompareOp::Ne {
            !elements.is_empty() && each.all(|holds| holds)
        } else {
            each.any(|holds| holds)
        };
    }
    order(found, constant).is_some_and(|order| op.holds(order))
}

/// Whether `left op right` holds of two values that were computed, by the rules of [`Filter::Relation`].
pub(crate) fn relation(left: &Value, op: CompareOp, right: &Value) -> bool {
    let Value::Any(AnyValue::Array(elements)) = right else { return compare(left, op, right) };
    let mut each = elements.iter().map(|element| relation(left, op, &Value::Any(element.clone())));
    if op == CompareOp::Ne { !elements.is_empty() && each.all(|holds| holds) } else { each.any(|holds| holds) }
}

/// Whether the value matches, or with `negated` does not.
pub(crate) fn matches(found: &Value, pattern: &Pattern, negated: bool) -> bool {
    match found {
        Value::Any(AnyValue::String(text)) => pattern.matches(text) != negated,
        Value::Any(AnyValue::Array(elements)) => {
            let mut each = elements.iter().map(|element| matches(&Value::Any(element.clone()), pattern, negated));
            if negated { !elements.is_empty() && each.all(|holds| holds) } else { each.any(|holds| holds) }
        }
        _ => false,
    }
}

/// The order of two values; `None` when their types do not compare.
pub(crate) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    use AnyValue::{Bool, Bytes, String};
    match (a, b) {
        (Value::Any(String(a)), Value::Any(String(b))) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Any(Bool(a)), Value::Any(Bool(b))) => Some(a.cmp(b)),
        (Value::Any(Bytes(a)), Value::Any(Bytes(b))) => Some(a.cmp(b)),
        (Value::Status(a), Value::Status(b)) => Some(a.cmp(b)),
        (Value::Kind(a), Value::Kind(b)) => Some(a.cmp(b)),
        _ => match (number(a)?, number(b)?) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.to_f64().partial_cmp(&b.to_f64()),
        },
    }
}

enum Number {
    Int(i128),
    Double(f64),
}

impl Number {
    fn to_f64(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Double(value) => *value,
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Any(AnyValue::Int(value)) => Some(Number::Int(i128::from(*value))),
        Value::Any(AnyValue::Double(value)) => Some(Number::Double(*value)),
        Value::Duration(nanos) => Some(Number::Int(i128::from(*nanos))),
        _ => None,
    }
}

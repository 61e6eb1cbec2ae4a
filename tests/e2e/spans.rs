//! OTLP spans as tests compare them: one value a span, with what surrounds it, absent messages written as empty ones.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

/// A span with its resource and scope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) resource: Resource,
    pub(crate) resource_schema: String,
    pub(crate) scope: InstrumentationScope,
    pub(crate) scope_schema: String,
    pub(crate) span: Span,
}

/// Every span of a request or an answer.
pub(crate) fn flatten(groups: Vec<ResourceSpans>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for group in groups {
        for scoped in group.scope_spans {
            for span in scoped.spans {
                seen.push(Seen {
                    resource: group.resource.clone().unwrap_or_default(),
                    resource_schema: group.schema_url.clone(),
                    scope: scoped.scope.clone().unwrap_or_default(),
                    scope_schema: scoped.schema_url.clone(),
                    span: filled(span),
                });
            }
        }
    }
    seen
}

/// The span with its optional messages present. On the wire an absent status and an empty one mean the same.
fn filled(mut span: Span) -> Span {
    span.status.get_or_insert_default();
    let events = span.events.iter_mut().map(|event| &mut event.attributes);
    let links = span.links.iter_mut().map(|link| &mut link.attributes);
    for attributes in events.chain(links).chain(std::iter::once(&mut span.attributes)) {
        attributes.iter_mut().for_each(|pair| _ = pair.value.get_or_insert_default());
    }
    span
}

impl Seen {
    /// `service.name` of the resource.
    pub(crate) fn service(&self) -> &str {
        text(&self.resource.attributes, "service.name").unwrap_or_default()
    }

    /// Trace, span: the key that nothing shares.
    pub(crate) fn key(&self) -> (Vec<u8>, Vec<u8>) {
        (self.span.trace_id.clone(), self.span.span_id.clone())
    }
}

/// The value of an attribute.
pub(crate) fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

/// The value of a string attribute.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// An attribute.
pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A string attribute.
pub(crate) fn text_pair(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

/// The spans by name; fails when two share one.
pub(crate) fn by_name(spans: &[Seen]) -> BTreeMap<&str, &Seen> {
    let mut named = BTreeMap::new();
    for seen in spans {
        assert!(named.insert(seen.span.name.as_str(), seen).is_none(), "two spans named {:?}", seen.span.name);
    }
    named
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

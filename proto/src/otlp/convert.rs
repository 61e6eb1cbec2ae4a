//! From the model to the generated OTLP types.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;

use crate::model::{AnyValue, Attribute, EntityRef, Span, SpanEvent, SpanLink, TraceSpan};

/// Encodes an `AnyValue` message.
#[must_use]
pub fn encode_value(value: &AnyValue) -> Vec<u8> {
    to_value(value).encode_to_vec()
}

/// A request that holds these spans.
#[must_use]
pub fn to_request(spans: &[TraceSpan]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans: to_resource_spans(spans) }
}

/// How many bytes the span takes as a message of OTLP.
#[must_use]
pub fn span_bytes(span: &TraceSpan) -> usize {
    to_span(&span.span).encoded_len()
}

/// The spans grouped by neighbouring resource and scope. `resource`, `scope` and `status` are always written, also when empty.
#[must_use]
pub fn to_resource_spans(spans: &[TraceSpan]) -> Vec<trace::ResourceSpans> {
    let mut out: Vec<trace::ResourceSpans> = Vec::new();
    for group in spans.chunk_by(|a, b| same(&a.resource, &b.resource)) {
        let scope_spans = group.chunk_by(|a, b| same(&a.scope, &b.scope)).map(to_scope_spans).collect();
        let Some(first) = group.first() else { continue };
        out.push(trace::ResourceSpans {
            resource: Some(resource::Resource {
                attributes: to_attributes(&first.resource.attributes),
                dropped_attributes_count: first.resource.dropped_attributes_count,
                entity_refs: first.resource.entity_refs.iter().map(to_entity_ref).collect(),
            }),
            scope_spans,
            schema_url: first.resource.schema_url.clone(),
        });
    }
    out
}

fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn to_scope_spans(spans: &[TraceSpan]) -> trace::ScopeSpans {
    let scope = spans.first().map(|first| first.scope.as_ref().clone()).unwrap_or_default();
    trace::ScopeSpans {
        scope: Some(common::InstrumentationScope {
            attributes: to_attributes(&scope.attributes),
            name: scope.name,
            version: scope.version,
            dropped_attributes_count: scope.dropped_attributes_count,
        }),
        spans: spans.iter().map(|span| to_span(&span.span)).collect(),
        schema_url: scope.schema_url,
    }
}

fn to_entity_ref(entity: &EntityRef) -> common::EntityRef {
    common::EntityRef {
        schema_url: entity.schema_url.clone(),
        r#type: entity.kind.clone(),
        id_keys: entity.id_keys.clone(),
        description_keys: entity.description_keys.clone(),
    }
}

fn to_span(span: &Span) -> trace::Span {
    trace::Span {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        parent_span_id: span.parent_span_id.map(|id| id.0.to_vec()).unwrap_or_default(),
        trace_state: span.trace_state.clone(),
        flags: span.flags,
        name: span.name.clone(),
        kind: span.kind as i32,
        start_time_unix_nano: span.start_unix_nano,
        end_time_unix_nano: span.end_unix_nano,
        attributes: to_attributes(&span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(to_event).collect(),
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(to_link).collect(),
        dropped_links_count: span.dropped_links_count,
        status: Some(trace::Status { message: span.status.message.clone(), code: span.status.code as i32 }),
    }
}

fn to_event(event: &SpanEvent) -> trace::span::Event {
    trace::span::Event {
        time_unix_nano: event.time_unix_nano,
        name: event.name.clone(),
        attributes: to_attributes(&event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn to_link(link: &SpanLink) -> trace::span::Link {
    trace::span::Link {
        trace_id: link.trace_id.0.to_vec(),
        span_id: link.span_id.0.to_vec(),
        trace_state: link.trace_state.clone(),
        attributes: to_attributes(&link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    }
}

fn to_attributes(attributes: &[Attribute]) -> Vec<common::KeyValue> {
    attributes
        .iter()
        .map(|pair| common::KeyValue {
            key: pair.key.clone(),
            value: Some(to_value(&pair.value)),
            ..common::KeyValue::default()
        })
        .collect()
}

pub(crate) fn to_value(value: &AnyValue) -> common::AnyValue {
    use common::any_value::Value;
    let value = match value {
        AnyValue::Empty => None,
        AnyValue::String(text) => Some(Value::StringValue(text.clone())),
        AnyValue::Bool(value) => Some(Value::BoolValue(*value)),
        AnyValue::Int(value) => Some(Value::IntValue(*value)),
        AnyValue::Double(value) => Some(Value::DoubleValue(*value)),
        AnyValue::Bytes(bytes) => Some(Value::BytesValue(bytes.clone())),
        AnyValue::Array(values) => {
            Some(Value::ArrayValue(common::ArrayValue { values: values.iter().map(to_value).collect() }))
        }
        AnyValue::KvList(pairs) => Some(Value::KvlistValue(common::KeyValueList { values: to_attributes(pairs) })),
    };
    common::AnyValue { value }
}

//! OTLP JSON as the browser and Node exporters write it, read a second way: the tests compare what the server made of it with this.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;

/// The spans of a JSON request.
pub(crate) fn resource_spans(body: &[u8]) -> Vec<ResourceSpans> {
    let body: Value = serde_json::from_slice(body).expect("the request is JSON");
    list(&body["resourceSpans"], |group| ResourceSpans {
        resource: Some(Resource {
            attributes: pairs(&group["resource"]["attributes"]),
            dropped_attributes_count: small(&group["resource"]["droppedAttributesCount"]),
            ..Resource::default()
        }),
        scope_spans: list(&group["scopeSpans"], scope_spans),
        schema_url: text(&group["schemaUrl"]),
    })
}

fn scope_spans(scoped: &Value) -> ScopeSpans {
    let scope = &scoped["scope"];
    ScopeSpans {
        scope: Some(InstrumentationScope {
            name: text(&scope["name"]),
            version: text(&scope["version"]),
            attributes: pairs(&scope["attributes"]),
            dropped_attributes_count: small(&scope["droppedAttributesCount"]),
        }),
        spans: list(&scoped["spans"], span),
        schema_url: text(&scoped["schemaUrl"]),
    }
}

fn span(span: &Value) -> Span {
    Span {
        trace_id: unhex(&span["traceId"]),
        span_id: unhex(&span["spanId"]),
        parent_span_id: unhex(&span["parentSpanId"]),
        trace_state: text(&span["traceState"]),
        flags: small(&span["flags"]),
        name: text(&span["name"]),
        kind: signed(&span["kind"]),
        start_time_unix_nano: nanos(&span["startTimeUnixNano"]),
        end_time_unix_nano: nanos(&span["endTimeUnixNano"]),
        attributes: pairs(&span["attributes"]),
        dropped_attributes_count: small(&span["droppedAttributesCount"]),
        events: list(&span["events"], |event| Event {
            time_unix_nano: nanos(&event["timeUnixNano"]),
            name: text(&event["name"]),
            attributes: pairs(&event["attributes"]),
            dropped_attributes_count: small(&event["droppedAttributesCount"]),
        }),
        dropped_events_count: small(&span["droppedEventsCount"]),
        links: list(&span["links"], |link| Link {
            trace_id: unhex(&link["traceId"]),
            span_id: unhex(&link["spanId"]),
            trace_state: text(&link["traceState"]),
            attributes: pairs(&link["attributes"]),
            dropped_attributes_count: small(&link["droppedAttributesCount"]),
            flags: small(&link["flags"]),
        }),
        dropped_links_count: small(&span["droppedLinksCount"]),
        status: Some(Status { message: text(&span["status"]["message"]), code: signed(&span["status"]["code"]) }),
    }
}

fn pairs(pairs: &Value) -> Vec<KeyValue> {
    list(pairs, |pair| KeyValue { key: text(&pair["key"]), value: Some(any(&pair["value"])), ..KeyValue::default() })
}

fn any(value: &Value) -> AnyValue {
    let (kind, inner) = match value.as_object().and_then(|fields| fields.iter().next()) {
        Some((kind, inner)) => (kind.as_str(), inner),
        None => return AnyValue { value: None },
    };
    let value = match kind {
        "stringValue" => Any::StringValue(text(inner)),
        "boolValue" => Any::BoolValue(inner.as_bool().expect("a bool")),
        "intValue" => Any::IntValue(inner.as_i64().unwrap_or_else(|| text(inner).parse().expect("an integer"))),
        "doubleValue" => Any::DoubleValue(inner.as_f64().expect("a number")),
        "arrayValue" => Any::ArrayValue(ArrayValue { values: list(&inner["values"], any) }),
        "kvlistValue" => Any::KvlistValue(KeyValueList { values: pairs(&inner["values"]) }),
        other => panic!("the capture holds no {other}"),
    };
    AnyValue { value: Some(value) }
}

fn list<T>(values: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    values.as_array().into_iter().flatten().map(read).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn small(value: &Value) -> u32 {
    value.as_u64().map_or(0, |number| u32::try_from(number).expect("a 32 bit number"))
}

fn signed(value: &Value) -> i32 {
    value.as_i64().map_or(0, |number| i32::try_from(number).expect("a 32 bit number"))
}

fn nanos(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| text(value).parse().expect("nanoseconds"))
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = text(value);
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

//! A trace by its id.

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::{Serialize, Serializer};

use super::json::{is_zero, status_name, string_u64};
use super::otlp_json::List;
use crate::model::TraceSpan;
use crate::otlp::to_resource_spans;

/// All spans of a trace: the answer of `/api/traces/{id}` in protobuf. The same bytes as OTLP's `TracesData`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The spans by resource and scope.
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "resource_spans")]
    pub resource_spans: Vec<ResourceSpans>,
}

impl Trace {
    /// The trace of these spans, those of one resource and scope side by side. `resource`, `scope` and `status` are never missing:
    /// clients read them without looking.
    #[must_use]
    pub fn new(spans: &[TraceSpan]) -> Self {
        Self { resource_spans: to_resource_spans(spans) }
    }
}

/// The JSON answer of `/api/traces/{id}`, which calls the list of resource spans `batches`.
#[derive(Debug, Serialize)]
pub struct Batches<'a> {
    #[serde(serialize_with = "resource_spans")]
    batches: &'a [ResourceSpans],
}

impl<'a> Batches<'a> {
    /// The trace under its old key.
    #[must_use]
    pub fn of(trace: &'a Trace) -> Self {
        Self { batches: &trace.resource_spans }
    }
}

/// The work behind a trace.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceByIdMetrics {
    /// Bytes read.
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub inspected_bytes: u64,
}

/// The answer of `/api/v2/traces/{id}`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceByIdResponse {
    /// The trace; empty, but never missing, when no span of it is known.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The work behind it.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<TraceByIdMetrics>,
    /// Whether it is all there.
    #[prost(enumeration = "super::PartialStatus", tag = "3")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "status_name")]
    pub status: i32,
    /// What is not.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn resource_spans<S: Serializer>(spans: &[ResourceSpans], serializer: S) -> Result<S::Ok, S::Error> {
    List(spans).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;
    use serde_json::json;

    use super::*;
    use crate::model::{
        AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status,
        StatusCode, TraceId,
    };
    use crate::tempo::PartialStatus;

    fn full_span() -> TraceSpan {
        let span = Span {
            trace_id: TraceId([0xab; 16]),
            span_id: SpanId([1; 8]),
            parent_span_id: Some(SpanId([2; 8])),
            trace_state: "a=b".into(),
            flags: 1,
            name: "GET /".into(),
            kind: SpanKind::Server,
            start_unix_nano: 1_700_000_000_000_000_001,
            end_unix_nano: 1_700_000_000_000_000_002,
            attributes: vec![
                Attribute::new("s", ""),
                Attribute::new("b", false),
                Attribute::new("i", 0),
                Attribute::new("d", 0.5),
                Attribute::new("nan", f64::NAN),
                Attribute::new("low", f64::NEG_INFINITY),
                Attribute::new("bytes", AnyValue::Bytes(vec![255, 0])),
                Attribute::new("array", AnyValue::Array(vec![1.into(), "x".into()])),
                Attribute::new("none", AnyValue::Array(Vec::new())),
                Attribute::new("map", AnyValue::KvList(vec![Attribute::new("k", "v")])),
                Attribute::new("empty", AnyValue::Empty),
            ],
            dropped_attributes_count: 3,
            events: vec![SpanEvent {
                time_unix_nano: 5,
                name: "exception".into(),
                attributes: vec![Attribute::new("e", "f")],
                dropped_attributes_count: 1,
            }],
            dropped_events_count: 4,
            links: vec![SpanLink {
                trace_id: TraceId([0xcd; 16]),
                span_id: SpanId([3; 8]),
                trace_state: "c=d".into(),
                attributes: Vec::new(),
                dropped_attributes_count: 2,
                flags: 256,
            }],
            dropped_links_count: 5,
            status: Status { code: StatusCode::Error, message: "no".into() },
        };
        let resource = Resource {
            attributes: vec![Attribute::new("service.name", "shop")],
            dropped_attributes_count: 1,
            schema_url: "r".into(),
            ..Resource::default()
        };
        let scope = InstrumentationScope {
            name: "lib".into(),
            version: "1".into(),
            attributes: vec![Attribute::new("x", true)],
            dropped_attributes_count: 2,
            schema_url: "s".into(),
        };
        TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(scope) }
    }

    #[test]
    fn a_trace_has_base64_ids_and_enum_names() {
        let expected = json!([{
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}],
                "droppedAttributesCount": 1,
            },
            "scopeSpans": [{
                "scope": {
                    "name": "lib",
                    "version": "1",
                    "attributes": [{"key": "x", "value": {"boolValue": true}}],
                    "droppedAttributesCount": 2,
                },
                "spans": [{
                    "traceId": "q6urq6urq6urq6urq6urqw==",
                    "spanId": "AQEBAQEBAQE=",
                    "traceState": "a=b",
                    "parentSpanId": "AgICAgICAgI=",
                    "flags": 1,
                    "name": "GET /",
                    "kind": "SPAN_KIND_SERVER",
                    "startTimeUnixNano": "1700000000000000001",
                    "endTimeUnixNano": "1700000000000000002",
                    "attributes": [
                        {"key": "s", "value": {"stringValue": ""}},
                        {"key": "b", "value": {"boolValue": false}},
                        {"key": "i", "value": {"intValue": "0"}},
                        {"key": "d", "value": {"doubleValue": 0.5}},
                        {"key": "nan", "value": {"doubleValue": "NaN"}},
                        {"key": "low", "value": {"doubleValue": "-Infinity"}},
                        {"key": "bytes", "value": {"bytesValue": "/wA="}},
                        {"key": "array", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}}},
                        {"key": "none", "value": {"arrayValue": {}}},
                        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}},
                        {"key": "empty", "value": {}},
                    ],
                    "droppedAttributesCount": 3,
                    "events": [{
                        "timeUnixNano": "5",
                        "name": "exception",
                        "attributes": [{"key": "e", "value": {"stringValue": "f"}}],
                        "droppedAttributesCount": 1,
                    }],
                    "droppedEventsCount": 4,
                    "links": [{
                        "traceId": "zc3Nzc3Nzc3Nzc3Nzc3NzQ==",
                        "spanId": "AwMDAwMDAwM=",
                        "traceState": "c=d",
                        "droppedAttributesCount": 2,
                        "flags": 256,
                    }],
                    "droppedLinksCount": 5,
                    "status": {"message": "no", "code": "STATUS_CODE_ERROR"},
                }],
                "schemaUrl": "s",
            }],
            "schemaUrl": "r",
        }]);
        let trace = Trace::new(&[full_span()]);
        assert_eq!(serde_json::to_value(Batches::of(&trace)).expect("JSON"), json!({"batches": expected}));
        let response = TraceByIdResponse {
            trace: Some(trace),
            metrics: Some(TraceByIdMetrics { inspected_bytes: 7 }),
            status: PartialStatus::Partial as i32,
            message: "cut".into(),
        };
        assert_eq!(
            serde_json::to_value(&response).expect("JSON"),
            json!({
                "trace": {"resourceSpans": expected},
                "metrics": {"inspectedBytes": "7"},
                "status": "PARTIAL",
                "message": "cut",
            })
        );
    }

    #[test]
    fn an_empty_span_keeps_its_empty_messages() {
        let span = TraceSpan { span: Span::default(), resource: Arc::default(), scope: Arc::default() };
        let trace = Trace::new(&[span]);
        let json = serde_json::to_value(&trace).expect("JSON");
        let spans = json!([{"traceId": "AAAAAAAAAAAAAAAAAAAAAA==", "spanId": "AAAAAAAAAAA=", "status": {}}]);
        assert_eq!(json, json!({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}));
        let decoded = Trace::decode(trace.encode_to_vec().as_slice()).expect("protobuf");
        let group = &decoded.resource_spans[0];
        assert!(group.resource.is_some());
        assert!(group.scope_spans[0].scope.is_some() && group.scope_spans[0].spans[0].status.is_some());
    }

    #[test]
    fn an_absent_trace_is_an_explicit_empty_message() {
        let response = TraceByIdResponse { trace: Some(Trace::default()), ..TraceByIdResponse::default() };
        assert_eq!(response.encode_to_vec(), [0x0a, 0]);
        assert_eq!(serde_json::to_value(&response).expect("JSON"), json!({"trace": {}}));
    }
}

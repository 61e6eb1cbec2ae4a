//! What is odd in a request, and what is no request for traces, as the sender and the reader of the trace see it.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use prost::Message;
use serde_json::{Value, json};

use super::api::{Answer, Http};
use super::export::{now, request, span};
use super::h2::{self, framed};
use super::spans::{hex, pair, text, text_pair, value};
use crate::harness::Server;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn id(trace: u128) -> String {
    hex(&trace.to_be_bytes())
}

async fn post(server: &Server, kind: &str, body: Vec<u8>) -> Answer {
    Http::new().post(&format!("http://{}/v1/traces", server.otlp_http), &[("content-type", kind)], body).await
}

/// A JSON request of one span with more fields.
fn with(trace: u128, name: &str, more: &Value) -> Value {
    let mut span = json!({"traceId": id(trace), "spanId": "eee19b7ec3c1b174", "name": name,
        "startTimeUnixNano": now().to_string(), "endTimeUnixNano": now().to_string()});
    let fields = more.as_object().expect("fields").clone();
    span.as_object_mut().expect("an object").extend(fields);
    json!({"resourceSpans": [{"resource": {"droppedAttributesCount": -1}, "scopeSpans": [{"spans": [span]}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_value_costs_at_most_itself() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (server, http) = (Server::start(data.path()), Http::new());
    let attribute = |value: Value| json!({"attributes": [{"key": "n", "value": value}]});
    let cases = [
        (attribute(json!({"intValue": 1e21})), "attributes[0].value.int_value kept as a double"),
        (
            attribute(json!({"intValue": 9_223_372_036_854_775_808_u64})),
            "attributes[0].value.int_value kept as a double",
        ),
        (attribute(json!({"bytesValue": "*"})), "attributes[0].value.bytes_value dropped"),
        (json!({"parentSpanId": "0"}), "parent_span_id dropped"),
        (json!({"links": [{"traceId": "abc"}]}), "links[0].trace_id dropped"),
        (json!({"events": [{"timeUnixNano": -1}]}), "events[0].time_unix_nano dropped"),
        (json!({"kind": {}, "flags": -1, "status": 7}), "flags dropped"),
    ];
    for (trace, (fields, told)) in (1..).zip(cases) {
        let answer = post(&server, JSON, with(trace, "odd", &fields).to_string().into_bytes()).await;
        assert_eq!((answer.status, answer.text()), (200, "{}"), "{told}");
        let spans = http.trace(&server, &id(trace)).await;
        let [seen] = spans.as_slice() else { panic!("{told}: {spans:?}") };
        let mark = text(&seen.span.attributes, "hoptrail.repaired").expect("marked");
        assert!(mark.contains(told) && seen.span.name == "odd", "{mark}");
        let mark = text(&seen.resource.attributes, "hoptrail.repaired").expect("marked");
        assert!(mark.starts_with("dropped_attributes_count dropped"), "{mark}");
        if trace == 1 {
            assert_eq!(value(&seen.span.attributes, "n"), Some(&Any::DoubleValue(1e21)));
        }
    }
    assert_eq!(http.metric(&server.ui, "hoptrail_spans_repaired_total", "").await, Some(7.0));
    server.stop();
}

/// An `ExportLogsServiceRequest` of three records with a time and a severity.
fn logs() -> Vec<u8> {
    let field = |key: u8, message: &[u8]| [&[key, message.len() as u8], message].concat();
    let record = [&[0x09], 1u64.to_le_bytes().as_slice(), &field(0x1a, b"INFO")].concat();
    field(0x0a, &field(0x12, &field(0x12, &record).repeat(3)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_for_traces_is_told() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (server, http) = (Server::start(data.path()), Http::new());
    for (kind, body, told) in [
        (JSON, br#"{"resourceLogs": [{}]}"#.to_vec(), "logs, which go to /v1/logs"),
        (JSON, br#"{"hello": 1}"#.to_vec(), "is no part of a request for traces"),
        (PROTOBUF, logs(), "logs, which go to /v1/logs"),
        (PROTOBUF, vec![0x3a, 1, b'x'], "is no part of a request for traces"),
    ] {
        let answer = post(&server, kind, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 400 && text.contains(told), "{} {text}", answer.status);
    }
    let answer = h2::post(&server.otlp_grpc, EXPORT, "application/grpc", framed(&logs())).await;
    assert_eq!(answer.header("grpc-status"), "3");
    assert!(answer.header("grpc-message").contains("/v1/logs"), "{answer:?}");
    assert_eq!(http.metric(&server.ui, "hoptrail_unread_total", r#"what="logs""#).await, Some(3.0));
    assert_eq!(post(&server, JSON, b"{}".to_vec()).await.status, 200);

    let mut both = with(1, "beside logs", &json!({}));
    both["resourceLogs"] = json!([{}]);
    let answer = post(&server, JSON, both.to_string().into_bytes()).await;
    assert!(answer.status == 200 && answer.text().contains("is no part of a request for traces"), "{answer:?}");
    assert_eq!(http.trace(&server, &id(1)).await.len(), 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_instrumentation_libraries_are_kept() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (server, http) = (Server::start(data.path()), Http::new());
    let sent = with(1, "old", &json!({})).to_string();
    let sent = sent.replace("scopeSpans", "instrumentationLibrarySpans");
    let sent = sent.replace(r#""spans""#, r#""instrumentationLibrary":{"name":"lib"},"spans""#);
    assert_eq!(post(&server, JSON, sent.into_bytes()).await.text(), "{}");

    let now = request("shop", vec![span(2, 1, "old")]).encode_to_vec();
    let group = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::decode(now.as_slice());
    let mut group = group.expect("protobuf").resource_spans.remove(0);
    let scoped = group.scope_spans.remove(0).encode_to_vec();
    let mut inner = group.encode_to_vec();
    // Field 1000 of wire type 2.
    inner.extend_from_slice(&[0xc2, 0x3e]);
    prost::encoding::encode_varint(scoped.len() as u64, &mut inner);
    inner.extend_from_slice(&scoped);
    let mut body = vec![0x0a];
    prost::encoding::encode_varint(inner.len() as u64, &mut body);
    body.extend_from_slice(&inner);
    assert_eq!(post(&server, PROTOBUF, body).await.body, "");
    for (trace, scope) in [(1, "lib"), (2, "")] {
        let spans = http.trace(&server, &id(trace)).await;
        assert_eq!((spans.len(), spans[0].scope.name.as_str(), spans[0].span.name.as_str()), (1, scope, "old"));
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_64_levels_are_shown_whole_and_deeper_ones_cut() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (server, http) = (Server::start(data.path()), Http::new());
    for (trace, levels) in [(1, 64), (2, 65), (3, 500)] {
        let inner = AnyValue { value: Some(Any::StringValue("inside".to_owned())) };
        let deep = (1..levels).fold(inner, |inner, _| {
            let values = vec![KeyValue { key: "k".to_owned(), value: Some(inner), ..KeyValue::default() }];
            AnyValue { value: Some(Any::KvlistValue(KeyValueList { values })) }
        });
        let mut span = span(trace, 1, "deep");
        span.attributes = vec![pair("deep", deep.value.expect("a list"))];
        let answer = post(&server, PROTOBUF, request("shop", vec![span]).encode_to_vec()).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        let answer = http.get(&format!("http://{}/api/traces/{}", server.tempo, id(trace))).await;
        let text = answer.text();
        assert_eq!(
            text.matches("kvlistValue").count(),
            63.min(levels - 1) + usize::from(levels > 64),
            "{levels}: {text}"
        );
        assert_eq!(
            (text.contains("inside"), text.contains("hoptrail.repaired")),
            (levels == 64, levels > 64),
            "{levels}"
        );
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_64_mib_are_taken() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (server, http) = (Server::start(data.path()), Http::new());
    let sized = |trace: u128, bytes: usize| {
        let mut span = span(trace, 1, "large");
        span.attributes = vec![text_pair("large", &"x".repeat(bytes))];
        request("shop", vec![span]).encode_to_vec()
    };
    let answer = post(&server, PROTOBUF, sized(1, (64 << 20) - 1_000)).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(http.trace(&server, &id(1)).await.len(), 1);
    assert_eq!(post(&server, PROTOBUF, sized(2, 64 << 20)).await.status, 413);
    server.stop();
}

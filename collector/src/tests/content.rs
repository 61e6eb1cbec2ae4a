//! Unusual content of requests, and content that is not understood.

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::types::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use hoptrail_proto::otlp::types::common::v1::any_value::Value as Any;
use hoptrail_proto::otlp::types::common::v1::{AnyValue, KeyValue};
use prost::Message;
use serde_json::Value;
use tonic::Code;

use super::grpc::{EXPORT, export, framed, raw};
use super::http::{JSON, PROTOBUF, json, post, protobuf};
use super::{Running, request, span};
use crate::Config;

/// An `ExportLogsServiceRequest` of three records with a time and a severity.
fn logs() -> Vec<u8> {
    let field = |key: u8, message: &[u8]| [&[key, message.len() as u8], message].concat();
    let record = [&[0x09], 1u64.to_le_bytes().as_slice(), &field(0x1a, b"INFO")].concat();
    field(0x0a, &field(0x12, &field(0x12, &record).repeat(3)))
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_counted() {
    let running = Running::start(Config::default()).await;
    let cases: [(&str, &[u8], &str); 6] = [
        (JSON, br#"{"resourceLogs": [{"scopeLogs": []}]}"#, "logs, which go to /v1/logs"),
        (JSON, br#"{"resourceMetrics": [{}]}"#, "metrics, which go to /v1/metrics"),
        (JSON, br#"{"message": "hello"}"#, "\"message\" is no part of a request for traces"),
        (JSON, br#"{"resourceSpans": [{"spans": [{}]}]}"#, "nothing in it is known, but it has \"spans\""),
        (PROTOBUF, &logs(), "logs, which go to /v1/logs"),
        (PROTOBUF, &[0x3a, 1, b'x'], "field 7 is no part of a request for traces"),
    ];
    for (content_type, body, message) in cases {
        let answer = post(&running, content_type, &[], body).await;
        let (code, text) = answer.error();
        assert_eq!((answer.status, code), (400, 3), "{message}");
        assert!(text.contains(message), "{text}");
    }
    for body in [logs(), vec![0x3a, 1, b'x']] {
        assert_eq!(raw(&running, EXPORT, &[], &framed(0, &body)).await.0, Code::InvalidArgument);
    }
    for empty in [&b"{}"[..], br#"{"resourceSpans": []}"#, br#"{"resourceSpans": [], "resourceLogs": []}"#] {
        let answer = post(&running, JSON, &[], empty).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
    }
    assert_eq!(running.metric(r#"hoptrail_unread_total{what="logs"}"#), "3");
    assert_eq!(running.metric(r#"hoptrail_unread_total{what="metrics"}"#), "1");
    assert_eq!(running.metric(r#"hoptrail_unread_total{what="unknown_fields"}"#), "4");
    assert_eq!(running.metric(r#"hoptrail_requests_total{transport="grpc",outcome="invalid"}"#), "2");
    running.stop().await;
}

#[tokio::test]
async fn content_beside_good_spans_that_is_not_read_is_a_warning() {
    let running = Running::start(Config::default()).await;
    let body = [protobuf(1, &[1]), vec![0x3a, 1, b'x']].concat();
    let answer = post(&running, PROTOBUF, &[], &body).await;
    let partial = ExportTraceServiceResponse::decode(answer.body.as_slice()).expect("protobuf").partial_success;
    let partial = partial.expect("a partial success");
    assert_eq!((answer.status, partial.rejected_spans, running.stored(&TenantId::single(), 1)), (200, 0, 1));
    assert!(partial.error_message.starts_with("field 7 is no part"), "{}", partial.error_message);

    let mut body: Value = serde_json::from_slice(&json(2, &[1, 0])).expect("json");
    body["resourceLogs"] = serde_json::json!([{}]);
    let answer = post(&running, JSON, &[], body.to_string().as_bytes()).await;
    let answer: Value = serde_json::from_slice(&answer.body).expect("json");
    assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1");
    let message = answer["partialSuccess"]["errorMessage"].as_str().expect("a message");
    assert!(message.starts_with("1 span refused") && message.contains("; \"resourceLogs\" is no part"), "{message}");
    assert_eq!(running.stored(&TenantId::single(), 2), 1);
    running.stop().await;
}

#[tokio::test]
async fn texts_by_index_are_a_warning() {
    let running = Running::start(Config::default()).await;
    let value = AnyValue { value: Some(Any::StringValueStrindex(7)) };
    let mut unusual = span(1, 1);
    unusual.attributes = vec![KeyValue { key: "k".to_owned(), value: Some(value), key_strindex: 3 }];
    let body: ExportTraceServiceRequest = request(vec![unusual]);
    let (rejected, message) = export(&running, body).await.expect("taken").expect("a warning");
    assert_eq!((rejected, running.stored(&TenantId::single(), 1)), (0, 1));
    assert!(message.starts_with("2 texts count as absent: string_value_strindex and key_strindex"), "{message}");
    assert_eq!(running.metric(r#"hoptrail_unread_total{what="string_index"}"#), "1");
    assert_eq!(running.metric(r#"hoptrail_requests_total{transport="grpc",outcome="ok"}"#), "1");
    running.stop().await;
}

#[tokio::test]
async fn the_largest_request_has_room_in_every_format() {
    let mut body = json(1, &[1]);
    let config = Config { max_request_size: 100_000, max_in_flight: 0, ..Config::default() };
    body.resize(config.max_request_size, b' ');
    let running = Running::start(config).await;
    assert_eq!(post(&running, JSON, &[], &body).await.status, 200);
    running.stop().await;
}

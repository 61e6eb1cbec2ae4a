//! Every language, protocol and compression: one sample trace each (`tests/clients/README.md`), sent by the SDK's own exporter.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::process::Command;

use super::api::Http;
use super::clients::{self, Exporter, installed, sources};
use super::spans::{Seen, by_name, hex, pair, text, text_pair, value};
use crate::harness::Server;

/// What differs between the SDKs.
#[derive(Debug, Clone, Copy)]
struct Sdk {
    /// `telemetry.sdk.language`
    language: &'static str,
    extended: Extended,
    /// The trace state that its exporter sends with a link whose span context has `vendor=x1`.
    link_state: &'static str,
}

/// Attributes beyond the standard types, which not every SDK has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Extended {
    Sent,
    NotOffered,
}

const PYTHON: Sdk = Sdk { language: "python", extended: Extended::Sent, link_state: "" };
const NODE: Sdk = Sdk { language: "nodejs", extended: Extended::NotOffered, link_state: "vendor=x1" };
const GO: Sdk = Sdk { language: "go", extended: Extended::Sent, link_state: "" };

#[tokio::test(flavor = "multi_thread")]
async fn python_sends_over_every_protocol() {
    let Some(folder) = installed("python") else { return };
    let cases = [
        ("grpc", ""),
        ("grpc", "gzip"),
        ("http/protobuf", ""),
        ("http/protobuf", "gzip"),
        ("http/protobuf", "deflate"),
    ];
    let program = sources().join("python/spans.py");
    each(&cases, PYTHON, |exporter| clients::python(&folder, &program, exporter)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_sends_over_every_protocol() {
    let Some(folder) = installed("node") else { return };
    let cases = [
        ("grpc", ""),
        ("grpc", "gzip"),
        ("http/protobuf", ""),
        ("http/protobuf", "gzip"),
        ("http/json", ""),
        ("http/json", "gzip"),
    ];
    let program = sources().join("node/spans.js");
    each(&cases, NODE, |exporter| clients::node_manual(&folder, &program, exporter)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_sends_over_every_protocol() {
    let Some(folder) = installed("go") else { return };
    let cases = [("grpc", ""), ("grpc", "gzip"), ("http/protobuf", ""), ("http/protobuf", "gzip")];
    each(&cases, GO, |exporter| clients::go(&folder, exporter)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_java_agent_sends_over_both_its_protocols() {
    let Some(folder) = installed("java") else { return };
    let (_data, server, http) = start();
    for (protocol, compression) in [("http/protobuf", ""), ("grpc", "gzip")] {
        let exporter = exporter(&server, protocol, compression, "java-shop");
        let told = clients::run(clients::java(&folder, &exporter)).await;
        let id = told["trace"].as_str().expect("the client tells the trace");
        let spans = http.trace(&server, id).await;
        is_the_agents_trace(&spans, &format!("java {protocol} {compression}"));
    }
}

/// The agent exports all at exit: client -> server /quote -> client -> server /rate.
fn is_the_agents_trace(spans: &[Seen], case: &str) {
    assert_eq!(spans.len(), 4, "{case}: {spans:#?}");
    let mut at = spans.iter().find(|seen| seen.span.parent_span_id.is_empty()).expect("there is a root");
    let mut chain = vec![(at.span.kind, at.span.name.as_str())];
    while let Some(below) = spans.iter().find(|seen| seen.span.parent_span_id == at.span.span_id) {
        chain.push((below.span.kind, below.span.name.as_str()));
        at = below;
    }
    let (client, server) = (SpanKind::Client as i32, SpanKind::Server as i32);
    assert_eq!(chain, [(client, "GET"), (server, "GET /quote"), (client, "GET"), (server, "GET /rate")], "{case}");
    for seen in spans {
        assert_eq!(seen.service(), "java-shop", "{case}");
        assert_eq!(text(&seen.resource.attributes, "telemetry.sdk.language"), Some("java"), "{case}");
        assert_eq!(value(&seen.span.attributes, "http.response.status_code"), Some(&Value::IntValue(200)), "{case}");
        assert!(seen.scope.name.starts_with("io.opentelemetry.java"), "{case}: {}", seen.scope.name);
    }
}

fn start() -> (tempfile::TempDir, Server, Http) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    (data, server, Http::new())
}

fn exporter<'a>(server: &'a Server, protocol: &'a str, compression: &'a str, service: &'a str) -> Exporter<'a> {
    let address = if protocol == "grpc" { &server.otlp_grpc } else { &server.otlp_http };
    Exporter { protocol, compression, address, service }
}

/// Sends the sample trace with every exporter to one server and checks what came.
async fn each(cases: &[(&str, &str)], sdk: Sdk, command: impl Fn(&Exporter) -> Command) {
    let (_data, server, http) = start();
    for (protocol, compression) in cases {
        let case = format!("{} {protocol} {compression}", sdk.language);
        let told = clients::run(command(&exporter(&server, protocol, compression, "sampler"))).await;
        let id = told["trace"].as_str().expect("the client tells the trace");
        let spans = http.trace(&server, id).await;
        assert_eq!(spans.len(), 3, "{case}: the client has flushed, so all is there: {spans:#?}");
        is_the_sample(&spans, &told, sdk, &case);
        let client = by_name(&spans)["charge card"];
        assert_eq!(has_extended(client), sdk.extended, "{case}");
    }
    let all = http.search(&server, r#"{ resource.service.name = "sampler" && status = error }"#).await;
    assert_eq!(all.len(), cases.len(), "{all:?}");
}

fn is_the_sample(spans: &[Seen], told: &serde_json::Value, sdk: Sdk, case: &str) {
    let named = by_name(spans);
    let (root, client, producer) = (named["checkout"], named["charge card"], named["order placed"]);
    for (name, seen) in &named {
        assert_eq!(told["spans"][name], hex(&seen.span.span_id), "{case} {name}");
        assert_eq!(seen.service(), "sampler", "{case} {name}");
        assert_eq!(text(&seen.resource.attributes, "telemetry.sdk.language"), Some(sdk.language), "{case} {name}");
        assert_eq!((seen.scope.name.as_str(), seen.scope.version.as_str()), ("sample.tracer", "3.2.1"), "{case}");
        assert!(seen.span.start_time_unix_nano <= seen.span.end_time_unix_nano, "{case} {name}");
    }
    assert!(root.span.parent_span_id.is_empty(), "{case}");
    assert_eq!(client.span.parent_span_id, root.span.span_id, "{case}");
    assert_eq!(producer.span.parent_span_id, root.span.span_id, "{case}");
    let kinds = [root, client, producer].map(|seen| seen.span.kind);
    assert_eq!(kinds, [SpanKind::Server as i32, SpanKind::Client as i32, SpanKind::Producer as i32], "{case}");
    let status = |code, message: &str| Some(Status { code: code as i32, message: message.to_owned() });
    assert_eq!(root.span.status, status(StatusCode::Unset, ""), "{case}");
    assert_eq!(client.span.status, status(StatusCode::Error, "card declined"), "{case}");
    assert_eq!(producer.span.status, status(StatusCode::Ok, ""), "{case}");
    attributes_are_the_samples(client, case);
    events_are_the_samples(client, case);
    link_is_the_samples(client, sdk, case);
}

fn attributes_are_the_samples(client: &Seen, case: &str) {
    for expected in standard_attributes() {
        let got = client.span.attributes.iter().find(|pair| pair.key == expected.key);
        assert_eq!(got, Some(&expected), "{case}");
    }
}

fn standard_attributes() -> Vec<KeyValue> {
    vec![
        text_pair("sample.text", "Grüße, 世界"),
        text_pair("sample.empty", ""),
        pair("sample.yes", Value::BoolValue(true)),
        pair("sample.no", Value::BoolValue(false)),
        pair("sample.int", Value::IntValue(9_007_199_254_740_991)),
        pair("sample.negative", Value::IntValue(-42)),
        pair("sample.double", Value::DoubleValue(0.1)),
        list("sample.texts", ["a", "", "c"].map(|text| Value::StringValue(text.to_owned()))),
        list("sample.bools", [true, false].map(Value::BoolValue)),
        list("sample.ints", [1, -2, 3].map(Value::IntValue)),
        list("sample.doubles", [1.5, -2.25].map(Value::DoubleValue)),
    ]
}

fn list<const N: usize>(key: &str, values: [Value; N]) -> KeyValue {
    let values = values.map(|value| AnyValue { value: Some(value) }).to_vec();
    pair(key, Value::ArrayValue(ArrayValue { values }))
}

/// Bytes, a mixed list and a nested map: all there and right, or none.
fn has_extended(client: &Seen) -> Extended {
    let inner = Value::KvlistValue(KeyValueList { values: vec![text_pair("c", "d")] });
    let map = KeyValueList { values: vec![pair("a", Value::IntValue(1)), pair("b", inner)] };
    let expected = [
        pair("sample.bytes", Value::BytesValue(vec![0, 1, 255])),
        list("sample.mixed", [Value::StringValue("a".to_owned()), Value::IntValue(1), Value::BoolValue(true)]),
        pair("sample.map", Value::KvlistValue(map)),
    ];
    let got = expected.each_ref().map(|pair| client.span.attributes.iter().find(|other| other.key == pair.key));
    if got.iter().all(Option::is_none) {
        return Extended::NotOffered;
    }
    assert_eq!(got, expected.each_ref().map(Some));
    Extended::Sent
}

fn events_are_the_samples(client: &Seen, case: &str) {
    let [retry, exception] = client.span.events.as_slice() else { panic!("{case}: {:?}", client.span.events) };
    assert_eq!(retry.name, "retry", "{case}");
    assert_eq!(value(&retry.attributes, "sample.attempt"), Some(&Value::IntValue(2)), "{case}");
    assert_eq!(exception.name, "exception", "{case}");
    assert_eq!(text(&exception.attributes, "exception.message"), Some("card declined"), "{case}");
    assert!(text(&exception.attributes, "exception.type").is_some_and(|name| !name.is_empty()), "{case}");
    assert!(retry.time_unix_nano <= exception.time_unix_nano && retry.time_unix_nano > 0, "{case}");
}

fn link_is_the_samples(client: &Seen, sdk: Sdk, case: &str) {
    let [link] = client.span.links.as_slice() else { panic!("{case}: {:?}", client.span.links) };
    assert_eq!(hex(&link.trace_id), "0af7651916cd43dd8448eb211c80319c", "{case}");
    assert_eq!(hex(&link.span_id), "b7ad6b7169203331", "{case}");
    assert_eq!(link.trace_state, sdk.link_state, "{case}");
    assert_eq!(link.attributes, [text_pair("sample.reason", "batch")], "{case}");
}

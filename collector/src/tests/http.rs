use std::io::Write;
use std::sync::Arc;

use hoptrail_proto::model::{Tenancy, TenantId};
use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Failing, Running, gated, request, span, until, write_errors};
use crate::Config;

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

pub(super) struct Answer {
    pub(super) status: u16,
    headers: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Code and message of the `google.rpc.Status` in the body.
    pub(super) fn error(&self) -> (i64, String) {
        if self.header("content-type") == Some(JSON) {
            let status: Value = serde_json::from_slice(&self.body).expect("json");
            return (status["code"].as_i64().expect("a code"), status["message"].as_str().expect("text").to_owned());
        }
        let status = WireStatus::decode(self.body.as_slice()).expect("protobuf");
        (i64::from(status.code), status.message)
    }
}

/// The part of `google.rpc.Status` that the tests look at.
#[derive(Clone, PartialEq, Message)]
struct WireStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// One connection of a plain HTTP/1.1 client.
struct Client(TcpStream);

impl Client {
    async fn connect(running: &Running) -> Self {
        Self(TcpStream::connect(running.http).await.expect("the server listens"))
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the server reads");
    }

    async fn post(&mut self, content_type: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        self.send(
            head("POST", "/v1/traces", content_type, headers, &format!("content-length: {}", body.len())).as_bytes(),
        )
        .await;
        self.send(body).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        let headers = String::from_utf8(head).expect("text");
        let status = headers.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).await.expect("the whole answer");
        answer
    }
}

fn head(method: &str, path: &str, content_type: &str, headers: Headers<'_>, framing: &str) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{more}{framing}\r\n\r\n")
}

pub(super) async fn post(running: &Running, content_type: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
    Client::connect(running).await.post(content_type, headers, body).await
}

pub(crate) fn protobuf(trace: u8, ids: &[u64]) -> Vec<u8> {
    request(ids.iter().map(|id| span(trace, *id)).collect()).encode_to_vec()
}

pub(crate) fn json(trace: u8, ids: &[u64]) -> Vec<u8> {
    let trace = format!("{trace:02x}").repeat(16);
    let spans: Vec<Value> = ids
        .iter()
        .map(|id| serde_json::json!({"traceId": trace, "spanId": format!("{id:016X}"), "name": "GET /"}))
        .collect();
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string().into_bytes()
}

fn compress(encoding: &str, body: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    match encoding {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(body).and_then(|()| writer.finish()).expect("memory")
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(body).and_then(|()| writer.finish()).expect("memory")
        }
        "zstd" => zstd::encode_all(body, 1).expect("memory"),
        _ => body.to_vec(),
    }
}

#[tokio::test]
async fn every_encoding_of_both_formats_reaches_the_store() {
    let running = Running::start(Config::default()).await;
    let mut trace = 0;
    for encoding in ["", "identity", "gzip", "deflate", "zstd", "GZIP"] {
        for (content_type, empty) in [(PROTOBUF, ""), (JSON, "{}"), ("application/json; charset=utf-8", "{}")] {
            trace += 1;
            let body = if content_type == PROTOBUF { protobuf(trace, &[1, 2]) } else { json(trace, &[1, 2]) };
            let body = compress(&encoding.to_lowercase(), &body);
            let headers = [("content-encoding", encoding)];
            let answer = post(&running, content_type, if encoding.is_empty() { &[] } else { &headers }, &body).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, empty.as_bytes()), "{encoding} {content_type}");
            assert_eq!(answer.header("content-type"), content_type.split(';').next(), "{encoding}");
            assert_eq!(running.stored(&TenantId::single(), trace), 2, "{encoding} {content_type}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn one_connection_takes_many_requests_whole_or_in_chunks() {
    let running = Running::start(Config::default()).await;
    let mut client = Client::connect(&running).await;
    for trace in 1..=3 {
        assert_eq!(client.post(PROTOBUF, &[], &protobuf(trace, &[1])).await.status, 200);
        let body = protobuf(trace, &[2]);
        client.send(head("POST", "/v1/traces", PROTOBUF, &[], "transfer-encoding: chunked").as_bytes()).await;
        for piece in body.chunks(7) {
            client.send(format!("{:x}\r\n", piece.len()).as_bytes()).await;
            client.send(&[piece, b"\r\n"].concat()).await;
        }
        client.send(b"0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(running.stored(&TenantId::single(), trace), 2);
    }
    running.stop().await;
}

#[tokio::test]
async fn empty_bodies_are_empty_requests() {
    let running = Running::start(Config::default()).await;
    for content_type in [PROTOBUF, JSON] {
        assert_eq!(post(&running, content_type, &[], b"").await.status, 200, "{content_type}");
    }
    running.stop().await;
}

#[tokio::test]
async fn large_requests_are_taken_up_to_the_limit() {
    let running = Running::start(Config::default()).await;
    let mut big = span(1, 1);
    big.name = "x".repeat(10 << 20);
    let body = request(vec![big]).encode_to_vec();
    for encoding in ["identity", "gzip"] {
        let answer = post(&running, PROTOBUF, &[("content-encoding", encoding)], &compress(encoding, &body)).await;
        assert_eq!(answer.status, 200, "{encoding}");
    }
    assert_eq!(running.stored(&TenantId::single(), 1), 1);
    assert_eq!(running.metric("hoptrail_in_flight_bytes"), "0");
    running.stop().await;
}

#[tokio::test]
async fn errors_carry_a_status_in_the_requests_format() {
    let running = Running::start(Config { max_request_size: 100_000, ..Config::default() }).await;
    let big = vec![0; 100_001];
    let bomb = compress("gzip", &vec![b' '; 10 << 20]);
    let gzip = ("content-encoding", "gzip");
    let brotli = ("content-encoding", "br");
    let cases: [(&str, Headers<'_>, &[u8], u16, &str); 10] = [
        (PROTOBUF, &[], b"<html>", 400, "malformed request: request, byte"),
        (JSON, &[], b"<html>", 400, "line 1 column 1"),
        (PROTOBUF, &[gzip], b"no gzip", 400, "not valid gzip"),
        (JSON, &[gzip], b"no gzip", 400, "not valid gzip"),
        (PROTOBUF, &[], &big, 413, "larger than 100000 bytes"),
        (JSON, &[], &big, 413, "larger than 100000 bytes"),
        (PROTOBUF, &[gzip], &bomb, 413, "larger than 100000 bytes"),
        (JSON, &[gzip], &bomb, 413, "larger than 100000 bytes"),
        (PROTOBUF, &[brotli], b"", 415, "content encoding \"br\" is not supported"),
        ("text/html", &[], b"", 415, "content type \"text/html\" is not supported"),
    ];
    for (content_type, headers, body, status, message) in cases {
        let answer = post(&running, content_type, headers, body).await;
        assert_eq!(answer.status, status, "{content_type} {message}");
        let expected = if content_type == PROTOBUF { PROTOBUF } else { JSON };
        assert_eq!(answer.header("content-type"), Some(expected), "{message}");
        let (code, text) = answer.error();
        assert!(code > 0 && text.contains(message), "{text}");
        assert_eq!(answer.header("retry-after"), None, "{message}");
    }
    running.stop().await;
}

#[tokio::test]
async fn other_paths_and_methods_say_what_to_do() {
    let running = Running::start(Config::default()).await;
    for (method, path, status, message) in [
        ("GET", "/v1/traces", 405, "use POST"),
        ("PUT", "/v1/traces", 405, "use POST"),
        ("POST", "/v1/traces/v1/traces", 404, "traces go to /v1/traces"),
        ("GET", "/", 404, "traces go to /v1/traces"),
    ] {
        for content_type in [PROTOBUF, JSON] {
            let mut client = Client::connect(&running).await;
            client.send(head(method, path, content_type, &[], "content-length: 0").as_bytes()).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.header("content-type")), (status, Some(content_type)), "{method} {path}");
            assert!(answer.error().1.contains(message), "{method} {path}");
            assert_eq!(answer.header("allow").is_some(), status == 405);
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn bad_spans_are_refused_singly_and_counted_in_the_answer() {
    let running = Running::start(Config::default()).await;
    let answer = post(&running, PROTOBUF, &[], &protobuf(1, &[1, 0, 2, 0])).await;
    let partial = ExportTraceServiceResponse::decode(answer.body.as_slice()).expect("protobuf").partial_success;
    let partial = partial.expect("a partial success");
    assert_eq!((answer.status, partial.rejected_spans), (200, 2));
    assert!(partial.error_message.starts_with("2 spans refused (invalid_span_id: 2): resource_spans[0]"));

    let answer = post(&running, JSON, &[], &json(2, &[1, 0])).await;
    let body: Value = serde_json::from_slice(&answer.body).expect("json");
    assert_eq!((answer.status, body["partialSuccess"]["rejectedSpans"].as_str()), (200, Some("1")));
    assert!(body["partialSuccess"]["errorMessage"].as_str().is_some_and(|text| text.contains("span id of only zeros")));

    assert_eq!(running.stored(&TenantId::single(), 1), 2);
    assert_eq!(running.stored(&TenantId::single(), 2), 1);
    let answer = post(&running, PROTOBUF, &[], &protobuf(3, &[0])).await;
    assert_eq!((answer.status, running.stored(&TenantId::single(), 3)), (200, 0));
    running.stop().await;
}

#[tokio::test]
async fn what_the_store_says_becomes_a_code_and_a_delay() {
    for (error, status, _, seconds) in write_errors() {
        let text = error.to_string();
        let running = Running::start_with(Arc::new(Failing(error))).await;
        for (content_type, body) in [(PROTOBUF, protobuf(1, &[1])), (JSON, json(1, &[1]))] {
            let answer = post(&running, content_type, &[], &body).await;
            assert_eq!(answer.status, status, "{text}");
            let expected = seconds.map(|seconds| seconds.to_string());
            assert_eq!(answer.header("retry-after"), expected.as_deref(), "{text}");
            assert_eq!(answer.error().1, text);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn tenants_are_kept_apart_when_there_are_several() {
    let running = Running::start(Config { tenancy: Tenancy::Multi, ..Config::default() }).await;
    let send = |tenant: Option<&'static str>| {
        let headers = tenant.map(|tenant| ("X-Scope-OrgID", tenant));
        let body = protobuf(1, &[1]);
        let running = &running;
        async move { post(running, PROTOBUF, headers.as_slice(), &body).await }
    };
    let missing = send(None).await;
    assert_eq!((missing.status, missing.error().0), (401, 16));
    assert_eq!(send(Some("a/b")).await.status, 400);
    assert_eq!(send(Some("team-a")).await.status, 200);
    let stored = |name: &str| running.stored(&TenantId::new(name).expect("a name"), 1);
    assert_eq!((stored("team-a"), stored("team-b"), stored("single-tenant")), (1, 0, 0));
    running.stop().await;

    let running = Running::start(Config::default()).await;
    assert_eq!(post(&running, PROTOBUF, &[("x-scope-orgid", "a/b")], &protobuf(1, &[1])).await.status, 200);
    assert_eq!(running.stored(&TenantId::single(), 1), 1);
    running.stop().await;
}

#[tokio::test]
async fn pages_of_allowed_origins_may_send() {
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin.to_owned()),
            ("access-control-request-method", "POST".to_owned()),
            ("access-control-request-headers", "content-type,x-scope-orgid".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        head("OPTIONS", "/v1/traces", "", &headers, "content-length: 0")
    };
    let only = Config { cors_origins: vec!["https://shop.example".to_owned()], ..Config::default() };
    for (config, origin, allowed) in [
        (Config::default(), "https://any.example", Some("https://any.example")),
        (only.clone(), "https://shop.example", Some("https://shop.example")),
        (only, "https://evil.example", None),
    ] {
        let running = Running::start(config).await;
        let mut client = Client::connect(&running).await;
        client.send(preflight(origin).as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed), "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type,x-scope-orgid"));
        assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));

        let answer = client.post(JSON, &[("origin", origin)], &json(1, &[1])).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed), "{origin}");
        running.stop().await;
    }
}

#[tokio::test]
async fn memory_is_bounded_before_bodies_are_read() {
    let config = Config { max_request_size: 1 << 20, max_in_flight: 0, ..Config::default() };
    let running = Running::start(config).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&running).await;
        let announced = format!("content-length: {}", 1_000_000);
        client.send(head("POST", "/v1/traces", PROTOBUF, &[], &announced).as_bytes()).await;
        slow.push(client);
    }
    until(|| running.collector.metrics.in_flight.get() > 2_000_000).await;

    let refused = post(&running, PROTOBUF, &[], &[0; 100_000]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.error().0, 8);

    drop(slow);
    until(|| running.collector.metrics.in_flight.get() == 0).await;
    assert_eq!(post(&running, PROTOBUF, &[], &protobuf(1, &[1])).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_the_answer_of_requests_in_flight() {
    let (store, called, open) = gated();
    let running = Running::start_with(store).await;
    let mut client = Client::connect(&running).await;
    let body = protobuf(1, &[1]);
    let announced = format!("content-length: {}", body.len());
    client.send(head("POST", "/v1/traces", PROTOBUF, &[], &announced).as_bytes()).await;
    client.send(&body).await;
    called.acquire().await.expect("never closed").forget();

    running.shutdown.cancel();
    open.add_permits(1);
    assert_eq!(client.answer().await.status, 200);
    drop(client);
    running.stop().await;
}

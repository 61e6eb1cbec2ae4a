//! What a client may repeat 50,000 times, sent over HTTP and asked for by API and page.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::api::Http;
use super::spans::{hex, text_pair};
use crate::harness::Server;

const TIMES: u64 = 50_000;
const NOW: u64 = 1_700_000_000_000_000_000;

fn id(number: u64) -> Vec<u8> {
    (number + 1).to_be_bytes().to_vec()
}

fn span(trace: u8, number: u64) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: id(number),
        name: "work".to_owned(),
        start_time_unix_nano: NOW,
        end_time_unix_nano: NOW + 1000,
        ..Span::default()
    }
}

/// A name, and the span of each number.
type Case = (&'static str, fn(u64) -> Span);

const CASES: [Case; 5] = [
    ("other spans of one id", |number| Span {
        span_id: id(0),
        name: format!("work {}", number % 100),
        attributes: vec![text_pair("number", &number.to_string())],
        ..span(1, number)
    }),
    ("span ids of one trace", |number| span(2, number)),
    ("children of one parent", |number| Span {
        parent_span_id: if number == 0 { Vec::new() } else { id(0) },
        ..span(3, number)
    }),
    ("a chain of parents", |number| Span {
        parent_span_id: number.checked_sub(1).map(id).unwrap_or_default(),
        ..span(4, number)
    }),
    ("span names", |number| Span { name: format!("work {number}"), ..span(5, number) }),
];

fn request(make: fn(u64) -> Span) -> Vec<u8> {
    let spans = (0..TIMES).chain(0..10).map(make).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_of_a_kind_are_all_there_in_seconds() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let http = Http::new();
    let protobuf = [("content-type", "application/x-protobuf")];
    for (name, make) in CASES {
        let sent = http.post(&format!("http://{}/v1/traces", server.otlp_http), &protobuf, request(make)).await;
        assert_eq!(sent.status, 200, "{name}");
        let id = hex(&make(0).trace_id);
        let begun = Instant::now();
        let spans = http.trace(&server, &id).await;
        let asked = begun.elapsed();
        assert_eq!(spans.len() as u64, TIMES, "{name}: copies once, others all");
        let begun = Instant::now();
        let (status, ..) = crate::harness::get(&server.ui, &format!("/trace/{id}"));
        let shown = begun.elapsed();
        assert_eq!(status, 200, "{name}");
        println!("{name}: trace in {asked:?}, page in {shown:?}");
        assert!(asked.max(shown) < Duration::from_secs(3), "{name}: trace in {asked:?}, page in {shown:?}");
    }
}

/// Spans of one trace that open at the defaults.
const LARGE: u64 = 250_000;

/// A root with a hundred branches.
fn branch(number: u64) -> Span {
    let parent = if number == 0 { Vec::new() } else { id(if number <= 100 { 0 } else { number % 100 + 1 }) };
    let start_time_unix_nano = NOW + number;
    Span { parent_span_id: parent, start_time_unix_nano, attributes: vec![text_pair("k", "v")], ..span(6, number) }
}

async fn send_large(http: &Http, server: &Server) {
    for first in (0..LARGE).step_by(25_000) {
        let spans = (first..first + 25_000).map(branch).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let protobuf = [("content-type", "application/x-protobuf")];
        let sent = http.post(&format!("http://{}/v1/traces", server.otlp_http), &protobuf, body).await;
        assert_eq!(sent.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_a_million_spans_open_at_the_defaults_and_what_is_larger_opens_in_part() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (http, id) = (Http::new(), hex(&branch(0).trace_id));
    let server = Server::start(data.path());
    send_large(&http, &server).await;
    let page = |server: &Server, path: &str| {
        let (status, _, body) = crate::harness::get(&server.ui, path);
        assert_eq!(status, 200, "{path}");
        body
    };
    let shown = page(&server, &format!("/trace/{id}"));
    assert!(shown.contains("of 250\u{202f}000 spans shown") && !shown.contains("incomplete"), "all spans are there");
    assert_eq!(http.trace(&server, &id).await.len() as u64, LARGE);
    drop(server);
    let server = Server::start_with(data.path(), &["--set", "query.memory=32MiB"]);
    let shown = page(&server, &format!("/trace/{id}"));
    assert!(shown.contains("This trace is incomplete: the trace has 250000 spans, and query.memory=32MiB"), "in part");
    let part = http.trace(&server, &id).await.len() as u64;
    assert!((10_000..200_000).contains(&part), "{part} spans");
    let file = http.get(&format!("http://{}/trace/{id}/json", server.ui)).await.json();
    let groups = file["resourceSpans"].as_array().expect("groups").iter();
    let spans = groups.flat_map(|group| group["scopeSpans"].as_array().expect("scopes"));
    let spans: usize = spans.map(|scoped| scoped["spans"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(spans as u64, LARGE, "the download has all");
}

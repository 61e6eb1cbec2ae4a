//! Pages that explain, over the running binary: the same answers in the head, in segments, with spans sent twice and spans that come late.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;

use super::export::{Grpc, now};
use super::spans::text_pair;
use crate::harness::{Server, get};

const TRACES: u64 = 3_000;
const MILLI: u64 = 1_000_000;

/// A statement on node 3 fails, and only there.
fn is_failed(number: u64) -> bool {
    number % 11 == 3
}

/// A shop that asks a store; a part of the request, with the node that it runs on.
fn spans(number: u64, base: u64) -> [(&'static str, String, Span); 3] {
    let start = base + number * 200 * MILLI;
    let span = |id: u64, parent: u64, name: &str, kind: SpanKind, nanos: u64| Span {
        trace_id: u128::from(number + 1).to_be_bytes().to_vec(),
        span_id: (number * 10 + id).to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { (number * 10 + parent).to_be_bytes().to_vec() },
        name: name.to_owned(),
        kind: kind as i32,
        start_time_unix_nano: start + id * MILLI,
        end_time_unix_nano: start + id * MILLI + nanos,
        attributes: vec![text_pair("session", &format!("s-{number}"))],
        ..Span::default()
    };
    let mut select = span(2, 1, "SELECT orders", SpanKind::Client, 20 * MILLI);
    if is_failed(number) {
        select.status = Some(Status { code: StatusCode::Error as i32, message: String::new() });
        select.events = vec![Event {
            name: "exception".to_owned(),
            time_unix_nano: select.start_time_unix_nano,
            attributes: vec![
                text_pair("exception.type", "LockTimeout"),
                text_pair("exception.message", &format!("row {number} is locked")),
            ],
            ..Event::default()
        }];
    }
    let update = span(3, 1, "UPDATE stock", SpanKind::Client, 30 * MILLI);
    let node = |number: u64| format!("node-{}", number % 11);
    [
        ("shop", node(number / 7), span(1, 0, "GET /", SpanKind::Server, 100 * MILLI)),
        ("store", node(number), select),
        ("store", node(number / 3), update),
    ]
}

fn request<'s>(spans: impl Iterator<Item = &'s (&'static str, String, Span)>) -> ExportTraceServiceRequest {
    let of_one = |(service, node, span): &(&'static str, String, Span)| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![text_pair("service.name", service), text_pair("k8s.node.name", node)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans: vec![span.clone()], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: spans.map(of_one).collect() }
}

fn json(server: &Server, path: &str) -> Value {
    let (status, _, body) = get(&server.ui, path);
    assert_eq!(status, 200, "{path}: {body}");
    // An answer in chunks has their lengths around it.
    let (first, last) = (body.find('{').expect("an object"), body.rfind('}').expect("an object"));
    serde_json::from_str(&body[first..=last]).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// The findings and groups must be those of a naive count.
fn check(server: &Server) {
    let failed = (0..TRACES).filter(|number| is_failed(*number)).count() as u64;
    let why = json(server, "/why?format=json&lookback=1h");
    assert_eq!((&why["selected"]["traces"], &why["others"]["traces"]), (&failed.into(), &(TRACES - failed).into()));
    let pair = |finding: &&Value| {
        let values: Vec<&str> =
            finding["values"].as_array().expect("values").iter().filter_map(|own| own["value"].as_str()).collect();
        values.len() == 2 && values.contains(&"SELECT orders") && values.contains(&"node-3")
    };
    let findings = why["more"].as_array().expect("findings");
    let found = findings.iter().find(pair).unwrap_or_else(|| panic!("{why:#}"));
    assert_eq!((&found["selected"], &found["others"], &found["one_span"]), (&failed.into(), &0.into(), &true.into()));
    assert!(!why.to_string().contains("s-1"), "a session is of one trace");

    let exceptions = json(server, "/exceptions?format=json&lookback=1h");
    let [group] = exceptions["groups"].as_array().expect("groups").as_slice() else { panic!("{exceptions:#}") };
    assert_eq!((&group["count"], group["message"].as_str()), (&failed.into(), Some("row {} is locked")));

    let paths = json(server, "/aggregate?format=json&lookback=1h&set=failed&rest=%7B+%7D");
    let steps = paths["steps"].as_array().expect("steps");
    let told = |step: &Value| {
        (
            step["name"].as_str().map(str::to_owned),
            step["selected"]["traces"].as_u64(),
            step["others"]["spans"].as_u64(),
        )
    };
    let step = |name: &str| (Some(name.to_owned()), Some(failed), Some(TRACES - failed));
    assert_eq!(steps.iter().map(told).collect::<Vec<_>>(), ["GET /", "SELECT orders", "UPDATE stock"].map(step));
    assert_eq!((&steps[0]["selected"]["p50_ms"], &steps[2]["others"]["p95_ms"]), (&100.0.into(), &30.0.into()));
    assert_eq!(steps[1]["selected"]["errors"], failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_explain_are_exact_wherever_spans_are() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start_with(data.path(), &["--set=storage.head_spans=1000"]);
    let mut client = Grpc::to(&server).await;
    let base = now() - 40 * 60_000 * MILLI;
    let all: Vec<_> = (0..TRACES).flat_map(|number| spans(number, base)).collect();
    // One span of three comes late, some come twice, and a crash lies between.
    for is_late in [false, true] {
        for part in all.chunks(1_500) {
            let is_due = |index: usize| (index % 3 == 2) == is_late || index.is_multiple_of(17);
            let due = part.iter().enumerate().filter(|(index, _)| is_due(*index));
            client.deliver(request(due.map(|(_, own)| own))).await;
        }
    }
    for again in 0..2 {
        check(&server);
        if again == 0 {
            server.signal("KILL");
            server.wait();
            server = Server::start_with(data.path(), &["--set=storage.head_spans=1000"]);
        }
    }
    let compare = format!("/trace/{:032x}...{:032x}", 1, 4);
    let (status, _, body) = get(&server.ui, &compare);
    assert!(status == 200 && body.contains("Two traces compared"), "{body}");
    server.stop();
}

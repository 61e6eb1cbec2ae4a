//! One set of spans, counted in four ways: by hand, by the pages, by PromQL and by TraceQL. All must agree.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;

use super::export::{Grpc, now};
use super::spans::text_pair;
use crate::harness::{Server, get};

const MINUTE: u64 = 60_000_000_000;
const TRACES: u64 = 600;
const SERVICES: [&str; 3] = ["shop", "cart", "stock"];

/// A call of the shop to the cart, of which every third asks the stock, and every seventh fails there. The start and the spans with their
/// services.
fn trace(number: u64, base: u64) -> Vec<(&'static str, Span)> {
    let start = base + number % 50 * MINUTE + 1_000_000_000 + number;
    let span = |id: u64, parent: u64, kind: SpanKind, failed: bool| Span {
        trace_id: u128::from(number + 1).to_be_bytes().to_vec(),
        span_id: (number * 10 + id).to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { (number * 10 + parent).to_be_bytes().to_vec() },
        name: format!("step {id}"),
        kind: kind as i32,
        start_time_unix_nano: start + id * 1_000,
        end_time_unix_nano: start + id * 1_000 + 7_000_000 * (number % 9 + 1),
        status: failed.then(|| Status { code: StatusCode::Error as i32, message: String::new() }),
        ..Span::default()
    };
    let mut spans = vec![
        ("shop", span(1, 0, SpanKind::Server, false)),
        ("shop", span(2, 1, SpanKind::Client, false)),
        ("cart", span(3, 2, SpanKind::Server, number.is_multiple_of(7))),
    ];
    if number.is_multiple_of(3) {
        spans.push(("cart", span(4, 3, SpanKind::Client, false)));
        spans.push(("stock", span(5, 4, SpanKind::Server, number.is_multiple_of(7))));
    }
    spans
}

fn request(spans: &[(&'static str, Span)]) -> ExportTraceServiceRequest {
    let of_one = |(service, span): &(&'static str, Span)| ResourceSpans {
        resource: Some(Resource { attributes: vec![text_pair("service.name", service)], ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans: vec![span.clone()], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: spans.iter().map(of_one).collect() }
}

fn json(address: &str, path: &str) -> Value {
    let (status, _, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    // An answer in chunks has their lengths around it.
    let (first, last) = (body.find('{').expect("an object"), body.rfind('}').expect("an object"));
    serde_json::from_str(&body[first..=last]).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

/// What PromQL says, by the values of a label.
fn promql(server: &Server, query: &str, time: u64, label: &str) -> BTreeMap<String, u64> {
    let query =
        query.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D").replace('"', "%22").replace('=', "%3D");
    let answer = json(&server.tempo, &format!("/api/prom/api/v1/query?query={query}&time={}", time / 1_000_000_000));
    let series = answer["data"]["result"].as_array().expect("a vector").clone();
    let number =
        |series: &Value| series["value"][1].as_str().and_then(|text| text.parse::<f64>().ok()).expect("a number");
    let of = |series: &Value| {
        (series["metric"][label].as_str().unwrap_or_default().to_owned(), number(series).round() as u64)
    };
    series.iter().map(of).filter(|(_, count)| *count > 0).collect()
}

/// What TraceQL counts, by service.
fn traceql(server: &Server, selector: &str, base: u64) -> BTreeMap<String, u64> {
    let query = format!("%7B{selector}%7D%7Ccount_over_time()by(resource.service.name)");
    let (start, end) = (base / 1_000_000_000, (base + 60 * MINUTE) / 1_000_000_000);
    let answer = json(&server.tempo, &format!("/api/metrics/query_range?q={query}&start={start}&end={end}&step=1m"));
    let series = answer["series"].as_array().expect("series").clone();
    let of = |series: &Value| {
        let samples = series["samples"].as_array().expect("samples").iter();
        let sum: f64 = samples.filter_map(|sample| sample["value"].as_f64()).sum();
        (series["labels"][0]["value"]["stringValue"].as_str().expect("a service").to_owned(), sum as u64)
    };
    series.iter().map(of).filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_promql_traceql_and_a_naive_count_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = now() / MINUTE * MINUTE - 60 * MINUTE;
    let traces: Vec<_> = (0..TRACES).map(|number| trace(number, base)).collect();
    let (mut all, mut failed, mut entered) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (service, span) in traces.iter().flatten() {
        let is_failed = span.status.is_some();
        *all.entry((*service).to_owned()).or_insert(0) += 1;
        *failed.entry((*service).to_owned()).or_insert(0) += u64::from(is_failed);
        if span.kind == SpanKind::Server as i32 {
            let own: &mut (u64, u64) = entered.entry((*service).to_owned()).or_default();
            *own = (own.0 + 1, own.1 + u64::from(is_failed));
        }
    }
    failed.retain(|_, count| *count > 0);
    let mut server = Server::start_with(folder.path(), &["--set=storage.head_spans=1000"]);
    let mut client = Grpc::to(&server).await;
    // The two sides of a call come in different requests, some of them twice, and a restart lies between.
    for part in traces.chunks(40) {
        let (first, second): (Vec<_>, Vec<_>) =
            part.iter().flatten().cloned().partition(|(service, _)| *service == "shop");
        client.deliver(request(&second)).await;
        client.deliver(request(&first)).await;
        client.deliver(request(&second[..second.len() / 2])).await;
    }
    for again in 0..2 {
        let end = base + 60 * MINUTE;
        assert_eq!(traceql(&server, "", base), all, "TraceQL");
        assert_eq!(traceql(&server, "status=error", base), failed, "TraceQL");
        let calls = "sum by (service) (increase(traces_spanmetrics_calls_total[60m]))";
        assert_eq!(promql(&server, calls, end, "service"), all, "PromQL");
        let errors =
            "sum by (service) (increase(traces_spanmetrics_calls_total{status_code=\"STATUS_CODE_ERROR\"}[60m]))";
        assert_eq!(promql(&server, errors, end, "service"), failed, "PromQL");
        let page = json(&server.ui, "/services?format=json&lookback=2h");
        let services = page["services"].as_array().expect("services").iter();
        let of = |service: &Value| {
            let number = |key: &str| service[key].as_u64().expect("a count");
            (service["name"].as_str().expect("a name").to_owned(), (number("count"), number("errors")))
        };
        assert_eq!(services.map(of).collect::<BTreeMap<_, _>>(), entered, "the page");
        let graph = "sum by (server) (increase(traces_service_graph_request_total[60m]))";
        let entries: BTreeMap<_, _> = entered.iter().map(|(name, (count, _))| (name.clone(), *count)).collect();
        assert_eq!(promql(&server, graph, end, "server"), entries, "every server was called once");
        assert_eq!(SERVICES.len(), entries.len());
        if again == 0 {
            server.signal("KILL");
            server.wait();
            server = Server::start_with(folder.path(), &["--set=storage.head_spans=1000"]);
        }
    }
    server.stop();
}

//! One request through three processes in two languages, and a fourth that never reports: each hop with another exporter.

use std::path::Path;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::process::Command;

use super::api::{Http, eventually};
use super::clients::{self, Exporter, Service, installed, sources};
use super::spans::{Seen, hex, text, value};
use crate::harness::Server;

/// front (Flask, gRPC, gzip) -> inventory (Node, JSON, gzip) -> pricing (Flask, protobuf, deflate) -> mainframe (no tracing).
#[derive(Debug)]
pub(crate) struct Journey {
    front: Service,
    _behind: [Service; 2],
    pub(crate) mainframe: Service,
}

impl Journey {
    /// Starts the shop; none when a client is missing. `grpc` and `http` are the receivers' addresses.
    pub(crate) async fn start(grpc: &str, http: &str) -> Option<Self> {
        Self::start_from(&sources(), grpc, http).await
    }

    /// The same with the clients' sources in another folder.
    pub(crate) async fn start_from(sources: &Path, grpc: &str, http: &str) -> Option<Self> {
        let (python, node) = (installed("python")?, installed("node")?);
        let exporter = |protocol, compression, service| {
            let address = if protocol == "grpc" { grpc } else { http };
            Exporter { protocol, compression, address, service }
        };
        let mut mainframe = Command::new(python.join("bin/python"));
        mainframe.arg(sources.join("python/legacy.py"));
        let mainframe = Service::start(mainframe).await;

        let exporting = exporter("http/protobuf", "deflate", "shop-pricing");
        let mut pricing = clients::python(&python, &sources.join("python/worker.py"), &exporting);
        pricing.env("LEGACY", &mainframe.url).env("OTEL_SEMCONV_STABILITY_OPT_IN", "http");
        let pricing = Service::start(pricing).await;

        let exporting = exporter("http/json", "gzip", "shop-inventory");
        let mut inventory = clients::node_instrumented(&node, &sources.join("node/inventory.js"), &exporting);
        inventory.env("PRICING", &pricing.url);
        let inventory = Service::start(inventory).await;

        let mut front =
            clients::python(&python, &sources.join("python/front.py"), &exporter("grpc", "gzip", "shop-front"));
        front.env("INVENTORY", &inventory.url);
        let front = Service::start(front).await;
        Some(Self { front, _behind: [inventory, pricing], mainframe })
    }

    /// Buys something; the trace id that the shop tells.
    pub(crate) async fn checkout(&self, http: &Http) -> String {
        let answer = http.get(&format!("{}/checkout/umbrella", self.front.url)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.json()["reserved"]["price"], 1999, "the mainframe's price comes through");
        answer.json()["trace"].as_str().expect("the shop tells the trace id").to_owned()
    }
}

/// The hops of a checkout from the root down: service, kind, what the name starts with.
const HOPS: [(&str, SpanKind, &str); 6] = [
    ("shop-front", SpanKind::Server, "GET /checkout/"),
    ("shop-front", SpanKind::Client, "GET"),
    ("shop-inventory", SpanKind::Server, "GET"),
    ("shop-inventory", SpanKind::Client, "GET"),
    ("shop-pricing", SpanKind::Server, "GET /price"),
    ("shop-pricing", SpanKind::Client, "GET"),
];

/// Waits until every hop of the trace has been reported; all spans of the trace.
pub(crate) async fn complete(http: &Http, server: &Server, id: &str) -> Vec<Seen> {
    eventually("every hop of the checkout", || async {
        let spans = http.trace(server, id).await;
        HOPS.iter().all(|hop| find(&spans, *hop).is_some()).then_some(spans)
    })
    .await
}

fn find<'a>(spans: &'a [Seen], (service, kind, name): (&str, SpanKind, &str)) -> Option<&'a Seen> {
    spans
        .iter()
        .find(|seen| seen.service() == service && seen.span.kind == kind as i32 && seen.span.name.starts_with(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_across_three_processes_in_two_languages_to_an_uninstrumented_one() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let Some(shop) = Journey::start(&server.otlp_grpc, &server.otlp_http).await else { return };
    let http = Http::new();
    let id = shop.checkout(&http).await;
    let spans = complete(&http, &server, &id).await;

    let hops: Vec<&Seen> = HOPS.iter().map(|hop| find(&spans, *hop).expect("complete")).collect();
    assert!(hops[0].span.parent_span_id.is_empty(), "the front is the root");
    for pair in hops.windows(2) {
        let (above, below) = (pair[0], pair[1]);
        let chain = format!("{} {} under {} {}", below.service(), below.span.name, above.service(), above.span.name);
        assert_eq!(hex(&below.span.parent_span_id), hex(&above.span.span_id), "{chain}");
        assert_eq!(hex(&below.span.trace_id), id, "{chain}");
    }
    let manual = spans.iter().find(|seen| seen.span.name == "apply discount").expect("the manual span is there");
    assert_eq!(manual.span.parent_span_id, hops[4].span.span_id);
    assert_eq!(value(&manual.span.attributes, "shop.discount.percent"), Some(&Value::DoubleValue(12.5)));
    assert_eq!((manual.scope.name.as_str(), manual.scope.version.as_str()), ("shop.pricing", "1.2.0"));
    assert_eq!(manual.span.events.len(), 1);
    assert_eq!(text(&manual.span.events[0].attributes, "shop.rule"), Some("november"));

    resources_are_there(&hops);
    let to_mainframe = text(&hops[5].span.attributes, "url.full").expect("the last client says whom it asks");
    assert_eq!(to_mainframe, format!("{}/cgi-bin/price", shop.mainframe.url));
    search_finds_it(&http, &server, &id).await;
}

fn resources_are_there(hops: &[&Seen]) {
    for (hop, language) in hops.iter().zip(["python", "python", "nodejs", "nodejs", "python", "python"]) {
        let attributes = &hop.resource.attributes;
        assert_eq!(text(attributes, "telemetry.sdk.language"), Some(language), "{}", hop.service());
        assert_eq!(text(attributes, "deployment.environment.name"), Some("e2e"), "{}", hop.service());
        assert_eq!(text(attributes, "service.namespace"), Some("shop"), "{}", hop.service());
    }
    let arguments = value(&hops[2].resource.attributes, "process.command_args");
    assert!(matches!(arguments, Some(Value::ArrayValue(list)) if list.values.len() >= 3), "{arguments:?}");
}

async fn search_finds_it(http: &Http, server: &Server, id: &str) {
    let queries = [
        r#"{ resource.service.name = "shop-front" }"#,
        r#"{ resource.service.name = "shop-pricing" && name = "apply discount" }"#,
        r#"{ span.shop.discount.percent > 12.4 && resource.deployment.environment.name = "e2e" }"#,
        r#"{ span.url.full =~ ".*/cgi-bin/.*" && kind = client }"#,
    ];
    for query in queries {
        let found = http.search(server, query).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        let hit = &found[0];
        let padded = format!("{:0>32}", hit["traceID"].as_str().unwrap_or_default());
        assert_eq!(padded, id, "{query}");
        assert_eq!(hit["rootServiceName"], "shop-front", "{query}");
        assert_eq!(hit["rootTraceName"], "GET /checkout/<sku>", "{query}");
    }
    assert!(http.search(server, r#"{ resource.service.name = "shop-mainframe" }"#).await.is_empty());
}

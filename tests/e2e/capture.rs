//! Requests that real SDKs sent, kept as files: they go in through HTTP and every span comes out as it went in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::api::{Http, eventually};
use super::clients::{self, Exporter, installed, sources};
use super::journey::Journey;
use super::spans::{Seen, flatten, hex};
use super::{browser, json};
use crate::harness::Server;

fn own_capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/capture")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_real_sdks_come_out_complete() {
    let spans = goes_in_and_comes_out(&own_capture()).await;
    let has = |key: &str, wanted: &str| {
        let found = spans.iter().any(|seen| super::spans::text(&seen.resource.attributes, key) == Some(wanted));
        assert!(found, "the capture holds no {key}={wanted}");
    };
    for language in ["python", "nodejs", "go", "java", "webjs"] {
        has("telemetry.sdk.language", language);
    }
    for service in ["shop-front", "shop-inventory", "shop-pricing"] {
        has("service.name", service);
    }
}

/// The OpenTelemetry demo shop, 99 requests that are not part of the repository.
#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_demo_shop_come_out_complete() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/otel-demo");
    let folder = std::env::var_os("HOPTRAIL_OTEL_DEMO").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: no requests of the demo shop (HOPTRAIL_OTEL_DEMO names their folder)");
        return;
    }
    let spans = goes_in_and_comes_out(&folder).await;
    assert!(spans.len() > 1000, "{} spans", spans.len());
}

/// Posts every file of the folder, then compares each trace by id with what was sent; all that was sent. Restarts in between, so that
/// both the fresh and the reopened store answer.
async fn goes_in_and_comes_out(folder: &Path) -> Vec<Seen> {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let http = Http::new();
    let mut sent = Vec::new();
    for path in requests(folder) {
        let body = std::fs::read(&path).expect("the file can be read");
        let (content_type, groups) = if path.extension().is_some_and(|ending| ending == "json") {
            ("application/json", json::resource_spans(&body))
        } else {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("the file is a request");
            ("application/x-protobuf", request.resource_spans)
        };
        let url = format!("http://{}/v1/traces", server.otlp_http);
        let answer = http.post(&url, &[("content-type", content_type)], body).await;
        assert_eq!(answer.status, 200, "{}: {:?}", path.display(), answer.body);
        assert!(answer.body.is_empty() || answer.body == "{}", "{}: partial: {:?}", path.display(), answer.body);
        sent.extend(flatten(groups));
    }
    assert!(!sent.is_empty(), "{} holds no spans", folder.display());
    let expected = by_trace(&sent);
    comes_out(&http, &server, &expected).await;
    server.stop();
    let server = Server::start(data.path());
    comes_out(&http, &server, &expected).await;
    sent
}

async fn comes_out(http: &Http, server: &Server, expected: &BTreeMap<String, Vec<Seen>>) {
    for (id, wanted) in expected {
        let got = sorted(http.trace(server, id).await);
        for (wanted, got) in wanted.iter().zip(&got) {
            assert_eq!(got, wanted, "trace {id} span {}", hex(&wanted.span.span_id));
        }
        assert_eq!(got.len(), wanted.len(), "trace {id}");
    }
}

fn requests(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let ending = |path: &PathBuf| path.extension().is_some_and(|end| end == "pb" || end == "bin" || end == "json");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(ending).collect();
    paths.sort();
    paths
}

/// Traces with their distinct spans in one order.
fn by_trace(spans: &[Seen]) -> BTreeMap<String, Vec<Seen>> {
    let mut traces: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for seen in spans {
        traces.entry(hex(&seen.span.trace_id)).or_default().push(seen.clone());
    }
    for spans in traces.values_mut() {
        *spans = sorted(std::mem::take(spans));
        spans.dedup();
    }
    traces
}

fn sorted(mut spans: Vec<Seen>) -> Vec<Seen> {
    spans.sort_by_cached_key(|seen| (seen.key(), format!("{seen:?}")));
    spans
}

/// Makes `tests/fixtures/capture` anew: `cargo test --workspace --test main -- --ignored record_the_capture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "replaces the capture in the repository"]
async fn record_the_capture() {
    for old in requests(&own_capture()) {
        std::fs::remove_file(old).expect("the old capture can be removed");
    }
    let [python, node, go, java] =
        ["python", "node", "go", "java"].map(|language| installed(language).expect("every client is needed"));
    let (_sink, grpc, http) = sink(&python, &own_capture()).await;

    // A copy elsewhere: stack traces and command lines name the folder that the programs stand in.
    let copy = tempfile::Builder::new().prefix("shop").tempdir().expect("a temporary folder");
    let copied = Command::new("cp").arg("-r").arg(sources()).arg(copy.path()).status().await;
    assert!(copied.expect("cp starts").success());
    let copy = copy.path().join("clients");

    let shop = Journey::start_from(&copy, &grpc, &http).await.expect("every client is needed");
    shop.checkout(&Http::new()).await;
    let folder = own_capture();
    eventually("the three services' requests", || async { (requests(&folder).len() >= 3).then_some(()) }).await;
    drop(shop);

    let exporter = |protocol| {
        let address = if protocol == "grpc" { grpc.as_str() } else { http.as_str() };
        Exporter { protocol, compression: "gzip", address, service: "sampler" }
    };
    clients::run(clients::python(&python, &copy.join("python/spans.py"), &exporter("grpc"))).await;
    clients::run(clients::node_manual(&node, &copy.join("node/spans.js"), &exporter("http/json"))).await;
    clients::run(clients::go(&go, &exporter("http/protobuf"))).await;
    clients::run(clients::java(&java, &exporter("grpc"))).await;
    browser::send_from_a_page(&http).await.expect("the browser is needed");
}

/// Starts the recorder; its gRPC and HTTP addresses.
async fn sink(python: &Path, folder: &Path) -> (tokio::process::Child, String, String) {
    let mut command = Command::new(python.join("bin/python"));
    command.arg(sources().join("python/sink.py")).arg(folder).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().expect("the recorder starts");
    let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let mut addresses = Vec::new();
    for name in ["grpc ", "http "] {
        let line = lines.next_line().await.expect("stdout is text").expect("the recorder runs");
        let port = line.strip_prefix(name).unwrap_or_else(|| panic!("{line:?} does not say {name:?}"));
        addresses.push(format!("127.0.0.1:{port}"));
    }
    let http = addresses.pop().expect("two addresses");
    (process, addresses.pop().expect("two addresses"), http)
}

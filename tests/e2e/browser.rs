//! A real browser: a traced page of another origin that sends its spans, and a person who looks for a request in the web UI.

use serde_json::Value;

use super::api::{Http, eventually};
use super::clients::{self, chromium, installed, sources};
use super::journey::{Journey, complete};
use super::spans::{by_name, pair, text, value};
use crate::harness::Server;

/// Runs a browser script of `tests/clients/node`; what it prints. None when the browser or its driver is missing.
pub(crate) async fn drive(script: &str, arguments: &[&str]) -> Option<Value> {
    let (node, chromium) = (installed("node")?, chromium()?);
    let mut command = clients::node(&node, &[&sources().join("node").join(script)]);
    command.args(arguments).env("CHROMIUM", chromium).env("PAGE_BUNDLE", node.join("page.bundle.js"));
    Some(clients::run(command).await)
}

/// Sends one span from a page of another origin to the OTLP receiver at `address`; the trace id.
pub(crate) async fn send_from_a_page(address: &str) -> Option<String> {
    let told = drive("send-from-page.js", &[&format!("http://{address}/v1/traces")]).await?;
    Some(told["trace"].as_str().expect("the page tells the trace id").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_sends_its_spans() {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let Some(id) = send_from_a_page(&server.otlp_http).await else { return };
    let spans = Http::new().trace(&server, &id).await;
    let click = by_name(&spans)["click buy"];
    assert_eq!(
        value(&click.span.attributes, "sample.int"),
        value(&[pair("sample.int", Value::IntValue(7))], "sample.int")
    );
    assert_eq!(text(&click.resource.attributes, "telemetry.sdk.language"), Some("webjs"));
    assert_eq!(click.span.events.len(), 1);
}

/// `navigator.sendBeacon` always sends with credentials, for which browsers demand more of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn beacons_and_requests_with_credentials_arrive() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let Some(told) = drive("send-beacon.js", &[&format!("http://{}/v1/traces", server.otlp_http)]).await else {
        return;
    };
    assert_eq!(told["problems"], serde_json::json!([]));
    assert_eq!(
        (&told["queued"], &told["statuses"]),
        (&serde_json::json!([true, true, true]), &serde_json::json!([200, 200, 200]))
    );
    let http = Http::new();
    for (way, id) in told["traces"].as_object().expect("ids") {
        let id = id.as_str().expect("an id");
        let kept = async || (http.trace(&server, id).await.len() == 1).then_some(());
        eventually(&format!("the {way}"), kept).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_of_another_origin_is_allowed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let headers = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-scope-orgid"),
    ];
    let answer = Http::new().send(http::Method::OPTIONS, &url, &headers, "").await.expect("an answer");
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text").to_lowercase());
    let origin = header("access-control-allow-origin");
    assert_eq!(origin.as_deref(), Some("https://shop.example"), "{answer:?}");
    assert_eq!(header("access-control-allow-credentials").as_deref(), Some("true"), "{answer:?}");
    assert!(header("access-control-allow-methods").is_some_and(|methods| methods.contains("post")), "{answer:?}");
    let allowed = header("access-control-allow-headers").unwrap_or_default();
    assert!(allowed == "*" || ["content-type", "x-scope-orgid"].iter().all(|name| allowed.contains(name)), "{allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_finds_the_request_and_sees_every_hop() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let Some(shop) = Journey::start(&server.otlp_grpc, &server.otlp_http).await else { return };
    let http = Http::new();
    let id = shop.checkout(&http).await;
    complete(&http, &server, &id).await;
    let ui = format!("http://{}/", server.ui);
    for scripting in ["script", "no-script"] {
        let arguments = [ui.as_str(), "shop-pricing", &id, "apply discount", scripting];
        let Some(seen) = drive("browse.js", &arguments).await else { return };
        person_saw_every_hop(&seen, &id, &shop.mainframe.url, scripting);
    }
}

/// The query box by keyboard, and a heatmap whose cells lead to their traces; all of it but the suggestions without scripts, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_in_traceql_and_narrows_a_heatmap() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let Some(shop) = Journey::start(&server.otlp_grpc, &server.otlp_http).await else { return };
    let http = Http::new();
    let id = shop.checkout(&http).await;
    complete(&http, &server, &id).await;
    let ui = format!("http://{}/", server.ui);
    for scripting in ["script", "no-script"] {
        let Some(seen) = drive("ask.js", &[&ui, "shop-pricing", scripting]).await else { return };
        assert_eq!(seen["problems"], serde_json::json!([]), "{scripting}");
        keyboard_chose(seen["steps"].as_array().expect("a list"));
        assert_eq!(seen["query"], "{ resource.service.name = \"shop-pricing\" }", "{scripting}");
        assert_eq!(seen["hits"], 1, "{scripting}");
        let heatmap = &seen["heatmap"];
        assert!(heatmap["cells"].as_u64().is_some_and(|cells| cells > 0), "{scripting}: {heatmap}");
        let query = heatmap["query"].as_str().expect("text");
        assert!(query.contains("duration > ") && query.contains("duration <= "), "{scripting}: {query}");
        assert_eq!(heatmap["hits"], 1, "{scripting}");
    }
}

/// What the keys did to the text, step by step; nothing without scripts.
fn keyboard_chose(steps: &[Value]) {
    let texts: Vec<&str> = steps.iter().map(|step| step["box"].as_str().expect("text")).collect();
    let whole = "{ resource.service.name = \"shop-pricing\"";
    let typed = format!("{whole} && na");
    let expected = ["{ resource.service.name", whole, &typed];
    assert_eq!(texts, expected[..steps.len()], "{steps:?}");
    assert!(steps.iter().all(|step| step["expanded"] == "true"), "{steps:?}");
    assert_eq!(steps.first().map_or("true", |step| step["selected"].as_str().unwrap_or_default()), "true");
}

fn person_saw_every_hop(seen: &Value, id: &str, mainframe: &str, case: &str) {
    assert_eq!(seen["problems"], serde_json::json!([]), "{case}");
    let hits = seen["hits"].as_array().expect("a list");
    assert_eq!(hits.len(), 1, "{case}: {hits:?}");
    assert_eq!(hits[0]["text"], "shop-front GET /checkout/<sku>", "{case}");
    assert!(seen["url"].as_str().is_some_and(|url| url.contains(id)), "{case}: {}", seen["url"]);

    let rows = seen["rows"].as_array().expect("a list");
    let first = rows.first().and_then(|row| row["level"].as_u64()).expect("a first row");
    let shown: Vec<_> = rows.iter().map(|row| shown(row, first)).collect();
    let legacy = mainframe.strip_prefix("http://").expect("a URL");
    let expected = [
        (0, "span", "shop-front", "GET /checkout/<sku>"),
        (1, "span", "shop-front", "GET"),
        (2, "span", "shop-inventory", "GET"),
        (3, "span", "shop-inventory", "GET"),
        (4, "span", "shop-pricing", "GET /price"),
        (5, "span", "shop-pricing", "apply discount"),
        (5, "span", "shop-pricing", "GET"),
    ];
    assert_eq!(shown.len(), expected.len(), "{case}: {shown:#?}");
    for (shown, expected) in shown.iter().zip(expected) {
        let same_name = expected.3.is_empty() || shown.3 == expected.3;
        assert!((shown.0, shown.1, shown.2) == (expected.0, expected.1, expected.2) && same_name, "{case}: {shown:?}");
    }
    let peers: Vec<&Value> =
        rows.iter().map(|row| &row["peers"]).filter(|peers| **peers != serde_json::json!([])).collect();
    assert_eq!(
        peers,
        [&serde_json::json!([legacy])],
        "{case}: the side that sends no spans stands in the row of its caller"
    );
    bars_meet_the_root(rows, case);
    let detail = seen["detail"].as_str().expect("text");
    for part in ["shop.discount.percent", "12.5", "rule matched", "november", "deployment.environment.name", "e2e"] {
        assert!(detail.contains(part), "{case}: the open span does not show {part}: {detail}");
    }
}

fn shown(row: &Value, first: u64) -> (u64, &str, &str, &str) {
    let text = |key: &str| row[key].as_str().expect("text");
    (row["level"].as_u64().expect("a level") - first, text("kind"), text("service"), text("name"))
}

/// Every bar is drawn at a time when the root was at work. (Not always within it: Node's spans start at whole milliseconds.)
fn bars_meet_the_root(rows: &[Value], case: &str) {
    let edges = |row: &Value| {
        let number = |key: &str| row["box"][key].as_f64().unwrap_or_else(|| panic!("{case}: no bar in {row}"));
        (number("x"), number("x") + number("width"))
    };
    let (left, right) = edges(&rows[0]);
    assert!(right - left > 200.0, "{case}: the root takes {left}..{right} of 1280 pixels");
    for row in rows {
        let (from, to) = edges(row);
        assert!(to > from && to >= left && from <= right, "{case}: {row} lies outside {left}..{right}");
    }
}

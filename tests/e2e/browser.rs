//! A real browser: a traced page of another origin that sends its spans, and a person who looks for a request in the pages.

use serde_json::Value;

use super::api::Http;
use super::clients::{self, chromium, installed, sources};
use super::spans::{by_name, pair, text, value};
use crate::harness::Server;

/// Runs a browser script of `tests/clients/node`; what it prints. None when the browser or its driver is missing.
async fn drive(script: &str, arguments: &[&str]) -> Option<Value> {
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
    assert!(["*", "https://shop.example"].contains(&origin.as_deref().unwrap_or_default()), "{answer:?}");
    assert!(header("access-control-allow-methods").is_some_and(|methods| methods.contains("post")), "{answer:?}");
    let allowed = header("access-control-allow-headers").unwrap_or_default();
    assert!(allowed == "*" || ["content-type", "x-scope-orgid"].iter().all(|name| allowed.contains(name)), "{allowed}");
}

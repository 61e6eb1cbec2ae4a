//! A browser on every page: all journeys with scripts and without, and what hostile senders write.

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Value, json};

use super::api::Http;
use super::browser::drive;
use super::export::{Grpc, request, span};
use super::spans::{hex, text_pair};
use crate::harness::{Server, run};

const JOURNEYS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_journey_ends_well_with_scripts_and_without() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let endpoint = format!("http://{}", server.otlp_grpc);
    let sent =
        run(&["demo", "--endpoint", &endpoint, "--backfill", "40m", "--rate", "40", "--duration", "0s", "--seed", "7"]);
    assert!(sent.status.success(), "{sent:?}");
    let ui = format!("http://{}", server.ui);
    for scripting in ["script", "no-script"] {
        let Some(seen) = drive("journeys.js", &[&ui, scripting]).await else { return };
        assert_eq!(seen["ended"].as_array().map(Vec::len), Some(JOURNEYS), "{scripting}: {seen}");
        assert_eq!(seen["problems"], json!([]), "{scripting}");
    }
    server.stop();
}

const SCRIPT: &str = "<script>ran=1</script>";

/// A text that would run, break a layout, turn the direction of what follows, or hide.
fn hostile(what: &str) -> String {
    format!("{what}{SCRIPT}\"'><img src=x onerror=ran=2>\u{202e}gnp.exe\u{200b}\u{2066}{}", "W".repeat(400))
}

fn hostile_span(trace: u128, id: u64, parent: u64) -> Span {
    let (name, long) = (hostile("name"), "long ".repeat(1 << 18));
    let links =
        [Link { trace_id: 9_u128.to_be_bytes().to_vec(), span_id: 9_u64.to_be_bytes().to_vec(), ..Link::default() }];
    let exception = Event {
        name: "exception".to_owned(),
        time_unix_nano: super::export::now(),
        attributes: vec![
            text_pair("exception.type", &hostile("type")),
            text_pair("exception.message", &hostile("message")),
            text_pair("exception.stacktrace", &long),
        ],
        ..Event::default()
    };
    Span {
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        kind: if parent == 0 { SpanKind::Server } else { SpanKind::Client } as i32,
        attributes: vec![
            text_pair("http.route", &hostile("/route")),
            text_pair("url.full", "javascript:ran=3"),
            text_pair("peer.service", &hostile("peer")),
            text_pair(&hostile("key"), &hostile("value")),
            text_pair("long", &long),
        ],
        events: vec![exception],
        links: links.to_vec(),
        status: Some(Status { code: StatusCode::Error as i32, message: hostile("status") }),
        ..span(trace, id, &name)
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_shown_and_never_runs() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let mut client = Grpc::to(&server).await;
    let service = hostile("service");
    for trace in 1..4 {
        let spans = vec![hostile_span(trace, 1, 0), hostile_span(trace, 2, 1)];
        client.deliver(request(&service, spans)).await;
    }
    client.deliver(request("shop", vec![span(4, 1, "GET /")])).await;
    let ui = format!("http://{}", server.ui);
    let view = format!("name={}&search=%2Fsearch%3Fq%3Da", encoded(&hostile("view")[..60]));
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", ui.as_str())];
    let saved = Http::new().post(&format!("{ui}/views"), &headers, view.into_bytes()).await;
    assert_eq!(saved.status, 303, "{saved:?}");

    let ids: Vec<String> = (1..3_u128).map(|id| hex(&id.to_be_bytes())).collect();
    let listed = encoded("{ status = error } | select(span.url.full, span.long, span.http.route)");
    let pages = [
        "/services".to_owned(),
        format!("/services/{}", encoded(&service)),
        "/search?overview=1".to_owned(),
        format!("/search?q={listed}&overview=1&facet=span.long"),
        format!("/search?q={listed}&rows=spans&view=table"),
        "/search?view=compact".to_owned(),
        format!("/search?q={}", encoded(&format!("{{ {SCRIPT} }}"))),
        format!("/search?q={}", encoded("{ } | rate() by (name)")),
        "/dependencies".to_owned(),
        "/aggregate".to_owned(),
        format!("/why?q={}", encoded(&format!("{{ name = \"{SCRIPT}\" }}"))),
        "/exceptions".to_owned(),
        "/views".to_owned(),
        "/system".to_owned(),
        format!("/trace/{}", ids[0]),
        format!("/trace/{}?span={:016x}", ids[0], 1),
        format!("/trace/{}...{}", ids[0], ids[1]),
        format!("/{}", encoded(SCRIPT)),
    ];
    let arguments: Vec<&str> = std::iter::once(ui.as_str()).chain(pages.iter().map(String::as_str)).collect();
    let Some(seen) = drive("hostile.js", &arguments).await else { return };
    let seen = seen.as_array().expect("a list");
    assert_eq!(seen.len(), 2 * pages.len());
    seen.iter().for_each(stands);
    server.stop();
}

/// The page shows the text, and is a page as any other.
fn stands(page: &Value) {
    let is_mistake = [400, 404].contains(&page["status"].as_u64().unwrap_or_default());
    assert!(is_mistake || page["status"] == 200, "{page:#}");
    assert_eq!((&page["ran"], &page["dialogs"], &page["stopped"]), (&Value::Null, &json!([]), &json!([])), "{page:#}");
    let problems = page["problems"].as_array().expect("a list");
    assert!(problems.len() <= usize::from(is_mistake), "{page:#}");
    assert_eq!((&page["odd"], &page["invisible"]), (&json!([]), &json!(false)), "{page:#}");
    assert!(page["wide"].as_i64().is_some_and(|wide| wide <= 0), "wider than the window: {page:#}");
    // An address is shown as it was written.
    assert!(page["shows"] == true || page["status"] == 404, "{page:#}");
    assert!(page["bytes"].as_u64().is_some_and(|bytes| bytes < 1 << 20), "{page:#}");
}

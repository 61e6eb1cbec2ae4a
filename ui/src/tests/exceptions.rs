//! Exceptions in groups: what is one, what each says, and where it leads.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, SpanEvent, SpanId, TraceId, TraceSpan};
use serde_json::Value;

use super::server::{MS, NOW, Server, span};

/// A span of a trace of its own, which recorded an exception so many minutes ago.
fn failed(number: u64, service: &str, version: &str, minutes: u64, kind: &str, message: &str) -> TraceSpan {
    let mut made = span(1, 1, 0, service, "work", (0, 0));
    made.span.trace_id = TraceId((u128::from(number) + 1).to_be_bytes());
    made.span.span_id = SpanId((number + 1).to_be_bytes());
    made.span.start_unix_nano = NOW - minutes * 60_000 * MS;
    made.span.end_unix_nano = made.span.start_unix_nano + 5 * MS;
    made.span.events = vec![SpanEvent {
        time_unix_nano: made.span.start_unix_nano + MS,
        name: "exception".to_owned(),
        attributes: vec![Attribute::new("exception.type", kind), Attribute::new("exception.message", message)],
        ..SpanEvent::default()
    }];
    let attributes = vec![Attribute::new("service.name", service), Attribute::new("service.version", version)];
    made.resource = Arc::new(Resource { attributes, ..Resource::default() });
    made
}

fn some() -> Vec<TraceSpan> {
    let mut spans = Vec::new();
    for number in 0..30 {
        let version = if number % 3 == 0 { "2.0" } else { "1.9" };
        let message = format!("order o-{number} timed out after {number} ms");
        spans.push(failed(number, "cart", version, 50 - number, "Timeout", &message));
    }
    for number in 100..105 {
        spans.push(failed(number, "ads", "1", 4, "NotFound", &format!("no ad called 'a{number}'\n  at x.rs:7")));
        spans.push(failed(200 + number, "ads", "1", 200, "NotFound", "long ago"));
    }
    spans
}

async fn json(server: &Server, uri: &str) -> Value {
    let page = server.get(uri).await;
    assert_eq!(page.status.as_u16(), 200);
    serde_json::from_slice(&page.body).expect("JSON")
}

#[tokio::test]
async fn groups_have_exact_numbers() {
    let server = Server::of(some()).await;
    let found = json(&server, "/exceptions?format=json").await;
    let groups = found["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 2, "{groups:?}");
    let first = &groups[0];
    assert_eq!((first["service"].as_str(), first["type"].as_str()), (Some("cart"), Some("Timeout")));
    assert_eq!(first["message"], "order {} timed out after {} ms");
    assert_eq!(
        (&first["count"], &first["versions"]["2.0"], &first["versions"]["1.9"]),
        (&30.into(), &10.into(), &20.into())
    );
    let counts: u64 = first["counts"].as_array().expect("counts").iter().filter_map(Value::as_u64).sum();
    assert_eq!(counts, 30);
    assert_eq!(first["examples"][0]["message"], "order o-29 timed out after 29 ms", "the last one first");
    assert_eq!(groups[1]["message"], "no ad called '{}'", "the first line without what differs");
    let new = json(&server, "/exceptions?format=json&sort=new").await;
    assert_eq!(new["groups"][0]["service"], "ads");
    let one = json(&server, "/exceptions?format=json&service=cart").await;
    assert_eq!(one["groups"].as_array().map(Vec::len), Some(1));
    let found = json(&server, "/exceptions?format=json&q=TIMED").await;
    assert_eq!(found["groups"].as_array().map(Vec::len), Some(1));
    let wide = json(&server, "/exceptions?format=json&lookback=6h").await;
    assert_eq!(wide["groups"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_group_leads_to_its_traces_and_to_why() {
    let server = Server::of(some()).await;
    let page = server.get("/exceptions").await;
    assert_eq!(page.all(".group-kind"), ["Timeout", "NotFound new"]);
    assert_eq!(page.all(".group-message"), ["order {} timed out after {} ms", "no ad called '{}'"]);
    assert!(page.one("[role=status]").starts_with("35 exceptions in 2 groups"));
    assert_eq!(page.all(".finding:first-child dd")[0], "30");
    let links = page.attributes(".finding:last-child a", "href");
    let of = |start: &str| links.iter().find(|href| href.starts_with(start)).expect(start);
    let traces = server.get(of("/search")).await;
    assert_eq!(traces.all(".hits .hit:not(.hit-head)").len(), 5, "{}", of("/search"));
    for path in ["/why", "/exceptions?service=ads", "/services/ads", "/trace/"] {
        assert_eq!(server.get(of(path)).await.status.as_u16(), 200, "{path}");
    }
    let none = server.get("/exceptions?q=nothing+like+this").await;
    assert!(none.one(".nothing").starts_with("No span of this time recorded an exception like this."));
    let wrong = server.get("/exceptions?sort=x").await;
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(wrong.one(".notice.error").contains("Sort by new or last"));
}

#[tokio::test]
async fn hostile_messages_are_shown_and_not_run() {
    let long = "y".repeat(1_000_000);
    let hostile = ["<script>alert(1)</script>", "\u{202e}gnp.exe", "", &long];
    let spans = hostile.iter().enumerate().map(|(number, text)| failed(number as u64, text, text, 5, text, text));
    let server = Server::of(spans.collect()).await;
    let page = server.get("/exceptions").await;
    assert_eq!((page.status.as_u16(), page.all(".finding").len()), (200, 4));
    let text = page.text();
    assert!(text.contains("&lt;script&gt;alert(1)") && !text.contains("<script>alert"));
    assert!(!text.contains('\u{202e}') && text.len() < 100_000, "{} bytes", text.len());
    assert!(page.all(".group-kind").contains(&"(no type) new".to_owned()));
}

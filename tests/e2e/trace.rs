//! A person who reads one trace in a real browser, with scripts and without. Some of its texts are hostile.

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Value, json};

use super::browser::drive;
use super::export::{Grpc, now, request};
use super::spans::{hex, text_pair};
use crate::harness::Server;

const TRACE: u128 = 0x51;
const OTHER: u128 = 0x52;
const MILLI: u64 = 1_000_000;
/// The span whose detail is looked at.
const SETTLE: u64 = 20;
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\u{200b}";

fn span(base: u64, id: u64, parent: u64, name: &str, kind: SpanKind, times: (u64, u64)) -> Span {
    Span {
        trace_id: TRACE.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { vec![] } else { parent.to_be_bytes().to_vec() },
        name: name.to_owned(),
        kind: kind as i32,
        start_time_unix_nano: base + times.0 * MILLI,
        end_time_unix_nano: base + times.1 * MILLI,
        ..Span::default()
    }
}

fn event(base: u64, at: u64, name: &str, message: &str) -> Event {
    let attributes = vec![text_pair("exception.message", message)];
    Event { time_unix_nano: base + at * MILLI, name: name.to_owned(), attributes, ..Event::default() }
}

/// A proxy, a shop below it that asks its store six times and settles, and a mail of another trace that follows from that.
async fn send(server: &Server) {
    let base = now() - 60_000 * MILLI;
    let mut shop = span(base, 2, 1, "GET", SpanKind::Server, (2, 98));
    shop.attributes = vec![text_pair("http.request.method", "GET"), text_pair("http.route", "/orders/{id}")];
    let mut settle = span(base, SETTLE, 2, "settle", SpanKind::Internal, (50, 90));
    settle.attributes = vec![text_pair("url.full", "javascript:alert(2)"), text_pair("note", HOSTILE)];
    settle.events = vec![event(base, 80, "exception", "card declined"), event(base, 60, "paid", HOSTILE)];
    settle.status = Some(Status { code: StatusCode::Error as i32, message: HOSTILE.to_owned() });
    let reads = (0..6).map(|number| {
        let mut read =
            span(base, 10 + number, 2, "SELECT orders", SpanKind::Client, (10 + 5 * number, 14 + 5 * number));
        read.attributes = vec![text_pair("db.system.name", "postgresql")];
        read
    });
    let mut mail = span(base, 30, 0, "follow-up", SpanKind::Consumer, (120, 130));
    mail.trace_id = OTHER.to_be_bytes().to_vec();
    let (trace_id, span_id) = (TRACE.to_be_bytes().to_vec(), SETTLE.to_be_bytes().to_vec());
    mail.links = vec![Link { trace_id, span_id, ..Link::default() }];
    let audit = span(base, 21, SETTLE, HOSTILE, SpanKind::Internal, (70, 75));
    let mut grpc = Grpc::to(server).await;
    for (service, spans) in [
        ("gateway", vec![span(base, 1, 0, "shop.svc:8080/*", SpanKind::Server, (0, 100))]),
        ("shop", vec![shop, settle, audit]),
        ("store", reads.collect()),
        ("mail", vec![mail]),
    ] {
        grpc.deliver(request(service, spans)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_a_trace() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    send(&server).await;
    let trace = format!("http://{}/trace/{}", server.ui, hex(&TRACE.to_be_bytes()));
    for scripting in ["script", "no-script"] {
        let Some(seen) = drive("trace.js", &[&trace, scripting]).await else { return };
        assert_eq!(seen["problems"], json!([]), "{scripting}");
        assert_eq!(seen["title"], "shop GET /orders/{id} via gateway", "{scripting}");
        finds_and_reduces(&seen, scripting);
        zooms(&seen["zoom"], scripting);
        keys_move(&seen["keyboard"]);
        sees_what_happened(&seen["detail"], scripting);
        for (view, part) in [
            ("flame", "settle"),
            ("statistics", "SELECT orders"),
            ("spans", "settle"),
            ("graph", "postgresql"),
            ("events", "card declined"),
        ] {
            assert!(words(&seen["views"][view]).contains(part), "{scripting}: {view}: {}", seen["views"][view]);
        }
        let file = &seen["file"];
        assert_eq!((&file["problems"], &file["rows"]), (&json!([]), &json!(10)), "{scripting}: {file}");
        assert!(words(&file["name"]).ends_with(".html") && words(&file["opened"]).contains("gateway"), "{file}");
    }
}

fn words(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn finds_and_reduces(seen: &Value, case: &str) {
    let find = &seen["find"];
    assert_eq!(find["found"], "6 matches", "{case}");
    assert!(words(&find["at"]).ends_with(" of 6"), "{case}: {find}");
    let (left, all) = (&seen["reduce"]["left"], &seen["reduce"]["all"]);
    let has = |names: &Value| names.as_array().expect("names").iter().any(|name| words(name) == "SELECT orders");
    assert!(!has(left) && has(all), "{case}: {left} {all}");
}

fn zooms(zoom: &Value, case: &str) {
    assert_eq!(zoom["seen"], json!(["25000000-75000000", null]), "{case}");
    if case == "no-script" {
        return;
    }
    let keys = json!({
        "+": "25000000-75000000", "d": "37500000-87500000", "Shift+A": "0-50000000", "ArrowUp": "12500000-37500000",
        "ArrowRight": "18750000-43750000", "Shift+ArrowDown": null, "Escape": null,
    });
    assert_eq!(zoom["keys"], keys);
    for place in ["overview", "axis"] {
        let at = |index: usize| zoom[place][index].as_f64().expect("a number") / MILLI as f64;
        assert!((at(0) - 25.0).abs() < 2.0 && (at(1) - 50.0).abs() < 2.0, "{place}: {}", zoom[place]);
    }
}

/// Nothing without scripts.
fn keys_move(keyboard: &Value) {
    if keyboard.is_null() {
        return;
    }
    let expected = json!({
        "focused": ["gateway", "shop", "gateway", "shop", "find"], "rows": [2, 4, 2, 5], "scrolled": [true, true],
    });
    assert_eq!(keyboard, &expected);
}

fn sees_what_happened(detail: &Value, case: &str) {
    for place in ["below", "beside"] {
        let text = words(&detail[place]);
        for part in ["card declined", "javascript:alert(2)", "U+202E", "Linked from (1)", "mail follow-up"] {
            assert!(text.contains(part), "{case}: {place}: {part} is not in {text}");
        }
    }
    let rows = detail["rows"].as_array().expect("rows");
    let place =
        |begin: &str| rows.iter().position(|row| words(row).contains(begin)).unwrap_or_else(|| panic!("{rows:?}"));
    let (paid, audit, failed) = (place("paid <img"), place("shop <img"), place("card declined"));
    assert!(place("settle") < paid && paid < audit && audit < failed, "{case}: {rows:?}");
}

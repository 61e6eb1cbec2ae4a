//! All services: their numbers, their order, and what the page says of strange ones.

use std::sync::Arc;

use hoptrail_proto::model::{SpanId, SpanKind, Status, StatusCode, TraceId, TraceSpan};
use serde_json::Value;

use super::server::{MS, NOW, Server, span};

const MINUTE: u64 = 60_000 * MS;
const DAY: u64 = 1_440 * MINUTE;

/// A request that a service answers, so long before now.
pub(super) fn request(number: u64, service: &str, before: u64, millis: u64, is_failed: bool) -> TraceSpan {
    let mut made = span(1, 1, 0, service, "GET /", (0, 0));
    made.span.trace_id = TraceId((u128::from(number) + 1).to_be_bytes());
    made.span.span_id = SpanId((number + 1).to_be_bytes());
    made.span.kind = SpanKind::Server;
    made.span.start_unix_nano = NOW - before;
    made.span.end_unix_nano = NOW - before + millis * MS;
    if is_failed {
        made.span.status = Status { code: StatusCode::Error, ..Status::default() };
    }
    made
}

/// A span inside of a request.
pub(super) fn inner(outer: &TraceSpan, number: u64, name: &str) -> TraceSpan {
    let mut made = outer.clone();
    made.span.parent_span_id = Some(outer.span.span_id);
    made.span.span_id = SpanId((number + 1_000_000).to_be_bytes());
    made.span.kind = SpanKind::Internal;
    made.span.name = name.to_owned();
    made.span.status = Status::default();
    made
}

/// Two services in this hour, one of them yesterday as well.
fn some() -> Vec<TraceSpan> {
    let mut spans = Vec::new();
    for number in 0..300 {
        let cart = request(number, "cart", number * 7_000 * MS, 5 + number % 40, number % 10 == 0);
        spans.push(inner(&cart, number, "work"));
        spans.push(cart);
        spans.push(request(1_000 + number, "cart", DAY + number * 11_000 * MS, 6, number % 10 == 0));
    }
    spans.extend((0..20).map(|number| request(5_000 + number, "ads", number * MINUTE, 100, number % 2 == 0)));
    spans
}

async fn json(server: &Server, uri: &str) -> Value {
    let page = server.get(uri).await;
    assert_eq!((page.status.as_u16(), page.headers["content-type"].to_str().ok()), (200, Some("application/json")));
    serde_json::from_slice(&page.body).expect("JSON")
}

#[tokio::test]
async fn numbers_are_those_of_a_naive_count() {
    let server = Server::of(some()).await;
    let found = json(&server, "/services?format=json&sort=name").await;
    let services = found["services"].as_array().expect("services");
    assert_eq!(services.len(), 2);
    // Steps are of two minutes, so the hour begins a little earlier.
    let start = (NOW - 60 * MINUTE) / (2 * MINUTE) * (2 * MINUTE);
    let seconds = (NOW - start) as f64 / 1e9;
    for service in services {
        let name = service["name"].as_str().expect("a name");
        let is_own = |span: &&TraceSpan| {
            span.resource.service_name() == name
                && span.span.kind == SpanKind::Server
                && span.span.start_unix_nano >= start
        };
        let all = some();
        let own: Vec<&TraceSpan> = all.iter().filter(is_own).collect();
        let errors = own.iter().filter(|span| span.span.status.code == StatusCode::Error).count();
        assert_eq!(
            (service["count"].as_u64(), service["errors"].as_u64()),
            (Some(own.len() as u64), Some(errors as u64))
        );
        let close = |value: &Value, exact: f64, by: f64| {
            let found = value.as_f64().expect("a number");
            assert!((found / exact - 1.0).abs() <= by, "{name}: {found} is not {exact}");
        };
        close(&service["rate"], own.len() as f64 / seconds, 1e-9);
        close(&service["error_rate"], errors as f64 / own.len() as f64, 1e-9);
        let mut millis: Vec<u64> =
            own.iter().map(|span| (span.span.end_unix_nano - span.span.start_unix_nano) / MS).collect();
        millis.sort_unstable();
        for (key, q) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
            let rank = (q * millis.len() as f64).ceil() as usize;
            close(&service[key], millis[rank - 1] as f64, 0.046);
        }
    }
    assert_eq!(services[0]["yesterday"], Value::Null);
    assert!(services[1]["yesterday"]["count"].as_u64().is_some_and(|count| count > 200));
    let page = server.get("/services?sort=name").await;
    assert_eq!(page.all("#services tbody th"), ["ads", "cart"]);
    assert_eq!(page.all("td[data-label=Errors]"), ["50 %", "10 %"]);
    assert_eq!(page.all("td[data-label=p50]"), ["100 ms", "23.1 ms"]);
    assert_eq!(page.all("td.no-data"), ["no data", "no data", "no data"], "ads both times, cart last week");
    assert_eq!(page.attributes("#services tbody th a", "href"), ["/services/ads", "/services/cart"]);
}

#[tokio::test]
async fn what_is_wrong_comes_first_and_columns_sort() {
    let mut spans = Vec::new();
    for number in 0..60 {
        let before = number * 50_000 * MS;
        // `calm` fails as often as yesterday; `ill` fails more than yesterday, but less than `calm`.
        spans.push(request(number, "calm", before, 10, number % 3 == 0));
        spans.push(request(1_000 + number, "calm", DAY + before, 10, number % 3 == 0));
        spans.push(request(2_000 + number, "ill", before, 20, number % 5 == 0));
        spans.push(request(3_000 + number, "ill", DAY + before, 20, false));
        spans.push(request(4_000 + number, "well", before, 30, false));
        spans.push(request(5_000 + number, "well", DAY + before, 30, false));
        spans.push(request(6_000 + number, "gone", DAY + before, 30, false));
    }
    let server = Server::of(spans).await;
    let order = async |uri: &str| server.get(uri).await.all("#services tbody th");
    assert_eq!(order("/services").await, ["ill", "calm", "gone", "well"]);
    assert_eq!(order("/services?sort=errors").await, ["calm", "ill", "well", "gone"]);
    assert_eq!(order("/services?sort=p95").await, ["well", "ill", "calm", "gone"]);
    assert_eq!(order("/services?sort=-name").await, ["well", "ill", "gone", "calm"]);
    let page = server.get("/services?sort=errors").await;
    assert_eq!(page.attributes("thead [aria-sort]", "aria-sort"), ["descending"]);
    assert_eq!(page.attributes("thead [aria-sort] a", "href"), ["/services?sort=-errors"]);
    assert_eq!(page.all("td.warn"), ["silent"]);
    assert_eq!(page.all("tr:nth-child(2) td.bad[data-label='Since yesterday']"), ["+20"]);
    assert_eq!(order("/services?q=LL").await, ["ill", "well"].map(str::to_owned));
}

#[tokio::test]
async fn strange_names_are_shown_and_not_run() {
    let names = ["<script>alert(1)</script>", "a\u{202e}b", "../..", "a b/c", "", &"x".repeat(1_000_000)];
    let spans = names.iter().zip(0..).map(|(name, number)| request(number, name, MINUTE, 5, true)).collect();
    let server = Server::of(spans).await;
    for uri in ["/services", "/dependencies", "/system"] {
        let page = server.get(uri).await;
        assert_eq!(page.status, 200, "{uri}");
        let text = page.text();
        assert!(!text.contains("<script>alert") && text.len() < 200_000, "{uri}: {} bytes", text.len());
        assert!(!text.contains('\u{202e}'), "{uri}");
    }
    let page = server.get("/services?sort=name").await;
    assert!(page.all("th mark").contains(&"U+202E".to_owned()));
    let links = page.attributes("#services tbody th a", "href");
    assert_eq!(links.len(), names.len() - 1, "a name of a megabyte has no page");
    for link in links {
        let page = server.get(&link).await;
        assert_eq!((page.status.as_u16(), page.all(".charts figure").len()), (200, 3), "{link}");
        assert!(!page.text().contains("<script>alert"), "{link}");
    }
}

#[tokio::test]
async fn a_store_without_spans_says_how_to_send_some() {
    let server = Server::of(vec![]).await;
    for uri in ["/services", "/dependencies"] {
        let page = server.get(uri).await;
        assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (200, "Waiting for the first span"), "{uri}");
    }
    let old = Server::of(vec![request(1, "cart", 3 * DAY, 5, false)]).await;
    for uri in ["/services", "/services?q=cart", "/services/cart", "/dependencies"] {
        let page = old.get(uri).await;
        assert_eq!(page.status, 200, "{uri}");
        assert!(page.one(".nothing p").contains("in this time"), "{uri}");
    }
    assert_eq!(old.get("/services?lookback=7d").await.all("#services tbody th"), ["cart"]);
    assert_eq!(
        old.get("/services?from=2025-10-06T08:00&to=2025-10-06T09:00").await.all("#services tbody th"),
        ["cart"]
    );
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let server = Server::of(some()).await;
    let cases = [
        ("/services?lookback=soon", "is no time range"),
        ("/services?lookback=all", "choose one, or write from when"),
        ("/services?from=x", "is no date and time"),
        ("/services?to=2025-10-09T08:00", "write from when"),
        ("/services?from=2020-01-01T00:00", "more than 400 days"),
        ("/services?sort=x", "is no order"),
        ("/services/cart?lookback=soon", "is no time range"),
        ("/dependencies?depth=0", "is no number of steps"),
        ("/dependencies?colour=mauve", "colours nothing"),
        ("/dependencies?errors=2", "is neither 0 nor 1"),
        ("/system?lookback=soon", "is no time range"),
    ];
    for (uri, said) in cases {
        let page = server.get(uri).await;
        assert_eq!(page.status, 400, "{uri}");
        assert!(page.one("[role=alert]").contains(said), "{uri}: {}", page.one("[role=alert]"));
    }
}

#[tokio::test]
async fn every_page_leads_to_the_others() {
    let server = Server::of(some()).await;
    let pages = [("/search", "Search"), ("/services", "Services"), ("/dependencies", "Map"), ("/system", "System")];
    for (uri, label) in pages {
        let page = server.get(uri).await;
        assert_eq!(page.all("header [aria-current=page]"), [label], "{uri}");
        let links = page.attributes("header nav a", "href");
        assert!(pages.iter().all(|(uri, _)| links.contains(&(*uri).to_owned())), "{uri}");
    }
    assert_eq!(server.get("/services/cart").await.all("header [aria-current=true]"), ["Services"]);
    assert_eq!(server.get("/").await.headers["location"], "/services");
}

/// The same resource with another version.
pub(super) fn with_version(mut made: TraceSpan, version: &str) -> TraceSpan {
    let mut resource = (*made.resource).clone();
    resource.attributes.push(hoptrail_proto::model::Attribute::new("service.version", version));
    resource.attributes.push(hoptrail_proto::model::Attribute::new("host.name", format!("host-{version}")));
    made.resource = Arc::new(resource);
    made
}

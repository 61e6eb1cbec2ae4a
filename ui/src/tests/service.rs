//! The page of one service.

use hoptrail_proto::model::{Attribute, SpanId, SpanKind, TraceSpan};

use super::server::{MS, Server, span};
use super::services::{inner, request, with_version};

const MINUTE: u64 = 60_000 * MS;

/// A shop calls payment, and payment a mainframe and a database. In the last 20 minutes there is another version.
fn spans() -> Vec<TraceSpan> {
    let mut spans = Vec::new();
    for number in 0..50 {
        let before = (number + 1) * MINUTE;
        let shop = request(number, "shop", before, 60, false);
        let mut call = inner(&shop, 10_000 + number, "charge");
        call.span.kind = SpanKind::Client;
        let version = if before < 20 * MINUTE { "2.0" } else { "1.0" };
        let mut pay = with_version(request(number, "payment", before, 40 + number, number % 5 == 0), version);
        pay.span.span_id = SpanId((20_000 + number).to_be_bytes());
        pay.span.parent_span_id = Some(call.span.span_id);
        pay.span.name = "Charge".to_owned();
        let mut legacy = inner(&pay, 30_000 + number, "AUTHORIZE");
        legacy.span.kind = SpanKind::Client;
        legacy.span.attributes = vec![Attribute::new("peer.service", "mainframe")];
        let mut query = inner(&pay, 40_000 + number, "INSERT");
        query.span.kind = SpanKind::Client;
        query.span.attributes = vec![Attribute::new("db.system.name", "postgresql")];
        spans.extend([shop, call, pay, legacy, query]);
    }
    spans
}

#[tokio::test]
async fn a_service_shows_what_it_does_and_with_whom() {
    let page = Server::of(spans()).await.get("/services/payment").await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (200, "payment"));
    assert_eq!(page.all(".charts h2"), ["Rate", "Errors", "Durations"]);
    let names = page.all("[aria-labelledby=spans-title] tbody th");
    assert_eq!(names, ["Charge", "AUTHORIZE", "INSERT"], "entries first");
    assert_eq!(page.all("[aria-labelledby=spans-title] td[data-label=Spans]"), ["50", "50", "50"]);
    assert_eq!(page.all("[aria-labelledby=spans-title] td[data-label=Errors]"), ["20 %", "0 %", "0 %"]);
    assert_eq!(page.all("[aria-label='Called by'] tbody th"), ["shop"]);
    assert_eq!(page.all("[aria-label='Called by'] td[data-label=Errors]"), ["20 %"]);
    let called = page.all("section[aria-label=Calls] tbody th");
    assert_eq!(called, ["postgresql database", "mainframe external"]);
    assert_eq!(page.attributes("section[aria-label=Calls] th use", "href"), ["#i-database", "#i-service"]);
    assert_eq!(page.all("[aria-labelledby=versions-title] table:not(details table) tbody th"), ["2.0", "1.0"]);
    assert_eq!(page.all(".releases b"), ["2.0"]);
    assert_eq!(page.all("details.more-rows tbody th"), ["host-1.0", "host-2.0"]);
    assert_eq!(page.all(".charts figure:first-child .event text"), ["2.0"], "a marker where it came");
}

#[tokio::test]
async fn examples_lead_to_traces_and_links_to_searches() {
    let server = Server::of(spans()).await;
    let page = server.get("/services/payment?lookback=6h").await;
    let slowest = page.all("[aria-labelledby=examples-title] td[data-label=Duration]");
    assert_eq!(slowest.first().map(String::as_str), Some("89 ms"));
    let links = page.attributes("[aria-labelledby=examples-title] td a", "href");
    assert_eq!(links.len(), 16);
    assert!(!page.attributes(".charts .marks a", "href").is_empty());
    for link in links.iter().take(2).chain(&page.attributes(".charts .marks a", "href")) {
        assert_eq!(server.get(link).await.status, 200, "{link}");
    }
    for link in page.attributes(".ways a, [aria-labelledby=spans-title] th a, .charts .bands a", "href") {
        let found = server.get(&link).await;
        assert_eq!(found.status, 200, "{link}");
        assert!(link.contains("payment"), "{link}");
    }
    let ways = page.attributes(".summary .ways a", "href");
    assert_eq!(ways[0], "/search?service=payment&lookback=6h");
    assert_eq!(server.get(&ways[0]).await.all(".hit-name").len(), 20);
}

#[tokio::test]
async fn odd_services_say_what_is_odd() {
    let mut many: Vec<TraceSpan> = (0..1_200)
        .map(|number| {
            let mut made = request(number, "cart", MINUTE, 5, false);
            made.span.name = format!("GET /order/{number}");
            made
        })
        .collect();
    let mut alone = span(9, 99, 98, "batch", "step", (0, 5));
    alone.span.kind = SpanKind::Internal;
    many.push(alone);
    let server = Server::of(many).await;
    let cart = server.get("/services/cart").await;
    assert!(cart.one(".notice").contains("very many span names"), "{:?}", cart.all(".notice"));
    assert!(cart.all("[aria-labelledby=spans-title] tbody th").len() <= 200);
    let batch = server.get("/services/batch").await;
    assert!(batch.one(".notice").contains("all its spans count"), "{:?}", batch.all(".notice"));
    let nobody = server.get("/services/nobody").await;
    assert_eq!((nobody.status.as_u16(), nobody.all(".charts").len()), (200, 0));
}

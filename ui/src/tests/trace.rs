//! Looking at a trace.

use hoptrail_proto::model::{Attribute, SpanEvent, SpanId, SpanKind, SpanLink};
use hoptrail_proto::otlp::json;

use super::server::{MS, NOW, Server, order, span, trace_id};

async fn page(query: &str) -> super::server::Page {
    Server::of(order()).await.get(&format!("/trace/{}{query}", trace_id(1))).await
}

#[tokio::test]
async fn the_waterfall_shows_every_span_and_in_its_row_the_peer_that_sent_none() {
    let page = page("").await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (200, "frontend POST /order"));
    let facts = page.all(".trace-head dd");
    assert_eq!(facts[..2], ["100 ms", "2025-10-09 08:52:20.000 UTC 1 min ago"]);
    assert_eq!(page.all(".item .svc"), ["frontend", "payment", "payment", "payment"]);
    assert_eq!(page.attributes("[role=treegrid] [role=row]", "aria-level"), ["1", "2", "3", "3"]);
    assert_eq!(page.attributes("[role=row]", "aria-expanded"), ["true", "true"]);
    assert_eq!(page.all(".item .peer"), ["mainframe", "postgresql"]);
    assert_eq!(page.all(".item.inferred").len(), 0);
    assert_eq!(page.all(".item.bad-row .op"), ["charge <card>"]);
    assert_eq!(page.attributes(".item.to-error", "id"), ["s-0000000000000001"], "the way to the error");
    assert_eq!(page.all(".item:nth-child(1) .badge"), ["500"]);
    assert_eq!(page.attributes(".item .body", "x")[..2], ["0.00%", "10.00%"]);
    assert_eq!(page.attributes(".item .body", "width")[..2], ["100.00%", "80.00%"]);
    assert_eq!(page.attributes(".item:nth-child(1) .crit", "x"), ["0.00%", "90.00%"], "critical path of the root");
    assert_eq!(
        page.attributes(".item:nth-child(2) .own", "width"),
        ["10.00%", "2.00%", "11.00%"],
        "10 to 20, 70 to 72, 79 to 90"
    );
    assert_eq!(page.all(".item:nth-child(4) .own").len(), 0, "a leaf is its own work");
    assert_eq!(page.all(".event title"), ["exception at +70 ms"]);
    assert!(page.all(".axis .tick").contains(&"20 ms".to_owned()));
    assert!(!page.attributes(".map rect", "x").is_empty());
}

#[tokio::test]
async fn a_link_to_a_span_opens_its_detail() {
    let page = page("?span=0000000000000002").await;
    assert_eq!(page.one(".detail h2"), "payment charge <card>");
    assert!(page.one(".notice.error").ends_with("Error: card \"declined\""));
    assert_eq!(page.all(".events .pairs .value"), ["declined"]);
    assert_eq!(
        page.attributes(".detail .events a[href^='/trace/0202']", "href").len(),
        1,
        "the link to the other trace"
    );
    assert_eq!(page.one("#s-0000000000000002.selected .detail .facts dd:first-of-type:has(code)"), "0000000000000002");
}

#[tokio::test]
async fn attributes_lead_to_spans_that_share_them() {
    let page = page("?span=0000000000000001").await;
    let links = page.attributes(".pair-search a", "href");
    assert_eq!(links[0], "/search?q=%7B+span.http.response.status_code+%3D+500+%7D&lookback=24h");
    assert_eq!(page.all(".type"), ["int"]);
    let found = Server::of(order()).await.get(&links[0]).await;
    assert_eq!(found.all(".hit-name"), ["frontend POST /order"]);
    assert_eq!(
        page.attributes(".others", "href")[0],
        "/search?q=%7B+span.http.response.status_code+%21%3D+500+%7D&lookback=24h"
    );
}

#[tokio::test]
async fn attributes_of_an_old_trace_lead_to_its_time() {
    const DAY: u64 = 86_400_000 * MS;
    let mut spans = order();
    for span in &mut spans {
        span.span.start_unix_nano -= 40 * DAY;
        span.span.end_unix_nano -= 40 * DAY;
    }
    let server = Server::of(spans.clone()).await;
    let page = server.get(&format!("/trace/{}?span=0000000000000001", trace_id(1))).await;
    for link in page.attributes(".pair-search a:not(.others)", "href") {
        assert_eq!(server.get(&link).await.all(".hit-name"), ["frontend POST /order"], "{link}");
    }
    // A span whose clock is nowhere near is found all the same.
    spans[3].span.start_unix_nano = 0;
    spans[3].span.end_unix_nano = 5;
    let server = Server::of(spans).await;
    let page = server.get(&format!("/trace/{}?span=0000000000000004", trace_id(1))).await;
    let link = page.attributes(".pair-search a", "href").remove(0);
    assert_eq!(server.get(&link).await.all(".hit-name").len(), 1, "{link}");
}

#[tokio::test]
async fn peers_have_a_row_when_they_are_looked_at_and_say_why_they_are_there() {
    let server = Server::of(order()).await;
    let link = server.get(&format!("/trace/{}", trace_id(1))).await.attributes(".peer", "href").remove(0);
    let page = server.get(&link).await;
    assert_eq!(page.all(".item.inferred .svc"), ["mainframe"]);
    assert!(page.one(".detail .notice").contains("peer.service"), "{}", page.one(".detail .notice"));
}

#[tokio::test]
async fn rows_fold_and_unfold_by_links() {
    let server = Server::of(order()).await;
    let page = server.get(&format!("/trace/{}", trace_id(1))).await;
    let folds = page.attributes("a.fold", "href");
    let folded = server.get(&folds[1]).await;
    assert_eq!(folded.all(".item .svc"), ["frontend", "payment"]);
    assert_eq!(folded.all(".item:nth-child(2) .badge"), ["2"]);
    let unfolded = server.get(&folded.attributes("a.fold", "href")[1]).await;
    assert_eq!(unfolded.all(".item").len(), 4);
    let below = server.get(&format!("/trace/{}?root=0000000000000002", trace_id(1))).await;
    assert_eq!((below.all(".item").len(), below.all(".crumbs a").len()), (3, 2));
}

#[tokio::test]
async fn words_are_found_inside_of_the_trace() {
    let found = |query: &'static str| async move { page(query).await };
    assert_eq!(found("?find=mainframe").await.all(".matched .op"), ["AUTHORIZE"]);
    assert_eq!(found("?find=%3Ainferred").await.all(".matched .op"), ["AUTHORIZE", "INSERT"]);
    assert_eq!(found("?find=%3Aerror").await.all(".matched .op"), ["charge <card>"]);
    assert_eq!(found("?uiFind=insert").await.all(".matched .op"), ["INSERT"]);
    let none = found("?find=nowhere").await;
    assert_eq!((none.one(".found"), none.all(".matched").len()), ("No match".to_owned(), 0));
}

#[tokio::test]
async fn zoom_cuts_the_time_shown() {
    let page = page(&format!("?zoom={}-{}", 20 * MS, 70 * MS)).await;
    let widths = page.attributes(".item .body", "width");
    assert_eq!(widths[2], "100.00%", "20 to 70 ms");
    assert!(page.text().contains("outside · 7 ms"));
    assert_eq!(page.all(".lens").len(), 1);
}

#[tokio::test]
async fn clocks_that_disagree_are_told_and_corrected_on_request() {
    let mut spans = order();
    spans[0].span.kind = hoptrail_proto::model::SpanKind::Client;
    spans[1].span.kind = hoptrail_proto::model::SpanKind::Server;
    spans[1].span.start_unix_nano += 500 * MS + 1;
    spans[1].span.end_unix_nano += 500 * MS + 1;
    spans.truncate(2);
    let server = Server::of(spans).await;
    let page = server.get(&format!("/trace/{}", trace_id(1))).await;
    assert!(page.all(".finding").contains(&"clocks disagree".to_owned()));
    assert!(
        page.all(".findings li").iter().any(|text| text.contains("payment is about 500 ms ahead of that of frontend"))
    );
    let corrected = server.get(&page.attributes(".findings li a", "href")[0]).await;
    assert_eq!(corrected.all(".trace-head dd")[0], "100 ms");
}

#[tokio::test]
async fn a_trace_without_its_root_is_shown_and_marked() {
    let server = Server::of(vec![span(1, 5, 4, "a", "late", (0, 5))]).await;
    let page = server.get(&format!("/trace/{}", trace_id(1))).await;
    assert_eq!(page.all(".item .svc"), ["not received", "a"]);
    assert_eq!(page.all(".finding")[0], "1 span not received");
    assert!(page.all(".findings li")[0].contains("incomplete"));
    let found = server.get("/search").await;
    assert_eq!(found.all(".hit-name"), ["Root not received"]);
}

#[tokio::test]
async fn large_traces_are_folded_and_paged() {
    let mut spans = vec![span(1, 1, 0, "batch", "import", (0, 10_000))];
    spans.extend((2..=2_000).map(|number| span(1, number, 1, "batch", "row", (number, number + 1))));
    let server = Server::of(spans).await;
    let folded = server.get(&format!("/trace/{}", trace_id(1))).await;
    assert_eq!(folded.all(".item").len(), 2, "one row stands for all of them");
    assert!(folded.one(".group").contains("999 ×"), "{}", folded.one(".group"));
    let open = server.get(&folded.attributes(".group a.fold", "href")[0]).await;
    assert_eq!(open.all(".item:not(.rest)").len(), 22);
    let page = server.get(&format!("/trace/{}?each=1", trace_id(1))).await;
    assert_eq!(page.all(".item:not(.rest)").len(), 21);
    assert!(page.one(".item.rest").contains("979 more children"), "{}", page.one(".item.rest"));
    let more = server.get(&page.attributes(".rest a", "href")[0]).await;
    assert_eq!(more.all(".item:not(.rest)").len(), 221);
    let deep = server.get(&format!("/trace/{}?span=00000000000007d0", trace_id(1))).await;
    assert_eq!(deep.all(".item.selected").len(), 1, "the span asked for is on the page");
}

#[tokio::test]
async fn the_download_is_the_trace_as_otlp_json() {
    let page = page("/json").await;
    assert_eq!(page.headers["content-type"], "application/json");
    assert!(page.headers["content-disposition"].to_str().is_ok_and(|text| text.contains(&trace_id(1).to_string())));
    let read = json::read(&page.body, &hoptrail_proto::otlp::Limits::default()).expect("OTLP/JSON");
    let spans = hoptrail_proto::otlp::decode(&read.body).expect("protobuf");
    assert_eq!(spans.len(), 4);
    assert!(order().iter().all(|span| spans.contains(span)));
}

#[tokio::test]
async fn the_box_opens_a_trace() {
    let server = Server::of(order()).await;
    let page = server.get("/trace?id=%20ABC%20").await;
    assert_eq!(page.headers["location"], "/trace/00000000000000000000000000000abc");
}

#[tokio::test]
async fn list_and_page_agree_on_a_trace_with_times_that_cannot_be() {
    for (start, end) in [(0, 0), (0, 5), (u64::MAX, u64::MAX), (1_760_000_000, 1_760_000_001)] {
        let mut spans = order();
        spans[3].span.start_unix_nano = start;
        spans[3].span.end_unix_nano = end;
        let server = Server::of(spans).await;
        let (list, page) = (server.get("/search").await, server.get(&format!("/trace/{}", trace_id(1))).await);
        let facts = page.all(".trace-head dd");
        assert_eq!(list.all(".hit-took .dur"), facts[..1], "{start} {end}");
        assert_eq!(facts[..2], ["100 ms", "2025-10-09 08:52:20.000 UTC 1 min ago"], "{start} {end}");
        assert_eq!(list.all(".hit-when time"), ["08:52:20.000"], "{start} {end}");
    }
}

#[tokio::test]
async fn the_name_of_a_proxy_gives_way_to_what_was_asked() {
    let mut shop = span(1, 2, 1, "shop", "GET", (1, 99));
    shop.span.kind = SpanKind::Server;
    shop.span.attributes =
        vec![Attribute::new("http.request.method", "GET"), Attribute::new("http.route", "/cart/{id}")];
    let server = Server::of(vec![span(1, 1, 0, "gateway", "shop.svc:8080/*", (0, 100)), shop]).await;
    let page = server.get(&format!("/trace/{}", trace_id(1))).await;
    assert_eq!(page.one("h1"), "shop GET /cart/{id} via gateway");
    assert_eq!(page.one("head > title"), "shop: GET /cart/{id} · hoptrail");
    let found = server.get("/search?lookback=1h").await;
    assert_eq!(found.all(".hit-name"), ["shop GET /cart/{id} via gateway"], "as search says");
    assert_eq!(self::page("").await.one("h1"), "frontend POST /order", "a root that says something stays");
}

#[tokio::test]
async fn a_span_says_who_links_to_it() {
    let mut spans = order();
    let mut target = span(2, 5, 0, "cart", "fill", (0, 5));
    target.span.span_id = SpanId([2; 8]);
    let mut follower = span(2, 6, 5, "cart", "follow", (6, 9));
    follower.span.links = vec![SpanLink { trace_id: trace_id(2), span_id: SpanId([2; 8]), ..SpanLink::default() }];
    spans.extend([target, follower]);
    let server = Server::of(spans).await;
    let page = server.get(&format!("/trace/{}?span=0202020202020202", trace_id(2))).await;
    let lists = page.all(".detail .section:last-of-type li");
    assert_eq!(lists[0], "cart follow in this trace");
    assert!(lists[1].starts_with(&format!("payment charge <card> in trace {}, 2025-10-09", trace_id(1))), "{lists:?}");
    let links = page.attributes(".detail .section:last-of-type li a", "href");
    assert_eq!(links[1], format!("/trace/{}?span=0000000000000002#s-0000000000000002", trace_id(1)));
    let search = server.get(&page.attributes(".linked a", "href")[0]).await;
    assert_eq!(search.all(".hit-name").len(), 2, "both traces");
    assert_eq!(self::page("?span=0000000000000001").await.all(".detail summary").len(), 2, "nobody links to it");
}

#[tokio::test]
async fn events_stand_at_their_place_in_time() {
    let mut root = span(1, 1, 0, "shop", "order", (0, 100));
    let event = |ms: u64, name: &str| SpanEvent {
        time_unix_nano: NOW - 60_000 * MS + ms * MS,
        name: name.into(),
        ..SpanEvent::default()
    };
    root.span.events = vec![event(95, "last"), event(60, "between"), event(5, "first")];
    let mut child = span(1, 2, 1, "shop", "pay", (20, 50));
    child.span.events = vec![event(30, "of the child")];
    let others = (3..60).map(|ms| event(ms, "tick"));
    let mut noisy = span(1, 3, 1, "shop", "ship", (70, 90));
    noisy.span.events = others.collect();
    let server = Server::of(vec![root, child, noisy]).await;
    let page = server.get(&format!("/trace/{}?events=1", trace_id(1))).await;
    let rows: Vec<String> = page.all(".item .name").into_iter().filter(|row| !row.starts_with("tick")).collect();
    let begins = ["shop order", "first", "shop pay", "of the child", "between", "shop ship", "17 more events", "last"];
    assert!(
        rows.len() == begins.len() && rows.iter().zip(begins).all(|(row, begin)| row.starts_with(begin)),
        "{rows:?}"
    );
    assert_eq!(page.attributes(".event-row [role=row]", "aria-level")[..3], ["2", "3", "2"]);
    assert_eq!(page.all(".event-row .label")[..2], ["+5 ms", "+10 ms"]);
    let off = server.get(&page.attributes("[data-key=e]", "href")[0]).await;
    assert_eq!(off.all(".event-row").len(), 0);
}

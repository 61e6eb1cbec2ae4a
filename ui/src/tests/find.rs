//! Finding one trace among many: names, order, what all matches say, ids.

use hoptrail_proto::model::{Attribute, SpanKind, Status, StatusCode, TraceSpan};

use super::server::{MS, Server, order, shop, span, trace_id};

const HOUR: u64 = 3_600_000 * MS;

/// A request through a proxy, whose spans have no route.
fn proxied(trace: u8, route: &str, times: (u64, u64)) -> Vec<TraceSpan> {
    let mut root = span(trace, 1, 0, "gateway", "frontend.shop.svc:8080/*", times);
    root.span.kind = SpanKind::Server;
    let mut entry = span(trace, 2, 1, "frontend", &format!("GET {route}"), (times.0 + 1, times.1));
    entry.span.kind = SpanKind::Server;
    entry.span.attributes = vec![Attribute::new("http.route", route)];
    let mut later = span(trace, 3, 2, "cart", "GetCart", (times.0 + 2, times.1));
    later.span.kind = SpanKind::Server;
    later.span.attributes = vec![Attribute::new("rpc.method", "GetCart")];
    vec![later, entry, root]
}

/// Four traces: the newest is short; the longest has many spans; one has errors; the oldest has one span.
fn four() -> Vec<TraceSpan> {
    let mut spans = vec![span(1, 1, 0, "a", "newest", (40, 41))];
    spans.push(span(2, 1, 0, "a", "longest", (30, 90)));
    spans.extend((2..6).map(|number| span(2, number, 1, "b", "part", (31, 32))));
    for number in 1..3 {
        let mut failed = span(3, number, number - 1, "c", "failed", (20, 22 + number));
        failed.span.status = Status { code: StatusCode::Error, ..Status::default() };
        spans.push(failed);
    }
    spans.push(span(4, 1, 0, "a", "oldest", (10, 30)));
    spans
}

fn names(texts: &[String]) -> Vec<&str> {
    texts.iter().map(|text| text.split(' ').nth(1).unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_trace_through_a_proxy_has_the_name_of_what_was_asked() {
    let page =
        Server::of([proxied(2, "/products/{slug}", (0, 9)), proxied(3, "/cart", (20, 29)), order()].concat()).await;
    let page = page.get("/search").await;
    let found = page.all(".hit-name");
    let expected =
        ["frontend GET /cart via gateway", "frontend GET /products/{slug} via gateway", "frontend POST /order"];
    assert_eq!(found, expected);
    assert!(
        page.all(".points title").iter().any(|title| title.starts_with("GET /cart: 9 ms")),
        "{:?}",
        page.all(".points title")
    );
}

#[tokio::test]
async fn every_order_is_that_of_all_matches() {
    let server = Server::of(four()).await;
    for (sort, expected) in [
        ("", ["newest", "longest", "failed", "oldest"]),
        ("oldest", ["oldest", "failed", "longest", "newest"]),
        ("longest", ["longest", "oldest", "failed", "newest"]),
        ("spans", ["longest", "failed", "newest", "oldest"]),
        ("errors", ["failed", "newest", "longest", "oldest"]),
    ] {
        let whole = server.get(&format!("/search?sort={sort}")).await;
        assert_eq!(names(&whole.all(".hit-name")), expected, "{sort}");
        let (mut paged, mut next) = (Vec::new(), format!("/search?sort={sort}&limit=1"));
        while paged.len() < 5 {
            let page = server.get(&next).await;
            paged.extend(page.all(".hit-name"));
            let links = page.attributes(".paging a", "href");
            match links.into_iter().find(|link| link.contains("after=")) {
                Some(link) => next = link,
                None => break,
            }
        }
        assert_eq!(names(&paged), expected, "{sort}, page by page");
    }
    let wrong = server.get("/search?sort=best&rows=x&view=y&facet=}").await;
    assert_eq!((wrong.status.as_u16(), wrong.all(".field-error").len()), (400, 4));
    assert!(
        wrong.all(".field-error")[0].contains("oldest, longest, spans, errors"),
        "{}",
        wrong.all(".field-error")[0]
    );
}

#[tokio::test]
async fn rows_are_traces_or_spans_as_list_or_table() {
    let server = Server::of(four()).await;
    let spans = server.get("/search?rows=spans&sort=longest&limit=2").await;
    assert_eq!(names(&spans.all(".hit-name")), ["longest", "oldest"]);
    assert_eq!(spans.all(".sorts a"), ["Newest", "Longest"], "orders that spans have");
    let table = server.get("/search?view=table&q=%7B%7D%7Cselect(span.x)").await;
    assert_eq!(table.all("table.found tbody tr").len(), 4);
    assert_eq!(table.attributes("table.found tbody a", "href")[0], format!("/trace/{}", trace_id(1)));
    let compact = server.get("/search?view=compact").await;
    assert_eq!((compact.all(".compact .hit-name").len(), compact.all(".chip").len()), (4, 0));
    let own = server.get("/search?q=%7B%7D%7Csort(duration)").await;
    assert_eq!((own.all(".sorts").len(), own.all(".hit-name").len()), (0, 4), "the query has its own order");
}

#[tokio::test]
async fn a_quiet_hour_opens_on_a_time_that_has_traces() {
    let at = |hours: u64| {
        let mut spans = shop();
        for span in &mut spans {
            span.span.start_unix_nano -= hours * HOUR;
            span.span.end_unix_nano -= hours * HOUR;
        }
        spans
    };
    for (hours, lookback, shows) in
        [(5, "6h", "the last 6 hours"), (30, "2d", "the last 2 days"), (300, "custom", "the hour before it")]
    {
        let server = Server::of(at(hours)).await;
        let page = server.get("/search").await;
        assert_eq!(page.all(".hit-name").len(), 2, "{hours}");
        assert_eq!(page.attributes("#lookback option[selected]", "value"), [lookback]);
        let notice = page.one(".results .notice");
        assert!(notice.contains("Nothing matches in the last hour") && notice.contains(shows), "{notice}");
        assert!(server.get("/search?lookback=1h").await.all(".hit-name").is_empty(), "somebody chose the hour");
        assert!(server.get("/search?service=none").await.all(".hit-name").is_empty());
    }
}

#[tokio::test]
async fn days_stand_once() {
    let page = Server::of(shop()).await.get("/search").await;
    assert!(page.one(".hit-head").contains("(9 Oct 2025, UTC)"), "{}", page.one(".hit-head"));
    assert_eq!(
        (page.all(".hit-when time"), page.all(".hit-day").len()),
        (vec!["08:52:20.000".into(), "08:47:20.000".into()], 0)
    );
    let mut spans = shop();
    spans[4].span.start_unix_nano -= 24 * HOUR;
    spans[4].span.end_unix_nano -= 24 * HOUR;
    let server = Server::of(spans).await;
    assert_eq!(server.get("/search?lookback=2d").await.all(".hit-day"), ["9 Oct 2025", "8 Oct 2025"]);
    let longest = server.get("/search?lookback=2d&sort=longest").await;
    assert_eq!(
        (longest.all(".hit-when time")[1].as_str(), longest.all(".hit-day").len()),
        ("8 Oct 2025 08:47:20.000", 0)
    );
}

#[tokio::test]
async fn all_matches_are_counted_by_what_they_say() {
    let server = Server::of(shop()).await;
    let page = server.get("/search?limit=1&overview=1").await;
    assert_eq!(page.one(".facets h2"), "5 spans", "not only those of the page");
    let values: Vec<(String, String)> = page
        .all(".facet:first-of-type .facet-value")
        .into_iter()
        .zip(page.all(".facet:first-of-type .facet-count"))
        .collect();
    let expected = [("payment", "3"), ("catalog", "1"), ("frontend", "1")]
        .map(|(name, count)| (name.to_owned(), count.to_owned()));
    assert_eq!(values, expected);
    let only = &page.attributes(".facet:first-of-type a.facet-value", "href")[1];
    assert_eq!(server.get(only).await.all(".hit-name"), ["catalog GET /items"]);
    let without = &page.attributes(".facet:first-of-type .facet-not", "href")[1];
    assert_eq!(
        server.get(&without.replace("limit=1", "limit=20&overview=1")).await.one(".facets h2"),
        "4 spans",
        "{without}"
    );
    let own = server.get("/search?facet=span.peer.service&overview=1").await;
    assert!(own.all(".facet h3").contains(&"span.peer.service".to_owned()));
    assert!(own.all(".facet-value").contains(&"mainframe".to_owned()));
    assert_eq!(own.attributes("#facet", "value"), ["span.peer.service"]);
}

#[tokio::test]
async fn what_a_query_lists_does_not_matter_to_what_is_counted() {
    let server = Server::of(shop()).await;
    for stages in ["select(span.peer.service)", "sort(duration)", "select(name)%7Cspans"] {
        let page = server.get(&format!("/search?limit=1&overview=1&q=%7B%7D%7C{}", stages.replace(' ', "+"))).await;
        assert_eq!(page.one(".facets h2"), "5 spans", "{stages}");
    }
}

#[tokio::test]
async fn any_value_of_a_row_narrows_the_search() {
    let server = Server::of(shop()).await;
    let asked = "q=%7B+span.peer.service+!%3D+nil+%7D+%7C+select(span.peer.service)&overview=1";
    for view in ["rows=spans", "rows=spans&view=table"] {
        let page = server.get(&format!("/search?{view}&{asked}")).await;
        let cell = if view.contains("table") { ".found td a" } else { ".pairs-in-line a" };
        let links = page.attributes(cell, "href");
        assert_eq!(page.all(cell)[..2], ["mainframe", "−"], "{view}");
        let count = async |link: &str| server.get(link).await.all("[href*='span=']").len();
        assert_eq!((count(&links[0]).await > 0, count(&links[1]).await), (true, 0), "{links:?}");
    }
}

#[tokio::test]
async fn a_part_of_a_name_finds_the_names_that_have_it() {
    let server = Server::of(shop()).await;
    let page = server.get("/search?name=ITEMS").await;
    assert_eq!(page.all(".nothing ul:last-of-type a"), ["GET /items"]);
    let found = page.attributes(".nothing ul:last-of-type a", "href").remove(0);
    assert_eq!(server.get(&found).await.all(".hit-name").len(), 1, "{found}");
    assert_eq!(server.get("/search?name=nothing+like+it").await.all(".nothing ul").len(), 1);
    let offered = async |asked: &str| {
        let answer = server.get(&format!("/search/complete?{asked}")).await;
        let names: Vec<(String, String)> = serde_json::from_str(&answer.text()).expect("names");
        names.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(offered("of=name&name=item").await, ["GET /items"]);
    assert_eq!(offered("of=name&name=item&service=frontend").await, Vec::<String>::new());
    assert_eq!(offered("of=name&name=.*").await, Vec::<String>::new(), "a text and no pattern");
    assert_eq!(offered("of=service&service=FRONT").await, ["frontend"]);
}

#[tokio::test]
async fn the_heatmap_has_all_matches_and_leads_to_them() {
    let server = Server::of(shop()).await;
    let page = server.get("/search?limit=1&overview=1").await;
    assert!(page.all(".points a").is_empty(), "a page of many is no picture of all");
    let cells = page.attributes(".heat a", "href");
    let titles = page.all(".heat a title");
    let counts = titles
        .iter()
        .map(|title| title.split(' ').next().and_then(|count| count.parse::<usize>().ok()).expect("count"));
    assert_eq!((counts.clone().sum::<usize>(), cells.len()), (5, titles.len()));
    for (href, count) in cells.iter().zip(counts) {
        let found = server.get(&format!("{href}&rows=spans").replace("limit=1", "limit=20")).await;
        assert_eq!(found.all(".hit-name").len(), count, "{href}");
    }
    let area = page.attributes("[data-brush]", "data-brush");
    assert!(area[0].starts_with("/search?") && !area[0].contains("lookback"), "{area:?}");
    assert_eq!(
        server.get("/search?lookback=all&limit=1&overview=1").await.all(".heat").len(),
        0,
        "all time has no beginning"
    );
}

#[tokio::test]
async fn the_box_knows_ids_in_every_form() {
    let mut spans = shop();
    spans[0].span.trace_id.0[15] = 9;
    let server = Server::of(spans).await;
    let to = async |text: &str| {
        let text: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = server.get(&format!("/trace?id={text}")).await;
        (page.status.as_u16(), page.headers.get("location").map(|to| to.to_str().expect("text").to_owned()))
    };
    let id = trace_id(2).to_string();
    for (text, query) in [
        (id.clone(), ""),
        (id[..8].to_owned(), ""),
        (format!("00-{id}-0000000000000009-01"), "?span=0000000000000009"),
        ("0000000000000009".to_owned(), "?span=0000000000000009"),
        ("AgICAgICAgICAgICAgICAg==".to_owned(), ""),
        (format!("level=info trace_id={id} msg=x"), ""),
        (format!("http://127.0.0.1:16686/trace/{id}?x=y"), ""),
    ] {
        assert_eq!(to(&text).await, (303, Some(format!("/trace/{id}{query}"))), "{text}");
    }
    let (_, clash) = to("01010101").await;
    let list = server.get(&clash.expect("a list")).await;
    assert_eq!(list.all(".hit-name").len(), 2, "both traces that begin so");
    assert_eq!(to("77777777").await.1.as_deref(), Some("/trace/00000000000000000000000077777777"));
    assert_eq!(to("no id here").await.0, 400);
    let typed = server.get(&format!("/search?q=00-{id}-0000000000000009-01")).await;
    assert_eq!(typed.headers["location"], format!("/trace/{id}"));
}

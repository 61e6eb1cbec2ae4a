//! Finding traces.

use axum::body::Body;
use axum::http::Request;
use hoptrail_proto::model::Attribute;

use crate::Notices;

use super::server::{NOTICE, Server, order, shop, span, trace_id};

#[tokio::test]
async fn recent_traces_are_listed_newest_first() {
    let page = Server::of(shop()).await.get("/search").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.one(".results-head h2"), "All 2 traces");
    assert_eq!(page.all(".hit-name"), ["frontend POST /order", "catalog GET /items"]);
    assert_eq!(page.attributes(".hit-name", "href")[0], format!("/trace/{}", trace_id(1)));
    assert_eq!(page.all(".hit-took .dur"), ["100 ms", "5 ms"]);
    assert_eq!(page.all(".hit-errors"), ["1 error"]);
    assert_eq!(page.all(".hit-when time")[0], "08:52:20.000");
    assert!(page.all(".hit-when .muted")[0].starts_with("1 min ago"));
    assert_eq!(page.all(".chip")[0], "payment 3 1 error");
    assert_eq!(page.attributes(".points a", "href").len(), 2, "a point for each");
    assert_eq!(page.all(".points .dot.bad").len(), 1);
    assert_eq!(
        page.all("#service option"),
        ["All services", "catalog (1 span)", "frontend (1 span)", "payment (3 spans)"]
    );
}

#[tokio::test]
async fn every_field_narrows_the_search() {
    let server = Server::of(shop()).await;
    let order: &[&str] = &["frontend POST /order"];
    let both: &[&str] = &["frontend POST /order", "catalog GET /items"];
    let none: &[&str] = &[];
    let cases = [
        ("service=payment", order),
        ("service=payment&name=AUTHORIZE", order),
        ("service=frontend&name=AUTHORIZE", none),
        ("operation=GET+/items", &["catalog GET /items"][..]),
        ("status=error", order),
        ("kind=client", order),
        ("minDuration=50ms", order),
        ("maxDuration=10ms", both),
        ("q=http.response.status_code%3D500", order),
        ("q=peer.service%3Dmainframe", order),
        ("q=%7B+duration+%3E+90ms+%7D", order),
        ("tags=%7B%22http.route%22%3A%22/order%22%7D", order),
        ("lookback=2m", order),
        ("lookback=15s", none),
        ("lookback=all", both),
        ("from=2025-10-09T08:47:00&to=2025-10-09T08:48", &["catalog GET /items"]),
        ("limit=1", order),
        ("sort=longest", both),
    ];
    for (query, expected) in cases {
        let page = server.get(&format!("/search?{query}")).await;
        assert_eq!(
            (page.status.as_u16(), page.all(".hit-name").as_slice()),
            (200, &expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_form_keeps_what_was_typed_and_offers_the_services_span_names() {
    let page = Server::of(shop()).await.get("/search?service=payment&q=a%3D%22b%22&minDuration=1ms&lookback=3h").await;
    assert_eq!(page.attributes("#service option[selected]", "value"), ["payment"]);
    assert_eq!(page.one("#q"), "a=\"b\"");
    assert_eq!(page.attributes("#min", "value"), ["1ms"]);
    assert_eq!(page.all("#lookback option[selected]"), ["3h"]);
    assert_eq!(page.attributes("#names option", "value"), ["AUTHORIZE", "INSERT", "charge <card>"]);
    assert_eq!(
        page.one(".as-query code"),
        r#"{ resource.service.name = "payment" && duration >= 1000000ns && .a = "b" }"#
    );
}

/// A value in a query string.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn every_name_that_is_offered_is_found() {
    let names = ["all", "a ", "tab\there", "cr\rhere", "\"quoted\"", "turned\u{202e}", "plain"];
    let spans = (1..).zip(names).map(|(number, name)| span(number, 1, 0, name, name, (0, 5))).collect();
    let server = Server::of(spans).await;
    let page = server.get("/search").await;
    let services = page.attributes("#service option", "value");
    assert_eq!((services.len(), page.attributes("#names option", "value").len()), (names.len() + 1, names.len()));
    for service in &services[1..] {
        let found = server.get(&format!("/search?service={}", escaped(service))).await;
        assert_eq!(found.all(".hit-name").len(), 1, "{service}");
        assert_eq!(found.attributes("#service option[selected]", "value"), [service.as_str()]);
        let name = found.attributes("#names option", "value").remove(0);
        let found = server.get(&format!("/search?name={}", escaped(&name))).await;
        assert_eq!((found.all(".hit-name").len(), found.attributes("#name", "value")), (1, vec![name]));
    }
}

#[tokio::test]
async fn values_that_pages_show_are_found_by_pairs() {
    let mut spans = order();
    spans[0].span.attributes.extend([
        Attribute::new("path", "App\\Jobs\\X"),
        Attribute::new("text", "a\tb\r"),
        Attribute::new("id", 1_234_567_890_123_456_789_i64),
        Attribute::new("small", 5e-7),
        Attribute::new("my key", "x"),
        Attribute::new("span.n", 7),
    ]);
    let server = Server::of(spans).await;
    for (pairs, found) in [
        (r#"path="App\Jobs\X""#, 1),
        (r"path=App\Jobs\X", 1),
        (r#"text="a\tb\r""#, 1),
        ("id=1234567890123456789", 1),
        ("id!=1234567890123456789", 0),
        ("id!=7", 1),
        ("none!=7", 0),
        ("path!=x", 1),
        ("small=5e-07", 1),
        (r#""my key"=x"#, 1),
        (r#"span."my key"=x"#, 1),
        (r#"resource."my key"=x"#, 0),
        (r#""span.n"=7"#, 1),
        ("span.span.n=7", 1),
        ("span.n=7", 0),
        ("resource.service.name=frontend", 1),
        ("span.kind=server", 1),
    ] {
        let page = server.get(&format!("/search?q={}", escaped(pairs))).await;
        assert_eq!((page.status.as_u16(), page.all(".hit-name").len()), (200, found), "{pairs}");
        assert_eq!(page.one("#q"), pairs, "the box keeps it");
    }
    let page = server.get(&format!("/search?q={}", escaped("id>=7"))).await;
    assert_eq!(page.status, 400);
    assert!(page.one("#q-error").contains("TraceQL"));
    for tag in ["path%3AApp%5CJobs%5CX", "id%3A1234567890123456789", "span.kind%3Aserver"] {
        assert_eq!(server.get(&format!("/search?tag={tag}")).await.all(".hit-name").len(), 1, "{tag}");
    }
}

#[tokio::test]
async fn the_form_shows_times_that_read_back() {
    let server = Server::of(shop()).await;
    let from = escaped("2026-10-25T02:30:00+01:00");
    let request = Request::get(format!("/search?from={from}&to=2026-10-25T05:00"));
    let request = request.header("cookie", "tz=Europe/Berlin").body(Body::empty()).expect("request");
    let page = server.ask(request).await;
    assert_eq!(page.attributes("#from", "value"), ["2026-10-25T02:30:00+01:00"]);
    assert_eq!(
        page.attributes("#from", "type"),
        ["text"],
        "the browser's own input cannot say which of two hours it is"
    );
    assert_eq!(
        (page.attributes("#to", "value"), page.attributes("#to", "type")),
        (vec!["2026-10-25T05:00:00".into()], vec!["datetime-local".into()])
    );
    assert!(page.attributes(".orders a", "href").is_empty() && page.one(".custom summary").contains("Europe/Berlin"));
    let narrow =
        server.get(&format!("/search?from={}&to=2025-10-09T10:53:20Z", escaped("2025-10-09T10:52:00+02:00"))).await;
    assert_eq!(narrow.all(".hit-name"), ["frontend POST /order"]);
    assert!(narrow.attributes(".orders a", "href")[1].contains("from=2025-10-09T08:52:00%2B00:00"));
}

#[tokio::test]
async fn a_limit_that_all_traces_fit_in_cuts_nothing() {
    let spans = |count: u8| (1..=count).map(|number| span(number, 1, 0, "a", "b", (0, 5))).collect();
    for (traces, heading, more) in [(20, "All 20 traces", false), (21, "The newest 20 traces", true)] {
        let page = Server::of(spans(traces)).await.get("/search").await;
        assert_eq!((page.one(".results-head h2").as_str(), page.all(".hit-name").len()), (heading, 20));
        let pages = page.all(".paging a");
        assert_eq!(pages, if more { vec!["Next page".to_owned()] } else { vec![] }, "{traces}");
    }
}

#[tokio::test]
async fn a_cut_list_of_names_says_so_and_takes_others() {
    let spans =
        |count| (1..=count).map(|at| span(1, at, 0, &format!("s{at:04}"), &format!("n{at:04}"), (0, 5))).collect();
    let page = Server::of(spans(1_000)).await.get("/search").await;
    assert_eq!((page.all("select#service").len(), page.all("#service-help, #name-help").len()), (1, 0));
    let server = Server::of(spans(1_001)).await;
    let page = server.get("/search?service=s1001").await;
    assert_eq!(page.attributes("input#service", "value"), ["s1001"]);
    assert_eq!(page.attributes("#services option", "value").len(), 1_001, "with the chosen one");
    assert!(page.one("#service-help").contains("1 000 of 1 001 services are listed"));
    assert_eq!(page.all(".hit-name").len(), 1);
    assert!(server.get("/search").await.one("#name-help").contains("1 000 of 1 001"));
}

#[tokio::test]
async fn nothing_found_offers_wider_searches() {
    let page = Server::of(shop()).await.get("/search?service=catalog&lookback=1m").await;
    assert_eq!(page.one(".results-head h2"), "No traces found");
    assert_eq!(page.attributes(".nothing a", "href")[0], "/search?service=catalog&lookback=24h&limit=20");
}

#[tokio::test]
async fn a_wrong_query_is_shown_with_a_caret_and_is_not_run() {
    let page = Server::of(shop()).await.get("/search?q=%7B+.a+%3D+%7D&limit=x").await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("{ .a = }\n<b>       ^</b>"), "{}", page.one("#q-error pre"));
    assert_eq!(page.all(".field-error").len(), 2);
    assert!(page.all(".hit").is_empty());
    assert_eq!(page.one("#q"), "{ .a = }");
}

#[tokio::test]
async fn a_trace_id_in_the_query_opens_the_trace() {
    let page = Server::of(order()).await.get(&format!("/search?q={}", trace_id(1))).await;
    assert_eq!(
        (page.status.as_u16(), page.headers["location"].to_str().ok()),
        (303, Some(&*format!("/trace/{}", trace_id(1))))
    );
}

#[tokio::test]
async fn an_empty_store_tells_how_to_send_the_first_span() {
    let page = Server::of(vec![]).await.get("/search").await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (200, "Waiting for the first span"));
    assert_eq!(page.all(".notice"), [NOTICE]);
    let text = page.text();
    for word in ["OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "exporters:", "hoptrail demo", "3200"] {
        assert!(text.contains(word), "{word}");
    }
    let help = Server::of(order()).await.get("/help").await;
    assert_eq!((help.status.as_u16(), help.attributes("body", "data-refresh").len()), (200, 0));
}

#[tokio::test]
async fn pages_say_that_spans_are_refused_and_why() {
    let notices = Notices {
        refused: Some("the disk is full".to_owned()),
        warnings: vec!["the volume is small".to_owned()],
        notices: vec!["logs arrived".to_owned()],
    };
    let config = hoptrail_query::Config::default;
    let empty = Server::with_notices(notices.clone(), config(), vec![]).await.get("/search").await;
    assert_eq!(empty.one("h1"), "Spans are refused");
    assert!(!empty.text().contains("Waiting for"), "{}", empty.text());
    let filled = Server::with_notices(notices.clone(), config(), order()).await;
    for page in [empty, filled.get("/help").await] {
        let notices = page.all(".notice");
        let parts = ["refused: the disk is full. Senders", "the volume is small.", "logs arrived"];
        assert_eq!(notices.len(), 3, "{notices:?}");
        notices.iter().zip(parts).for_each(|(notice, part)| assert!(notice.contains(part), "{notice}"));
    }
    assert_eq!(filled.get("/search").await.all(".notice"), ["New spans are refused: the disk is full."]);
    // A disk that is only small takes spans.
    let small = Server::with_notices(Notices { refused: None, ..notices }, config(), vec![]).await.get("/search").await;
    assert_eq!((small.one("h1").as_str(), small.all(".notice").len()), ("Waiting for the first span", 2));
}

//! Whatever is asked, the answer is a page that helps, and never a fault of ours.

use axum::body::Body;
use axum::http::{Method, Request};

use hoptrail_proto::model::Attribute;
use hoptrail_query::is_invisible;

use super::server::{Server, order, shop, span, trace_id};

#[tokio::test]
async fn errors_have_their_status_and_say_what_to_do() {
    let server = Server::of(shop()).await;
    let unknown = "f".repeat(32);
    let cases = [
        (format!("/trace/{unknown}"), 404, "Trace not found"),
        (format!("/trace/{unknown}/json"), 404, "Trace not found"),
        ("/trace/xyz".to_owned(), 400, "Not a trace ID"),
        ("/trace/0".to_owned(), 400, "Not a trace ID"),
        ("/trace?id=".to_owned(), 400, "Not a trace ID"),
        ("/trace".to_owned(), 400, "Not a trace ID"),
        (format!("/trace/{}", "1".repeat(33)), 400, "Not a trace ID"),
        ("/trace/%ff%fe".to_owned(), 400, "The request cannot be understood"),
        (format!("/trace/{}...{unknown}", trace_id(1)), 404, "Trace not found"),
        (format!("/trace/{}...x", trace_id(1)), 400, "Not a trace ID"),
        (format!("/trace/{}...{}?fold=x", trace_id(1), trace_id(2)), 400, "The request cannot be understood"),
        (format!("/trace/{}...{}/json", trace_id(1), trace_id(2)), 400, "Not a trace ID"),
        ("/compare?a=1".to_owned(), 400, "Not a trace ID"),
        ("/why?format=xml".to_owned(), 400, "The request cannot be understood"),
        ("/why?format=json&q=%7B".to_owned(), 400, "The request cannot be understood"),
        ("/exceptions?format=json&sort=x".to_owned(), 400, "The request cannot be understood"),
        ("/nowhere".to_owned(), 404, "No such page"),
        ("/assets/x/nothing.js".to_owned(), 404, "No such page"),
        ("/services?format=xml".to_owned(), 400, "The request cannot be understood"),
        ("/services?format=json&sort=x".to_owned(), 400, "The request cannot be understood"),
        ("/services/%ff".to_owned(), 400, "The request cannot be understood"),
        ("/services/a/b".to_owned(), 404, "No such page"),
        ("/dependencies?format=xml".to_owned(), 400, "The request cannot be understood"),
        ("/dependencies?format=json&depth=x".to_owned(), 400, "The request cannot be understood"),
    ];
    for (uri, status, title) in cases {
        let page = server.get(&uri).await;
        assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (status, title), "{uri}");
        assert!(!page.all(".error-page li").is_empty(), "{uri}: advice");
    }
    let post = Request::builder().method(Method::POST).uri("/search").body(Body::empty()).expect("request");
    let page = server.ask(post).await;
    assert_eq!((page.status.as_u16(), page.headers["allow"].to_str().ok()), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn no_input_causes_a_fault() {
    let server = Server::of(shop()).await;
    let trace = format!("/trace/{}", trace_id(1));
    let compare = format!("{trace}...{}", trace_id(2));
    let names = [
        "service",
        "name",
        "operation",
        "q",
        "tags",
        "tag",
        "status",
        "kind",
        "minDuration",
        "maxDuration",
        "lookback",
        "from",
        "to",
        "start",
        "end",
        "limit",
        "sort",
        "plot",
        "step",
        "after",
        "explain",
        "root",
        "span",
        "find",
        "uiFind",
        "clocks",
        "view",
        "min",
        "hide",
        "only",
        "by",
        "page",
        "columns",
        "frame",
        "key",
        "level",
        "open",
        "shut",
        "at",
        "zoom",
        "id",
        "depth",
        "colour",
        "errors",
        "format",
        "set",
        "rest",
        "fold",
        "only",
    ];
    let long = "%C3%A9".repeat(3_000);
    let values = [
        "",
        "%00",
        "%ff%fe",
        "-1",
        "0",
        "99999999999999999999999",
        "%7B",
        "%7B%7D|rate()",
        "%7B%7D|compare(%7B%7D)",
        "%7B%7B%7B",
        "%22",
        "a%3D%22",
        "=",
        "..",
        "1-2",
        "2-1",
        "0-18446744073709551615",
        "%3Cscript%3E",
        "NaN",
        "1e999",
        "%F0%9F%98%80",
        "18446744073709551615",
        "9999-12-31T23:59",
        "292y",
        "0000000000000001:0-0",
        ":0-18446744073709551615",
        ":18446744073709551615-1",
        "~",
        "1~2~peer",
        &long,
    ];
    for path in [
        "/search",
        "/search/complete",
        "/search/csv",
        "/search/json",
        "/trace",
        trace.as_str(),
        &format!("{trace}/json"),
        &format!("{trace}/html"),
        &format!("{trace}/value"),
        "/help",
        "/services",
        "/services/payment",
        "/dependencies",
        "/system",
        "/why",
        "/exceptions",
        "/aggregate",
        &compare,
        "/nowhere",
    ] {
        for name in names {
            for value in values {
                let page = server.get(&format!("{path}?{name}={value}")).await;
                assert!(page.status.as_u16() < 500, "{path}?{name}={value}: {}", page.status);
                assert!(!page.text().contains("<script>"), "{path}?{name}={value}");
            }
        }
    }
}

#[tokio::test]
async fn what_senders_write_is_shown_and_never_runs() {
    let hostile = "</textarea></title><script>alert(1)</script>\"'>&\u{202e}\u{0}";
    let mut spans = order();
    for span in &mut spans {
        span.span.name = hostile.to_owned();
        span.span.status.message = hostile.to_owned();
        span.span.trace_state = hostile.to_owned();
        span.span.attributes.push(hoptrail_proto::model::Attribute::new(hostile, hostile));
        span.span.events.iter_mut().for_each(|event| event.name = hostile.to_owned());
        let mut resource = (*span.resource).clone();
        resource.attributes[0].value = hostile.into();
        span.resource = resource.into();
    }
    let server = Server::of(spans).await;
    for uri in ["/search", "/search?lookback=all&service=x", &format!("/trace/{}?span=2", trace_id(1))] {
        let page = server.get(uri).await;
        assert_eq!(page.status, 200);
        assert!(!page.text().contains("<script>alert"), "{uri}");
        assert_eq!(page.all("script").len(), 1, "{uri}");
    }
}

#[tokio::test]
async fn what_turns_text_round_or_hides_is_seen_and_kept_apart() {
    let hostile = "a\u{202e}b\u{2066}c\u{200b}d\u{ad}e\u{feff}f\u{1}g\u{85}h";
    let mut spans = order();
    for span in &mut spans {
        span.span.name = hostile.to_owned();
        span.span.status.message = hostile.to_owned();
        span.span.trace_state = hostile.to_owned();
        span.span.attributes.push(Attribute::new(hostile, format!("{hostile}\n\tline")));
        span.span.events.iter_mut().for_each(|event| event.name = hostile.to_owned());
        let mut resource = (*span.resource).clone();
        resource.attributes[0].value = hostile.into();
        span.resource = resource.into();
    }
    spans.push(span(2, 1, 0, "plain", "other", (0, 5)));
    let server = Server::of(spans).await;
    let trace = format!("/trace/{}", trace_id(1));
    for uri in
        ["/search", "/search?q=%7B%E2%80%AE", &trace, &format!("{trace}?span=2"), &format!("{trace}?root=3&find=a")]
    {
        let page = server.get(uri).await;
        let text = page.text();
        let seen = |c: &char| matches!(c, '\n' | '\t' | '\u{202f}') || !is_invisible(*c);
        let box_of_query = page.all("#q").concat();
        let hidden: String = text.chars().filter(|c| !seen(c) && !box_of_query.contains(*c)).collect();
        assert_eq!(hidden, "", "{uri}: {hidden:?}");
    }
    let page = server.get(&format!("{trace}?span=2")).await;
    let shown = "aU+202EbU+2066cU+200BdU+00ADeU+FEFFfU+0001gU+0085h";
    assert_eq!(page.all("h1 bdi"), [shown, shown]);
    assert_eq!(page.all(".item.selected .svc bdi, .item.selected .op bdi, .detail h2 bdi"), [shown; 4]);
    assert_eq!(page.all(".detail .pairs th bdi")[0], shown);
    assert_eq!(page.all(".detail .pairs .value bdi")[0], format!("{shown} line"));
    let plain = "a[U+202E]b[U+2066]c[U+200B]d[U+00AD]e[U+FEFF]f[U+0001]g[U+0085]h";
    assert!(page.one("head > title").starts_with(&format!("{plain}: {plain}")));
    assert_eq!(page.all(".event title"), [format!("{plain} at +70 ms")]);
    let list = server.get("/search").await;
    assert!(list.all(".points title").iter().any(|title| title.starts_with(&format!("{plain}: 100 ms"))));
    assert!(list.all(".chip bdi").contains(&shown.to_owned()));
    // Links have what was sent.
    let link = page.attributes(".pair-search a", "href").remove(0);
    assert_eq!(server.get(&link).await.all(".hit-name").len(), 1, "{link}");
}

#[tokio::test]
async fn a_full_server_asks_to_retry() {
    let config = hoptrail_query::Config { concurrency: 0, waiting: 0, ..hoptrail_query::Config::default() };
    let page = Server::with(config, order()).await.get("/search").await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (429, "Too busy right now"));
    assert_eq!(page.headers["retry-after"], "5");
}

#[tokio::test]
async fn a_query_out_of_time_says_so() {
    let config = hoptrail_query::Config { timeout: std::time::Duration::ZERO, ..hoptrail_query::Config::default() };
    let page = Server::with(config, order()).await.get("/search").await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (504, "The query took too long"));
}

#[tokio::test]
async fn with_tenants_the_header_is_required_and_separates() {
    let config =
        hoptrail_query::Config { tenancy: hoptrail_proto::model::Tenancy::Multi, ..hoptrail_query::Config::default() };
    let server = Server::with(config, order()).await;
    let trace = format!("/trace/{}", trace_id(1));
    let as_tenant =
        |name: &str| Request::get(&trace).header("X-Scope-OrgID", name).body(Body::empty()).expect("request");
    assert_eq!(server.get(&trace).await.status, 401);
    assert_eq!(server.ask(as_tenant("a/b")).await.status, 400);
    assert_eq!(server.ask(as_tenant("other")).await.status, 404);
    assert_eq!(server.ask(as_tenant("single-tenant")).await.status, 200);
}

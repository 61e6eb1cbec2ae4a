//! What is kept for readers: their zone, their last searches, named searches; and what arrives while they watch.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;

use super::server::{Page, Server, order, shop, span};
use crate::{Sources, Stored, System};

async fn with_cookie(server: &Server, uri: &str, cookie: &str) -> Page {
    server.ask(Request::get(uri).header("cookie", cookie).body(Body::empty()).expect("request")).await
}

fn cookie(page: &Page) -> &str {
    page.headers["set-cookie"].to_str().expect("text").split(';').next().expect("a pair")
}

#[tokio::test]
async fn the_zone_can_be_chosen_and_given_back() {
    let server = Server::of(order()).await;
    let berlin = "tz=Europe/Berlin";
    let page = with_cookie(&server, "/search?service=frontend", berlin).await;
    assert!(page.one(".zone").contains("Times are in Europe/Berlin. Use UTC"), "{}", page.one(".zone"));
    assert_eq!(page.all(".hit-when time"), ["10:52:20.000"]);
    let choice = server.get(&page.attributes(".zone a", "href")[0]).await;
    assert_eq!(
        (choice.status.as_u16(), &choice.headers["location"]),
        (303, &"/search?service=frontend&lookback=1h&limit=20".parse().expect("value"))
    );
    let chosen = with_cookie(&server, "/search", &format!("{berlin}; {}", cookie(&choice))).await;
    assert_eq!(chosen.all(".hit-when time"), ["08:52:20.000"]);
    let back = server.get(&chosen.attributes(".zone a", "href")[0]).await;
    assert!(back.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    assert!(with_cookie(&server, "/search", "").await.all(".zone a").is_empty(), "without a script there is only UTC");
    let wrong = server.get("/zone?zone=Nowhere/Land").await;
    assert!(wrong.status == 400 && wrong.one(".what").contains("Nowhere/Land"));
    for elsewhere in ["//evil", "https://evil", "/\\evil", "evil", "/a%0d%0ab:c"] {
        assert_eq!(server.get(&format!("/zone?zone=UTC&back={elsewhere}")).await.headers["location"], "/search");
    }
}

#[tokio::test]
async fn the_last_searches_are_offered_and_only_those() {
    let server = Server::of(order()).await;
    assert!(server.get("/search").await.headers.get("set-cookie").is_none(), "nothing was asked");
    assert!(server.get("/search?q=%7B").await.headers.get("set-cookie").is_none(), "a query that is none");
    let first = server.get("/search?q=a%3D%22%3Cscript%3E%22").await;
    let second = with_cookie(&server, "/search?service=frontend&minDuration=1ms", cookie(&first)).await;
    let page = with_cookie(&server, "/search", cookie(&second)).await;
    assert_eq!(page.all(".recent a[href^=\"/search\"]"), ["frontend · ≥ 1ms · 1h", "a=\"<script>\" · 1h"]);
    let again = server.get(&page.attributes(".recent a[href^=\"/search\"]", "href")[0]).await;
    assert_eq!(again.attributes("#min", "value"), ["1ms"]);
}

#[tokio::test]
async fn a_trace_that_may_have_been_dropped_is_said_to() {
    let stored = Stored { retention: Duration::from_secs(7 * 86_400), ..Stored::default() };
    let system = move || System { stored: Some(stored), ..System::default() };
    let sources = Sources { system: Arc::new(system), ..Sources::default() };
    let server = Server::with_sources(sources, hoptrail_query::Config::default(), order()).await;
    let page = server.get(&format!("/trace/{}", "f".repeat(32))).await;
    let text = page.one(".what");
    assert!(
        page.status == 404 && text.contains("traces from before 2025-10-02 08:53:20 UTC have been dropped"),
        "{text}"
    );
    let kept = Server::of(order()).await.get(&format!("/trace/{}", "f".repeat(32))).await;
    assert!(!kept.one(".what").contains("dropped"));
}

#[tokio::test]
async fn names_to_choose_from_have_their_numbers() {
    let page = Server::of(shop()).await.get("/search?lookback=2m").await;
    assert_eq!(page.all("#service option"), ["All services", "catalog", "frontend (1 span)", "payment (3 spans)"]);
    let names: Vec<(String, String)> =
        page.attributes("#names option", "value").into_iter().zip(page.all("#names option")).collect();
    assert!(names.contains(&("INSERT".to_owned(), "1 span".to_owned())), "{names:?}");
    assert!(names.contains(&("GET /items".to_owned(), String::new())), "not in this time: {names:?}");
}

#[tokio::test]
async fn views_are_saved_listed_and_deleted() {
    let server = Server::of(order()).await;
    let page = server.get("/search?service=frontend&lookback=6h").await;
    let search = page.attributes(".recent input[name=search]", "value").remove(0);
    let escaped: String = search.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!("name=Slow+%3Cb%3E&search={escaped}");
    let saved = server.post("/views", &form, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!((saved.status.as_u16(), saved.headers["location"].to_str().ok()), (303, Some(search.as_str())));
    let again = server.get(&search).await;
    assert_eq!(
        (again.all(".recent li a"), again.attributes(".recent li a", "href")),
        (vec!["Slow <b>".into()], vec![search.clone()])
    );
    let list = server.get("/views").await;
    assert_eq!(
        (list.all(".view-list a"), list.all(".view-list .hint")),
        (vec!["Slow <b>".into()], vec!["frontend · 6h".into()])
    );
    let json: serde_json::Value = serde_json::from_slice(&server.get("/views/json").await.body).expect("JSON");
    assert_eq!(json, serde_json::json!([{"name": "Slow <b>", "search": search}]));
    for (form, headers, status) in [
        (form.as_str(), &[("sec-fetch-site", "cross-site")][..], 403),
        (&form, &[("origin", "https://evil"), ("host", "here")], 403),
        ("name=x&search=https://evil", &[], 400),
        ("name=&search=/search", &[], 400),
        ("name=x", &[], 400),
    ] {
        assert_eq!(server.post("/views", form, headers).await.status, status, "{form} {headers:?}");
    }
    let long = format!("name=x&search=/search?q={}", "x".repeat(20_000));
    assert_eq!(server.post("/views", &long, &[]).await.status, 413);
    assert_eq!(server.post("/views/delete", "name=Slow+%3Cb%3E", &[]).await.headers["location"], "/views");
    assert!(server.get("/views").await.all(".view-list").is_empty());
}

#[tokio::test]
async fn matches_are_shown_as_they_arrive() {
    let mut spans = order();
    spans.push(span(7, 1, 0, "cart", "GET\r\n/now", (59_000, 59_900)));
    let server = Server::of(spans).await;
    let page = server.get("/search?live=1&q=%7B%7D").await;
    let tail = page.attributes("[data-tail]", "data-tail").remove(0);
    assert!(page.one(".live").contains("Refresh"), "a way without a script");
    let (status, headers, text) = server.first_part(&tail).await;
    assert_eq!((status.as_u16(), headers["content-type"].to_str().ok()), (200, Some("text/event-stream")));
    assert!(text.contains("id: 1760000000000000000\n") && text.contains("retry: 1000\n"), "{text}");
    assert!(text.contains("data: <li class=\"hit\">") && text.contains("U+000D"), "{text}");
    assert!(!text.contains("POST /order"), "it was there before: {text}");
    assert!(
        server.get("/search?live=1&q=%7Bname%3D%22none%22%7D").await.attributes("[data-tail]", "data-tail").len() == 1,
        "an empty list waits"
    );
    for none in ["sort=longest", "view=table", "from=2025-10-09T08:00&to=2025-10-09T09:00"] {
        assert!(server.get(&format!("/search?live=1&{none}")).await.all("[data-tail]").is_empty(), "{none}");
    }
    assert_eq!(server.get("/search/tail?sort=longest").await.status, 400);
    assert_eq!(server.get("/search/tail?q=%7B").await.status, 400);
}

#[tokio::test]
async fn a_link_to_share_has_absolute_times() {
    let page = Server::of(order()).await.get("/search?service=frontend").await;
    let link = page.attributes("a[data-copy]", "href").remove(0);
    assert!(
        link.contains("from=2025-10-09T07:53:20%2B00:00&to=2025-10-09T08:53:20%2B00:00") && !link.contains("lookback"),
        "{link}"
    );
}

#[tokio::test]
async fn a_file_is_opened_as_a_trace_and_not_stored() {
    let server = Server::of(shop()).await;
    let zipkin = r#"[{"traceId":"463ac35c9f6413ad","id":"a1","kind":"SERVER","name":"get /<b>","timestamp":1760000000000000,"duration":2000,
        "localEndpoint":{"serviceName":"old"}},{"traceId":"463ac35c9f6413ad","id":"b2","parentId":"a1","name":"child","timestamp":1760000000000100}]"#;
    let form = |text: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n{text}\r\n--b--\r\n"
        )
    };
    let multipart = ("content-type", "multipart/form-data; boundary=b");
    let opened = server.post("/file", &form(zipkin), &[multipart, ("sec-fetch-site", "same-origin")]).await;
    let place = "/trace/0000000000000000463ac35c9f6413ad";
    assert_eq!((opened.status.as_u16(), opened.headers["location"].to_str().ok()), (303, Some(place)));
    let page = server.get(place).await;
    assert_eq!((page.status.as_u16(), page.all(".item").len()), (200, 2));
    assert!(page.text().contains("get /&lt;b&gt;"));
    assert_eq!(server.get(&format!("{place}/json")).await.status, 200);
    assert_eq!(server.get("/search?service=old&lookback=all").await.all(".hit-name").len(), 0, "it is not stored");
    let two = zipkin.replacen("463ac35c9f6413ad", "1", 1);
    let list = server.post("/file", &two, &[]).await;
    assert_eq!(
        (list.status.as_u16(), list.all(".view-list a").len(), list.one(".views h2")),
        (200, 2, "Zipkin’s JSON: 2 traces".into())
    );
    for (file, headers, status, says) in [
        (form(""), &[multipart][..], 400, "Choose a file"),
        ("{}".to_owned(), &[], 400, "none of the forms"),
        (form("<script>"), &[multipart], 400, "none of the forms"),
    ] {
        let page = server.post("/file", &file, headers).await;
        assert_eq!(page.status, status);
        assert!(page.one(".notice").contains(says), "{}", page.one(".notice"));
    }
    let large = server.post("/file", &" ".repeat((32 << 20) + 1), &[]).await;
    assert!(large.status == 413 && large.one(".notice").contains("32MiB"), "{}", large.one(".notice"));
    assert_eq!(server.post("/file", zipkin, &[("sec-fetch-site", "cross-site")]).await.status, 403);
    assert_eq!(server.get("/file").await.one("h1"), "Open a file");
}

//! What every answer carries.

use axum::body::Body;
use axum::http::Request;

use super::server::{Server, order, trace_id};

#[tokio::test]
async fn every_answer_forbids_what_pages_do_not_need() {
    let server = Server::of(order()).await;
    for uri in ["/search", "/trace/zz", "/nowhere", "/help", &format!("/trace/{}", trace_id(1)), "/favicon.ico"] {
        let page = server.get(uri).await;
        let policy = page.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{uri}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
    }
}

#[tokio::test]
async fn pages_need_no_inline_code_and_no_inline_style() {
    let server = Server::of(order()).await;
    for uri in [
        "/search",
        "/help",
        "/nowhere",
        "/services",
        "/services/payment",
        "/dependencies",
        "/system",
        &format!("/trace/{}?span=2&find=a", trace_id(1)),
    ] {
        let page = server.get(uri).await;
        assert!(page.attributes("[style], [onclick], style", "class").is_empty(), "{uri}");
        let text = page.text();
        assert!(!text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick="), "{uri}");
        assert_eq!(page.attributes("script", "src").len(), page.all("script").len());
    }
}

#[tokio::test]
async fn assets_are_cached_for_ever_under_their_hash() {
    let server = Server::of(order()).await;
    let page = server.get("/search").await;
    let mut urls = page.attributes("link[rel=stylesheet]", "href");
    urls.extend(page.attributes("script", "src"));
    urls.extend(page.attributes("link[rel=icon]", "href"));
    assert_eq!(urls.len(), 3);
    for url in urls {
        let asset = server.get(&url).await;
        assert_eq!(asset.status, 200);
        assert!(asset.headers["cache-control"].to_str().is_ok_and(|text| text.contains("immutable")), "{url}");
        assert!(asset.body.len() < 40_000, "{url} is {} bytes", asset.body.len());
        let stale = server.get(&url.replace("/assets/", "/assets/0")).await;
        assert_eq!(stale.headers["cache-control"], "no-cache");
    }
    assert_eq!(page.headers["cache-control"], "no-cache");
}

#[tokio::test]
async fn pages_are_compressed_for_those_who_ask() {
    let server = Server::of(order()).await;
    let request = Request::get("/search").header("accept-encoding", "gzip").body(Body::empty()).expect("request");
    let page = server.ask(request).await;
    assert_eq!(page.headers["content-encoding"], "gzip");
    assert_eq!(page.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn times_are_shown_in_the_browsers_zone_when_it_tells() {
    let server = Server::of(order()).await;
    let uri = format!("/trace/{}", trace_id(1));
    let request = Request::get(&uri).header("cookie", "tz=Europe/Berlin").body(Body::empty()).expect("request");
    let times = server.ask(request).await.all(".trace-head time");
    assert_eq!(times, ["2025-10-09 10:52:20.000 CEST"]);
}

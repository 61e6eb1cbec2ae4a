//! Pages below the path of a proxy, in frames, in a theme.

use axum::body::Body;
use axum::http::Request;

use super::server::{Server, shop, trace_id};
use crate::{Config, Sources};

async fn below(base_path: &str, frame_ancestors: &[&str]) -> Server {
    let settings = Config {
        base_path: base_path.to_owned(),
        frame_ancestors: frame_ancestors.iter().map(|origin| (*origin).to_owned()).collect(),
        ..Config::default()
    };
    Server::with_settings(&settings, Sources::default(), hoptrail_query::Config::default(), shop()).await
}

#[tokio::test]
async fn every_address_of_a_page_is_below_the_base() {
    let server = below("/hop/", &[]).await;
    let trace = format!("/trace/{}", trace_id(1));
    let places = [
        "/search?lookback=all",
        "/services?lookback=all",
        "/services/payment?lookback=all",
        "/dependencies?lookback=all",
        "/aggregate?lookback=all",
        "/why?q={status=error}&lookback=all",
        "/exceptions?lookback=all",
        "/views",
        "/file",
        "/system",
        "/help",
        "/nowhere",
        &trace,
        &format!("{trace}?view=graph"),
        &format!("{trace}?span=2"),
    ];
    for place in places {
        let page = server.get(&format!("/hop{place}")).await;
        assert!(page.text() == server.get(place).await.text(), "{place}: a proxy may strip the path");
        let attributes = [
            ("[href]", "href"),
            ("[src]", "src"),
            ("[action]", "action"),
            ("[data-base]", "data-base"),
            ("[data-brush]", "data-brush"),
            ("[data-complete]", "data-complete"),
            ("[data-tail]", "data-tail"),
        ];
        let addresses = attributes.iter().flat_map(|(selector, name)| page.attributes(selector, name));
        let local: Vec<String> = addresses.filter(|address| address.starts_with('/')).collect();
        assert!(local.len() > 8, "{place}");
        for address in local {
            assert!(address.starts_with("/hop/") && !address.starts_with("/hop/hop/"), "{place} leads to {address}");
        }
    }
    let css = server.get("/hop/search").await.attributes("link[rel=stylesheet]", "href").remove(0);
    assert_eq!(server.get(&css).await.status, 200);
    let home = server.get("/hop/").await;
    assert_eq!(home.headers["location"], "/hop/services");
    let opened = server.get(&format!("/hop/trace?id={}", trace_id(1))).await;
    assert_eq!(opened.headers["location"].to_str().ok(), Some(format!("/hop{trace}").as_str()));
    let (_, _, news) = server.first_part("/hop/search/tail?lookback=all").await;
    assert!(!news.contains("=\"/trace"), "{news}");
}

#[tokio::test]
async fn pages_are_in_frames_of_those_origins_only() {
    let policy = |page: super::server::Page| page.headers["content-security-policy"].to_str().map(str::to_owned);
    let alone = policy(below("", &[]).await.get("/search").await).expect("text");
    assert!(alone.ends_with("; frame-ancestors 'none'"), "{alone}");
    let framed = below("", &["self", "https://grafana.example"]).await;
    let framed = policy(framed.get("/search").await).expect("text");
    assert!(framed.ends_with("; frame-ancestors 'self' https://grafana.example"), "{framed}");
}

#[tokio::test]
async fn an_embedded_page_keeps_embedded_what_it_leads_to() {
    let server = below("/hop", &[]).await;
    let path = format!("/trace/{}", trace_id(1));
    let page = server.get(&format!("{path}?uiEmbed=v0&uiTimelineHideMinimap=1&find=%22%3Ecard")).await;
    assert_eq!(page.attributes("body", "class"), ["embed without-minimap"]);
    let own = page.attributes(".own-window a", "href");
    assert_eq!(own, [format!("/hop{path}?find=%22%3Ecard")]);
    for address in page.attributes("main a[href^='/']", "href").iter().filter(|address| **address != own[0]) {
        assert!(address.contains("uiEmbed=v0&uiTimelineHideMinimap=1"), "{address}");
        let followed = server.get(address.split('#').next().unwrap_or_default()).await;
        assert!(followed.status == 200, "{address}: {}", followed.status);
    }
    assert!(!page.attributes("form.find input[name=uiEmbed]", "value").is_empty());
    assert!(server.get(&path).await.attributes("body", "class").is_empty());
}

#[tokio::test]
async fn a_theme_is_chosen_and_forgotten() {
    let server = below("/hop", &[]).await;
    let choose = async |query: &str, from: &str| {
        let request = Request::get(format!("/hop/theme?{query}")).header("referer", from);
        server.ask(request.body(Body::empty()).expect("request")).await
    };
    let chosen = choose("theme=dark", "http://proxy/hop/search?q=x").await;
    assert_eq!(chosen.headers["location"], "/hop/search?q=x");
    assert!(chosen.headers["set-cookie"].to_str().is_ok_and(|cookie| cookie.starts_with("theme=dark; Path=/; ")));
    let request = Request::get("/hop/search").header("cookie", "a=b; theme=dark").body(Body::empty()).expect("request");
    assert_eq!(server.ask(request).await.attributes("html", "class"), ["dark"]);
    let forgotten = choose("theme=", "").await;
    assert!(forgotten.headers["set-cookie"].to_str().is_ok_and(|cookie| cookie.contains("Max-Age=0")));
    for elsewhere in ["http://x//evil.example/", "//evil", "nothing", "http://x/\\evil"] {
        let place = choose("theme=light", elsewhere).await.headers["location"].to_str().map(str::to_owned);
        assert!(place.as_ref().is_ok_and(|place| place.starts_with("/hop/") && !place.contains("//")), "{place:?}");
    }
    assert_eq!(choose("theme=pink", "").await.status, 400);
}

//! What queries say beyond which traces match: sets of spans, orders, single spans, pages.

use super::server::{Server, order, shop, span, trace_id};

fn search(query: &str) -> String {
    let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/search?q={escaped}")
}

#[tokio::test]
async fn sets_of_spans_are_shown_with_what_the_query_says_of_them() {
    let server = Server::of(order()).await;
    let page = server.get(&search("{ } | by(resource.service.name) | count() > 0")).await;
    assert_eq!((page.all(".hit-name").len(), page.all(".set").len()), (1, 2));
    let facts = page.all(".set-fact");
    let expected =
        ["by(resource.service.name) frontend", "count() 1", "by(resource.service.name) payment", "count() 3"];
    assert_eq!(facts, expected);
    assert_eq!(page.all(".set-head > .muted"), ["1 span", "3 spans"]);
    let plain = server.get(&search("{ resource.service.name = \"payment\" }")).await;
    assert!(plain.all(".sets").is_empty(), "nothing is said of a plain match");
}

#[tokio::test]
async fn selected_fields_are_listed_of_each_span() {
    let page = Server::of(order()).await.get(&search("{ status = error } | select(resource.service.name)")).await;
    assert_eq!(page.all(".set-spans li > a"), ["charge <card>"]);
    assert!(page.attributes(".set-spans li > a", "href")[0].ends_with("?span=0000000000000002"));
    assert_eq!(page.all(".pairs-in-line a"), ["error", "−", "payment", "−"]);
}

#[tokio::test]
async fn a_row_can_be_a_span() {
    let page = Server::of(order()).await.get(&search("{ } | sort(duration desc) | spans")).await;
    assert_eq!(page.one(".results-head h2"), "All 4 spans");
    let rows = ["frontend POST /order", "payment charge <card>", "payment AUTHORIZE", "payment INSERT"];
    assert_eq!(page.all(".hit-name"), rows);
    assert_eq!(page.all(".hit-took .dur"), ["100 ms", "80 ms", "50 ms", "7 ms"]);
    let links = page.attributes(".hit-name", "href");
    assert_eq!(links[1], format!("/trace/{}?span=0000000000000002", trace_id(1)));
    assert!(page.all(".sorts a").is_empty() && page.all(".scatter").is_empty(), "the query says the order");
}

#[tokio::test]
async fn a_query_may_say_the_order() {
    let server = Server::of(shop()).await;
    let first = server.get(&search("{ } | sort(duration asc)")).await;
    assert_eq!(first.all(".hit-name"), ["catalog GET /items", "frontend POST /order"]);
    let last = server.get(&search("{ } | sort(duration desc)")).await;
    assert_eq!(last.all(".hit-name"), ["frontend POST /order", "catalog GET /items"]);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let spans =
        (1..=25).map(|number| span(number, 1, 0, "a", &format!("n{number}"), (u64::from(number), 30))).collect();
    let server = Server::of(spans).await;
    let mut seen = Vec::new();
    let mut link = "/search?limit=10&service=a".to_owned();
    for heading in ["The newest 10 traces", "The next 10 traces", "The next 5 traces"] {
        let page = server.get(&link).await;
        assert_eq!(page.one(".results-head h2"), heading);
        seen.extend(page.all(".hit-name"));
        let pages: Vec<(String, String)> =
            page.all(".paging a").into_iter().zip(page.attributes(".paging a", "href")).collect();
        link = pages.iter().find(|(text, _)| text == "Next page").map(|(_, href)| href.clone()).unwrap_or_default();
        assert_eq!(pages.iter().any(|(text, _)| text == "First page"), !heading.contains("newest"));
    }
    assert_eq!(link, "", "the last page leads nowhere");
    let expected: Vec<String> = (1..=25).rev().map(|number| format!("a n{number}")).collect();
    assert_eq!(seen, expected);
    let wrong = server.get("/search?after=zz").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.one("#q-error").contains("first page"));
}

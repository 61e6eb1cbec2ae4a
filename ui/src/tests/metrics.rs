//! Numbers over time, drawn.

use hoptrail_proto::model::{Attribute, TraceSpan};

use super::server::{Server, order, shop, span};

/// The rows of the table of numbers.
const NUMBERS: &str = ".numbers details:first-child tbody tr";

/// A query for a URL.
fn search(query: &str) -> String {
    format!("/search?q={}", escaped(query))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A span of each of these services, a minute apart.
fn services(count: u8) -> Vec<TraceSpan> {
    let one =
        |number: u8| span(number, u64::from(number), 0, &format!("s{number:03}"), "GET /", (0, u64::from(number) + 1));
    (1..=count).map(one).collect()
}

#[tokio::test]
async fn a_metrics_query_is_drawn_with_its_legend_and_its_numbers() {
    let server = Server::of(shop()).await;
    let page = server.get(&search("{ } | count_over_time() by (resource.service.name)")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.one("h2:not(dialog h2)"), "3 series");
    assert_eq!(page.all(".series-key tbody th"), ["payment", "catalog", "frontend"]);
    assert_eq!(page.all(".series-key thead th")[0], "resource.service.name");
    assert_eq!(page.all(".series-key tbody tr:first-child td"), ["0", "0.04839", "3"]);
    assert_eq!(page.attributes(".drawing path.line", "d").len(), 3);
    let numbers = page.all(NUMBERS);
    assert_eq!(numbers.len(), 62);
    assert!(numbers.contains(&"2025-10-09 08:52:00301".to_owned()), "{numbers:?}");
    assert!(page.all(".bands .tip").contains(&"2025-10-09 08:52:00payment3frontend1catalog0".to_owned()));
    assert_eq!(page.all(".orders [aria-current]"), ["Lines"]);
    assert_eq!(page.all("#step option[selected]"), ["Automatic"]);
    assert!(page.all(".numbers details:first-child a").is_empty(), "only cells of histograms lead to spans");
}

#[tokio::test]
async fn an_interval_leads_to_its_spans() {
    let server = Server::of(shop()).await;
    let page = server.get(&search("{ status = error } | rate()")).await;
    let links = page.attributes(".bands a", "href");
    let link = links.iter().find(|link| link.contains("from=2025-10-09T08:52:00%2B00:00")).expect("the minute");
    let found = server.get(link).await;
    assert_eq!(
        (found.one("#q"), found.all(".hit-name")),
        ("{ status = error }".into(), vec!["frontend POST /order".into()])
    );
}

#[tokio::test]
async fn a_cell_of_a_heatmap_narrows_to_time_and_duration() {
    let server = Server::of(shop()).await;
    let page = server.get(&search("{ resource.service.name = \"payment\" } | histogram_over_time(duration)")).await;
    assert_eq!(page.all(".heat a title").len(), 3, "7, 50 and 80 ms lie in three buckets");
    assert_eq!(page.all(".heat a title")[0], "1 span of 67.1 ms to 134 ms, 2025-10-09 08:52:00");
    let found = server.get(&page.attributes(".heat a", "href")[0]).await;
    let query = "{ resource.service.name = \"payment\" } | { duration > 67108864ns && duration <= 134217728ns }";
    assert_eq!((found.one("#q").as_str(), found.all(".hit-name").len()), (query, 1));
    let in_table = page.attributes(".numbers details:first-child td a", "href");
    assert_eq!(in_table.len(), 3, "the table has the same links");
    assert!(page.attributes(".heat a", "href").iter().all(|link| in_table.contains(link)));
}

#[tokio::test]
async fn every_way_of_drawing_is_in_the_address() {
    let server = Server::of(shop()).await;
    let rate = search("{ } | rate() by (resource.service.name)");
    let bars = server.get(&format!("{rate}&plot=bars")).await;
    assert_eq!((bars.all(".orders [aria-current]"), bars.attributes("path.bar", "d").len()), (vec!["Bars".into()], 3));
    let table = server.get(&format!("{rate}&plot=table")).await;
    assert!(table.all("path").len() < bars.all("path").len() && table.all(".chart").is_empty());
    assert_eq!(table.attributes(".numbers details", "open").len(), 1);
    assert_eq!(server.get(&format!("{rate}&plot=none")).await.all(".orders [aria-current]"), ["Lines"]);
    let stepped = server.get(&format!("{rate}&step=5m&lookback=2h")).await;
    assert_eq!((stepped.all("#step option[selected]"), stepped.all(NUMBERS).len()), (vec!["5 min".into()], 26));
    let links = stepped.attributes(".orders a", "href");
    assert!(links.iter().all(|link| link.contains("step=5m") && link.contains("lookback=2h")), "{links:?}");
}

#[tokio::test]
async fn a_comparison_is_a_ranking() {
    let page = Server::of(order()).await.get(&search("{ } | compare({ status = error })")).await;
    assert_eq!(page.status, 200);
    let keys = page.all(".compared h3");
    assert!(keys.contains(&"name".to_owned()) && keys.contains(&"resource.service.name".to_owned()), "{keys:?}");
    assert!(page.all(".compared-value").contains(&"charge <card>".to_owned()));
    let link = page.attributes(".compared-value a", "href").remove(0);
    assert!(link.starts_with("/search?q=%7B+%7D+%7C+%7B+"), "{link}");
    let hints = page.all("p.hint:not(.after):not(#q-help):not(.zone)");
    assert!(hints.iter().any(|hint| hint.starts_with("1 span in the selection")), "{hints:?}");
}

#[tokio::test]
async fn exemplars_lead_to_their_spans() {
    let page = Server::of(shop()).await.get(&search("{ } | max_over_time(duration)")).await;
    let links = page.attributes(".marks a", "href");
    assert!(!links.is_empty() && links.iter().all(|link| link.starts_with("/trace/") && link.contains("?span=")));
    let listed = page.attributes(".numbers td a", "href");
    assert!(links.iter().all(|link| listed.contains(link)), "the table has the same links");
}

#[tokio::test]
async fn numbers_are_downloaded() {
    let server = Server::of(shop()).await;
    let query = escaped("{ } | count_over_time() by (resource.service.name)");
    let page = server.get(&format!("/search?q={query}&lookback=5m&step=1m")).await;
    let links = page.attributes(".after a", "href");
    let csv = server.get(&links[0]).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.text().starts_with("from,to,\"resource.service.name=catalog\","), "{}", csv.text());
    assert!(csv.text().contains("2025-10-09T08:52:00+00:00,2025-10-09T08:53:00+00:00,0,1,3\r\n"), "{}", csv.text());
    let json: serde_json::Value = serde_json::from_slice(&server.get(&links[1]).await.body).expect("JSON");
    assert_eq!((json["series"].as_array().map(Vec::len), &json["unit"]), (Some(3), &"count".into()));
    for path in ["csv", "json"] {
        let page = server.get(&format!("/search/{path}?q=%7B+%7D")).await;
        assert_eq!(
            (page.status.as_u16(), page.one("#q-error").as_str()),
            (400, "Only a metrics query has numbers, such as { } | rate().")
        );
        assert_eq!(server.get(&format!("/search/{path}?q=%7B")).await.status, 400);
    }
}

#[tokio::test]
async fn many_series_few_points_and_none() {
    let server = Server::of(services(100)).await;
    let all = server.get(&search("{ } | rate() by (resource.service.name)")).await;
    assert_eq!(all.one("h2:not(dialog h2)"), "100 series");
    assert_eq!((all.all(".drawing .line").len(), all.all(".drawing .line.rest").len()), (100, 84));
    assert_eq!(all.one(".more-series summary"), "90 more series 84 more are drawn in grey.");
    let bars = server.get(&format!("{}&plot=bars", search("{ } | rate() by (resource.service.name)"))).await;
    assert_eq!((bars.all("path.bar").len(), bars.all("path.bar.rest").len()), (9, 1));
    let one = server.get(&search("{ resource.service.name = \"s007\" } | avg_over_time(duration)")).await;
    assert_eq!((one.all(".drawing path.line").len(), one.all(".drawing circle.alone").len()), (0, 1));
    let none = server.get(&search("{ resource.service.name = \"nobody\" } | avg_over_time(duration)")).await;
    assert_eq!((none.status.as_u16(), none.one("h2:not(dialog h2)").as_str()), (200, "No numbers found"));
    assert!(!none.attributes(".nothing a", "href").is_empty());
}

#[tokio::test]
async fn labels_of_senders_are_shown_cut_and_never_run() {
    let hostile = format!("<script>alert(1)</script>\u{202e}\"'&{}", "x".repeat(1 << 20));
    let mut spans = order();
    spans.iter_mut().for_each(|span| span.span.attributes.push(Attribute::new("bad", hostile.as_str())));
    let server = Server::of(spans).await;
    for (query, plot) in [
        ("{ } | rate() by (span.bad)", "lines"),
        ("{ } | rate() by (span.bad)", "bars"),
        ("{ } | histogram_over_time(duration) by (span.bad)", "heatmap"),
        ("{ } | compare({ status = error })", "ranking"),
        ("{ } | by (span.bad) | select(span.bad)", ""),
        ("{ } | select(span.bad) | spans", ""),
    ] {
        let page = server.get(&format!("{}&plot={plot}", search(query))).await;
        let text = page.text();
        assert_eq!(page.status, 200, "{query}");
        assert!(text.contains("&lt;script&gt;alert") || text.contains("&#60;script&#62;alert"), "{query}");
        assert!(!text.contains("<script>alert") && !text.contains('\u{202e}') && !text.contains("style="), "{query}");
        assert!(text.len() < 400_000, "{query}: {}", text.len());
    }
}

#[tokio::test]
async fn a_page_explains_how_it_was_answered() {
    let server = Server::of(shop()).await;
    for query in ["{ status = error }", "{ } | rate()"] {
        let page = server.get(&search(query)).await;
        assert!(page.all(".explained").is_empty(), "only when it was asked");
        let links = page.attributes(".after a", "href");
        let explained = server.get(links.last().expect("a link")).await;
        assert!(explained.one(".explained pre").contains("plan"), "{query}");
    }
}

#[tokio::test]
async fn every_fault_stands_under_its_place() {
    let server = Server::of(shop()).await;
    let page = server.get(&search("{ name = } | rate( by (x)")).await;
    assert_eq!(page.status, 400);
    assert!(page.all(".faults li").len() >= 2, "{:?}", page.all(".faults li"));
    assert!(page.text().contains("{ name = } | rate( by (x)\n<b>         ^"), "{}", page.text());
    let long = server.get(&search(&format!("{{ span.{} = }}", "a".repeat(200)))).await;
    assert_eq!((long.all("pre.if-wide").len(), long.all("pre.if-narrow").len()), (1, 1));
}

#[tokio::test]
async fn the_box_is_completed_from_the_store() {
    let server = Server::of(shop()).await;
    let ask = async |text: &str| {
        let answer = server.get(&format!("/search/complete?q={}&at={}", escaped(text), text.len())).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (200, &"application/json".parse().expect("text"))
        );
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let items = json["items"].as_array().expect("a list").iter();
        let texts: Vec<String> = items.map(|item| item["text"].as_str().expect("text").to_owned()).collect();
        (json["from"].as_u64().expect("a number"), json["to"].as_u64().expect("a number"), texts)
    };
    let (from, to, keys) = ask("{ span.http.r").await;
    assert_eq!((from, to), (2, 13));
    assert_eq!(keys, ["span.http.response.status_code", "span.http.route"]);
    assert_eq!(ask("{ resource.service.name = \"pa").await, (26, 29, vec!["\"payment\"".to_owned()]));
    assert_eq!(ask("{ status = error && name = ").await.2, ["\"charge <card>\""]);
    assert_eq!(ask("http.rou").await.2, ["http.route="]);
    assert_eq!(ask("http.route=").await.2, ["http.route=/order"]);
    assert!(ask("{ } | ra").await.2.contains(&"rate()".to_owned()));
    let nothing = server.get("/search/complete").await;
    assert_eq!(nothing.status, 200);
}

//! Two traces side by side.

use hoptrail_proto::model::{Status, StatusCode, TraceSpan};

use super::server::{Page, Server, span, trace_id};

/// A request; the second one has another step, one less, a slower one, and one that fails.
fn two() -> Vec<TraceSpan> {
    let mut spans = vec![
        span(1, 1, 0, "front", "GET /", (0, 100)),
        span(1, 2, 1, "cart", "get", (10, 30)),
        span(1, 3, 1, "ads", "pick", (30, 40)),
        span(1, 4, 1, "db", "SELECT", (40, 50)),
        span(1, 5, 1, "db", "SELECT", (50, 60)),
        span(1, 6, 1, "auth", "check", (60, 61)),
        span(2, 1, 0, "front", "GET /", (1_000, 1_260)),
        span(2, 2, 1, "cart", "get", (1_010, 1_150)),
        span(2, 4, 1, "db", "SELECT", (1_150, 1_160)),
        span(2, 5, 1, "db", "SELECT", (1_160, 1_170)),
        span(2, 7, 1, "db", "SELECT", (1_170, 1_190)),
        span(2, 6, 1, "auth", "check", (1_190, 1_191)),
        span(2, 8, 2, "redis", "HGET", (1_020, 1_030)),
    ];
    spans[11].span.status = Status { code: StatusCode::Error, ..Status::default() };
    spans
}

/// The texts of each row, but for the drawing.
fn cells(page: &Page) -> Vec<String> {
    let cells = page.all(".steps tbody tr > :not(.lane)");
    cells.chunks(5).map(|row| row.join("|")).collect()
}

fn address(more: &str) -> String {
    format!("/trace/{}...{}{more}", trace_id(1), trace_id(2))
}

#[tokio::test]
async fn every_span_says_what_became_of_it() {
    let server = Server::of(two()).await;
    let page = server.get(&address("")).await;
    assert_eq!((page.status.as_u16(), page.one("h1").as_str()), (200, "Two traces compared"));
    let rows = cells(&page);
    let row = |name: &str| rows.iter().filter(|row| row.starts_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(row("front"), ["front GET /|100 ms|260 ms|+160 ms, +160 %|slower"]);
    assert_eq!(row("cart"), ["cart get|20 ms|140 ms|+120 ms, ×7.0|slower"]);
    assert_eq!(row("ads"), ["ads pick|10 ms|–||gone"]);
    assert_eq!(row("redis"), ["redis HGET|–|10 ms||new"]);
    assert_eq!(row("auth"), ["auth check|1 ms|1 ms failed|±0|fails"]);
    assert_eq!(row("db").len(), 3, "two that are the same, and a third");
    let sum = page.one(".sum");
    assert_eq!(sum, "B took +160 ms, +160 %. Spans: 2 new, 1 gone, 1 fail, 2 slower, 0 faster, 2 alike.");
    assert_eq!(page.attributes(".steps tbody tr:first-child rect", "width"), ["38.46%", "100.00%"]);
}

#[tokio::test]
async fn siblings_that_are_alike_are_folded() {
    let server = Server::of(two()).await;
    let page = server.get(&address("?fold=1")).await;
    let rows = cells(&page);
    let db: Vec<&String> = rows.iter().filter(|row| row.starts_with("db")).collect();
    assert_eq!(db, ["db SELECT|2 × 20 ms|3 × 40 ms|+20 ms, +100 %|slower"]);
    assert_eq!(rows.len(), 6);
    assert!(page.one(".sum").contains("Steps: 1 new, 1 gone"));
    let page = server.get(&address("?only=changes&fold=1")).await;
    assert_eq!(page.all(".steps tbody tr").len(), 6, "all of them differ");
    let same = server.get(&format!("/trace/{0}...{0}?only=changes", trace_id(1))).await;
    assert!(same.one(".nothing").starts_with("Nothing differs") && same.one(".sum").contains("Both are one trace."));
    let swapped = &page.attributes(".page-head .button", "href")[0];
    assert!(server.get(swapped).await.one(".sum").contains("−160 ms"));
    let form = format!("/compare?a={}&b={}", trace_id(1), trace_id(2));
    assert_eq!(server.get(&form).await.headers["location"], address(""));
}

#[tokio::test]
async fn large_traces_are_folded_and_shown_in_parts() {
    let many = (0..1_500).flat_map(|number| {
        let at = |trace| span(trace, 10 + number, 1, "db", &format!("q{}", number % 3), (number, number + 1));
        [at(1), at(2)]
    });
    let roots = [1, 2].map(|trace| span(trace, 1, 0, "front", "GET /", (0, 2_000)));
    let server = Server::of(roots.into_iter().chain(many).collect()).await;
    let page = server.get(&address("")).await;
    assert_eq!(page.all(".steps tbody tr").len(), 4, "folded");
    let whole = server.get(&address("?fold=0")).await;
    assert_eq!(whole.all(".steps tbody tr").len(), 1_000);
    let part = &whole.all(".hint.after")[0];
    assert!(part.starts_with("Rows 1 to 1") && part.contains("501"), "{part}");
    let rest = server.get(&address("?fold=0&from=1000")).await;
    assert_eq!(rest.all(".steps tbody tr").len(), 501);
    assert_eq!(server.get(&address("?fold=0&from=999999999")).await.status.as_u16(), 200);
}

//! Many traces as one: every number is that of a naive count.

use hoptrail_proto::model::{SpanId, Status, StatusCode, TraceId, TraceSpan};
use serde_json::Value;

use super::server::{MS, NOW, Server, span};

/// Traces of a front end that asks a database 1 to 3 times; every tenth fails and asks a cache.
fn some() -> Vec<TraceSpan> {
    (0..100).flat_map(trace).collect()
}

fn trace(number: u64) -> Vec<TraceSpan> {
    let made = |id: u64, parent: u64, service: &str, name: &str, times: (u64, u64)| {
        let mut made = span(1, id, parent, service, name, (0, 0));
        made.span.trace_id = TraceId((u128::from(number) + 1).to_be_bytes());
        made.span.span_id = SpanId((number * 10 + id).to_be_bytes());
        made.span.parent_span_id = (parent > 0).then(|| SpanId((number * 10 + parent).to_be_bytes()));
        let start = NOW - 600_000 * MS + number * 1_000 * MS;
        made.span.start_unix_nano = start + times.0 * MS;
        made.span.end_unix_nano = start + times.1 * MS;
        made
    };
    let mut spans = vec![made(1, 0, "front", "GET /", (0, 100 + number))];
    for query in 0..=number % 3 {
        spans.push(made(2 + query, 1, "db", "SELECT", (10 + 20 * query, 20 + 20 * query + number / 10)));
    }
    if number.is_multiple_of(10) {
        spans.push(made(9, 1, "cache", "GET", (90, 95)));
        spans[0].span.status = Status { code: StatusCode::Error, ..Status::default() };
    }
    spans
}

async fn json(server: &Server, uri: &str) -> Value {
    let page = server.get(uri).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    serde_json::from_slice(&page.body).expect("JSON")
}

/// What a naive count says of a step.
fn naive(service: &str, side: impl Fn(u64) -> bool) -> (u64, u64, f64, f64) {
    let traces: Vec<Vec<TraceSpan>> = (0..100).filter(|number| side(*number)).map(trace).collect();
    let own = |span: &&TraceSpan| span.resource.service_name() == service;
    let mut millis: Vec<u64> =
        traces.iter().flatten().filter(own).map(|span| span.span.duration_nanos() / MS).collect();
    millis.sort_unstable();
    let quantile = |q: f64| millis[(q * millis.len() as f64).ceil() as usize - 1] as f64;
    let with = traces.iter().filter(|spans| spans.iter().any(|span| own(&span))).count() as u64;
    (with, millis.len() as u64, quantile(0.5), quantile(0.95))
}

fn told(step: &Value) -> (u64, u64, f64, f64) {
    let number = |key: &str| step[key].as_f64().expect(key);
    (number("traces") as u64, number("spans") as u64, number("p50_ms"), number("p95_ms"))
}

#[tokio::test]
async fn steps_have_the_numbers_of_a_naive_count() {
    let server = Server::of(some()).await;
    let found = json(&server, "/aggregate?format=json").await;
    assert_eq!(found["selected"]["traces"], 100);
    let steps = found["steps"].as_array().expect("steps");
    let names: Vec<&str> = steps.iter().filter_map(|step| step["service"].as_str()).collect();
    assert_eq!(names, ["front", "db", "cache"]);
    assert_eq!((&steps[0]["parent"], &steps[1]["parent"], &steps[2]["parent"]), (&Value::Null, &0.into(), &0.into()));
    for step in steps {
        assert_eq!(told(&step["selected"]), naive(step["service"].as_str().expect("a service"), |_| true));
        assert_eq!(step["others"], Value::Null);
    }
    assert_eq!((&steps[0]["selected"]["errors"], &steps[1]["selected"]["errors"]), (&10.into(), &0.into()));
    let critical: f64 = steps.iter().map(|step| step["selected"]["critical_ms"].as_f64().expect("a number")).sum();
    let whole: u64 = (0..100).map(|number| 100 + number).sum();
    assert_eq!(critical, whole as f64, "at every moment the trace waits for one span");
}

#[tokio::test]
async fn two_sides_stand_side_by_side() {
    let server = Server::of(some()).await;
    let failed = "/aggregate?format=json&set=failed&rest=%7B+%7D";
    let found = json(&server, failed).await;
    assert_eq!((&found["selected"]["traces"], &found["others"]["traces"]), (&10.into(), &90.into()));
    let steps = found["steps"].as_array().expect("steps");
    for (step, service) in steps.iter().zip(["front", "db", "cache"]) {
        assert_eq!(told(&step["selected"]), naive(service, |number| number % 10 == 0));
        if service == "cache" {
            assert_eq!(step["others"], Value::Null, "only failed ones have it");
        } else {
            assert_eq!(told(&step["others"]), naive(service, |number| number % 10 > 0));
        }
    }
    let page = server.get(&failed.replace("format=json&", "")).await;
    assert_eq!(page.all(".facts dd"), ["10", "90"]);
    let rows = page.all(".steps tbody tr");
    assert_eq!(rows.len(), 3);
    assert!(rows[2].starts_with("cache GET 100 %–"), "{}", rows[2]);
    let links = page.attributes(".ways a", "href");
    for href in &links {
        assert_eq!(server.get(href).await.status.as_u16(), 200, "{href}");
    }
    let alone = server.get(&links[0]).await;
    assert_eq!(alone.all(".facts dd"), ["10"]);
    let spans = &page.attributes(".steps tbody th a", "href")[1];
    assert_eq!(server.get(spans).await.status.as_u16(), 200);
}

#[tokio::test]
async fn strange_questions_and_names() {
    let server = Server::of(vec![span(1, 1, 0, "<script>", "\u{202e}x<b>", (0, 5))]).await;
    let page = server.get("/aggregate").await;
    let text = page.text();
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script>") && text.contains("U+202E"));
    let none = server.get("/aggregate?q=%7B+name+%3D+%22y%22+%7D").await;
    assert!(none.one(".nothing").starts_with("The search finds no trace of this time."));
    let wrong = server.get("/aggregate?rest=%7B").await;
    assert_eq!((wrong.status.as_u16(), wrong.attributes("#rest", "aria-invalid")), (400, vec!["true".to_owned()]));
    assert_eq!(server.get("/aggregate?set=x&format=json").await.status.as_u16(), 400);
}

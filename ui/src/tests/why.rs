//! Why some traces differ: planted causes come first, what is equally frequent does not appear, and counts are those of a naive count.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Resource, SpanId, SpanKind, Status, StatusCode, TraceId, TraceSpan};
use serde_json::Value;

use super::server::{MS, NOW, Server, span};

const TRACES: u64 = 2_000;

/// What a trace has; each is known by its number.
struct Planted {
    number: u64,
}

impl Planted {
    /// A node that makes one statement slow: only there, only that statement.
    fn node(&self) -> u64 {
        self.number * 7 % 10
    }

    fn version(&self) -> &'static str {
        if self.number % 8 < 3 { "2" } else { "1" }
    }

    fn region(&self) -> &'static str {
        if self.number / 8 % 5 < 2 { "eu" } else { "us" }
    }

    /// One in ten, whatever else.
    fn is_decoy(&self) -> bool {
        self.number / 40 % 10 == 3
    }

    fn spans(&self, is_slow: bool, root: Vec<Attribute>) -> Vec<TraceSpan> {
        let made = |id: u64, parent: u64, service: &str, name: &str, resource: Vec<Attribute>| {
            let mut made = span(1, id, parent, service, name, (0, 0));
            made.span.trace_id = TraceId((u128::from(self.number) + 1).to_be_bytes());
            made.span.span_id = SpanId((self.number * 10 + id).to_be_bytes());
            made.span.parent_span_id = (parent > 0).then(|| SpanId((self.number * 10 + parent).to_be_bytes()));
            made.span.start_unix_nano = NOW - 600_000 * MS + self.number * 100 * MS;
            made.span.end_unix_nano = made.span.start_unix_nano + if is_slow { 900 } else { 90 } * MS;
            let mut attributes = made.resource.attributes.clone();
            attributes.extend(resource);
            made.resource = Arc::new(Resource { attributes, ..Resource::default() });
            made
        };
        let node = |number: u64| vec![Attribute::new("k8s.node.name", format!("node-{number}"))];
        let mut front = made(1, 0, "front", "GET /", vec![Attribute::new("service.version", self.version())]);
        front.span.kind = SpanKind::Server;
        front.span.attributes = root;
        front.span.attributes.push(Attribute::new("region", self.region()));
        front.span.attributes.push(Attribute::new("request.id", self.number as i64));
        front.span.attributes.push(Attribute::new("session", format!("s-{}", self.number)));
        if self.is_decoy() {
            front.span.attributes.push(Attribute::new("decoy", true));
        }
        let mut select = made(2, 1, "orders", "SELECT orders", node(self.node()));
        select.span.attributes = vec![Attribute::new("rows", (self.number % 3) as i64)];
        let insert = made(3, 1, "orders", "INSERT orders", node((self.node() + self.number / 10) % 10));
        vec![front, select, insert]
    }
}

fn server_of(is_slow: impl Fn(&Planted) -> bool) -> impl Future<Output = Server> {
    let traces = (0..TRACES).map(|number| Planted { number });
    Server::of(traces.flat_map(|own| own.spans(is_slow(&own), Vec::new())).collect())
}

const SLOW: &str = "/why?format=json&q=%7B+parent+%3D+nil+%26%26+duration+%3E+500ms+%7D";

async fn json(server: &Server, uri: &str) -> Value {
    let page = server.get(uri).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    serde_json::from_slice(&page.body).expect("JSON")
}

/// Each finding: its values, and its counts.
fn findings(found: &Value) -> Vec<(Vec<String>, u64, u64)> {
    let text = |value: &Value| {
        format!("{} = {}", value["field"].as_str().expect("field"), value["value"].as_str().expect("value"))
    };
    let list = found["more"].as_array().expect("findings");
    let one = |own: &Value| {
        let values = own["values"].as_array().expect("values").iter().map(text).collect();
        (values, own["selected"].as_u64().expect("count"), own["others"].as_u64().expect("count"))
    };
    list.iter().map(one).collect()
}

#[tokio::test]
async fn a_cause_on_a_descendant_comes_first() {
    let server = server_of(|own| own.node() == 7).await;
    let found = json(&server, SLOW).await;
    let slow = (0..TRACES).filter(|number| Planted { number: *number }.node() == 7).count() as u64;
    assert_eq!((&found["selected"]["traces"], &found["others"]["traces"]), (&slow.into(), &(TRACES - slow).into()));
    let all = findings(&found);
    let pair = vec!["name = SELECT orders".to_owned(), "resource.k8s.node.name = node-7".to_owned()];
    let mut first = all[0].clone();
    first.0.sort();
    assert_eq!(first, (pair, slow, 0), "{all:?}");
    assert_eq!(found["more"][0]["one_span"], true);
    // Other statements on the node are on both sides.
    let inserts = |number: &u64| {
        let own = Planted { number: *number };
        own.node() != 7 && (own.node() + number / 10) % 10 == 7
    };
    let others = (0..TRACES).filter(inserts).count() as u64;
    assert_eq!(all[1], (vec!["resource.k8s.node.name = node-7".to_owned()], slow, others), "{all:?}");
    let text = found.to_string();
    assert!(!text.contains("decoy") && !text.contains("request.id") && !text.contains("session"), "{text}");
}

#[tokio::test]
async fn a_cause_on_a_resource_comes_first() {
    let server = server_of(|own| own.version() == "2" && own.number % 9 > 0).await;
    let found = findings(&json(&server, SLOW).await);
    let naive = |is_slow: bool| {
        let own = (0..TRACES).map(|number| Planted { number });
        own.filter(|own| own.version() == "2" && (own.number % 9 > 0) == is_slow).count() as u64
    };
    let expected = (vec!["resource.service.version = 2".to_owned()], naive(true), naive(false));
    assert_eq!(found[0], expected, "{found:?}");
    assert!(!found.iter().any(|(values, ..)| values.iter().any(|value| value.contains("decoy"))));
}

#[tokio::test]
async fn two_values_that_matter_together_are_a_pair() {
    let server = server_of(|own| own.version() == "2" && own.region() == "eu").await;
    let found = json(&server, SLOW).await;
    let all = findings(&found);
    let slow = found["selected"]["traces"].as_u64().expect("count");
    let pair = ["resource.service.version = 2", "span.region = eu"].map(str::to_owned).to_vec();
    let mut first = all[0].clone();
    first.0.sort();
    assert_eq!(first, (pair, slow, 0), "{all:?}");
    assert!(all.iter().skip(1).all(|(_, selected, others)| *others > 0 && *selected <= slow));
}

#[tokio::test]
async fn findings_lead_to_their_traces_and_to_narrower_questions() {
    let server = server_of(|own| own.node() == 7).await;
    let page = server.get(&SLOW.replace("format=json&", "")).await;
    assert_eq!(page.status.as_u16(), 200);
    let first = page.all(".finding-term").into_iter().take(2).collect::<Vec<_>>();
    assert!(first.iter().any(|term| term.contains("SELECT orders")), "{first:?}");
    assert_eq!(page.all(".finding-shares b")[..2], ["100 %", "0 %"]);
    let ways = page.attributes(".finding-ways a", "href");
    let list = server.get(&ways[0]).await;
    assert_eq!(list.status.as_u16(), 200);
    assert!(list.text().contains("200 traces") || !list.all(".hit").is_empty(), "the search finds them");
    let narrowed = server.get(&ways[1]).await;
    assert_eq!(narrowed.status.as_u16(), 200);
    let example = server.get(&ways[2]).await;
    assert_eq!(example.status.as_u16(), 200, "{}", ways[2]);
    let slow = server.get("/why?set=slow").await;
    let [selected] = slow.all("#q").try_into().expect("one box");
    assert!(selected.starts_with("{ parent = nil && duration > "), "{selected}");
}

#[tokio::test]
async fn what_cannot_be_compared_says_so() {
    let server = server_of(|_| false).await;
    let page = server.get("/why").await;
    assert!(page.one(".nothing").starts_with("No trace of this time is in question."));
    assert_eq!(page.all(".orders [aria-current]"), ["1 h", "Failed"]);
    let page = server.get("/why?q=%7B+%7D").await;
    assert!(page.one(".nothing").starts_with("All traces of this time"));
    let page = server.get("/why?q=%7B+name+%3D+%22GET+/%22+%26%26+.session+%3D+%22s-7%22+%7D").await;
    assert!(page.one(".nothing").starts_with("Nothing tells these traces apart"), "one trace tells nothing");
    let page = server.get("/why?q=%7B+.a+%3D+%7D").await;
    assert_eq!(
        (page.status.as_u16(), page.one(".wrong p")),
        (400, "The query for the traces in question is not valid.".into())
    );
    assert!(page.one(".wrong pre").contains('^'));
    assert_eq!(page.attributes("#q", "aria-invalid"), ["true"]);
    let page = server.get("/why?set=other").await;
    assert!(page.one(".wrong").contains("There are failed, slow"));
}

#[tokio::test]
async fn hostile_values_are_shown_and_not_run() {
    let hostile =
        ["<script>alert(1)</script>", "javascript:alert(1)", "a\u{202e}b", "\u{200b}", &"x".repeat(1_000_000)];
    let traces = (0..200).map(|number| Planted { number });
    let spans = traces.flat_map(|own| {
        let is_failed = own.number % 4 == 0;
        let values = hostile.iter().enumerate().filter(|_| is_failed);
        let attributes = values.map(|(key, value)| Attribute::new(format!("k<{key}>"), AnyValue::from(*value)));
        let mut spans = own.spans(false, if own.number < 8 || is_failed { attributes.collect() } else { Vec::new() });
        if is_failed {
            spans[0].span.status = Status { code: StatusCode::Error, message: hostile[0].to_owned() };
        }
        spans
    });
    let server = Server::of(spans.collect()).await;
    let page = server.get("/why").await;
    let text = page.text();
    assert!(text.contains("&lt;script&gt;alert(1)") && !text.contains("<script>alert"), "shown, not run");
    assert!(!text.contains('\u{202e}') && text.contains("U+202E"));
    assert!(text.len() < 200_000, "{} bytes", text.len());
    assert!(page.attributes("a", "href").iter().all(|href| href.starts_with(['/', '#'])));
}

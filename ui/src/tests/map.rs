//! The map.

use hoptrail_proto::model::{SpanKind, TraceSpan};
use serde_json::Value;

use super::server::{MS, Server, order};
use super::services::{inner, request};

const MINUTE: u64 = 60_000 * MS;

/// A call from one service to another, in a trace of its own.
fn call(number: u64, caller: &str, callee: &str, is_failed: bool) -> Vec<TraceSpan> {
    let outer = request(number, caller, MINUTE, 50, false);
    let mut client = inner(&outer, number * 2, "call");
    client.span.kind = SpanKind::Client;
    let mut server = inner(&client, number * 2 + 1, "serve");
    server.span.kind = SpanKind::Server;
    server.resource = request(0, callee, 0, 0, false).resource;
    server.span.status = request(0, callee, 0, 0, is_failed).span.status;
    vec![outer, client, server]
}

#[tokio::test]
async fn nodes_and_edges_are_those_of_a_naive_count() {
    let mut spans = order();
    for number in 0..30 {
        spans.extend(call(100 + number, "a", ["b", "c"][number as usize % 2], number % 6 == 0));
    }
    let server = Server::of(spans).await;
    let page = server.get("/dependencies?format=json").await;
    let map: Value = serde_json::from_slice(&page.body).expect("JSON");
    let nodes = map["nodes"].as_array().expect("nodes");
    let name = |at: &Value| nodes[at.as_u64().expect("an index") as usize]["name"].as_str().expect("a name").to_owned();
    let edges = map["edges"].as_array().expect("edges");
    let count = |caller: &str, callee: &str| {
        let found = edges.iter().find(|edge| name(&edge["caller"]) == caller && name(&edge["callee"]) == callee);
        found.map(|edge| (edge["count"].as_u64().expect("a count"), edge["errors"].as_u64().expect("errors")))
    };
    assert_eq!((count("a", "b"), count("a", "c"), count("b", "a")), (Some((15, 5)), Some((15, 0)), None));
    assert_eq!(count("payment", "mainframe"), Some((1, 0)));
    let kind = |wanted: &str| nodes.iter().find(|node| node["name"] == wanted).map(|node| node["kind"].clone());
    assert_eq!(
        (kind("mainframe"), kind("postgresql"), kind("user")),
        (Some("external".into()), Some("database".into()), Some("user".into()))
    );
    let page = server.get("/dependencies").await;
    assert_eq!(page.all(".call-map .node").len(), nodes.len());
    assert_eq!(page.all(".call-map .call").len(), edges.len());
    assert_eq!(page.all(".calls tbody tr").len(), edges.len(), "the table has them all");
    let first = [page.all(".calls tr:first-child th[scope=row]"), page.all(".calls tr:first-child .called")].concat();
    assert_eq!(first, ["a", "b"], "failed calls first");
}

#[tokio::test]
async fn a_map_is_narrowed_to_a_service_and_to_failures() {
    let mut spans = Vec::new();
    for (number, (caller, callee)) in [("a", "b"), ("b", "c"), ("c", "d"), ("x", "y")].into_iter().enumerate() {
        spans.extend(call(number as u64 * 10, caller, callee, callee == "c"));
    }
    let server = Server::of(spans).await;
    let names = async |uri: &str| {
        let mut names = server.get(uri).await.all(".node-name");
        names.retain(|name| name != "user");
        names.concat()
    };
    assert_eq!(names("/dependencies").await, "abcdxy");
    assert_eq!(names("/dependencies?service=b").await, "abcd");
    assert_eq!(names("/dependencies?service=b&depth=1").await, "abc");
    assert_eq!(names("/dependencies?errors=1").await, "bc");
    let none = server.get("/dependencies?service=nobody").await;
    assert_eq!((none.status.as_u16(), none.all(".call-map").len(), none.all(".nothing").len()), (200, 0, 1));
    for colour in ["errors", "latency", "rate"] {
        let page = server.get(&format!("/dependencies?service=b&colour={colour}")).await;
        assert_eq!(page.all(".map-key > span").len(), 5, "{colour}");
        assert_eq!(page.all(".chosen .node-name"), ["b"]);
    }
}

#[tokio::test]
async fn two_hundred_services_are_drawn_apart() {
    let mut spans = Vec::new();
    for number in 0..400_u64 {
        spans.extend(call(
            number,
            &format!("service-{}", number % 200),
            &format!("service-{}", (number * 7 + 1) % 200),
            false,
        ));
    }
    let page = Server::of(spans).await.get("/dependencies").await;
    let number = |text: String| text.parse::<f64>().expect("a number");
    let x: Vec<f64> = page.attributes(".call-map .node", "x").into_iter().map(number).collect();
    let y: Vec<f64> = page.attributes(".call-map .node", "y").into_iter().map(number).collect();
    assert_eq!(x.len(), 201, "and the user");
    for one in 0..x.len() {
        for other in one + 1..x.len() {
            let is_apart = (x[one] - x[other]).abs() >= 170.0 || (y[one] - y[other]).abs() >= 42.0;
            assert!(is_apart, "{one} and {other} overlap");
        }
    }
}

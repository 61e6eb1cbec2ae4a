use hoptrail_proto::tempo::{
    SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsResponse, SearchTagsV2Response,
};
use serde_json::json;

use super::*;

fn spans() -> Vec<TraceSpan> {
    let mut first =
        span("1", 1, 0, "shop", "GET /", (0, 1)).with("code", 200).with("path/of \"x\"", "quoted").scope("lib");
    first.span.events.push(hoptrail_proto::model::SpanEvent {
        name: "exception".to_owned(),
        attributes: vec![Attribute::new("type", "io")],
        ..Default::default()
    });
    first.span.links.push(hoptrail_proto::model::SpanLink {
        attributes: vec![Attribute::new("why", "batch")],
        ..Default::default()
    });
    let list = AnyValue::Array(vec!["x".into(), "y".into()]);
    vec![
        first,
        span("1", 2, 1, "cart", "redis", (5000, 1))
            .with("code", 500)
            .with("ok", true)
            .with("ratio", 1.5)
            .with("list", list),
        span("2", 3, 0, "pay", "charge", (9000, 1)).with("code", "none").with("service.name", "own"),
    ]
}

const METRICS: &str = "metrics";

fn with_metrics(mut answer: Value) -> Value {
    answer[METRICS] = json!({"totalJobs": 1, "completedJobs": 1});
    answer
}

async fn values(tempo: &Tempo, name: &str, parameters: &str) -> Vec<String> {
    let json = tempo.json(&format!("/api/v2/search/tag/{name}/values?{parameters}")).await;
    let list = json["tagValues"].as_array().expect("a list");
    list.iter()
        .map(|one| format!("{} {}", one["type"].as_str().unwrap_or("-"), one["value"].as_str().unwrap_or("-")))
        .collect()
}

#[tokio::test]
async fn names_are_listed_by_scope() {
    let tempo = Tempo::with(&spans()).await;
    let answer = tempo.json("/api/v2/search/tags").await;
    let intrinsics = answer["scopes"][4].clone();
    assert_eq!(intrinsics["name"], "intrinsic");
    let offered = intrinsics["tags"].as_array().expect("a list");
    for name in offered {
        let name = name.as_str().expect("a name");
        assert!(crate::traceql::parse_field(name).is_ok(), "{name} can be asked for");
    }
    let event = json!({"name": "event", "tags": ["type"]});
    let link = json!({"name": "link", "tags": ["why"]});
    let span = json!({"name": "span", "tags": ["code", "list", "ok", "path/of \"x\"", "ratio", "service.name"]});
    let resource = json!({"name": "resource", "tags": ["service.name"]});
    assert_eq!(answer, with_metrics(json!({"scopes": [resource, span, event, link, intrinsics]})));
    for (scope, expected) in [
        ("resource", json!([resource])),
        ("span", json!([span])),
        ("event", json!([event])),
        ("link", json!([link])),
        ("intrinsic", json!([intrinsics])),
        ("instrumentation", json!([])),
        ("trace", json!([])),
        ("none", json!([resource, span, event, link, intrinsics])),
    ] {
        let answer = tempo.json(&format!("/api/v2/search/tags?scope={scope}")).await;
        assert_eq!(answer, with_metrics(json!({"scopes": expected})), "{scope}");
    }
    let answer: SearchTagsV2Response = tempo.protobuf("/api/v2/search/tags?scope=link").await;
    assert_eq!(answer.scopes[0].tags, ["why"]);
}

#[tokio::test]
async fn names_without_scopes_are_one_list() {
    let tempo = Tempo::with(&spans()).await;
    let all = json!(["code", "list", "ok", "path/of \"x\"", "ratio", "service.name", "type", "why"]);
    assert_eq!(tempo.json("/api/search/tags").await, with_metrics(json!({"tagNames": all})));
    let resource = json!({"tagNames": ["service.name"]});
    assert_eq!(tempo.json("/api/search/tags?scope=resource").await, with_metrics(resource));
    let intrinsics = tempo.json("/api/search/tags?scope=intrinsic").await;
    assert!(intrinsics["tagNames"].as_array().is_some_and(|names| names.contains(&json!("rootServiceName"))));
    let answer: SearchTagsResponse = tempo.protobuf("/api/search/tags?scope=event").await;
    assert_eq!(answer.tag_names, ["type"]);
}

#[tokio::test]
async fn names_are_those_of_spans_that_match() {
    let tempo = Tempo::with(&spans()).await;
    let span = |tags: Value| json!({"name": "span", "tags": tags});
    let resource = json!({"name": "resource", "tags": ["service.name"]});
    let first = json!([
        resource,
        span(json!(["code", "path/of \"x\""])),
        {"name": "event", "tags": ["type"]},
        {"name": "link", "tags": ["why"]}
    ]);
    for (query, expected) in [
        ("{ span.code = 200 }", first.clone()),
        ("{ name = \"GET /\" && span.code = }", first.clone()),
        ("{ nestedSetParent < 0 && span.code = 200 }", first),
        ("{ resource.service.name = \"cart\" }", json!([resource, span(json!(["code", "list", "ok", "ratio"]))])),
        ("{ span.code = 999 }", json!([])),
    ] {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut answer = tempo.json(&format!("/api/v2/search/tags?q={query}")).await;
        let scopes = answer["scopes"].as_array_mut().expect("a list");
        assert_eq!(scopes.pop().map(|last| last["name"].clone()), Some(json!("intrinsic")));
        assert_eq!(answer["scopes"], expected, "{query}");
    }
    let names = tempo.json("/api/search/tags?scope=span&q=%7Bspan.ok=true%7D").await;
    assert_eq!(names["tagNames"], json!(["code", "list", "ok", "ratio"]));
}

#[tokio::test]
async fn names_are_bounded_by_time_and_number() {
    let tempo = Tempo::with(&spans()).await;
    let range = format!("start={}&end={}", T0 + 9, T0 + 9);
    let answer = tempo.json(&format!("/api/v2/search/tags?scope=span&{range}")).await;
    assert_eq!(answer["scopes"][0]["tags"], json!(["code", "service.name"]));
    let answer = tempo.get("/api/v2/search/tags?limit=2").await;
    assert_eq!(answer.headers["hoptrail-truncated"], "limit=2");
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(json["scopes"][1]["tags"], json!(["code", "list"]));
    let empty = Tempo::with(&[]).await;
    assert_eq!(empty.json("/api/search/tags").await, with_metrics(json!({"tagNames": []})));
    tempo.refuses("/api/v2/search/tags?scope=foo", 400, "invalid scope \"foo\"").await;
    tempo.refuses("/api/search/tags?limit=x", 400, "invalid limit").await;
    tempo.refuses("/api/search/tags?start=x", 400, "invalid start").await;
}

#[tokio::test]
async fn values_have_types() {
    let tempo = Tempo::with(&spans()).await;
    for (name, expected) in [
        ("span.code", vec!["string none", "int 200", "int 500"]),
        ("span.ok", vec!["bool true"]),
        ("span.ratio", vec!["float 1.5"]),
        ("span.list", vec!["string x", "string y"]),
        ("resource.service.name", vec!["string cart", "string pay", "string shop"]),
        (".service.name", vec!["string own", "string cart", "string pay", "string shop"]),
        ("event.type", vec!["string io"]),
        ("link.why", vec!["string batch"]),
        ("event%3Aname", vec!["string exception"]),
        ("name", vec!["string GET /", "string charge", "string redis"]),
        ("rootName", vec!["string GET /", "string charge"]),
        ("trace:rootService", vec!["string pay", "string shop"]),
        ("instrumentation:name", vec!["string lib"]),
        ("status", vec!["keyword error", "keyword ok", "keyword unset"]),
        (
            "span:kind",
            vec![
                "keyword unspecified",
                "keyword internal",
                "keyword server",
                "keyword client",
                "keyword producer",
                "keyword consumer",
            ],
        ),
        ("duration", vec![]),
        ("traceDuration", vec![]),
        ("span:id", vec![]),
        ("nestedSetLeft", vec![]),
        ("span.missing", vec![]),
        // Slashes and quotes, decoded once.
        ("span.%22path/of%20%5C%22x%5C%22%22", vec!["string quoted"]),
        ("span.%22path%2Fof%20%5C%22x%5C%22%22", vec!["string quoted"]),
        ("span.a%2525b", vec![]),
    ] {
        assert_eq!(values(&tempo, name, "").await, expected, "{name}");
    }
    let answer: SearchTagValuesV2Response = tempo.protobuf("/api/v2/search/tag/span.ok/values").await;
    assert_eq!((answer.tag_values[0].kind.as_str(), answer.tag_values[0].value.as_str()), ("bool", "true"));
}

#[tokio::test]
async fn values_are_filtered_leniently() {
    let tempo = Tempo::with(&spans()).await;
    for (q, expected) in [
        ("{ name = \"redis\" }", vec!["int 500"]),
        ("{ name = \"redis\" && span.x = }", vec!["int 500"]),
        ("{ span.x = }", vec!["string none", "int 200", "int 500"]),
        ("{ name = \"redis\" } && { }", vec!["string none", "int 200", "int 500"]),
        ("not a query", vec!["string none", "int 200", "int 500"]),
    ] {
        assert_eq!(values(&tempo, "span.code", &format!("q={}", escaped(q))).await, expected, "{q}");
    }
}

#[tokio::test]
async fn values_are_bounded_by_time_and_number() {
    let tempo = Tempo::with(&spans()).await;
    let range = format!("start={}&end={}", T0 + 4, T0 + 6);
    assert_eq!(values(&tempo, "span.code", &range).await, ["int 500"]);
    let answer = tempo.get("/api/v2/search/tag/span.code/values?limit=2").await;
    assert_eq!(answer.headers["hoptrail-truncated"], "limit=2");
    assert_eq!(values(&tempo, "span.code", "limit=2").await, ["string none", "int 200"]);
    assert_eq!(values(&tempo, "span.code", "limit=3").await.len(), 3);
    let large = span("9", 1, 0, "s", "n", (0, 1)).with("a", "x".repeat(600_000)).with("b", "y".repeat(1_000_001));
    let larger = span("9", 2, 0, "s", "n", (0, 1)).with("a", "y".repeat(600_000));
    let tempo = Tempo::with(&[large, larger]).await;
    for (name, kept) in [("span.a", 1), ("span.b", 0)] {
        let answer = tempo.get(&format!("/api/v2/search/tag/{name}/values")).await;
        assert_eq!(answer.headers["hoptrail-truncated"], "bytes=1000000");
        let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(json["tagValues"].as_array().map(Vec::len), Some(kept), "{name}");
    }
}

#[tokio::test]
async fn old_values_are_plain_text() {
    let tempo = Tempo::with(&spans()).await;
    for (name, expected) in [
        ("service.name", json!(["own", "cart", "pay", "shop"])),
        ("code", json!(["none", "200", "500"])),
        ("span.code", json!(["none", "200", "500"])),
        ("resource.service.name", json!(["cart", "pay", "shop"])),
        ("name", json!(["GET /", "charge", "redis"])),
        ("root.name", json!(["GET /", "charge"])),
        ("root.service.name", json!(["pay", "shop"])),
        ("status", json!(["error", "ok", "unset"])),
        ("status.code", json!(["error", "ok", "unset"])),
        ("missing", json!([])),
    ] {
        let answer = tempo.json(&format!("/api/search/tag/{name}/values")).await;
        assert_eq!(answer, with_metrics(json!({"tagValues": expected})), "{name}");
    }
    let answer: SearchTagValuesResponse = tempo.protobuf("/api/search/tag/code/values").await;
    assert_eq!(answer.tag_values, ["none", "200", "500"]);
}

#[tokio::test]
async fn wrong_names_are_refused() {
    let tempo = Tempo::with(&spans()).await;
    for (path, reason) in [
        ("/api/v2/search/tag/foo/values", "invalid tag name"),
        ("/api/v2/search/tag/service.name/values", "invalid tag name"),
        ("/api/v2/search/tag/span./values", "invalid tag name"),
        ("/api/v2/search/tag/.a%20=%201/values", "invalid tag name"),
        ("/api/v2/search/tag/values", "expected {name}/values"),
        ("/api/v2/search/tag/span.a", "expected {name}/values"),
        ("/api/v2/search/tag/span.a/values?limit=-1", "invalid limit"),
        ("/api/search/tag/a", "expected {name}/values"),
    ] {
        tempo.refuses(path, 400, reason).await;
    }
}

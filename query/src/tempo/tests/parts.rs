//! Parts of a trace, and a trace for language models.

use serde_json::json;

use super::*;

const ID: &str = "0a0b";
const LLM: &str = "application/vnd.grafana.llm";

/// A root with six calls that are alike and one that is not.
fn spans() -> Vec<TraceSpan> {
    let mut spans = vec![span(ID, 1, 0, "shop", "GET /", (0, 100)).kind(SpanKind::Server).with("code", 200)];
    spans.extend((10..16).map(|id| span(ID, id, 1, "cart", "redis", (id, 5)).with("shard", i64::from(id > 12))));
    spans.push(span(ID, 20, 1, "pay", "charge", (40, 30)).failed());
    spans.push(span(ID, 21, 20, "bank", "book", (45, 10)).with("ratio", 0.5));
    spans
}

/// The ids of the spans in an answer, sorted.
async fn ids(tempo: &Tempo, parameters: &str) -> Vec<u64> {
    let answer: hoptrail_proto::tempo::TraceByIdResponse =
        tempo.protobuf(&format!("/api/v2/traces/{ID}?{parameters}")).await;
    let groups = answer.trace.expect("a trace").resource_spans;
    let spans = groups.into_iter().flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans);
    let mut ids: Vec<_> = spans.map(|span| u64::from_be_bytes(span.span_id.try_into().expect("8 bytes"))).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_filter_answers_a_part_of_the_trace() {
    let tempo = Tempo::with(&spans()).await;
    let charge = format!("q={}", escaped("{ name = \"charge\" }"));
    for (more, expected) in [
        ("", vec![1, 20]),
        ("&keep_hierarchy=false", vec![20]),
        ("&ancestor_depth=0", vec![20]),
        ("&ancestor_depth=1", vec![1, 20]),
        ("&match_depth=1", vec![1, 20, 21]),
        ("&match_depth=1&keep_hierarchy=0", vec![20, 21]),
    ] {
        assert_eq!(ids(&tempo, &format!("{charge}{more}")).await, expected, "{more}");
    }
    assert_eq!(ids(&tempo, &format!("q={}", escaped("{ name = \"nothing\" }"))).await, [0; 0]);
    assert_eq!(ids(&tempo, &format!("q={}", escaped("{ }"))).await.len(), 9);
    assert_eq!(ids(&tempo, "match_depth=3&keep_hierarchy=true").await.len(), 9, "nothing to be around of");
}

#[tokio::test]
async fn alike_siblings_are_folded() {
    let tempo = Tempo::with(&spans()).await;
    assert_eq!(ids(&tempo, "span_pruning=true").await, [1, 10, 20, 21]);
    assert_eq!(ids(&tempo, "span_pruning=false").await.len(), 9);
    assert_eq!(ids(&tempo, "span_pruning=1&span_pruning_min_spans=7").await.len(), 9);
    let by = "span_pruning=1&span_pruning_group_by=shard&span_pruning_min_spans=3&span_pruning_max_parent_depth=0";
    assert_eq!(ids(&tempo, by).await, [1, 10, 13, 20, 21]);
    let json = tempo.json(&format!("/api/v2/traces/{ID}?span_pruning=true")).await.to_string();
    let count = r#"{"key":"aggregation.span_count","value":{"intValue":"6"}}"#;
    assert!(json.contains(count), "{json}");
}

#[tokio::test]
async fn wrong_parameters_of_parts_are_refused() {
    let tempo = Tempo::with(&spans()).await;
    for (parameters, reason) in [
        (format!("q={}", escaped("{ foo }")), "unknown word `foo`"),
        (format!("q={}", escaped("{ } | count() > 1")), ""),
        ("match_depth=-1".to_owned(), "invalid match_depth \"-1\": expected a whole number from 0 to 1000000"),
        (
            "ancestor_depth=-2".to_owned(),
            "invalid ancestor_depth \"-2\": expected a number of levels from 0 to 1000000, or -1",
        ),
        ("keep_hierarchy=maybe".to_owned(), "invalid keep_hierarchy \"maybe\": expected true or false"),
        ("span_pruning=2".to_owned(), "invalid span_pruning \"2\": expected true or false"),
        ("span_pruning_min_spans=1".to_owned(), "invalid span_pruning_min_spans \"1\": expected a whole number from 2"),
        ("span_pruning_max_parent_depth=x".to_owned(), "invalid span_pruning_max_parent_depth \"x\""),
        (
            "span_pruning_group_by=a,,b".to_owned(),
            "invalid span_pruning_group_by \"a,,b\": expected up to 20 attribute keys",
        ),
        (format!("span_pruning_group_by={}", ["k"; 21].join(",")), "expected up to 20 attribute keys"),
    ] {
        tempo.refuses(&format!("/api/v2/traces/{ID}?{parameters}"), 400, reason).await;
    }
}

async fn llm(tempo: &Tempo, url: &str) -> Value {
    let answer = tempo.get_with(url, &[("accept", LLM)]).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/vnd.grafana.llm+json", "{url}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_language_model_gets_the_tree_in_few_words() {
    let tempo = Tempo::with(&spans()).await;
    let json = llm(&tempo, &format!("/api/v2/traces/{ID}?span_pruning=true&q=%7Bkind%3Dserver%7D&match_depth=9")).await;
    assert_eq!(json["traceId"], format!("{ID:0>32}"));
    assert_eq!((json["spanCount"].as_u64(), json["errorCount"].as_u64()), (Some(4), Some(1)));
    assert_eq!((&json["durationMs"], &json["startUnixNano"]), (&json!(100.0), &json!("1767225600000000000")));
    let services = json!([
        {"name": "shop", "spanCount": 1, "errorCount": 0},
        {"name": "cart", "spanCount": 1, "errorCount": 0},
        {"name": "pay", "spanCount": 1, "errorCount": 1},
        {"name": "bank", "spanCount": 1, "errorCount": 0},
    ]);
    assert_eq!(json["services"], services);
    assert_eq!(json["resources"], json!([{}, {}, {}, {}]));
    assert_eq!(
        json["spans"][0],
        json!({
            "id": "0000000000000001", "depth": 0, "name": "GET /", "service": "shop", "resource": 0, "kind": "server",
            "startMs": 0.0, "durationMs": 100.0, "attributes": {"code": 200},
        })
    );
    assert_eq!(
        json["spans"][3],
        json!({
            "id": "0000000000000015", "parent": "0000000000000014", "depth": 2, "name": "book", "service": "bank",
            "resource": 3, "startMs": 45.0, "durationMs": 10.0, "attributes": {"ratio": 0.5},
        })
    );
    assert_eq!(json["spans"][2]["status"], "error");
    let unknown = llm(&tempo, "/api/v2/traces/1").await;
    assert_eq!((unknown["spanCount"].as_u64(), &unknown["spans"]), (Some(0), &json!([])));
}

#[tokio::test]
async fn a_parent_that_is_missing_is_marked() {
    let tempo = Tempo::with(&[span("9", 5, 99, "s", "n", (0, 1))]).await;
    let json = llm(&tempo, "/api/v2/traces/9").await;
    assert_eq!((&json["spans"][0]["missing"], &json["spans"][0]["id"]), (&json!(true), &json!("0000000000000063")));
    assert_eq!(json["spans"][1]["parent"], "0000000000000063");
}

#[tokio::test]
async fn values_for_a_language_model_are_json_s_own() {
    let tempo = Tempo::with(&spans()).await;
    let values = |name: &'static str| {
        let tempo = &tempo;
        async move { llm(tempo, &format!("/api/v2/search/tag/{name}/values")).await }
    };
    assert_eq!(values("span.shard").await, json!({"name": "span.shard", "values": [0, 1]}));
    assert_eq!(values("span.ratio").await, json!({"name": "span.ratio", "values": [0.5]}));
    assert_eq!(values("status").await["values"], json!(["error", "ok", "unset"]));
}

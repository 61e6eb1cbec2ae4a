//! Two traces compared.

use serde_json::json;

use super::*;

const ADDRESS: &str = "/api/v2/traces/diff";

fn trace(id: &str, slow: u64, with_fee: bool) -> Vec<TraceSpan> {
    let mut spans = vec![
        span(id, 1, 0, "shop", "POST /pay", (0, 100 + slow)).kind(SpanKind::Server),
        span(id, 2, 1, "pay", "charge", (10, 30 + slow)).with("card", if with_fee { "visa" } else { "amex" }),
    ];
    if with_fee {
        spans.push(span(id, 3, 2, "pay", "fee", (12, 5)).with("euros", 3));
    } else {
        spans.push(span(id, 4, 1, "mail", "receipt", (50, 5)).failed());
    }
    spans
}

async fn tempo() -> Tempo {
    let spans = [trace("1", 0, false), trace("2", 200, true)].concat();
    Tempo::with(&spans).await
}

async fn post(tempo: &Tempo, url: &str, body: &str) -> Answer {
    let request = Request::post(url).body(Body::from(body.to_owned())).expect("a request");
    tempo.ask(request).await
}

async fn compared(tempo: &Tempo, format: &str) -> Value {
    let body = json!({"base": {"traceId": "1"}, "compare": {"traceId": "2", "start": 1, "end": 2}, "format": format});
    let answer = post(tempo, ADDRESS, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = serde_json::from_slice(&answer.body).expect("JSON");
    strict::check(ADDRESS, &json);
    json
}

#[tokio::test]
async fn a_patch_has_the_spans_that_differ() {
    let json = compared(&tempo().await, "trace-patch-v0").await;
    assert_eq!(json["counts"], json!({"added": 1, "removed": 1, "changed": 2, "same": 0}));
    assert_eq!((&json["base"]["durationMs"], &json["compare"]["durationMs"]), (&json!(100.0), &json!(300.0)));
    let patch = json["patch"].as_array().expect("a list");
    let told: Vec<_> = patch.iter().map(|step| format!("{} {}", step["op"], step["name"]).replace('"', "")).collect();
    assert_eq!(told, ["change POST /pay", "change charge", "add fee", "remove receipt"]);
    assert_eq!(patch[1]["changed"], json!(["duration", "attributes"]));
    assert_eq!(patch[1]["attributes"], json!({"card": {"base": "amex", "compare": "visa"}}));
    assert_eq!(
        patch[2],
        json!({
            "op": "add", "service": "pay", "name": "fee", "kind": "unspecified", "attributes": {"euros": 3},
            "compare": {
                "id": "0000000000000003", "parent": "0000000000000002", "startMs": 12.0, "durationMs": 5.0,
                "selfMs": 5.0, "status": "unset",
            },
        })
    );
    assert_eq!(patch[3]["base"]["status"], "error");
    assert_eq!(json.get("operations"), None);
}

#[tokio::test]
async fn a_summary_has_numbers_by_operation() {
    let tempo = tempo().await;
    let json = compared(&tempo, "trace-summary-v0-native").await;
    assert_eq!(json.get("patch"), None);
    let operations = json["operations"].as_array().expect("a list");
    assert_eq!(operations.len(), 4);
    assert_eq!(
        operations[0],
        json!({
            "service": "pay", "name": "charge", "kind": "unspecified",
            "base": {"spanCount": 1, "errorCount": 0, "durationMs": 30.0, "selfMs": 30.0},
            "compare": {"spanCount": 1, "errorCount": 0, "durationMs": 230.0, "selfMs": 225.0},
        })
    );
    let composed = compared(&tempo, "trace-summary-v0-composed").await;
    assert_eq!((&composed["operations"], composed["patch"].as_array().map(Vec::len)), (&json["operations"], Some(4)));
    let body = r#"{"base": {"traceId": "1"}, "compare": {"traceId": "1"}}"#;
    let answer = post(&tempo, &format!("{ADDRESS}?format=trace-summary-v0-native"), body).await;
    let same: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(same["counts"], json!({"added": 0, "removed": 0, "changed": 0, "same": 3}));
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let tempo = tempo().await;
    for (body, status, reason) in [
        ("", 400, "invalid body: EOF"),
        ("{}", 400, "missing field `base`"),
        (r#"{"base": {"traceId": "1"}}"#, 400, "missing field `compare`"),
        (r#"{"base": {"traceId": "1"}, "compare": {"traceId": "x"}}"#, 400, "compare: invalid trace id \"x\""),
        (r#"{"base": {"traceId": "1", "start": -1}, "compare": {"traceId": "2"}}"#, 400, "invalid body: invalid value"),
        (
            r#"{"base": {"traceId": "1", "start": 2, "end": 1}, "compare": {"traceId": "2"}}"#,
            400,
            "base: invalid end 1",
        ),
        (r#"{"base": {"traceId": "1"}, "compare": {"traceId": "2"}, "more": 1}"#, 400, "unknown field `more`"),
        (
            r#"{"base": {"traceId": "1"}, "compare": {"traceId": "2"}, "format": "x"}"#,
            400,
            "invalid format \"x\"; there are trace-patch-v0",
        ),
        (
            r#"{"base": {"traceId": "1"}, "compare": {"traceId": "7"}}"#,
            404,
            "compare: no span of trace 00000000000000000000000000000007 is known",
        ),
    ] {
        let answer = post(&tempo, ADDRESS, body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        assert!(answer.text().contains(reason), "{body}: {}", answer.text());
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri(ADDRESS).body(Body::empty()).expect("a request");
        let answer = tempo.ask(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"]),
            (405, &"POST".parse().expect("a value")),
            "{method}"
        );
    }
}

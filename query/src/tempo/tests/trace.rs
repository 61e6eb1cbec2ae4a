use hoptrail_proto::tempo::{Trace, TraceByIdResponse};
use serde_json::json;

use super::*;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn spans() -> Vec<TraceSpan> {
    vec![
        span(ID, 2, 1, "cart", "redis", (10, 5)).kind(SpanKind::Client).failed(),
        span(ID, 1, 0, "shop", "GET /", (0, 100)).kind(SpanKind::Server).with("code", 200).scope("lib"),
        span(ID, 3, 1, "shop", "late", (20, 5)),
    ]
}

#[tokio::test]
async fn json_has_base64_ids_and_the_old_key_in_v1() {
    let tempo = Tempo::with(&spans()).await;
    let service = |name: &str| json!({"attributes": [{"key": "service.name", "value": {"stringValue": name}}]});
    let id = "AAECAwQFBgcICQoLDA0ODw==";
    let expected = json!([
        {"resource": service("shop"), "scopeSpans": [
            {"scope": {"name": "lib"}, "spans": [{
                "traceId": id, "spanId": "AAAAAAAAAAE=", "name": "GET /", "kind": "SPAN_KIND_SERVER",
                "startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225600100000000",
                "attributes": [{"key": "code", "value": {"intValue": "200"}}], "status": {},
            }]},
            {"scope": {}, "spans": [{
                "traceId": id, "spanId": "AAAAAAAAAAM=", "parentSpanId": "AAAAAAAAAAE=", "name": "late",
                "startTimeUnixNano": "1767225600020000000", "endTimeUnixNano": "1767225600025000000", "status": {},
            }]},
        ]},
        {"resource": service("cart"), "scopeSpans": [{"scope": {}, "spans": [{
            "traceId": id, "spanId": "AAAAAAAAAAI=", "parentSpanId": "AAAAAAAAAAE=", "name": "redis",
            "kind": "SPAN_KIND_CLIENT", "startTimeUnixNano": "1767225600010000000",
            "endTimeUnixNano": "1767225600015000000", "status": {"code": "STATUS_CODE_ERROR"},
        }]}]},
    ]);
    assert_eq!(tempo.json(&format!("/api/traces/{ID}")).await, json!({"batches": expected}));
    let v2 = json!({"trace": {"resourceSpans": expected}, "metrics": {}});
    assert_eq!(tempo.json(&format!("/api/v2/traces/{ID}")).await, v2);
    // Leading zeros may be cut, as search answers do.
    assert_eq!(tempo.json("/api/v2/traces/102030405060708090A0B0C0D0E0F").await, v2);
    let url = format!("/api/v2/traces/{ID}?start=1&end=2&mode=blocks&blockStart=0");
    assert_eq!(tempo.json(&url).await, v2, "time and place are hints");
}

#[tokio::test]
async fn protobuf_has_all_spans_and_every_message() {
    let tempo = Tempo::with(&spans()).await;
    let v1: Trace = tempo.protobuf(&format!("/api/traces/{ID}")).await;
    let v2: TraceByIdResponse = tempo.protobuf(&format!("/api/v2/traces/{ID}")).await;
    assert_eq!(v2.trace.as_ref(), Some(&v1));
    assert_eq!((v2.status, v2.message.as_str()), (0, ""));
    let groups = v1.resource_spans;
    assert!(groups.iter().all(|group| group.resource.is_some()));
    let scopes: Vec<_> = groups.iter().flat_map(|group| &group.scope_spans).collect();
    assert!(scopes.iter().all(|scope| scope.scope.is_some()));
    let spans: Vec<_> = scopes.iter().flat_map(|scope| &scope.spans).collect();
    assert!(spans.iter().all(|span| span.status.is_some() && span.trace_id == trace_id(ID).0));
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["GET /", "late", "redis"]);
}

#[tokio::test]
async fn an_absent_trace_is_404_in_v1_and_empty_in_v2() {
    let tempo = Tempo::with(&spans()).await;
    for accept in ["application/json", "application/protobuf"] {
        let answer = tempo.get_with("/api/traces/1", &[("accept", accept)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (404, 0));
    }
    assert_eq!(tempo.json("/api/v2/traces/1").await, json!({"trace": {}, "metrics": {}}));
    let answer = tempo.get_with("/api/v2/traces/1", &[("accept", "application/protobuf")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.body[..2], [0x0a, 0], "the trace is there, and empty");
    let decoded = TraceByIdResponse::decode(answer.body).expect("protobuf");
    assert_eq!(decoded.trace, Some(Trace::default()));
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let tempo = Tempo::with(&spans()).await;
    for version in ["", "v2/"] {
        for (rest, reason) in [
            ("xyz", "invalid trace id \"xyz\""),
            ("0", "invalid trace id"),
            ("000000000000000000000000000000001", "1 to 32 hex digits"),
            ("1?start=a&end=2", "invalid start \"a\""),
            ("1?start=2&end=1", "invalid end 1"),
            ("1?start=2&end=2", "invalid end 2"),
            ("1?start=5000000000", "invalid start"),
            ("1?mode=some", "invalid mode \"some\""),
        ] {
            tempo.refuses(&format!("/api/{version}traces/{rest}"), 400, reason).await;
        }
    }
}

#[tokio::test]
async fn spans_of_equal_resources_stand_together() {
    let mut many = Vec::new();
    for at in 0..50 {
        // Each in a request of its own, so that no resource is shared.
        many.push(span(ID, at + 1, 0, if at % 2 == 0 { "even" } else { "odd" }, "s", (at, 1)));
    }
    let tempo = Tempo::new(&Config::default());
    for one in &many {
        tempo.keep(TenantId::single(), std::slice::from_ref(one)).await;
    }
    let trace: Trace = tempo.protobuf(&format!("/api/traces/{ID}")).await;
    let sizes: Vec<_> = trace.resource_spans.iter().map(|group| group.scope_spans[0].spans.len()).collect();
    assert_eq!(sizes, [25, 25]);
}

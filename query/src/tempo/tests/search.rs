use hoptrail_proto::tempo::SearchResponse;
use serde_json::json;

use super::*;

fn spans() -> Vec<TraceSpan> {
    vec![
        span("0abc", 1, 0, "shop", "GET /cart", (1000, 100)).kind(SpanKind::Server).with("code", 200).with("ok", true),
        span("0abc", 2, 1, "cart", "redis", (1010, 20)).kind(SpanKind::Client).failed().with("code", 500),
        span("0abc", 3, 1, "cart", "redis", (1030, 20)).kind(SpanKind::Client).with("code", 500),
        span("2", 4, 0, "shop", "POST /pay", (2000, 3000)).kind(SpanKind::Server).with("user", "Ann Lee"),
        // Its root has not arrived.
        span("3", 5, 99, "pay", "charge", (3000, 7)).with("ratio", 0.5),
    ]
}

async fn found(tempo: &Tempo, parameters: &str) -> Vec<String> {
    let json = tempo.json(&format!("/api/search?{parameters}")).await;
    let traces = json["traces"].as_array().expect("traces");
    let short = |trace: &Value| {
        let id = trace["traceID"].as_str().expect("an id");
        id.to_owned()
    };
    traces.iter().map(short).collect()
}

async fn found_by(tempo: &Tempo, q: &str) -> Vec<String> {
    found(tempo, &format!("q={}", escaped(q))).await
}

#[tokio::test]
async fn an_answer_has_exactly_these_keys() {
    let tempo = Tempo::with(&spans()).await;
    let q = "{ span.code = 500 && resource.service.name = \"cart\" && kind = client && duration > 1ms && name = \"redis\" }";
    let json = tempo.json(&format!("/api/search?q={}", escaped(q))).await;
    let attributes = json!([
        {"key": "code", "value": {"intValue": "500"}},
        {"key": "service.name", "value": {"stringValue": "cart"}},
        {"key": "kind", "value": {"stringValue": "client"}},
    ]);
    let set = json!({
        "spans": [
            {
                "spanID": "0000000000000002", "name": "redis", "startTimeUnixNano": "1767225601010000000",
                "durationNanos": "20000000", "attributes": attributes,
            },
            {
                "spanID": "0000000000000003", "name": "redis", "startTimeUnixNano": "1767225601030000000",
                "durationNanos": "20000000", "attributes": attributes,
            },
        ],
        "matched": 2,
    });
    assert_eq!(
        json,
        json!({
            "traces": [{
                "traceID": "abc",
                "rootServiceName": "shop",
                "rootTraceName": "GET /cart",
                "startTimeUnixNano": "1767225601000000000",
                "durationMs": 100,
                "spanSet": set,
                "spanSets": [set],
                "serviceStats": {"shop": {"spanCount": 1}, "cart": {"spanCount": 2, "errorCount": 1}},
            }],
            "metrics": {
                "inspectedTraces": 3, "totalBlocks": 1, "completedJobs": 1, "totalJobs": 1, "inspectedSpans": "5",
            },
        })
    );
}

#[tokio::test]
async fn leading_zeros_are_there_when_the_settings_say_so() {
    let tempo = Tempo::new(&Config { left_pad_trace_ids: true, ..Config::default() });
    tempo.keep(TenantId::single(), &spans()).await;
    let answer = tempo.get("/api/search?limit=1").await;
    assert!(answer.text().contains(r#""traceID":"00000000000000000000000000000003""#), "{}", answer.text());
}

#[tokio::test]
async fn a_missing_root_is_named_so() {
    let tempo = Tempo::with(&spans()).await;
    let q = escaped("{ name = \"charge\" } | select(span.ratio, status, event:timeSinceStart)");
    let json = tempo.json(&format!("/api/search?q={q}")).await;
    let trace = &json["traces"][0];
    assert_eq!(trace["rootServiceName"], "<root span not yet received>");
    assert_eq!(trace.get("rootTraceName"), None);
    assert_eq!(
        trace["spanSet"]["spans"][0]["attributes"],
        json!([{"key": "ratio", "value": {"doubleValue": 0.5}}, {"key": "status", "value": {"stringValue": "unset"}}])
    );
}

#[tokio::test]
async fn durations_are_told_as_go_writes_them() {
    let mut with_event = span("1", 1, 0, "s", "n", (0, 10));
    let at = with_event.span.start_unix_nano + 1_500_000;
    with_event.span.events.push(hoptrail_proto::model::SpanEvent { time_unix_nano: at, ..Default::default() });
    let tempo = Tempo::with(&[with_event]).await;
    let json = tempo.json(&format!("/api/search?q={}", escaped("{ event:timeSinceStart > 1ms }"))).await;
    assert_eq!(
        json["traces"][0]["spanSet"]["spans"][0]["attributes"],
        json!([{"key": "event:timeSinceStart", "value": {"stringValue": "1.5ms"}}])
    );
}

#[tokio::test]
async fn protobuf_says_the_same() {
    let tempo = Tempo::with(&spans()).await;
    let url = format!("/api/search?q={}", escaped("{ status = error }"));
    let answer: SearchResponse = tempo.protobuf(&url).await;
    assert_eq!(serde_json::to_value(&answer).expect("JSON"), tempo.json(&url).await);
    assert_eq!(answer.traces[0].span_sets[0].spans[0].span_id, "0000000000000002");
}

#[tokio::test]
async fn traces_come_newest_first_and_exactly_up_to_the_limit() {
    let tempo = Tempo::with(&spans()).await;
    assert_eq!(found(&tempo, "").await, ["3", "2", "abc"]);
    assert_eq!(found(&tempo, "q=").await, ["3", "2", "abc"]);
    assert_eq!(found(&tempo, "q=%7B%7D&limit=2").await, ["3", "2"]);
    let cut = tempo.get("/api/search?limit=2").await;
    assert_eq!(cut.headers["hoptrail-truncated"], "limit=2");
    let whole = tempo.get("/api/search?limit=3").await;
    assert!(!whole.headers.contains_key("hoptrail-truncated"));
}

#[tokio::test]
async fn spans_are_listed_up_to_spss_and_all_counted() {
    let many: Vec<_> = (1..=5).map(|id| span("1", id, 0, "s", "n", (id, 1))).collect();
    let tempo = Tempo::with(&many).await;
    for (parameters, listed) in [("", 3), ("spss=1", 1), ("spss=0", 3), ("spss=100", 5)] {
        let json = tempo.json(&format!("/api/search?{parameters}")).await;
        let set = &json["traces"][0]["spanSets"][0];
        assert_eq!((set["spans"].as_array().map(Vec::len), set["matched"].as_u64()), (Some(listed), Some(5)));
    }
}

#[tokio::test]
async fn time_bounds_a_span_s_start() {
    let tempo = Tempo::with(&spans()).await;
    let range = |start: u64, end: u64| format!("start={}&end={}", T0 + start, T0 + end);
    assert_eq!(found(&tempo, &range(0, 100)).await, ["3", "2", "abc"]);
    assert_eq!(found(&tempo, &range(2, 3)).await, ["3", "2"]);
    assert_eq!(found(&tempo, &range(1, 1)).await, ["abc"], "the last second is inside");
    assert_eq!(found(&tempo, "start=0&end=0").await, ["3", "2", "abc"], "zeros are none");
    assert_eq!(found(&tempo, &range(10, 20)).await, [""; 0]);
    // The clock shows T0 + 100 s.
    assert_eq!(found(&tempo, "since=98s").await, ["3", "2"]);
    assert_eq!(found(&tempo, "since=1h").await, ["3", "2", "abc"]);
    assert_eq!(found(&tempo, &format!("since=1s&{}", range(1, 1))).await, ["abc"], "start and end win");
}

#[tokio::test]
async fn the_trace_s_duration_is_bounded() {
    let tempo = Tempo::with(&spans()).await;
    for (parameters, expected) in [
        ("minDuration=100ms", vec!["2", "abc"]),
        ("minDuration=101ms", vec!["2"]),
        ("maxDuration=100ms", vec!["3", "abc"]),
        ("minDuration=8ms&maxDuration=1s", vec!["abc"]),
        ("minDuration=1s&q=%7Bname%3D%22redis%22%7D", vec![]),
        ("maxDuration=1s&q=%7Bname%3D%22redis%22%7D", vec!["abc"]),
    ] {
        assert_eq!(found(&tempo, parameters).await, expected, "{parameters}");
    }
}

#[tokio::test]
async fn traceql_finds_spans() {
    let tempo = Tempo::with(&spans()).await;
    for (q, expected) in [
        ("{ resource.service.name = \"shop\" && span.code = 200 }", vec!["abc"]),
        ("{ .code >= 500 || name =~ \"POST.*\" }", vec!["2", "abc"]),
        ("{ status = error }", vec!["abc"]),
        ("{ traceDuration > 1s }", vec!["2"]),
        ("{ trace:id = \"0abc\" }", vec!["abc"]),
        ("{ .nothing = 1 }", vec![]),
    ] {
        assert_eq!(found_by(&tempo, q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn tags_find_text_inside_of_values() {
    let tempo = Tempo::with(&spans()).await;
    for (tags, expected) in [
        ("service.name=shop", vec!["2", "abc"]),
        ("service.name=sho", vec!["2", "abc"]),
        ("service.name=SHOP", vec![]),
        ("service.name=shop code=200", vec!["abc"]),
        ("code=20", vec![]),
        ("ok=true", vec!["abc"]),
        ("ratio=0.5", vec!["3"]),
        ("user=\"Ann Lee\"", vec!["2"]),
        ("name=redis", vec!["abc"]),
        ("root.name=POST", vec!["2"]),
        ("root.service.name=shop status.code=error", vec!["abc"]),
        ("error=true", vec!["abc"]),
        ("kind=client", vec!["abc"]),
        ("user=.*", vec![]),
    ] {
        assert_eq!(found(&tempo, &format!("tags={}", escaped(tags))).await, expected, "{tags}");
    }
    // The oldest form: every other parameter is an attribute.
    assert_eq!(found(&tempo, "service.name=shop&code=200&limit=5").await, ["abc"]);
    assert_eq!(found(&tempo, &format!("start={T0}&end={}&code=200", T0 + 9)).await, ["3", "2", "abc"]);
    let json = tempo.json("/api/search?tags=code%3D200").await;
    assert_eq!(
        json["traces"][0]["spanSet"]["spans"][0]["attributes"],
        json!([{"key": "code", "value": {"intValue": "200"}}])
    );
}

#[tokio::test]
async fn tags_may_have_backslashes_and_odd_keys() {
    let odd = span("5", 1, 0, "queue", "App\\Jobs\\Sync", (1000, 5)).with("my key", "a\tb").with("dir", "C:\\users");
    let tempo = Tempo::with(&[odd]).await;
    for tags in [
        r#"name="App\Jobs\Sync""#,
        r#"name="App\\Jobs\\Sync""#,
        r"name=Jobs\Sync",
        r#""my key"="a\tb""#,
        r#"dir="C:\users""#,
        r#"dir="C:\u0073""#,
    ] {
        let expected = if tags.contains("u0073") { vec![] } else { vec!["5".to_owned()] };
        assert_eq!(found(&tempo, &format!("tags={}", escaped(tags))).await, expected, "{tags}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let tempo = Tempo::with(&spans()).await;
    for (parameters, reason) in [
        ("q=%7B%7D&tags=a%3Db", "q and tags cannot be given together"),
        ("limit=0", "invalid limit"),
        ("limit=262145", "from 1 to 262144"),
        ("limit=-1", "invalid limit \"-1\""),
        ("limit=x", "invalid limit \"x\""),
        ("spss=101", "from 0 to 100"),
        ("spss=x", "invalid spss"),
        ("start=1", "given together"),
        ("end=1", "given together"),
        ("start=2&end=1", "invalid end 1"),
        ("start=1767225600000000000&end=1767225601000000000", "invalid start"),
        ("minDuration=5", "invalid minDuration"),
        ("maxDuration=abc", "invalid maxDuration"),
        ("minDuration=-1s", "negative"),
        ("minDuration=2s&maxDuration=1s", "shorter than minDuration"),
        ("since=x", "invalid since"),
        ("tags=a", "expected key=value"),
        ("tags=a%3D%22b", "has no end"),
        ("tags=status%3Dbad", "status is one of"),
        ("tags=n!%3D7", "is compared with !="),
        ("tags=n%3E%3D7", "write a TraceQL query"),
        ("tags=a%3D%22b%22c", "expected a space"),
    ] {
        tempo.refuses(&format!("/api/search?{parameters}"), 400, reason).await;
    }
}

#[tokio::test]
async fn a_wrong_query_is_shown_with_carets() {
    let tempo = Tempo::with(&spans()).await;
    let answer = tempo.get(&format!("/api/search?q={}", escaped("{ .a = 1 } >> 5"))).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text(),
        "invalid TraceQL query\n\
         line 1, column 15: `>>` joins sets of spans, but this is a number\n  { .a = 1 } >> 5\n                ^\n"
    );
    tempo.refuses(&format!("/api/search?q={}", escaped("{ foo }")), 400, "unknown word `foo`").await;
}

#[tokio::test]
async fn pages_follow_one_another_in_every_order() {
    let tempo = Tempo::with(&spans()).await;
    for (q, ids) in [
        ("{ }", vec!["3", "2", "abc"]),
        ("{ } | sort(duration desc)", vec!["2", "abc", "3"]),
        ("{ kind = client || kind = server } | spans", vec!["2", "abc", "abc", "abc"]),
    ] {
        let (mut found, mut after) = (Vec::new(), String::new());
        for page in 0.. {
            assert!(page < 9, "{q}: the pages have no end");
            let answer = tempo.get(&format!("/api/search?limit=1&q={}&after={after}", escaped(q))).await;
            assert_eq!(answer.status, 200, "{q}: {}", answer.text());
            let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let traces = json["traces"].as_array().expect("traces").iter();
            found.extend(traces.map(|trace| trace["traceID"].as_str().expect("an id").to_owned()));
            let Some(next) = answer.headers.get("x-hoptrail-next") else { break };
            assert_eq!(answer.headers["hoptrail-truncated"], "limit=1");
            after = next.to_str().expect("ASCII").to_owned();
        }
        assert_eq!(found, ids, "{q}");
    }
    tempo.refuses("/api/search?after=xyz", 400, "invalid after: not the place of a page of this query").await;
}

//! Numbers over time.

use serde_json::json;

use super::*;

/// Two services; the second starts ten spans in the third interval of ten seconds.
fn spans() -> Vec<TraceSpan> {
    let mut spans = vec![span("1", 1, 0, "shop", "GET /", (5_000, 100)).with("n", 2)];
    spans.extend((10..20).map(|id| span("2", id, 0, "cart", "redis", (25_000, id)).with("n", 0)));
    spans
}

fn window() -> String {
    format!("start={}&end={}&step=10s", T0, T0 + 40)
}

async fn range(tempo: &Tempo, q: &str, more: &str) -> Value {
    tempo.json(&format!("/api/metrics/query_range?{}&q={}{more}", window(), escaped(q))).await
}

/// The samples of a series: seconds after the start, and the number.
fn samples(series: &Value) -> Vec<(i64, f64)> {
    let samples = series["samples"].as_array().expect("samples").iter();
    let at = |sample: &Value| sample["timestampMs"].as_str().expect("text").parse::<i64>().expect("a number") / 1000;
    samples.map(|sample| (at(sample) - T0 as i64, sample["value"].as_f64().unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_count_has_a_number_for_each_interval_and_leaves_zeros_out() {
    let tempo = Tempo::with(&spans()).await;
    let json = range(&tempo, "{ } | count_over_time() by (resource.service.name)", "&exemplars=0").await;
    let series = json["series"].as_array().expect("series");
    let label = |name: &str| json!([{"key": "resource.service.name", "value": {"stringValue": name}}]);
    assert_eq!((&series[0]["labels"], &series[1]["labels"]), (&label("cart"), &label("shop")));
    assert_eq!(samples(&series[0]), [(0, 0.0), (10, 0.0), (20, 0.0), (30, 10.0), (40, 0.0)]);
    assert_eq!(samples(&series[1]), [(0, 0.0), (10, 1.0), (20, 0.0), (30, 0.0), (40, 0.0)]);
    assert_eq!(series[0]["samples"][0], json!({"timestampMs": (T0 * 1000).to_string()}), "zero is left out");
    assert_eq!(json.get("status"), None);
}

#[tokio::test]
async fn a_series_without_labels_has_the_name_of_its_function() {
    let tempo = Tempo::with(&spans()).await;
    let json = range(&tempo, "{ } | rate()", "").await;
    assert_eq!(json["series"][0]["labels"], json!([{"key": "__name__", "value": {"stringValue": "rate"}}]));
    assert_eq!(samples(&json["series"][0])[3], (30, 1.0));
    let exemplars = json["series"][0]["exemplars"].as_array().expect("exemplars");
    assert!(
        exemplars[0]["labels"].as_array().is_some_and(|labels| labels.iter().any(|label| label["key"] == "trace:id"))
    );
    let least = range(&tempo, "{ } | min_over_time(span.n)", "&exemplars=0").await;
    assert_eq!(
        samples(&least["series"][0]),
        [(10, 2.0), (30, 0.0)],
        "no number where there is nothing to be the least"
    );
}

#[tokio::test]
async fn too_many_series_are_cut_and_the_answer_says_so() {
    let tempo = Tempo::with(&spans()).await;
    let json = range(&tempo, "{ } | rate() by (span:name)", "&maxSeries=1").await;
    assert_eq!((json["series"].as_array().map(Vec::len), &json["status"]), (Some(1), &json!("PARTIAL")));
    assert_eq!(json["message"], "there are 2 series: 1 of them are here, maxSeries allows more");
    let json = range(&tempo, "{ } | rate() by (span:name)", "&maxSeries=0").await;
    assert_eq!((json["series"].as_array().map(Vec::len), json.get("status")), (Some(2), None));
}

#[tokio::test]
async fn what_has_no_effect_is_warned_of() {
    let tempo = Tempo::with(&spans()).await;
    for (hint, expected) in [
        ("foo=1", "199 hoptrail \"the hint foo is unknown and has no effect\""),
        ("extrapolate=true", "199 hoptrail \"11 spans do not say how many they stand for; each counts once\""),
    ] {
        let q = escaped(&format!("{{ }} | count_over_time() with({hint})"));
        for address in
            [format!("/api/metrics/query_range?{}", window()), format!("/api/metrics/query?start={T0}&end={}", T0 + 40)]
        {
            let answer = tempo.get(&format!("{address}&q={q}")).await;
            assert_eq!(answer.headers["warning"], expected, "{address}");
        }
    }
}

#[tokio::test]
async fn an_instant_has_one_number_for_each_series() {
    let tempo = Tempo::with(&spans()).await;
    let q = escaped("{ } | count_over_time() by (resource.service.name)");
    let times = format!("start={T0}&end={}", T0 + 40);
    let json = tempo.json(&format!("/api/metrics/query?{times}&query={q}")).await;
    let series = |name: &str, value: f64| json!({"labels": [{"key": "resource.service.name", "value": {"stringValue": name}}], "value": value});
    assert_eq!(json["series"], json!([series("cart", 10.0), series("shop", 1.0)]));
    let nothing =
        tempo.json(&format!("/api/metrics/query?{times}&q={}", escaped("{ .x = 1 } | max_over_time(.n)"))).await;
    assert_eq!(nothing["series"], json!([]));
}

#[tokio::test]
async fn times_are_read_in_every_form_and_default_to_the_last_hour() {
    let tempo = Tempo::with(&spans()).await;
    let q = escaped("{ } | count_over_time()");
    for times in [
        String::new(),
        "since=2m".to_owned(),
        format!("start={T0}&end={}", T0 + 60),
        format!("start={T0}.0&end={}.5", T0 + 60),
        format!("start={T0}000000000&end={}000000000", T0 + 60),
        "start=2026-01-01T00:00:00Z&end=2026-01-01T00:01:00Z".to_owned(),
    ] {
        let json = tempo.json(&format!("/api/metrics/query?q={q}&{times}")).await;
        assert_eq!(json["series"][0]["value"], 11.0, "{times}");
    }
}

#[tokio::test]
async fn wrong_parameters_of_metrics_are_refused() {
    let tempo = Tempo::with(&spans()).await;
    let q = format!("q={}", escaped("{ } | rate()"));
    for address in ["/api/metrics/query_range", "/api/metrics/query"] {
        for (parameters, reason) in [
            (String::new(), "q is missing: expected a TraceQL metrics query such as { } | rate()"),
            (format!("q={}", escaped("{ }")), "invalid TraceQL query\n"),
            (format!("q={}", escaped("{ } | rate(")), "invalid TraceQL query\nline 1, column"),
            (
                format!("{q}&start=x"),
                "invalid start \"x\": expected seconds or nanoseconds since 1970 UTC, or a date such as",
            ),
            (format!("{q}&end=1767225600000"), "these look like milliseconds, of which the seconds are 1767225600"),
            (format!("{q}&start={T0}&end={T0}"), "it must lie after start 1767225600"),
            (format!("{q}&since=x"), "invalid since"),
            (format!("{q}&maxSeries=-1"), "invalid maxSeries \"-1\": expected a whole number from 0 to"),
        ] {
            tempo.refuses(&format!("{address}?{parameters}"), 400, reason).await;
        }
    }
    for (parameters, reason) in [
        ("step=0", "invalid step \"0\": expected a duration such as 30s, or seconds, above 0"),
        ("step=-5s", "invalid step \"-5s\": it is negative"),
        ("step=x", "invalid step"),
        ("step=NaN", "invalid step \"NaN\""),
        ("step=1ms&since=1h", "at most 10000 are allowed"),
        ("exemplars=-1", "invalid exemplars \"-1\""),
    ] {
        tempo.refuses(&format!("/api/metrics/query_range?{q}&{parameters}"), 400, reason).await;
    }
}

#[tokio::test]
async fn a_query_is_explained_as_text() {
    let tempo = Tempo::with(&spans()).await;
    let search = tempo.get(&format!("/api/hoptrail/explain?{}&q={}", window(), escaped("{ } | count() > 1"))).await;
    assert_eq!(search.status, 200);
    assert!(search.text().contains("found\n  1 answers"), "{}", search.text());
    let rate = tempo.get(&format!("/api/hoptrail/explain?{}&q={}", window(), escaped("{ } | rate()"))).await;
    assert!(rate.text().contains("found\n  1 series"), "{}", rate.text());
    tempo.refuses("/api/hoptrail/explain?q=%7B", 400, "invalid TraceQL query").await;
}

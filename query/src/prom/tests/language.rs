//! What queries give.

use super::*;

const CALLS: &str = "traces_spanmetrics_calls_total";

#[tokio::test(flavor = "multi_thread")]
async fn increase_over_whole_minutes_is_what_was_counted() {
    let prom = Prom::new().await;
    for (minutes, end) in [(1, 60), (5, 3600), (17, 4020), (60, 7200), (120, 7200)] {
        let query = format!("sum(increase({CALLS}{{service=\"shop\", span_kind=\"SPAN_KIND_SERVER\"}}[{minutes}m]))");
        let expected = prom.count((end - minutes * 60, end), |span| is_server(span, "shop"));
        assert_eq!(prom.number(&query, T0 + end).await, expected, "{query}");
        let rate = prom.number(&query.replace("increase", "rate"), T0 + end).await;
        assert!((rate * (minutes * 60) as f64 - expected).abs() < 1e-9);
    }
    let earlier = prom.number(&format!("sum(increase({CALLS}[10m] offset 1h))"), T0 + 7200).await;
    assert_eq!(earlier, prom.count((3000, 3600), |_| true));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_a_range_is_what_was_counted() {
    let prom = Prom::new().await;
    for step in [60, 300, 900] {
        let query = format!("sum by (service) (increase({CALLS}[{step}s]))");
        let (start, end, step_text) = ((T0 + step).to_string(), (T0 + 7200).to_string(), step.to_string());
        let params = [("query", query.as_str()), ("start", &start), ("end", &end), ("step", &step_text)];
        let data = prom.data("query_range", &params).await;
        assert_eq!(data["resultType"], "matrix");
        let series = data["result"].as_array().expect("a list");
        assert_eq!(series.len(), 4);
        for one in series {
            let service = one["metric"]["service"].as_str().expect("a service");
            let points = one["values"].as_array().expect("points");
            for point in points {
                let time = point[0].as_f64().expect("a time") as u64 - T0;
                let expected = prom.count((time - step, time), |span| span.resource.service_name() == service);
                assert_eq!(number(point), expected, "{service} at {time}");
            }
            assert!(points.len() as u64 >= 7200 / step - 2, "{service}: {}", points.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_count_from_the_beginning_and_have_what_came_a_second_ago() {
    let mut all = spans();
    all.push(span(9000, "late", "now", SpanKind::Server, (7_209_000, 1)));
    let prom = Prom::with(all).await;
    let total = prom.number(&format!("sum({CALLS})"), NOW).await;
    assert_eq!(total, prom.spans.len() as f64);
    assert_eq!(prom.number(&format!("increase({CALLS}{{service=\"late\"}}[5m])"), NOW).await, 1.0);
    let gone = prom.instant(&format!("increase({CALLS}{{service=\"late\"}}[5m])"), NOW + 3 * 3600).await;
    assert!(gone.is_empty(), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quantiles_are_within_their_buckets() {
    let prom = Prom::new().await;
    let mut lengths: Vec<u64> = prom
        .spans
        .iter()
        .filter(|span| is_server(span, "pay"))
        .map(|span| span.span.end_unix_nano - span.span.start_unix_nano)
        .collect();
    lengths.sort_unstable();
    let exact = lengths[lengths.len() * 9 / 10] as f64 / 1e9;
    let query = "histogram_quantile(.9, sum(rate(traces_spanmetrics_latency_bucket{service=\"pay\", \
                 span_kind=\"SPAN_KIND_SERVER\"}[2h])) by (le))";
    let found = prom.number(query, T0 + 7200).await;
    assert!(found / exact < 2.0 && exact / found < 2.0, "{found} for {exact}");
    let sum = prom.number("sum(increase(traces_spanmetrics_latency_sum{service=\"pay\"}[2h]))", T0 + 7200).await;
    let nanos: u64 = lengths.iter().sum();
    assert!((sum - nanos as f64 / 1e9).abs() < 1e-6);
    let below = "sum(increase(traces_spanmetrics_latency_bucket{service=\"pay\", le=\"1.0\"}[2h]))";
    let expected = lengths.iter().filter(|nanos| **nanos <= 1_000_000_000).count();
    assert_eq!(prom.number(below, T0 + 7200).await, expected as f64);
}

/// What Grafana's service map asks, with the names and labels that it reads.
#[tokio::test(flavor = "multi_thread")]
async fn the_queries_of_the_service_map_are_answered() {
    let prom = Prom::new().await;
    let called = |span: &TraceSpan| span.span.kind == SpanKind::Server;
    for metric in [
        "traces_service_graph_request_server_seconds_sum",
        "traces_service_graph_request_total",
        "traces_service_graph_request_failed_total",
        "traces_service_graph_request_server_seconds_bucket",
    ] {
        let by = if metric.ends_with("bucket") { "le,client,server" } else { "client,server" };
        let found = prom.instant(&format!("sum by ({by}) (rate({metric}{{}}[7200s]))"), T0 + 7200).await;
        assert!(found.len() >= 4, "{metric}: {found:?}");
    }
    let query = "sum by (client, server) (increase(traces_service_graph_request_total[7200s]))";
    for (labels, number) in prom.instant(query, T0 + 7200).await {
        let labels: Value = serde_json::from_str(&labels).expect("JSON");
        assert_eq!(labels["client"], "web");
        let server = labels["server"].as_str().expect("a server");
        let expected = prom.count((0, 7200), |span| called(span) && span.resource.service_name() == server);
        let unanswered = prom.count((0, 7200), |span| !span.span.attributes.is_empty());
        assert_eq!(number, if server == "redis" { unanswered } else { expected }, "{server}");
    }
    let kinds = "group by (client, connection_type, server) (traces_service_graph_request_total)";
    let kinds = prom.instant(kinds, NOW).await;
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let of_database = kinds.iter().find(|(labels, _)| labels.contains("redis")).expect("the database");
    assert!(of_database.0.contains("\"connection_type\":\"database\"") && of_database.1 == 1.0);
    let table =
        "topk(5, sum(rate(traces_spanmetrics_calls_total{span_kind=\"SPAN_KIND_SERVER\"}[7200s])) by (span_name))";
    let rates = prom.instant(table, T0 + 7200).await;
    assert!(rates.len() == 3 && rates.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{rates:?}");
    let errors = "topk(5, sum(rate(traces_spanmetrics_calls_total{status_code=\"STATUS_CODE_ERROR\", \
                  span_name=~\"GET /|POST /order\"}[7200s])) by (span_name))";
    assert_eq!(prom.instant(errors, T0 + 7200).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queries_of_the_shipped_dashboard_are_answered() {
    const DASHBOARD: &str = include_str!("../../../../deploy/grafana/dashboards/services.json");
    let prom = Prom::new().await;
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets: Vec<&Value> = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets")).collect();
    assert_eq!(targets.len(), 8);
    for target in targets {
        let query = target["expr"].as_str().expect("a query");
        let query = query.replace("$__rate_interval", "30m").replace("$__range", "2h").replace("$service", ".*");
        let found = prom.instant(&query, T0 + 7200).await;
        assert!(found.len() >= 3 && found.iter().all(|(_, number)| *number >= 0.0), "{query}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_computed_with_one_another() {
    let prom = Prom::new().await;
    let end = T0 + 7200;
    let errors = format!("sum by (service) (increase({CALLS}{{status_code=\"STATUS_CODE_ERROR\"}}[2h]))");
    let all = format!("sum by (service) (increase({CALLS}[2h]))");
    let ratio = prom.instant(&format!("{errors} / {all} * 100"), end).await;
    assert_eq!(ratio.len(), 3);
    let failed = prom.count((0, 7200), |span| is_server(span, "shop") && span.span.status.code == SpanStatus::Error);
    let expected = failed / prom.count((0, 7200), |span| is_server(span, "shop")) * 100.0;
    let shop = ratio.iter().find(|(labels, _)| labels.contains("shop")).expect("shop");
    assert!((shop.1 - expected).abs() < 1e-9);
    for (query, series) in [
        (format!("{all} > 1e9"), 0),
        (format!("{all} > bool 1e9"), 4),
        (format!("{errors} and {all}"), 3),
        (format!("{all} unless {errors}"), 1),
        (format!("{errors} or {all}"), 4),
        (format!("bottomk(1, {all})"), 1),
        (format!("sum by (service, span_name) (rate({CALLS}[2h])) / on (service) group_left {all}"), 12),
        (format!("count({all})"), 1),
        (format!("avg without (service) ({all})"), 1),
        (format!("max({all}) - min({all})"), 1),
        (format!("scalar(count({all})) * {all}"), 4),
        ("vector(1) + 1".to_owned(), 1),
        (format!("clamp_max({all}, 1) == 1"), 4),
    ] {
        assert_eq!(prom.instant(&query, end).await.len(), series, "{query}");
    }
    let (status, answer) =
        prom.get("query", &[("query", &format!("rate({CALLS}[2h]) / {all}")), ("time", &end.to_string())]).await;
    assert_eq!((status.as_u16(), &answer["errorType"]), (200, &Value::Null), "no labels match: {answer}");
    let many = format!("{all} * on () {all}");
    let (status, answer) = prom.get("query", &[("query", &many), ("time", &end.to_string())]).await;
    assert_eq!((status.as_u16(), answer["errorType"].as_str()), (422, Some("execution")), "{answer}");
    assert!(answer["error"].as_str().expect("a text").contains("group_left"));
}

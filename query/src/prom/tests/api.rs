//! Addresses, parameters and errors.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn save_and_test_of_grafana_is_answered() {
    let prom = Prom::new().await;
    let data = prom.data("query", &[("query", "1+1"), ("time", "4")]).await;
    assert_eq!(data, serde_json::json!({"resultType": "scalar", "result": [4.0, "2"]}));
    let info = prom.data("status/buildinfo", &[]).await;
    assert!(info["version"].as_str().expect("a version").starts_with("2."));
    let metadata = prom.data("metadata", &[]).await;
    assert_eq!(metadata["traces_spanmetrics_latency"][0]["type"], "histogram");
    assert_eq!(prom.data("query_exemplars", &[("query", "x")]).await, serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_read_like_the_address() {
    let prom = Prom::new().await;
    let body = form(&[("query", "sum(traces_spanmetrics_calls_total{service=~\"sh.+\"})"), ("time", &NOW.to_string())]);
    let request = Request::post("/api/prom/api/v1/query")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("a request");
    let (status, answer) = prom.ask(request).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(number(&answer["data"]["result"][0]["value"]), prom.count((0, 7300), |span| is_server(span, "shop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_values_are_listed() {
    let prom = Prom::new().await;
    let labels = prom.data("labels", &[]).await;
    for label in
        ["__name__", "service", "span_name", "span_kind", "status_code", "client", "server", "connection_type", "le"]
    {
        assert!(labels.as_array().expect("a list").iter().any(|known| known == label), "{label} is not in {labels}");
    }
    assert_eq!(prom.data("label/service/values", &[]).await, serde_json::json!(["cart", "pay", "shop", "web"]));
    let names = prom.data("label/__name__/values", &[("match[]", "{client=\"web\"}")]).await;
    assert_eq!(names.as_array().expect("a list").len(), 8, "{names}");
    let series = prom.data("series", &[("match[]", "traces_spanmetrics_calls_total{service=\"shop\"}")]).await;
    assert!(series.as_array().expect("a list").iter().all(|one| one["service"] == "shop"), "{series}");
    let before = [("match[]", "{service=\"shop\"}"), ("start", "10"), ("end", "20")];
    assert_eq!(prom.data("series", &before).await, serde_json::json!([]));
    let (_, cut) = prom.get("label/service/values", &[("limit", "1")]).await;
    assert_eq!(cut["data"], serde_json::json!(["cart"]));
    assert!(cut["warnings"][0].as_str().expect("a warning").contains("limit is 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_said() {
    let prom = Prom::new().await;
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let long = "1+".repeat(10_000) + "1";
    for (query, reason) in [
        ("", "query is missing"),
        ("rate(", "invalid PromQL query"),
        ("predict_linear(x[5m], 3)", "the function predict_linear is not supported: hoptrail answers PromQL from"),
        ("stddev(x)", "the aggregation stddev is not supported"),
        ("max_over_time(rate(x[5m])[1h:])", "is not supported"),
        ("rate(x[5m:1m])", "rate of a subquery is not supported"),
        ("x[5m]", "a range such as [5m] outside of rate and increase is not supported"),
        ("x @ end()", "the modifier @ is not supported"),
        ("x atan2 x", "the operator atan2 is not supported"),
        ("\"x\"", "a text as a query is not supported"),
        ("{a=\"b\" or c=\"d\"}", "`or` between matchers is not supported"),
        ("1 > 2", "must use BOOL modifier"),
        (&deep, "within one another"),
        (&long, "longer than"),
    ] {
        let (status, answer) = prom.get("query", &[("query", query)]).await;
        assert_eq!((status.as_u16(), answer["errorType"].as_str()), (400, Some("bad_data")), "{query}: {answer}");
        assert!(answer["error"].as_str().expect("a text").contains(reason), "{query}: {answer}");
    }
    let range = |step| [("query", "1"), ("start", "0"), ("end", "100000"), ("step", step)];
    for (params, reason) in [
        (range("1"), "the most are 11000"),
        (range("0"), "invalid step"),
        (range("soon"), "invalid step"),
        ([("query", "1"), ("start", "5"), ("end", "1"), ("step", "1")], "invalid end"),
        ([("query", "1"), ("start", "x"), ("end", "1"), ("step", "1")], "invalid start"),
    ] {
        let (status, answer) = prom.get("query_range", &params).await;
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().expect("a text").contains(reason), "{params:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_metric_is_no_error_and_is_said() {
    let prom = Prom::new().await;
    let (status, answer) = prom.get("query", &[("query", "up")]).await;
    assert_eq!((status.as_u16(), &answer["data"]["result"]), (200, &serde_json::json!([])));
    assert!(answer["warnings"][0].as_str().expect("a warning").contains("there is no metric up here"));
}

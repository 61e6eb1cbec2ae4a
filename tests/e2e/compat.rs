//! The calls of programs that read from Tempo, as they send them, with the shop of `hoptrail demo`: Grafana's data source, Traces
//! Drilldown, Kiali, Perses, tempo-cli. Answers in JSON are decoded as strictly as theirs are; over gRPC the answer is the same.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::api::{Http, escape};
use super::clients::installed;
use super::export::now;
use super::streaming::ask;
use crate::harness::{Server, hoptrail};

const SECOND: u64 = 1_000_000_000;

/// A server with a minute of the shop, and the client that asks.
struct Shop {
    _data: tempfile::TempDir,
    server: Server,
    python: PathBuf,
    /// In seconds.
    start: u64,
    end: u64,
}

impl Shop {
    fn open() -> Option<Self> {
        let python = installed("python")?;
        let data = tempfile::tempdir().expect("a temporary folder");
        let server = Server::start(data.path());
        let endpoint = format!("http://{}", server.otlp_grpc);
        let run =
            ["demo", "--endpoint", &endpoint, "--rate", "200", "--duration", "0s", "--backfill", "1m", "--seed", "7"];
        let ended = hoptrail().args(run).output().expect("the demo starts");
        assert!(ended.status.success(), "{ended:?}");
        let end = now() / SECOND + 1;
        Some(Self { _data: data, server, python, start: end - 600, end })
    }

    async fn ask(&self, questions: &[Value]) -> Vec<Value> {
        ask(&self.python, &self.server.tempo, questions).await
    }

    /// What `/api/search` answers in a strict decoder.
    async fn search(&self, q: &str, more: &str) -> Vec<Value> {
        let Self { start, end, .. } = self;
        let path = format!("/api/search?q={}&start={start}&end={end}{more}", escape(q));
        let answers = self.ask(&[json!({"path": path, "as": "SearchResponse"})]).await;
        list(&answers[0], "traces")
    }

    /// The series of a metrics query over HTTP and over gRPC, which are the same.
    async fn series(&self, q: &str) -> Vec<Value> {
        let Self { start, end, .. } = self;
        let path = format!("/api/metrics/query_range?q={}&start={start}&end={end}&step=10&exemplars=100", escape(q));
        let request = json!({
            "query": q, "start": (start * SECOND).to_string(), "end": (end * SECOND).to_string(),
            "step": (10 * SECOND).to_string(), "exemplars": 100,
        });
        let questions = [
            json!({"path": path, "as": "QueryRangeResponse"}),
            json!({"method": "MetricsQueryRange", "request": request}),
        ];
        let answers = self.ask(&questions).await;
        let over_http = list(&answers[0], "series");
        assert_eq!(answers[1]["code"], "OK", "{q}: {}", answers[1]);
        let last = answers[1]["messages"].as_array().and_then(|messages| messages.last()).expect("a message");
        let over_grpc = last["series"].as_array().cloned().unwrap_or_default();
        assert_eq!(labels(&over_http), labels(&over_grpc), "{q}");
        over_http
    }
}

/// The list at `key` of an answer that is a success.
fn list(answer: &Value, key: &str) -> Vec<Value> {
    assert_eq!(answer["status"], 200, "{answer}");
    answer["message"][key].as_array().cloned().unwrap_or_default()
}

fn labels(series: &[Value]) -> Vec<Value> {
    series.iter().map(|series| series["labels"].clone()).collect()
}

fn has_label(series: &Value, key: &str) -> bool {
    series["labels"].as_array().is_some_and(|labels| labels.iter().any(|label| label["key"] == key))
}

/// Keys of the attributes of the spans that an answer lists.
fn keys(traces: &[Value]) -> Vec<&str> {
    let sets = traces.iter().filter_map(|trace| trace["spanSets"].as_array()).flatten();
    let spans = sets.filter_map(|set| set["spans"].as_array()).flatten();
    let attributes = spans.filter_map(|span| span["attributes"].as_array()).flatten();
    attributes.filter_map(|attribute| attribute["key"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_searches_completes_and_opens_traces() {
    let Some(shop) = Shop::open() else { return };
    let found = shop.search("{resource.service.name != nil && duration > 1ms}", "&limit=20&spss=3").await;
    assert_eq!(found.len(), 20);
    let id = found[0]["traceID"].as_str().expect("an id");
    let (start, end) = (shop.start, shop.end);
    let answers = shop
        .ask(&[
            json!({"path": "/api/echo"}),
            json!({"path": "/api/status/buildinfo"}),
            json!({"path": "/api/v2/search/tags?limit=5000", "as": "SearchTagsV2Response"}),
            json!({"path": format!("/api/v2/search/tags?limit=5000&start={start}&end={end}"), "as": "SearchTagsV2Response"}),
            json!({"path": "/api/v2/search/tag/resource.service.name/values?limit=5000", "as": "SearchTagValuesV2Response"}),
            json!({"path": format!("/api/v2/search/tag/name/values?limit=5000&q={}", escape("{resource.service.name=}")), "as": "SearchTagValuesV2Response"}),
            json!({"path": "/api/v2/search/tag/status/values?limit=5000", "as": "SearchTagValuesV2Response"}),
            json!({"path": format!("/api/v2/traces/{id}"), "as": "TraceByIDResponse"}),
            json!({"path": format!("/api/traces/{id}"), "as": "Batches"}),
            // "Save & test" with streaming.
            json!({"method": "Search", "request": {"Query": "{}", "Limit": 1, "start": end - 900, "end": end}}),
            json!({"method": "Search", "request": {"Query": "{status = error}", "Limit": 20, "SpansPerSpanSet": 3, "start": start, "end": end}}),
        ])
        .await;
    assert_eq!(answers[0]["message"], "echo\n");
    let build: Value = serde_json::from_str(answers[1]["message"].as_str().expect("text")).expect("JSON");
    assert!(build["version"].as_str().is_some_and(|version| version >= "2.10"), "{build}");
    for scopes in [list(&answers[2], "scopes"), list(&answers[3], "scopes")] {
        let names: Vec<&str> = scopes.iter().filter_map(|scope| scope["name"].as_str()).collect();
        assert!(["resource", "span", "intrinsic"].iter().all(|name| names.contains(name)), "{names:?}");
    }
    for values in &answers[4..7] {
        assert!(!list(values, "tagValues").is_empty(), "{values}");
    }
    assert!(!list(&answers[8], "batches").is_empty());
    assert_eq!(answers[7]["message"]["trace"]["resourceSpans"], answers[8]["message"]["batches"]);
    assert_eq!(answers[9]["messages"][0]["traces"].as_array().map(Vec::len), Some(1), "{}", answers[9]);
    assert_eq!(answers[10]["code"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn drilldown_finds_its_roots_its_structure_and_its_comparison() {
    let Some(shop) = Shop::open() else { return };
    let root = "nestedSetParent<0";
    for q in [
        format!("{{{root}}} | rate() with(sample=true)"),
        format!("{{{root}}} | rate() by(resource.service.name) with(sample=true)"),
        format!("{{{root} && resource.service.name != nil}} | rate() by(resource.service.name) with(sample=true)"),
        format!("{{{root} && status=error}} | rate() with(sample=true)"),
        format!("{{{root}}} | histogram_over_time(duration) with(sample=true)"),
        format!("{{{root}}} | quantile_over_time(duration, .9) by(resource.service.name) with(sample=true)"),
        format!("{{{root}}} | compare({{status=error}}) with(sample=true)"),
    ] {
        let series = shop.series(&q).await;
        assert!(!series.is_empty(), "{q}");
        let label = match () {
            () if q.contains("compare") => "__meta_type",
            () if q.contains("histogram") => "__bucket",
            () if q.contains("quantile") => "p",
            () if q.contains("by(") => "resource.service.name",
            () => "__name__",
        };
        assert!(series.iter().all(|series| has_label(series, label)), "{q}: {:?}", labels(&series));
    }
    let structure = format!(
        "({{{root}}} &>> {{status=error}}) || ({{{root}}}) | \
         select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)"
    );
    let found = shop.search(&structure, "&limit=200&spss=20").await;
    let keys = keys(&found);
    for key in ["service.name", "status", "nestedSetParent", "nestedSetLeft", "nestedSetRight"] {
        assert!(keys.contains(&key), "{key} is missing");
    }
    let exceptions = format!(
        "{{{root} && status=error}} | select(resource.service.name, event.exception.message, event.exception.stacktrace, \
         event.exception.type) with(most_recent=true)"
    );
    // Whether a root failed is chance; that the answer is understood is not.
    shop.search(&exceptions, "&limit=400&spss=10").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kiali_perses_and_tempo_cli_get_their_answers() {
    let Some(shop) = Shop::open() else { return };
    let (start, end) = (shop.start, shop.end);
    let services =
        json!({"path": "/api/v2/search/tag/resource.service.name/values", "as": "SearchTagValuesV2Response"});
    let services = list(&shop.ask(&[services]).await[0], "tagValues");
    let service = services[0]["value"].as_str().expect("a name");
    // Kiali: the spans of a service, and whatever else is in the trace.
    let q = format!(
        "{{ .service.name = \"{service}\"   }} && {{  }} | select(status, .service_name, .node_id, .component, .upstream_cluster, \
         .http.method, .response_flags, resource.hostname, name)"
    );
    let found = shop.search(&q, "&spss=10&limit=100").await;
    assert!(!found.is_empty());
    let id = found[0]["traceID"].as_str().expect("an id");
    let range = format!("start={start}&end={end}");
    let rate = escape("{ } | rate()");
    let answers = shop
        .ask(&[
            json!({"path": format!("/api/traces/{id}"), "as": "Batches"}),
            // Perses.
            json!({"path": format!("/api/search?q={}&{range}&limit=20", escape("{}")), "as": "SearchResponse"}),
            json!({"path": format!("/api/v2/search/tags?{range}"), "as": "SearchTagsV2Response"}),
            json!({"path": format!("/api/v2/search/tag/name/values?q={}&{range}", escape("{}")), "as": "SearchTagValuesV2Response"}),
            // tempo-cli query api.
            json!({"path": "/api/search/tags?scope=span", "as": "SearchTagsResponse"}),
            json!({"path": "/api/search/tag/service.name/values", "as": "SearchTagValuesResponse"}),
            json!({"path": format!("/api/metrics/query_range?q={rate}&{range}&step=30s"), "as": "QueryRangeResponse"}),
            json!({"path": format!("/api/metrics/query?q={rate}&{range}"), "as": "QueryInstantResponse"}),
            json!({"method": "SearchTags", "request": {"start": start, "end": end}}),
            json!({"method": "SearchTagsV2", "request": {"scope": "resource"}}),
            json!({"method": "SearchTagValues", "request": {"tagName": "service.name"}}),
            json!({"method": "SearchTagValuesV2", "request": {"tagName": "resource.service.name"}}),
            json!({"method": "MetricsQueryInstant", "request": {
                "query": "{ } | rate()", "start": (start * SECOND).to_string(), "end": (end * SECOND).to_string(),
            }}),
        ])
        .await;
    let keys = ["batches", "traces", "scopes", "tagValues", "tagNames", "tagValues", "series", "series"];
    for (answer, key) in answers.iter().zip(keys) {
        assert!(!list(answer, key).is_empty(), "{key}: {answer}");
    }
    for (answer, key) in answers[8..].iter().zip(["tagNames", "scopes", "tagValues", "tagValues", "series"]) {
        assert_eq!(answer["code"], "OK", "{answer}");
        assert!(!answer["messages"][0][key].as_array().expect(key).is_empty(), "{answer}");
    }
    assert_eq!(list(&answers[7], "series").len(), 1);
    assert_eq!(list(&answers[7], "series"), *answers[12]["messages"][0]["series"].as_array().expect("series"));
}

/// Every query of the dashboard of services is one that hoptrail answers.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_of_services_has_answers() {
    let Some(shop) = Shop::open() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards/red.json");
    let dashboard = std::fs::read_to_string(path).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<String> =
        targets.filter_map(|target| Some(target["query"].as_str()?.replace("$service", ".*"))).collect();
    assert!(queries.len() > 8, "{queries:?}");
    for q in queries {
        let is_search = !q.contains("rate()") && !q.contains("over_time");
        let found = if is_search { shop.search(&q, "&limit=20").await } else { shop.series(&q).await };
        assert!(!found.is_empty(), "{q}");
    }
    assert_eq!(Http::new().get(&format!("http://{}/ready", shop.server.tempo)).await.status, 200);
}

//! What is deployed beside hoptrail (`deploy/grafana`) fits it: dashboards and rules name metrics that exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::root;
use crate::harness::{Server, get};

const DASHBOARDS: [&str; 3] = ["hoptrail.json", "red.json", "services.json"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join("deploy/grafana").join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&read(&format!("dashboards/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text at `key` of all targets of all panels.
fn asked<'d>(dashboard: &'d Value, key: &str) -> Vec<&'d str> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.filter_map(|target| target[key].as_str()).collect()
}

/// The expressions of all rules.
fn rules() -> Vec<String> {
    let rules = yaml("prometheus/hoptrail-rules.yml");
    let groups = rules["groups"].as_array().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.map(|rule| rule["expr"].as_str().expect("an expression").to_owned()).collect()
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
    words.filter(|word| word.starts_with("hoptrail_") || word.starts_with("process_"))
}

/// The types of all families by the table in `docs/metrics.md`, of which another test knows that it is whole.
fn types() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(root().join("docs/metrics.md")).expect("the page exists");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned())).collect()
}

/// The names under which Prometheus knows the samples of a metric.
fn samples((name, kind): (&String, &String)) -> Vec<String> {
    match kind.as_str() {
        "histogram" => ["bucket", "sum", "count"].map(|part| format!("{name}_{part}")).into(),
        _ => vec![name.clone()],
    }
}

#[test]
fn dashboards_and_rules_name_metrics_that_exist() {
    let known: BTreeSet<String> = types().iter().flat_map(samples).collect();
    let dashboard = dashboard("hoptrail.json");
    let mut expressions = asked(&dashboard, "expr");
    let rules = rules();
    assert!(expressions.len() > 30 && rules.len() > 8, "not found: {expressions:?} {rules:?}");
    expressions.extend(rules.iter().map(String::as_str));
    let mut named = BTreeSet::new();
    for expression in expressions {
        let unknown: Vec<&str> = metrics(expression).filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
        named.extend(metrics(expression).map(str::to_owned));
    }
    // What the page calls a gauge is served as one: otherwise the names of its samples are others.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    get(&server.tempo, "/api/search");
    let served = get(&server.tempo, "/metrics").2;
    let present = |name: &&String| served.lines().any(|line| line.split(['{', ' ']).next() == Some(name.as_str()));
    let absent: Vec<&String> = named.iter().filter(|name| !present(name)).collect();
    // Families by a label have no sample before the first event.
    let by_label = ["_refused_total", "hoptrail_requests_total", "received_", "_failures_total"];
    let absent: Vec<_> = absent.into_iter().filter(|name| !by_label.iter().any(|part| name.contains(part))).collect();
    assert!(absent.is_empty(), "not served: {absent:?}\n{served}");
}

#[test]
fn dashboards_have_what_grafana_needs() {
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let panels = dashboard["panels"].as_array().expect("panels");
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: panels share an id");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            let (x, y) = (place("x")..place("x") + place("w"), place("y")..place("y") + place("h"));
            assert!(x.end <= 24, "{name}: {} is too wide", panel["title"]);
            let cells = y.flat_map(|y| x.clone().map(move |x| (x, y)));
            assert!(cells.into_iter().all(|cell| taken.insert(cell)), "{name}: {} covers another", panel["title"]);
        }
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        let variables: BTreeSet<&str> =
            variables.iter().map(|variable| variable["name"].as_str().expect("a name")).collect();
        let text = dashboard.to_string();
        let used = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        assert!(used.into_iter().all(|name| variables.contains(name)), "{name}: an unknown variable");
    }
}

#[test]
fn provisioning_points_to_what_is_there() {
    let sources = yaml("provisioning/datasources/hoptrail.yaml");
    let sources = sources["datasources"].as_array().expect("data sources");
    let tempo = sources.iter().find(|source| source["type"] == "tempo").expect("one of type Tempo");
    assert_eq!(tempo["url"], "http://localhost:3200");
    assert_eq!(tempo["jsonData"]["streamingEnabled"], serde_json::json!({"search": true, "metrics": true}));
    let uids: Vec<&str> = sources.iter().filter_map(|source| source["uid"].as_str()).collect();
    let graph = tempo["jsonData"]["serviceMap"]["datasourceUid"].as_str().expect("a uid");
    let metrics = sources.iter().find(|source| source["uid"] == graph).expect("the source of the service graph");
    assert_eq!((&metrics["type"], &metrics["url"]), (&"prometheus".into(), &"http://localhost:3200/api/prom".into()));
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        let source = variables.iter().find(|variable| variable["type"] == "datasource").expect("a data source");
        assert!(uids.contains(&source["current"]["value"].as_str().expect("a uid")), "{name}");
    }
    let provider = yaml("provisioning/dashboards/hoptrail.yaml");
    assert_eq!(provider["providers"][0]["type"], "file");
    let prometheus = yaml("prometheus/prometheus.yml");
    let rules = prometheus["rule_files"][0].as_str().expect("a file");
    assert!(!read(&format!("prometheus/{rules}")).is_empty());
    assert_eq!(prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0], "localhost:3200");
}

/// The queries of the dashboard over span metrics are among those that `/api/prom` answers.
#[test]
fn hoptrail_understands_the_queries_of_its_dashboard() {
    let dashboard = dashboard("services.json");
    let expressions = asked(&dashboard, "expr");
    assert_eq!(expressions.len(), 8);
    for expression in expressions {
        let query = expression.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$service", ".*");
        hoptrail_query::prom::check(&query).unwrap_or_else(|error| panic!("{expression}: {error}"));
    }
}

//! The real Prometheus: it scrapes span metrics and takes remote write, and its numbers are those that the store counts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hoptrail::config::Config;
use hoptrail::prometheus::of_prometheus;
use hoptrail::remote_write::Target;
use hoptrail_proto::model::TenantId;
use hoptrail_query::Service;
use hoptrail_storage::{MemoryStore, SpanBatch, SpanWriter};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prometheus_client::registry::Registry;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::api::{Http, escape, eventually};
use super::clients::missing;
use super::export::{now, request, span};

const CALLS: &str = "traces_spanmetrics_calls_total";
const MINUTE: u64 = 60_000_000_000;

/// A Prometheus with a folder and a port of its own.
struct Prometheus {
    folder: tempfile::TempDir,
    port: u16,
    features: &'static str,
    child: Child,
    http: Http,
}

impl Prometheus {
    /// Starts one that scrapes `target`. `None` where the Debian package is not installed.
    async fn start(target: SocketAddr, features: &'static str) -> Option<Self> {
        let Some(binary) = binary() else {
            missing("prometheus is not installed (apt-get install prometheus)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: spans\n    metrics_path: /metrics/spans\n    \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        std::fs::write(folder.path().join("p.yml"), config).expect("written");
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let child = launch(&binary, folder.path(), port, features);
        let prometheus = Self { folder, port, features, child, http: Http::new() };
        prometheus.ready().await;
        Some(prometheus)
    }

    async fn ready(&self) {
        let url = format!("{}/-/ready", self.url());
        let ask =
            async || self.http.send(http::Method::GET, &url, &[], "").await.ok().filter(|answer| answer.status == 200);
        eventually("Prometheus", ask).await;
    }

    fn stop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    async fn start_again(&mut self) {
        let binary = binary().expect("it was there");
        self.child = launch(&binary, self.folder.path(), self.port, self.features);
        self.ready().await;
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn ask(&self, path: &str) -> Value {
        self.http.get(&format!("{}/api/v1/{path}", self.url())).await.json()["data"].take()
    }

    /// The only number of a query; `None` while there is none.
    async fn number(&self, query: &str) -> Option<f64> {
        let data = self.ask(&format!("query?query={}", escape(query))).await;
        data["result"].as_array()?.first()?["value"][1].as_str()?.parse().ok()
    }

    /// Waits until a query gives a number.
    async fn reaches(&self, query: &str, expected: f64) {
        let ask = async || self.number(query).await.filter(|number| *number == expected);
        eventually(&format!("{expected} of {query}"), ask).await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|path| path.exists())
}

fn launch(binary: &Path, folder: &Path, port: u16, features: &str) -> Child {
    Command::new(binary)
        .current_dir(folder)
        .args(["--config.file=p.yml", "--storage.tsdb.path=data", "--web.enable-remote-write-receiver"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--enable-feature={features}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Prometheus starts")
}

/// hoptrail's routes for Prometheus over a store, served.
struct Hoptrail {
    store: Arc<MemoryStore>,
    service: Arc<Service>,
    address: SocketAddr,
    data: tempfile::TempDir,
    next: u64,
}

impl Hoptrail {
    async fn start() -> Self {
        let store = Arc::new(MemoryStore::default());
        let service =
            Service::new(&hoptrail_query::Config::default(), Arc::clone(&store) as _, &mut Registry::default());
        let data = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (routes, _) = of_prometheus(&Config::default(), &service, &mut Registry::default()).expect("routes");
        let pages =
            hoptrail_ui::router(Arc::clone(&service), &hoptrail_ui::Config::default(), hoptrail_ui::Sources::default());
        let router: Router = routes.merge(pages);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { store, service, address, data, next: 1 }
    }

    /// Writes to these receivers until the token is cancelled.
    fn write_to(&self, targets: &[(&Prometheus, &str)]) -> (CancellationToken, JoinSet<()>) {
        let target = |(prometheus, histograms): &(&Prometheus, &str)| -> Target {
            let url = format!("{}/api/v1/write", prometheus.url());
            let yaml = format!("url: {url}\ninterval: 1s\nhistograms: {histograms}");
            serde_saphyr::from_str(&yaml).expect("a target")
        };
        let remote_write = targets.iter().map(target).collect();
        let config = Config { data: self.data.path().to_path_buf(), remote_write, ..Config::default() };
        let (_, writers) = of_prometheus(&config, &self.service, &mut Registry::default()).expect("queues");
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        writers.spawn(&mut tasks, &stop);
        (stop, tasks)
    }

    /// Keeps so many spans of a service that end now, or began so many minutes earlier.
    async fn keep(&mut self, service: &str, count: u64, minutes: u64) {
        let spans: Vec<Span> = (0..count).map(|n| self.span(n, minutes)).collect();
        self.next += count;
        let body = request(service, spans).encode_to_vec().into();
        let batch = SpanBatch { tenant: TenantId::single(), body, spans: count as u32 };
        self.store.write(batch).await.expect("kept");
    }

    fn span(&self, n: u64, minutes: u64) -> Span {
        let id = self.next + n;
        let start = now() - minutes * MINUTE - 700_000_000;
        let end_time_unix_nano = start + 500_000_000;
        Span {
            start_time_unix_nano: start,
            end_time_unix_nano,
            kind: SpanKind::Server as i32,
            ..span(u128::from(id) << 64 | 7, id, "GET /")
        }
    }
}

/// The query that takes what was written, or what was scraped.
fn written(query: &str) -> String {
    query.replace("{}", "{job=\"\"}")
}

fn scraped(query: &str) -> String {
    query.replace("{}", "{job=\"spans\"}")
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_what_the_store_counts() {
    let mut hoptrail = Hoptrail::start().await;
    let Some(mut classic) = Prometheus::start(hoptrail.address, "exemplar-storage").await else { return };
    let native = Prometheus::start(hoptrail.address, "exemplar-storage,native-histograms").await.expect("it is there");
    hoptrail.keep("old", 40, 120).await;
    let (stop, tasks) = hoptrail.write_to(&[(&classic, "classic"), (&native, "native")]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // While it is taken: a series that was there, one that is new, and calls whose minute is over.
    hoptrail.keep("old", 1, 0).await;
    hoptrail.keep("past", 9, 3).await;
    for _ in 0..8 {
        hoptrail.keep("shop", 5, 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let total = format!("sum({CALLS}{{}})");
    for prometheus in [&classic, &native] {
        prometheus.reaches(&written(&total), 90.0).await;
        prometheus.reaches(&scraped(&total), 90.0).await;
        rates_are_right(prometheus).await;
    }
    let calls = "sum(traces_service_graph_request_total{job=\"\", server=\"past\", virtual_node=\"client\"})";
    classic.reaches(calls, 9.0).await;
    let bucket = "sum(traces_spanmetrics_latency_bucket{job=\"spans\", le=\"0.5\"})";
    classic.reaches(bucket, 90.0).await;
    for job in ["", "spans"] {
        let count = format!("sum(histogram_count(traces_spanmetrics_latency{{job=\"{job}\"}}))");
        native.reaches(&count, 90.0).await;
        let quantile = format!("histogram_quantile(0.5, sum(traces_spanmetrics_latency{{job=\"{job}\"}}))");
        let median = native.number(&quantile).await.expect("a quantile");
        assert!((median - 0.5).abs() < 0.05, "{median}");
    }
    exemplars_open(&classic, &hoptrail).await;

    // A receiver that is away, and hoptrail that starts again meanwhile.
    classic.stop();
    hoptrail.keep("shop", 7, 0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.cancel();
    tasks.join_all().await;
    let (stop, tasks) = hoptrail.write_to(&[(&classic, "classic"), (&native, "native")]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let away = now() / 1_000_000_000;
    hoptrail.keep("shop", 3, 0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    classic.start_again().await;
    for prometheus in [&classic, &native] {
        prometheus.reaches(&written(&total), 100.0).await;
        let resets = format!("sum(resets({CALLS}{{}}[5m]))");
        assert_eq!(prometheus.number(&written(&resets)).await, Some(0.0), "a restart is no reset");
        assert_eq!(prometheus.number(&scraped(&resets)).await, Some(0.0));
    }
    let then = format!("sum({CALLS}{{job=\"\"}} @ {away})");
    assert_eq!(classic.number(&then).await, Some(97.0), "what was counted while it was away is there");
    stop.cancel();
    tasks.join_all().await;
}

/// `increase` and `rate` over what was written: with its first sample of 0 a new series has all its spans, and an old one only
/// those that came.
async fn rates_are_right(prometheus: &Prometheus) {
    for (service, expected) in [("shop", 40.0), ("old", 1.0)] {
        let series = format!("{CALLS}{{job=\"\", service=\"{service}\"}}[2m]");
        let risen = format!("max_over_time({series}) - min_over_time({series})");
        assert_eq!(prometheus.number(&risen).await, Some(expected), "{risen}");
        let increase = prometheus.number(&format!("increase({series})")).await.expect("a number");
        assert!((increase / expected - 1.0).abs() < 0.3, "{service}: {increase}");
        let rate = prometheus.number(&format!("rate({series})")).await.expect("a number");
        assert!((rate * 120.0 - increase).abs() < 0.01, "{service}: {rate}");
    }
}

/// The trace ids of exemplars, scraped and written, lead to pages.
async fn exemplars_open(prometheus: &Prometheus, hoptrail: &Hoptrail) {
    let range = format!("start={}&end={}", now() / 1_000_000_000 - 300, now() / 1_000_000_000 + 5);
    let query = "traces_spanmetrics_latency_bucket{service=\"shop\"}";
    let found = prometheus.ask(&format!("query_exemplars?query={}&{range}", escape(query))).await;
    let series = found.as_array().expect("a list");
    for is_written in [true, false] {
        let of_job = series.iter().filter(|one| one["seriesLabels"]["job"].is_null() == is_written);
        let exemplars: Vec<&Value> = of_job.flat_map(|one| one["exemplars"].as_array().expect("a list")).collect();
        assert!(!exemplars.is_empty(), "written: {is_written}: {found}");
        let id = exemplars[0]["labels"]["trace_id"].as_str().expect("an id");
        let page = prometheus.http.get(&format!("http://{}/trace/{id}", hoptrail.address)).await;
        assert!(page.status == 200 && page.text().contains("GET /"), "{id}: {}", page.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_grafana_passes_and_a_receiver_that_is_not_there_stops_nobody() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let target = "remote_write=[{\"url\": \"http://127.0.0.1:9/write\"}]";
    let server = crate::harness::Server::start_with(data.path(), &["--set", target]);
    let url = format!("http://{}/api/prom/api/v1/query", server.tempo);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = Http::new().post(&url, &form, "query=1%2B1&time=4").await;
    assert_eq!(answer.json()["data"]["result"], serde_json::json!([4.0, "2"]));
    server.stop();
}

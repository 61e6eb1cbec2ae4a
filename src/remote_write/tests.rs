//! What is written, and to a receiver that is away for a while.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes as Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, SpanKind, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_storage::{FakeClock, MemoryStore, SpanBatch, SpanWriter};
use prost::Message;

use super::message::{Request1, Request2};
use super::*;

const MINUTE: u64 = 60_000_000_000;
/// 2026-01-01 and some hours.
const NOW: u64 = 1_767_225_600_000_000_000 + 300 * MINUTE;

fn span(id: u64, service: &str, start: u64, millis: u64) -> TraceSpan {
    let span = Span {
        trace_id: TraceId(u128::from(id).to_be_bytes()),
        span_id: SpanId(id.to_be_bytes()),
        name: "GET /".to_owned(),
        kind: SpanKind::Server,
        start_unix_nano: start,
        end_unix_nano: start + millis * 1_000_000,
        ..Span::default()
    };
    let attributes = vec![Attribute::new("service.name", service)];
    TraceSpan { span, resource: Arc::new(Resource { attributes, ..Resource::default() }), scope: Arc::default() }
}

/// A receiver that keeps what it gets, and what it answers to each request.
#[derive(Debug, Default)]
struct Receiver {
    answers: Mutex<Vec<u16>>,
    asked: AtomicUsize,
    got: Mutex<Vec<(HeaderMap, Vec<u8>)>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> (Arc<Self>, SocketAddr) {
        let receiver = Arc::new(Self { answers: Mutex::new(answers.to_vec()), ..Self::default() });
        let of_route = Arc::clone(&receiver);
        let router = Router::new()
            .route("/write", post(move |headers: HeaderMap, body: Body| async move { of_route.take(headers, &body) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, address)
    }

    fn take(&self, headers: HeaderMap, body: &[u8]) -> Response {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().expect("unpoisoned");
        let status = if answers.is_empty() { 204 } else { answers.remove(0) };
        if status == 204 {
            let body = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
            self.got.lock().expect("unpoisoned").push((headers, body));
        }
        (StatusCode::from_u16(status).expect("a status"), [("retry-after", "0")]).into_response()
    }
}

struct Fixture {
    store: Arc<MemoryStore>,
    clock: Arc<FakeClock>,
    service: Arc<Service>,
    data: tempfile::TempDir,
    registry: Registry,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let mut registry = Registry::default();
        let service = Service::new(&hoptrail_query::Config::default(), Arc::clone(&store) as _, &mut registry);
        let data = tempfile::tempdir().expect("a folder");
        Self { store, clock: Arc::new(FakeClock::at(NOW)), service, data, registry }
    }

    async fn keep(&self, spans: &[TraceSpan]) {
        let body = otlp::to_request(spans).encode_to_vec().into();
        let batch = SpanBatch { tenant: TenantId::single(), body, spans: spans.len() as u32 };
        self.store.write(batch).await.expect("the spans are kept");
    }

    fn writer(&mut self, address: SocketAddr, more: &str) -> Writer {
        let target: Target = serde_saphyr::from_str(&format!("url: http://{address}/write\n{more}")).expect("a target");
        let overflowed = Overflowed::default();
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let config = export::Config::default();
        let parts = Parts { service: &self.service, clock: &clock, config: &config, overflowed: &overflowed };
        let writers = Writers::open(&[target], self.data.path(), &parts, &mut self.registry).expect("a queue");
        writers.0.into_iter().next().expect("one")
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        text
    }
}

/// Sends everything that waits.
async fn drain(writer: &Writer) {
    while let Some(outcome) = writer.send_oldest().await.expect("the queue works") {
        if let Outcome::Failed { .. } = outcome {
            tokio::task::yield_now().await;
        }
    }
}

/// The samples of a request in version 1.0, by labels.
fn samples(body: &[u8]) -> BTreeMap<String, Vec<(f64, i64)>> {
    let request = Request1::decode(body).expect("a message");
    let of = |series: &message::Series1| {
        let labels: Vec<String> = series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        (labels.join(","), series.samples.iter().map(|sample| (sample.value, sample.timestamp)).collect())
    };
    request.timeseries.iter().map(of).collect()
}

const CALLS: &str = "__name__=traces_spanmetrics_calls_total,service=shop,span_kind=SPAN_KIND_SERVER,span_name=GET /,\
                     status_code=STATUS_CODE_UNSET";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_receiver_is_away() {
    let (receiver, address) = Receiver::start(&[500, 503, 429]).await;
    let mut fixture = Fixture::new();
    let writer = fixture.writer(address, "headers: {X-Team: a}");
    let mut at = NOW;
    for (count, id) in [(2, 10), (3, 20), (1, 30)] {
        let spans: Vec<_> = (0..count).map(|n| span(id + n, "shop", at + 1, 3)).collect();
        fixture.keep(&spans).await;
        at += 15_000_000_000;
        fixture.clock.set(at);
        writer.collect().await.expect("collected");
    }
    assert_eq!(receiver.asked.load(Ordering::Relaxed), 0, "nobody sent yet");
    drop(writer);
    let writer = fixture.writer(address, "headers: {X-Team: a}");
    drain(&writer).await;
    let got = receiver.got.lock().expect("unpoisoned");
    let numbers: Vec<Vec<f64>> =
        got.iter().map(|(_, body)| samples(body)[CALLS].iter().map(|(value, _)| *value).collect()).collect();
    assert_eq!(numbers, [vec![0.0, 2.0], vec![5.0], vec![6.0]]);
    let (headers, _) = &got[0];
    assert_eq!(headers["x-prometheus-remote-write-version"], "0.1.0");
    assert_eq!(
        (&headers["content-type"], &headers["content-encoding"]),
        (&"application/x-protobuf".parse().unwrap(), &"snappy".parse().unwrap())
    );
    assert_eq!(headers["x-team"], "a");
    assert_eq!(receiver.asked.load(Ordering::Relaxed), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_series_begins_with_0_and_an_old_one_goes_on() {
    let (receiver, address) = Receiver::start(&[]).await;
    let mut fixture = Fixture::new();
    fixture.keep(&[span(1, "shop", NOW - 10 * MINUTE, 3)]).await;
    let writer = fixture.writer(address, "");
    fixture.clock.set(NOW + MINUTE);
    fixture.keep(&[span(2, "cart", NOW + MINUTE - 5, 3), span(3, "shop", NOW + MINUTE - 5, 3)]).await;
    writer.collect().await.expect("collected");
    fixture.clock.set(NOW + 2 * MINUTE);
    writer.collect().await.expect("collected");
    drop(writer);
    let writer = fixture.writer(address, "");
    fixture.clock.set(NOW + 3 * MINUTE);
    writer.collect().await.expect("collected");
    drain(&writer).await;
    let got = receiver.got.lock().expect("unpoisoned");
    let all: Vec<_> = got.iter().map(|(_, body)| samples(body)).collect();
    let millis = |minutes: u64| i64::try_from((NOW + minutes * MINUTE) / 1_000_000).expect("fits");
    let cart = CALLS.replace("shop", "cart");
    assert_eq!(all[0][&cart], [(0.0, millis(1) - 15_000), (1.0, millis(1))]);
    assert_eq!(all[0][CALLS], [(1.0, millis(1) - 15_000), (2.0, millis(1))]);
    assert_eq!(all[1][&cart], [(1.0, millis(2))]);
    let again = [(1.0, millis(3) - 15_000), (1.0, millis(3))];
    assert_eq!(all[2][&cart], again, "after a restart it goes on");
    let names: HashSet<&str> = all[0].keys().filter_map(|labels| labels.split(',').next()).collect();
    assert!(names.contains("__name__=traces_spanmetrics_latency_bucket"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_dropped_and_counted() {
    let (receiver, address) = Receiver::start(&[400]).await;
    let mut fixture = Fixture::new();
    let writer = fixture.writer(address, "");
    fixture.keep(&[span(1, "shop", NOW, 3)]).await;
    fixture.clock.set(NOW + MINUTE);
    writer.collect().await.expect("collected");
    writer.collect().await.expect("collected");
    drain(&writer).await;
    assert_eq!((receiver.asked.load(Ordering::Relaxed), receiver.got.lock().expect("unpoisoned").len()), (2, 1));
    let metrics = fixture.metrics();
    assert!(
        metrics.contains(&format!("hoptrail_remote_write_dropped_total{{target=\"{address}\",reason=\"400\"}} 1")),
        "{metrics}"
    );
    assert!(metrics.contains(&format!("hoptrail_remote_write_waiting_bytes{{target=\"{address}\"}} 0")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_has_texts_once_and_native_histograms() {
    let (receiver, address) = Receiver::start(&[]).await;
    let mut fixture = Fixture::new();
    let writer = fixture.writer(address, "version: \"2.0\"\nhistograms: native");
    fixture.clock.set(NOW + 2 * MINUTE);
    fixture.keep(&[span(1, "shop", NOW + MINUTE + 5, 1000), span(2, "shop", NOW + MINUTE + 6, 2000)]).await;
    writer.collect().await.expect("collected");
    drain(&writer).await;
    let got = receiver.got.lock().expect("unpoisoned");
    let (headers, body) = &got[0];
    assert_eq!(headers["x-prometheus-remote-write-version"], "2.0.0");
    assert_eq!(headers["content-type"], "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let request = Request2::decode(body.as_slice()).expect("a message");
    assert_eq!(request.symbols[0], "");
    assert_eq!(request.symbols.iter().collect::<HashSet<_>>().len(), request.symbols.len());
    let text = |code: u32| request.symbols[code as usize].as_str();
    let histogram = request.timeseries.iter().find(|series| !series.histograms.is_empty()).expect("a histogram");
    let names: Vec<&str> = histogram.labels.iter().map(|code| text(*code)).collect();
    assert_eq!(names[..4], ["__name__", "traces_spanmetrics_latency", "service", "shop"]);
    let metadata = histogram.metadata.as_ref().expect("metadata");
    assert_eq!((metadata.kind, text(metadata.help)), (3, "Durations of spans in seconds"));
    let [zero, now] = &histogram.histograms[..] else { panic!("{histogram:?}") };
    assert_eq!((zero.count, now.count, now.sum, now.schema), (Some(0), Some(2), 3.0, 3));
    let runs: Vec<_> = now.positive_spans.iter().map(|run| (run.offset, run.length)).collect();
    assert_eq!((runs, now.positive_deltas.as_slice()), (vec![(0, 1), (7, 1)], [1, 0].as_slice()));
    let exemplars: usize = request.timeseries.iter().map(|series| series.exemplars.len()).sum();
    assert!(exemplars > 0 && request.timeseries.iter().all(|series| series.labels.len() % 2 == 0));
}

//! Servers on free ports of this machine, real clients, and stores that answer what a test wants.

mod content;
mod grpc;
pub(crate) mod http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::{TenantId, TraceId};
use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::types::trace::v1::{ResourceSpans, ScopeSpans, Span};
use hoptrail_storage::{MemoryStore, QueryContext, SpanBatch, SpanWriter, TraceReader, WriteError, WriteFuture};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Collector, Config};

/// A collector with both servers running on a store in memory.
struct Running {
    collector: Arc<Collector>,
    store: Arc<MemoryStore>,
    registry: Registry,
    http: SocketAddr,
    grpc: SocketAddr,
    shutdown: CancellationToken,
    servers: [JoinHandle<std::io::Result<()>>; 2],
}

impl Running {
    async fn start(config: Config) -> Self {
        let store = Arc::new(MemoryStore::default());
        Self::start_on(config, Arc::clone(&store) as Arc<dyn SpanWriter>, store).await
    }

    async fn start_with(writer: Arc<dyn SpanWriter>) -> Self {
        Self::start_on(Config::default(), writer, Arc::default()).await
    }

    async fn start_on(config: Config, writer: Arc<dyn SpanWriter>, store: Arc<MemoryStore>) -> Self {
        let mut registry = Registry::default();
        let collector = Collector::new(&config, writer, &mut registry);
        let listeners = [listener().await, listener().await];
        let [http, grpc] = [0, 1].map(|at: usize| listeners[at].local_addr().expect("bound"));
        let [for_http, for_grpc] = listeners;
        let shutdown = CancellationToken::new();
        let serve = |listener, router| {
            let stopped = shutdown.clone().cancelled_owned();
            tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await })
        };
        let servers = [serve(for_http, collector.router()), serve(for_grpc, collector.grpc_router())];
        Self { collector, store, registry, http, grpc, shutdown, servers }
    }

    /// The spans of a trace that the store holds for a tenant.
    fn stored(&self, tenant: &TenantId, trace: u8) -> usize {
        let trace = self.store.trace(tenant, TraceId([trace; 16]), &QueryContext::unbounded()).expect("readable");
        trace.map_or(0, |trace| trace.spans.len())
    }

    /// A line of the metrics page.
    fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or("none").to_owned()
    }

    /// Stops both servers and waits for their end.
    async fn stop(self) {
        self.shutdown.cancel();
        for server in self.servers {
            tokio::time::timeout(Duration::from_secs(10), server)
                .await
                .expect("ends")
                .expect("no panic")
                .expect("no error");
        }
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// Answers every write with the same error.
#[derive(Debug)]
struct Failing(WriteError);

impl SpanWriter for Failing {
    fn write(&self, _: SpanBatch) -> WriteFuture {
        Box::pin(std::future::ready(Err(self.0.clone())))
    }
}

/// Answers a write when it gets a permit.
#[derive(Debug)]
struct Gated {
    called: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl SpanWriter for Gated {
    fn write(&self, _: SpanBatch) -> WriteFuture {
        self.called.add_permits(1);
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            open.acquire().await.expect("never closed").forget();
            Ok(())
        })
    }
}

fn gated() -> (Arc<Gated>, Arc<Semaphore>, Arc<Semaphore>) {
    let (called, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    (Arc::new(Gated { called: Arc::clone(&called), open: Arc::clone(&open) }), called, open)
}

/// A span of trace `trace` whose id is `id`; an id of 0 makes it invalid.
fn span(trace: u8, id: u64) -> Span {
    Span { trace_id: vec![trace; 16], span_id: id.to_be_bytes().to_vec(), name: "GET /".to_owned(), ..Span::default() }
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

/// Every error of a store, with the codes and the delay it means.
fn write_errors() -> Vec<(WriteError, u16, tonic::Code, Option<u64>)> {
    let soon = Duration::from_secs(7);
    let text = || "why".to_owned();
    vec![
        (WriteError::Overloaded { retry_after: soon }, 429, tonic::Code::ResourceExhausted, Some(7)),
        (WriteError::Unavailable { cause: text().into(), retry_after: soon }, 503, tonic::Code::Unavailable, Some(7)),
        (WriteError::Closed, 503, tonic::Code::Unavailable, Some(1)),
        (WriteError::Unknown(text().into()), 503, tonic::Code::Unavailable, Some(1)),
        (WriteError::Invalid(text()), 400, tonic::Code::InvalidArgument, None),
    ]
}

/// Waits until a condition holds.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the condition comes true");
}

#[tokio::test]
async fn counts_are_kept_by_transport_and_reason() {
    let running = Running::start(Config::default()).await;
    let body = prost::Message::encode_to_vec(&request(vec![span(1, 1), span(1, 2), span(1, 0)]));
    let answer = http::post(&running, "application/x-protobuf", &[], &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(running.metric(r#"hoptrail_spans_received_total{transport="http/protobuf"}"#), "2");
    assert_eq!(running.metric(r#"hoptrail_spans_refused_total{reason="invalid_span_id"}"#), "1");
    assert_eq!(running.metric(r#"hoptrail_requests_total{transport="http/protobuf",outcome="partial"}"#), "1");
    assert_eq!(running.metric("hoptrail_received_bytes_total"), body.len().to_string());
    assert_eq!(running.metric("hoptrail_in_flight_bytes"), "0");
    running.stop().await;
}

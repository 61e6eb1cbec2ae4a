//! The API over the plain store, against counts of all spans.

mod api;
mod export;
mod language;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hoptrail_proto::model::{
    Attribute, Resource, Span, SpanId, SpanKind, StatusCode as SpanStatus, TenantId, TraceId, TraceSpan,
};
use hoptrail_proto::otlp;
use hoptrail_storage::{FakeClock, MemoryStore, SpanBatch, SpanWriter};
use prometheus_client::registry::Registry;
use prost::Message;
use serde_json::Value;
use tower::ServiceExt;

use crate::{Config, Service};

/// 2026-01-01, in seconds: the first span; and the time now, two hours and ten seconds later.
const T0: u64 = 1_767_225_600;
const NOW: u64 = T0 + 7210;
const MS: u64 = 1_000_000;

struct Prom {
    routes: Router,
    /// `/metrics/spans`.
    page: Router,
    clock: Arc<FakeClock>,
    store: Arc<MemoryStore>,
    spans: Vec<TraceSpan>,
}

/// A span of a trace of its own, which starts so many milliseconds after `T0`.
fn span(id: u64, service: &str, name: &str, kind: SpanKind, (start_ms, length_ms): (u64, u64)) -> TraceSpan {
    let start = T0 * 1000 * MS + start_ms * MS;
    let span = Span {
        trace_id: TraceId((u128::from(id) + 1).to_be_bytes()),
        span_id: SpanId(id.to_be_bytes()),
        name: name.to_owned(),
        kind,
        start_unix_nano: start,
        end_unix_nano: start + length_ms * MS,
        ..Span::default()
    };
    let attributes = vec![Attribute::new("service.name", service)];
    let resource = Resource { attributes, ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn failed(mut span: TraceSpan) -> TraceSpan {
    span.span.status.code = SpanStatus::Error;
    span
}

/// Spans of three services over two hours, of which some call others and some fail. Always the same.
fn spans() -> Vec<TraceSpan> {
    let mut state = 7_u64;
    let mut next = move |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut all = Vec::new();
    for id in (1..2000).step_by(2) {
        let service = ["shop", "cart", "pay"][next(3) as usize];
        let (start, length) = (next(7_200_000), 1 + next(4000));
        let name = ["GET /", "POST /order", "GET /cart"][next(3) as usize];
        let mut client = span(id, "web", name, SpanKind::Client, (start, length + 2));
        let mut server = span(id + 1, service, name, SpanKind::Server, (start + 1, length));
        server.span.trace_id = client.span.trace_id;
        server.span.parent_span_id = Some(client.span.span_id);
        if next(10) == 0 {
            server = failed(server);
        }
        if next(5) == 0 {
            client.span.attributes.push(Attribute::new("db.system", "redis"));
            all.push(client);
        } else {
            all.extend([client, server]);
        }
    }
    all
}

impl Prom {
    async fn new() -> Self {
        Self::with(spans()).await
    }

    async fn with(spans: Vec<TraceSpan>) -> Self {
        let store = Arc::new(MemoryStore::default());
        let service = Service::new(&Config::default(), Arc::clone(&store) as _, &mut Registry::default());
        let clock = Arc::new(FakeClock::at(NOW * 1000 * MS));
        let config = super::export::Config { max_series: 1500, ..super::export::Config::default() };
        let overflowed = super::export::Overflowed::default();
        let parts = (Arc::clone(&service), Arc::clone(&clock) as _);
        let exporter = super::export::Exporter::new(parts.0, parts.1, &config, (0, &overflowed));
        let page = super::export::router(Arc::new(exporter));
        let prom = Self {
            routes: super::router(service, Arc::clone(&clock) as _, &[]),
            page,
            clock,
            store,
            spans: Vec::new(),
        };
        prom.keep(&spans).await;
        Self { spans, ..prom }
    }

    async fn keep(&self, spans: &[TraceSpan]) {
        let body = otlp::to_request(spans).encode_to_vec().into();
        let batch = SpanBatch { tenant: TenantId::single(), body, spans: spans.len() as u32 };
        self.store.write(batch).await.expect("the spans are kept");
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.routes.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["content-type"], "application/json");
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, serde_json::from_slice(&body).expect("JSON"))
    }

    async fn get(&self, path: &str, params: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("/api/prom/api/v1/{path}?{}", form(params));
        self.ask(Request::get(url).body(Body::empty()).expect("a request")).await
    }

    /// The data of a successful answer.
    async fn data(&self, path: &str, params: &[(&str, &str)]) -> Value {
        let (status, mut answer) = self.get(path, params).await;
        assert_eq!(status, 200, "{params:?}: {answer}");
        assert_eq!(answer["status"], "success");
        answer["data"].take()
    }

    /// The series of an instant query as labels and numbers.
    async fn instant(&self, query: &str, time: u64) -> Vec<(String, f64)> {
        let data = self.data("query", &[("query", query), ("time", &time.to_string())]).await;
        assert_eq!(data["resultType"], "vector", "{query}");
        let series = data["result"].as_array().expect("a list");
        series.iter().map(|one| (one["metric"].to_string(), number(&one["value"]))).collect()
    }

    /// The only number of an instant query.
    async fn number(&self, query: &str, time: u64) -> f64 {
        let found = self.instant(query, time).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0].1
    }

    /// How many spans are so and start in a time, in seconds after `T0`.
    fn count(&self, (from, to): (u64, u64), is_so: impl Fn(&TraceSpan) -> bool) -> f64 {
        let at = |second: u64| (T0 + second) * 1000 * MS;
        let range = at(from)..at(to);
        self.spans.iter().filter(|span| range.contains(&span.span.start_unix_nano) && is_so(span)).count() as f64
    }
}

/// The number of a point.
fn number(point: &Value) -> f64 {
    point[1].as_str().expect("a text").parse().expect("a number")
}

fn form(params: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let one = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect()
    };
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

fn is_server(span: &TraceSpan, service: &str) -> bool {
    span.span.kind == SpanKind::Server && span.resource.service_name() == service
}

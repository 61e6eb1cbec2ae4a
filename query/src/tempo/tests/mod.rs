//! The API over the plain store, in process.

mod diff;
mod metrics;
mod parts;
mod rules;
mod search;
mod streaming;
mod strict;
mod tags;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use hoptrail_proto::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanId, SpanKind, StatusCode as SpanStatus, TenantId,
    TraceId, TraceSpan,
};
use hoptrail_proto::otlp;
use hoptrail_storage::{FakeClock, MemoryStore, SpanBatch, SpanWriter};
use prometheus_client::registry::Registry;
use prost::Message;
use serde_json::Value;
use tower::ServiceExt;

use super::{Api, routes};
use crate::{Config, Service};

/// 2026-01-01, in seconds.
const T0: u64 = 1_767_225_600;
const MS: u64 = 1_000_000;

/// A span that starts `start_ms` after `T0`.
fn span(trace: &str, id: u64, parent: u64, service: &str, name: &str, (start_ms, length_ms): (u64, u64)) -> TraceSpan {
    let start = T0 * 1000 * MS + start_ms * MS;
    let span = Span {
        trace_id: trace.parse().expect("a trace id"),
        span_id: SpanId(id.to_be_bytes()),
        parent_span_id: SpanId::from_bytes(&parent.to_be_bytes()),
        name: name.to_owned(),
        start_unix_nano: start,
        end_unix_nano: start + length_ms * MS,
        ..Span::default()
    };
    let attributes = vec![Attribute::new("service.name", service)];
    let resource = Resource { attributes, ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

trait With {
    fn with(self, key: &str, value: impl Into<AnyValue>) -> Self;
    fn kind(self, kind: SpanKind) -> Self;
    fn failed(self) -> Self;
    fn scope(self, name: &str) -> Self;
}

impl With for TraceSpan {
    fn with(mut self, key: &str, value: impl Into<AnyValue>) -> Self {
        self.span.attributes.push(Attribute::new(key, value));
        self
    }

    fn kind(mut self, kind: SpanKind) -> Self {
        self.span.kind = kind;
        self
    }

    fn failed(mut self) -> Self {
        self.span.status.code = SpanStatus::Error;
        self
    }

    fn scope(mut self, name: &str) -> Self {
        self.scope = Arc::new(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() });
        self
    }
}

struct Tempo {
    routes: Router,
    store: Arc<MemoryStore>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Tempo {
    fn new(config: &Config) -> Self {
        let store = Arc::new(MemoryStore::default());
        let service = Service::new(config, Arc::clone(&store) as _, &mut Registry::default());
        let clock = Arc::new(FakeClock::at((T0 + 100) * 1000 * MS));
        Self { routes: routes(Api { service, clock }, Router::new()), store }
    }

    async fn with(spans: &[TraceSpan]) -> Self {
        let tempo = Self::new(&Config::default());
        tempo.keep(TenantId::single(), spans).await;
        tempo
    }

    async fn keep(&self, tenant: TenantId, spans: &[TraceSpan]) {
        let body = otlp::to_request(spans).encode_to_vec().into();
        self.store.write(SpanBatch { tenant, body, spans: spans.len() as u32 }).await.expect("the spans are kept");
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers.iter().fold(Request::get(url), |request, (name, value)| request.header(*name, *value));
        self.ask(request.body(Body::empty()).expect("a request")).await
    }

    async fn get(&self, url: &str) -> Answer {
        self.get_with(url, &[]).await
    }

    /// The JSON of an answer that must be a success, and what Tempo's clients read.
    async fn json(&self, url: &str) -> Value {
        let answer = self.get(url).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/json", "{url}");
        let json = serde_json::from_slice(&answer.body).expect("JSON");
        strict::check(url, &json);
        json
    }

    /// The message of an answer that must be a success, asked for in protobuf.
    async fn protobuf<M: Message + Default>(&self, url: &str) -> M {
        let answer = self.get_with(url, &[("accept", "application/protobuf")]).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/protobuf", "{url}");
        M::decode(answer.body).expect("protobuf")
    }

    /// Checks that the URL is refused in plain text that has `reason` in it.
    async fn refuses(&self, url: &str, status: u16, reason: &str) {
        let answer = self.get(url).await;
        assert_eq!(answer.status.as_u16(), status, "{url}: {}", answer.text());
        assert!(answer.headers["content-type"].to_str().expect("ASCII").starts_with("text/plain"), "{url}");
        assert!(answer.text().contains(reason), "{url}: {}", answer.text());
    }
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A query parameter's value in a URL.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

fn trace_id(text: &str) -> TraceId {
    text.parse().expect("a trace id")
}

//! The pages over a plain store with a few traces.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use hoptrail_proto::model::{
    Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status, StatusCode as Code,
    TenantId, TraceId, TraceSpan,
};
use hoptrail_proto::otlp;
use hoptrail_query::{FakeClock, Service};
use hoptrail_storage::{MemoryStore, SpanBatch, SpanWriter};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use prost::Message;
use scraper::{Html, Selector};
use tower::ServiceExt;

use crate::{Config, Notices, Sources, router_with_clock};

/// 2025-10-09T08:53:20Z.
pub(super) const NOW: u64 = 1_760_000_000_000_000_000;
/// What the page for senders says besides.
pub(super) const NOTICE: &str = "<Metrics> arrive.";
pub(super) const MS: u64 = 1_000_000;

/// An answer.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The texts of the elements that match, with white space collapsed.
    pub(super) fn all(&self, selector: &str) -> Vec<String> {
        let html = Html::parse_document(&self.text());
        let selector = Selector::parse(selector).expect("selector");
        let text = |element: scraper::ElementRef<'_>| element.text().collect::<String>();
        html.select(&selector).map(|element| text(element).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    pub(super) fn one(&self, selector: &str) -> String {
        let mut all = self.all(selector);
        assert_eq!(all.len(), 1, "{selector}: {all:?}");
        all.remove(0)
    }

    pub(super) fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let html = Html::parse_document(&self.text());
        let selector = Selector::parse(selector).expect("selector");
        html.select(&selector).filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    }
}

/// Pages over some spans.
pub(super) struct Server(Router);

impl Server {
    pub(super) async fn of(spans: Vec<TraceSpan>) -> Self {
        Self::with(hoptrail_query::Config::default(), spans).await
    }

    pub(super) async fn with(config: hoptrail_query::Config, spans: Vec<TraceSpan>) -> Self {
        Self::with_notices(Notices { notices: vec![NOTICE.to_owned()], ..Notices::default() }, config, spans).await
    }

    /// Pages that tell this.
    pub(super) async fn with_notices(notices: Notices, config: hoptrail_query::Config, spans: Vec<TraceSpan>) -> Self {
        let sources = Sources { notices: Arc::new(move || notices.clone()), ..Sources::default() };
        Self::with_sources(sources, config, spans).await
    }

    /// Pages that tell this beside the spans.
    pub(super) async fn with_sources(sources: Sources, config: hoptrail_query::Config, spans: Vec<TraceSpan>) -> Self {
        Self::with_settings(&Config::default(), sources, config, spans).await
    }

    /// Pages with other settings of the web UI.
    pub(super) async fn with_settings(
        settings: &Config,
        sources: Sources,
        config: hoptrail_query::Config,
        spans: Vec<TraceSpan>,
    ) -> Self {
        let store = MemoryStore::default();
        let body = Bytes::from(otlp::to_request(&spans).encode_to_vec());
        let count = u32::try_from(spans.len()).expect("few spans");
        store.write(SpanBatch { tenant: TenantId::single(), body, spans: count }).await.expect("written");
        let service = Service::new(&config, Arc::new(store), &mut Registry::default());
        Self(router_with_clock(service, settings, sources, Arc::new(FakeClock::at(NOW))))
    }

    pub(super) async fn get(&self, uri: &str) -> Page {
        self.ask(Request::get(uri).body(Body::empty()).expect("request")).await
    }

    /// The first part of an answer that goes on.
    pub(super) async fn first_part(&self, uri: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(uri).body(Body::empty()).expect("request");
        let (parts, mut body) = self.0.clone().oneshot(request).await.expect("infallible").into_parts();
        let frame = body.frame().await.expect("a part").expect("no error");
        let bytes = frame.into_data().expect("data");
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sends a form.
    pub(super) async fn post(&self, uri: &str, form: &str, headers: &[(&str, &str)]) -> Page {
        let request = headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
        self.ask(request.body(Body::from(form.to_owned())).expect("request")).await
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Page {
        let response = self.0.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("body").to_bytes();
        Page { status: parts.status, headers: parts.headers, body }
    }
}

pub(super) fn trace_id(number: u8) -> TraceId {
    TraceId([number; 16])
}

/// A span of trace `trace`; times are milliseconds after one minute ago; parent 0 is none.
pub(super) fn span(trace: u8, number: u64, parent: u64, service: &str, name: &str, times: (u64, u64)) -> TraceSpan {
    let resource = Resource { attributes: vec![Attribute::new("service.name", service)], ..Resource::default() };
    let start = NOW - 60_000 * MS;
    let span = Span {
        trace_id: trace_id(trace),
        span_id: SpanId(number.to_be_bytes()),
        parent_span_id: (parent > 0).then(|| SpanId(parent.to_be_bytes())),
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_unix_nano: start + times.0 * MS,
        end_unix_nano: start + times.1 * MS,
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(InstrumentationScope::default()) }
}

/// A shop's order: an error with an exception, a link, a database and a legacy system that send no spans.
pub(super) fn order() -> Vec<TraceSpan> {
    let mut root = span(1, 1, 0, "frontend", "POST /order", (0, 100));
    root.span.kind = SpanKind::Server;
    root.span.attributes =
        vec![Attribute::new("http.route", "/order"), Attribute::new("http.response.status_code", 500)];
    let mut pay = span(1, 2, 1, "payment", "charge <card>", (10, 90));
    pay.span.status = Status { code: Code::Error, message: "card \"declined\"".into() };
    pay.span.events = vec![SpanEvent {
        time_unix_nano: NOW - 60_000 * MS + 80 * MS,
        name: "exception".into(),
        attributes: vec![Attribute::new("exception.message", "declined")],
        ..SpanEvent::default()
    }];
    pay.span.links = vec![SpanLink { trace_id: trace_id(2), span_id: SpanId([2; 8]), ..SpanLink::default() }];
    let mut legacy = span(1, 3, 2, "payment", "AUTHORIZE", (20, 70));
    legacy.span.kind = SpanKind::Client;
    legacy.span.attributes = vec![Attribute::new("peer.service", "mainframe")];
    let mut query = span(1, 4, 2, "payment", "INSERT", (72, 79));
    query.span.kind = SpanKind::Client;
    query.span.attributes = vec![Attribute::new("db.system.name", "postgresql")];
    vec![root, pay, legacy, query]
}

/// The order, and a plain request of another service five minutes before.
pub(super) fn shop() -> Vec<TraceSpan> {
    let mut spans = order();
    let mut plain = span(2, 9, 0, "catalog", "GET /items", (0, 5));
    plain.span.start_unix_nano -= 300_000 * MS;
    plain.span.end_unix_nano -= 300_000 * MS;
    spans.push(plain);
    spans
}

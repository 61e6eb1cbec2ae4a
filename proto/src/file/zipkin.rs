//! Zipkin's JSON of version 2: a list of spans, or a list of traces. Tags and endpoints become what Zipkin's translation to OTLP makes of
//! them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::{FileSpans, ZIPKIN};
use crate::model::{
    Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, StatusCode, TraceId, TraceSpan,
};

const MICROSECOND: u64 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZipkinSpan {
    trace_id: String,
    id: String,
    #[serde(default)]
    parent_id: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    timestamp: u64,
    #[serde(default)]
    duration: u64,
    #[serde(default)]
    local_endpoint: Option<Endpoint>,
    #[serde(default)]
    remote_endpoint: Option<Endpoint>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    service_name: String,
    ipv4: String,
    ipv6: String,
    port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotation {
    timestamp: u64,
    value: String,
}

pub(super) fn read(text: &[u8]) -> serde_json::Result<FileSpans> {
    let mut signs = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let spans: Vec<ZipkinSpan> = match (signs.next(), signs.next()) {
        (Some(b'['), Some(b'[')) => serde_json::from_slice::<Vec<Vec<_>>>(text)?.into_iter().flatten().collect(),
        (Some(b'['), _) => serde_json::from_slice(text)?,
        _ => vec![serde_json::from_slice(text)?],
    };
    let mut found = FileSpans { form: ZIPKIN, ..FileSpans::default() };
    let mut resources: HashMap<Endpoint, Arc<Resource>> = HashMap::new();
    for mut span in spans {
        let endpoint = span.local_endpoint.take().unwrap_or_default();
        let shared = resources.entry(endpoint).or_insert_with_key(|endpoint| Arc::new(resource(endpoint)));
        match to_span(span, Arc::clone(shared)) {
            Some(span) => found.spans.push(span),
            None => found.refused += 1,
        }
    }
    Ok(found)
}

fn resource(endpoint: &Endpoint) -> Resource {
    let Endpoint { service_name, ipv4, ipv6, port } = endpoint;
    let keys = ["service.name", "network.local.address", "network.local.port"];
    Resource { attributes: of_endpoint(keys, service_name, ipv4, ipv6, *port), ..Resource::default() }
}

/// Name, address and port, as far as they are there.
fn of_endpoint(keys: [&str; 3], name: &str, ipv4: &str, ipv6: &str, port: u16) -> Vec<Attribute> {
    let address = if ipv4.is_empty() { ipv6 } else { ipv4 };
    let texts = [(keys[0], name), (keys[1], address)].into_iter().filter(|(_, text)| !text.is_empty());
    let port = (port > 0).then(|| Attribute::new(keys[2], i64::from(port)));
    texts.map(|(key, text)| Attribute::new(key, text)).chain(port).collect()
}

/// `None` for a span without ids.
fn to_span(span: ZipkinSpan, resource: Arc<Resource>) -> Option<TraceSpan> {
    let trace_id: TraceId = span.trace_id.parse().ok()?;
    let span_id: SpanId = span.id.parse().ok()?;
    let parent = span.parent_id.and_then(|id| id.parse().ok()).filter(|parent| *parent != span_id);
    let start = span.timestamp.saturating_mul(MICROSECOND);
    let mut out = Span {
        trace_id,
        span_id,
        parent_span_id: parent,
        name: span.name.unwrap_or_default(),
        kind: kind(span.kind.as_deref(), &span.tags),
        start_unix_nano: start,
        end_unix_nano: start.saturating_add(span.duration.saturating_mul(MICROSECOND)),
        events: span.annotations.into_iter().map(event).collect(),
        ..Span::default()
    };
    if let Some(Endpoint { service_name, ipv4, ipv6, port }) = span.remote_endpoint {
        let keys = ["peer.service", "network.peer.address", "network.peer.port"];
        out.attributes = of_endpoint(keys, &service_name, &ipv4, &ipv6, port);
    }
    let mut scope = InstrumentationScope::default();
    for (key, value) in span.tags {
        take(key, value, &mut out, &mut scope);
    }
    Some(TraceSpan { span: out, resource, scope: Arc::new(scope) })
}

fn kind(kind: Option<&str>, tags: &BTreeMap<String, String>) -> SpanKind {
    match kind {
        Some("CLIENT") => SpanKind::Client,
        Some("SERVER") => SpanKind::Server,
        Some("PRODUCER") => SpanKind::Producer,
        Some("CONSUMER") => SpanKind::Consumer,
        _ if tags.get("span.kind").is_some_and(|kind| kind == "internal") => SpanKind::Internal,
        _ => SpanKind::Unspecified,
    }
}

/// A tag that has a place of its own in OTLP goes there. Any tag `error` means that the span failed, as Zipkin's pages show it.
fn take(key: String, value: String, span: &mut Span, scope: &mut InstrumentationScope) {
    match key.as_str() {
        "error" => {
            span.status.code = StatusCode::Error;
            if span.status.message.is_empty() && value != "true" {
                span.status.message = value;
            }
        }
        "otel.status_code" => {
            let is_error = value.ends_with("ERROR");
            span.status.code = if is_error {
                StatusCode::Error
            } else if value.ends_with("OK") {
                StatusCode::Ok
            } else {
                span.status.code
            };
        }
        "otel.status_description" => span.status.message = value,
        "otel.scope.name" | "otel.library.name" => scope.name = value,
        "otel.scope.version" | "otel.library.version" => scope.version = value,
        "w3c.tracestate" => span.trace_state = value,
        "span.kind" => {}
        _ => span.attributes.push(Attribute::new(key, value)),
    }
}

fn event(annotation: Annotation) -> SpanEvent {
    SpanEvent {
        time_unix_nano: annotation.timestamp.saturating_mul(MICROSECOND),
        name: annotation.value,
        ..SpanEvent::default()
    }
}

//! Jaeger's JSON, as its UI and its HTTP API give it. Tags and references become what Jaeger's own translation to OTLP makes of them.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::{FileSpans, JAEGER};
use crate::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status,
    StatusCode, TraceId, TraceSpan,
};

const MICROSECOND: u64 = 1_000;

/// What Jaeger's API puts around traces.
#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Trace>,
}

#[derive(Debug, Deserialize)]
struct Trace {
    #[serde(default)]
    spans: Vec<JaegerSpan>,
    #[serde(default)]
    processes: HashMap<String, Process>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JaegerSpan {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(rename = "parentSpanID")]
    parent_span_id: String,
    operation_name: String,
    references: Option<Vec<Reference>>,
    start_time: u64,
    duration: u64,
    tags: Option<Vec<Tag>>,
    logs: Option<Vec<Log>>,
    #[serde(rename = "processID")]
    process_id: String,
    process: Option<Process>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tag {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Log {
    timestamp: u64,
    fields: Vec<Tag>,
}

/// Reads one trace, or an answer of Jaeger's API.
pub(super) fn read(text: &[u8], is_answer: bool) -> serde_json::Result<FileSpans> {
    let traces = match is_answer {
        true => serde_json::from_slice::<Answer>(text)?.data,
        false => vec![serde_json::from_slice(text)?],
    };
    let mut found = FileSpans { form: JAEGER, ..FileSpans::default() };
    for Trace { spans, processes } in traces {
        let resources: HashMap<String, Arc<Resource>> =
            processes.into_iter().map(|(id, process)| (id, Arc::new(resource(process)))).collect();
        for mut span in spans {
            let own = span.process.take().map(|process| Arc::new(resource(process)));
            let shared = own.or_else(|| resources.get(&span.process_id).cloned()).unwrap_or_default();
            match to_span(span, shared) {
                Some(span) => found.spans.push(span),
                None => found.refused += 1,
            }
        }
    }
    Ok(found)
}

fn resource(process: Process) -> Resource {
    let name = Some(process.service_name).filter(|name| !name.is_empty());
    let name = name.map(|name| Attribute::new("service.name", name));
    let tags = process.tags.into_iter().map(|tag| {
        let Attribute { key, value } = attribute(tag);
        let key = if key == "hostname" { "host.name".to_owned() } else { key };
        Attribute { key, value }
    });
    Resource { attributes: name.into_iter().chain(tags).collect(), ..Resource::default() }
}

/// `None` for a span without ids.
fn to_span(span: JaegerSpan, resource: Arc<Resource>) -> Option<TraceSpan> {
    let trace_id: TraceId = span.trace_id.parse().ok()?;
    let start = span.start_time.saturating_mul(MICROSECOND);
    let (parent, links) = references(&span, trace_id);
    let mut out = Span {
        trace_id,
        span_id: span.span_id.parse().ok()?,
        parent_span_id: parent,
        name: span.operation_name,
        start_unix_nano: start,
        end_unix_nano: start.saturating_add(span.duration.saturating_mul(MICROSECOND)),
        links,
        events: span.logs.unwrap_or_default().into_iter().map(event).collect(),
        ..Span::default()
    };
    let mut scope = InstrumentationScope::default();
    for tag in span.tags.unwrap_or_default() {
        take(attribute(tag), &mut out, &mut scope);
    }
    Some(TraceSpan { span: out, resource, scope: Arc::new(scope) })
}

/// The parent is the first CHILD_OF of the same trace, else the first FOLLOWS_FROM; all others are links.
fn references(span: &JaegerSpan, trace_id: TraceId) -> (Option<SpanId>, Vec<SpanLink>) {
    let all: Vec<(&str, TraceId, SpanId)> = span
        .references
        .iter()
        .flatten()
        .filter_map(|reference| {
            Some((reference.ref_type.as_str(), reference.trace_id.parse().ok()?, reference.span_id.parse().ok()?))
        })
        .collect();
    let named = span.parent_span_id.parse().ok();
    let of_type = |wanted: &str| all.iter().position(|(kind, id, _)| *kind == wanted && *id == trace_id);
    let parent = if named.is_some() { None } else { of_type("CHILD_OF").or_else(|| of_type("FOLLOWS_FROM")) };
    let others = all.iter().enumerate().filter(|(at, (_, _, id))| Some(*at) != parent && Some(*id) != named);
    let links = others.map(|(_, (kind, trace_id, span_id))| SpanLink {
        trace_id: *trace_id,
        span_id: *span_id,
        attributes: vec![Attribute::new("opentracing.ref_type", kind.to_lowercase())],
        ..SpanLink::default()
    });
    (named.or_else(|| parent.and_then(|at| all.get(at)).map(|(_, _, id)| *id)), links.collect())
}

/// A tag that has a place of its own in OTLP goes there.
fn take(attribute: Attribute, span: &mut Span, scope: &mut InstrumentationScope) {
    let text = || attribute.value.as_str().unwrap_or_default().to_owned();
    match (attribute.key.as_str(), &attribute.value) {
        ("span.kind", AnyValue::String(kind)) => {
            span.kind = SpanKind::ALL.into_iter().find(|known| known.name() == kind).unwrap_or_default();
        }
        ("error", AnyValue::Bool(true)) => {
            if span.status.code == StatusCode::Unset {
                span.status.code = StatusCode::Error;
            }
        }
        ("error", AnyValue::String(text)) if text == "true" => span.status.code = StatusCode::Error,
        ("otel.status_code", AnyValue::String(code)) => {
            span.status.code = if code == "ERROR" { StatusCode::Error } else { StatusCode::Ok };
        }
        ("otel.status_description", AnyValue::String(_)) => {
            span.status = Status { message: text(), ..std::mem::take(&mut span.status) };
        }
        ("w3c.tracestate", AnyValue::String(_)) => span.trace_state = text(),
        ("otel.scope.name" | "otel.library.name", AnyValue::String(_)) => scope.name = text(),
        ("otel.scope.version" | "otel.library.version", AnyValue::String(_)) => scope.version = text(),
        // The client of another version says nothing more.
        ("internal.span.format", _) => {}
        _ => span.attributes.push(attribute),
    }
}

fn event(log: Log) -> SpanEvent {
    let mut event = SpanEvent { time_unix_nano: log.timestamp.saturating_mul(MICROSECOND), ..SpanEvent::default() };
    for attribute in log.fields.into_iter().map(attribute) {
        match attribute.value {
            AnyValue::String(name) if attribute.key == "event" && event.name.is_empty() => event.name = name,
            value => event.attributes.push(Attribute { key: attribute.key, value }),
        }
    }
    event
}

/// Numbers that a double cannot hold are texts.
fn attribute(tag: Tag) -> Attribute {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number = || tag.value.as_i64().or_else(|| tag.value.as_str()?.parse().ok());
    let double = || tag.value.as_f64().or_else(|| tag.value.as_str()?.parse().ok());
    let value = match tag.kind.as_str() {
        "bool" => tag.value.as_bool().or_else(|| tag.value.as_str()?.parse().ok()).map(AnyValue::Bool),
        "int64" => number().map(AnyValue::Int),
        "float64" => double().map(AnyValue::Double),
        "binary" => tag.value.as_str().and_then(|text| STANDARD.decode(text).ok()).map(AnyValue::Bytes),
        _ => None,
    };
    let value = value.unwrap_or_else(|| match &tag.value {
        Value::Bool(value) if tag.kind.is_empty() => AnyValue::Bool(*value),
        Value::Null => AnyValue::Empty,
        other => AnyValue::String(text(other)),
    });
    Attribute { key: tag.key, value }
}

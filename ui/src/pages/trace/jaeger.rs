//! A trace as Jaeger's web UI writes and reads it: the JSON of its query API. In its words attributes are tags, events are logs, and
//! resources are processes. Times are whole microseconds.

use hoptrail_proto::model::{AnyValue, Attribute, Distinct, Resource, SpanKind, StatusCode, Trace, TraceSpan};
use serde_json::{Map, Value, json};

use crate::format;

/// The trace as the answer of Jaeger's `GET /api/traces/{id}`.
pub(super) fn write(trace: &Trace) -> String {
    let mut resources: Distinct<Resource> = Distinct::default();
    let mut processes = Map::new();
    let mut spans = Vec::with_capacity(trace.spans.len());
    for span in &trace.spans {
        let name = format!("p{}", resources.index_of(&span.resource) + 1);
        if !processes.contains_key(&name) {
            processes.insert(name.clone(), process(&span.resource));
        }
        spans.push(span_json(trace, span, &name));
    }
    json!({ "data": [{ "traceID": trace.id.to_string(), "spans": spans, "processes": processes, "warnings": null }] })
        .to_string()
}

fn process(resource: &Resource) -> Value {
    let tags = resource.attributes.iter().filter(|attribute| attribute.key != "service.name").map(tag);
    json!({ "serviceName": resource.service_name(), "tags": tags.collect::<Vec<_>>() })
}

fn span_json(trace: &Trace, span: &TraceSpan, process: &str) -> Value {
    let model = &span.span;
    let id = trace.id.to_string();
    let reference =
        |kind: &str, trace: String, span: String| json!({ "refType": kind, "traceID": trace, "spanID": span });
    let parent = model.parent_span_id.map(|parent| reference("CHILD_OF", id.clone(), parent.to_string()));
    let links =
        model.links.iter().map(|link| reference("FOLLOWS_FROM", link.trace_id.to_string(), link.span_id.to_string()));
    let logs = model.events.iter().map(|event| {
        let name = json!({ "key": "event", "type": "string", "value": event.name });
        let fields: Vec<Value> = std::iter::once(name).chain(event.attributes.iter().map(tag)).collect();
        json!({ "timestamp": event.time_unix_nano / 1_000, "fields": fields })
    });
    json!({
        "traceID": id,
        "spanID": model.span_id.to_string(),
        "flags": model.flags & 0xff,
        "operationName": model.name,
        "references": parent.into_iter().chain(links).collect::<Vec<_>>(),
        "startTime": model.start_unix_nano / 1_000,
        "duration": model.duration_nanos() / 1_000,
        "tags": tags(span),
        "logs": logs.collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
    })
}

/// The attributes of a span, and as tags what Jaeger has no field for.
fn tags(span: &TraceSpan) -> Vec<Value> {
    let model = &span.span;
    let text = |key: &str, value: &str| json!({ "key": key, "type": "string", "value": value });
    let mut tags: Vec<Value> = model.attributes.iter().map(tag).collect();
    if !matches!(model.kind, SpanKind::Unspecified) {
        tags.push(text("span.kind", model.kind.name()));
    }
    if let Some(code) = match model.status.code {
        StatusCode::Unset => None,
        StatusCode::Ok => Some("OK"),
        StatusCode::Error => Some("ERROR"),
    } {
        tags.push(text("otel.status_code", code));
        if code == "ERROR" {
            tags.push(json!({ "key": "error", "type": "bool", "value": true }));
        }
    }
    for (key, value) in [
        ("otel.status_description", &model.status.message),
        ("otel.scope.name", &span.scope.name),
        ("otel.scope.version", &span.scope.version),
        ("w3c.tracestate", &model.trace_state),
    ] {
        if !value.is_empty() {
            tags.push(text(key, value));
        }
    }
    tags
}

fn tag(attribute: &Attribute) -> Value {
    let (kind, value) = match &attribute.value {
        AnyValue::Bool(value) => ("bool", json!(value)),
        AnyValue::Int(value) => ("int64", json!(value)),
        AnyValue::Double(value) if value.is_finite() => ("float64", json!(value)),
        other => ("string", Value::from(format::value(other))),
    };
    json!({ "key": attribute.key, "type": kind, "value": value })
}

//! Answers for language models: little JSON that says much. `docs/tempo.md` has the keys.

use axum::response::Response;
use hoptrail_proto::model::{AnyValue, Attribute, Distinct, Resource, Trace, TraceSpan};
use hoptrail_proto::tempo::TagValue;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::assemble::{Clocks, Node, NodeKind, TraceTree, assemble};
use crate::http::{ApiError, llm};

/// A trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Story {
    trace_id: String,
    start_unix_nano: String,
    duration_ms: f64,
    span_count: usize,
    error_count: usize,
    services: Vec<Service>,
    /// The attributes of each resource, without the name of the service.
    resources: Vec<Map<String, Value>>,
    /// Depth first.
    spans: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    span_count: usize,
    error_count: usize,
}

/// A span.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    depth: usize,
    /// It is only known as the parent of others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    start_ms: f64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    status_message: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Value>,
}

/// A trace as a list of spans in the order of its tree; `notice` says what is missing.
pub(super) fn trace(trace: &Trace, notice: Option<String>) -> Result<Response, ApiError> {
    llm(&story(&assemble(trace, Clocks::AsSent), notice))
}

/// Values of a field, as JSON has them.
pub(super) fn values(name: &str, values: &[TagValue]) -> Result<Response, ApiError> {
    let values: Vec<Value> = values.iter().map(plain_value).collect();
    llm(&json!({"name": name, "values": values}))
}

fn story(tree: &TraceTree<'_>, notice: Option<String>) -> Story {
    let mut resources = Resources::default();
    let nodes = tree.nodes.iter().filter(|node| !matches!(node.kind, NodeKind::Inferred(_)));
    let spans = nodes.map(|node| line(tree, node, &mut resources)).collect();
    let services = tree.summary.services.iter().map(|service| Service {
        name: service.name.clone(),
        span_count: service.spans,
        error_count: service.errors,
    });
    Story {
        trace_id: tree.id.to_string(),
        start_unix_nano: tree.interval.start.to_string(),
        duration_ms: millis(tree.interval.nanos()),
        span_count: tree.summary.spans,
        error_count: tree.summary.errors,
        services: services.collect(),
        resources: resources.attributes,
        spans,
        notice,
    }
}

fn line(tree: &TraceTree<'_>, node: &Node<'_>, resources: &mut Resources) -> Line {
    let parent = node.parent.and_then(|parent| tree.nodes.get(parent)).map(|parent| parent.key.to_string());
    let place = Line {
        id: node.key.to_string(),
        parent,
        depth: node.depth,
        start_ms: millis(node.interval.start.saturating_sub(tree.interval.start)),
        duration_ms: millis(node.interval.nanos()),
        ..Line::default()
    };
    let Some(TraceSpan { span, resource, .. }) = node.span() else { return Line { missing: true, ..place } };
    let events = span.events.iter().map(|event| {
        let offset = millis(event.time_unix_nano.saturating_sub(node.interval.start));
        json!({"name": event.name, "offsetMs": offset, "attributes": object(&event.attributes)})
    });
    let links = span.links.iter().map(|link| {
        json!({"traceId": link.trace_id.to_string(), "spanId": link.span_id.to_string(), "attributes": object(&link.attributes)})
    });
    Line {
        name: span.name.clone(),
        service: resource.service_name().to_owned(),
        resource: resources.index_of(resource),
        kind: Some(span.kind.name()).filter(|name| *name != "unspecified"),
        status: Some(span.status.code.name()).filter(|name| *name != "unset"),
        status_message: span.status.message.clone(),
        attributes: object(&span.attributes),
        events: events.collect(),
        links: links.collect(),
        ..place
    }
}

/// Each resource once.
#[derive(Default)]
struct Resources {
    distinct: Distinct<Resource>,
    attributes: Vec<Map<String, Value>>,
}

impl Resources {
    fn index_of(&mut self, resource: &std::sync::Arc<Resource>) -> Option<usize> {
        let index = self.distinct.index_of(resource);
        if index == self.attributes.len() {
            let mut attributes = object(&resource.attributes);
            attributes.remove("service.name");
            self.attributes.push(attributes);
        }
        Some(index)
    }
}

pub(super) fn object(attributes: &[Attribute]) -> Map<String, Value> {
    attributes.iter().map(|attribute| (attribute.key.clone(), plain(&attribute.value))).collect()
}

/// A value as JSON has it. Attributes of the store are not deep.
pub(super) fn plain(value: &AnyValue) -> Value {
    match value {
        AnyValue::Empty => Value::Null,
        AnyValue::String(text) => text.as_str().into(),
        AnyValue::Bool(value) => (*value).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => number_or_name(*number),
        AnyValue::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        AnyValue::Array(values) => values.iter().map(plain).collect(),
        AnyValue::KvList(list) => object(list).into(),
    }
}

/// A value that a list of values has.
fn plain_value(value: &TagValue) -> Value {
    let text = value.value.as_str();
    match value.kind.as_str() {
        "int" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        "float" => text.parse::<f64>().map_or_else(|_| text.into(), number_or_name),
        "bool" => (text == "true").into(),
        _ => text.into(),
    }
}

fn number_or_name(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

pub(super) fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

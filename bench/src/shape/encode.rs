//! Traces as OTLP requests: each pod collects its spans and sends them when a request is full.

use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::types::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use hoptrail_proto::otlp::types::resource::v1::Resource;
use hoptrail_proto::otlp::types::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status, span::Event};
use prost::Message;

use super::{PODS, SERVICES, Span, Trace, words};

/// A request's bytes.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `ExportTraceServiceRequest`.
    pub(crate) body: Vec<u8>,
    /// Spans in it.
    pub(crate) spans: u32,
}

/// Collects spans by pod.
#[derive(Debug)]
pub(crate) struct Batches {
    size: usize,
    pods: Vec<Vec<OtlpSpan>>,
}

impl Batches {
    /// Requests of `size` spans.
    #[must_use]
    pub(crate) fn new(size: usize) -> Self {
        Self { size, pods: vec![Vec::new(); SERVICES * PODS] }
    }

    /// Adds a trace; the requests that became full.
    pub(crate) fn add(&mut self, trace: &Trace) -> Vec<Batch> {
        let mut full = Vec::new();
        for span in &trace.spans {
            let pod = span.service * PODS + span.pod;
            self.pods[pod].push(otlp(trace.id, span));
            if self.pods[pod].len() == self.size {
                full.push(batch(pod, std::mem::take(&mut self.pods[pod])));
            }
        }
        full
    }

    /// What is left.
    #[must_use]
    pub(crate) fn finish(self) -> Vec<Batch> {
        let left = self.pods.into_iter().enumerate().filter(|(_, spans)| !spans.is_empty());
        left.map(|(pod, spans)| batch(pod, spans)).collect()
    }
}

fn batch(pod: usize, spans: Vec<OtlpSpan>) -> Batch {
    let count = spans.len() as u32;
    let scope = InstrumentationScope {
        name: "io.opentelemetry.http".to_owned(),
        version: "2.4.0".to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    let resource = Resource { attributes: resource(pod), ..Resource::default() };
    let group = ResourceSpans { resource: Some(resource), scope_spans, schema_url: String::new() };
    let body = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
    Batch { body, spans: count }
}

fn resource(pod: usize) -> Vec<KeyValue> {
    let (service, instance) = (words::SERVICES[pod / PODS], pod % PODS);
    vec![
        text("service.name", service),
        text("service.namespace", "shop"),
        text("service.version", format!("1.{}.0", pod / PODS)),
        text("service.instance.id", format!("{service}-6d5f7c9b8-{instance:05}")),
        text("deployment.environment.name", "production"),
        text("k8s.namespace.name", "shop"),
        text("k8s.deployment.name", service),
        text("k8s.pod.name", format!("{service}-6d5f7c9b8-{instance:05}")),
        text("k8s.node.name", format!("node-{}", pod % 7)),
        text("telemetry.sdk.language", "java"),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.version", "1.41.0"),
    ]
}

fn otlp(trace: u128, span: &Span) -> OtlpSpan {
    OtlpSpan {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: if span.parent == 0 { Vec::new() } else { span.parent.to_be_bytes().to_vec() },
        name: super::name(span.name_index()),
        kind: if span.database.is_some() { 3 } else { 2 },
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.start + span.duration,
        attributes: attributes(span),
        events: span.error.map(|message| exception(span, message)).into_iter().collect(),
        status: Some(Status { code: if span.error.is_some() { 2 } else { 0 }, message: String::new() }),
        ..OtlpSpan::default()
    }
}

fn attributes(span: &Span) -> Vec<KeyValue> {
    let code = if span.error.is_some() { 500 } else { words::CODES[span.code] };
    let [high, middle, low] = [span.client >> 16 & 0xff, span.client >> 8 & 0xff, span.client & 0xff];
    let mut attributes = vec![
        text("http.request.method", words::METHODS[span.method]),
        text("url.scheme", "http"),
        text("url.path", words::path(span.service, span.route, span.number)),
        number("http.response.status_code", code),
        text("server.address", words::SERVICES[span.server]),
        number("server.port", words::PORTS[span.server % words::PORTS.len()]),
        text("network.protocol.version", if span.agent < 5 { "1.1" } else { "2" }),
        text("user_agent.original", words::AGENTS[span.agent]),
        text("user.id", super::user(span.user)),
        number("thread.id", i64::from(span.thread)),
        text("thread.name", format!("http-worker-{}", span.thread_name)),
        text("client.address", format!("10.{high}.{middle}.{low}")),
        number("http.request.body.size", i64::from(span.size)),
    ];
    if let Some(index) = span.database {
        let (system, namespace, query) = words::database(index);
        attributes.push(text("db.system.name", system));
        attributes.push(text("db.namespace", namespace));
        attributes.push(text("db.query.text", query));
    }
    attributes
}

fn exception(span: &Span, message: u32) -> Event {
    Event {
        time_unix_nano: span.start + span.duration,
        name: "exception".to_owned(),
        attributes: vec![
            text("exception.type", "java.util.concurrent.TimeoutException"),
            text("exception.message", words::message(message)),
        ],
        dropped_attributes_count: 0,
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;

    #[test]
    fn requests_hold_every_span_once_and_one_pod_each() {
        let shape = Shape { seed: 1, spans: 40_000, end_unix_nano: 1_800_000_000_000_000_000 };
        let mut batches = Batches::new(512);
        let (mut made, mut all) = (0, Vec::new());
        for trace in shape.traces() {
            made += trace.spans.len();
            all.extend(batches.add(&trace));
        }
        assert!(all.iter().all(|batch| batch.spans == 512));
        all.extend(batches.finish());
        let mut seen = 0;
        for batch in &all {
            let request = ExportTraceServiceRequest::decode(batch.body.as_slice()).expect("valid");
            assert_eq!(request.resource_spans.len(), 1);
            seen += request.resource_spans[0].scope_spans[0].spans.len();
        }
        assert_eq!(seen, made);
        let bytes = all.iter().map(|batch| batch.body.len()).sum::<usize>() as f64 / made as f64;
        assert!((555.0..580.0).contains(&bytes), "{bytes} bytes a span");
    }
}

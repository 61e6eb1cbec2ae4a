//! Traces in a few words.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, Trace, TraceId, TraceSpan};

pub(super) const START: u64 = 1_700_000_000_000_000_000;

/// A span: its number, that of its parent (0 is none), service, name, and times in nanoseconds from the start.
pub(super) struct Sketch {
    pub(super) id: u64,
    pub(super) parent: u64,
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) times: (u64, u64),
}

impl Sketch {
    pub(super) fn new(id: u64, parent: u64, service: &'static str, name: &'static str, times: (u64, u64)) -> Self {
        Self { id, parent, service, name, times }
    }
}

pub(super) fn trace_of(sketches: &[Sketch]) -> Trace {
    let span = |sketch: &Sketch| {
        let resource =
            Resource { attributes: vec![Attribute::new("service.name", sketch.service)], ..Resource::default() };
        let span = Span {
            span_id: SpanId(sketch.id.to_be_bytes()),
            parent_span_id: SpanId::from_bytes(&sketch.parent.to_be_bytes()),
            name: sketch.name.to_owned(),
            start_unix_nano: START + sketch.times.0,
            end_unix_nano: START + sketch.times.1,
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
    };
    Trace { id: TraceId([1; 16]), spans: sketches.iter().map(span).collect() }
}

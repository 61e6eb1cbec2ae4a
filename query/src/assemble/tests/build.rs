//! Small traces in few words: times are milliseconds after a fixed moment.

use std::fmt::Write;
use std::sync::Arc;

use hoptrail_proto::model::{
    Attribute, InstrumentationScope, Resource, Span, SpanId, SpanKind, Status, StatusCode, Trace, TraceId, TraceSpan,
};

use crate::assemble::{NodeKind, TraceTree, Warning};

pub(super) const T0: u64 = 1_760_000_000_000_000_000;
pub(super) const MS: u64 = 1_000_000;

pub(super) const TRACE: TraceId = TraceId([7; 16]);

/// The span id whose last byte is `n`.
pub(super) fn id(n: u64) -> SpanId {
    SpanId(n.to_be_bytes())
}

pub(super) struct One(pub(super) TraceSpan);

/// A span of service `service`; parent 0 means none.
pub(super) fn span(number: u64, parent: u64, service: &str, start_ms: u64, end_ms: u64) -> One {
    let resource = Resource { attributes: vec![Attribute::new("service.name", service)], ..Resource::default() };
    let span = Span {
        trace_id: TRACE,
        span_id: id(number),
        parent_span_id: (parent != 0).then(|| id(parent)),
        name: format!("s{number}"),
        kind: SpanKind::Internal,
        // Odd nanoseconds: the clock reads finer than a millisecond.
        start_unix_nano: T0 + start_ms * MS + 1,
        end_unix_nano: T0 + end_ms * MS + 1,
        ..Span::default()
    };
    One(TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(InstrumentationScope::default()) })
}

impl One {
    pub(super) fn kind(mut self, kind: SpanKind) -> Self {
        self.0.span.kind = kind;
        self
    }

    pub(super) fn error(mut self) -> Self {
        self.0.span.status = Status { code: StatusCode::Error, message: String::new() };
        self
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.span.attributes.push(Attribute::new(key, value));
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Span)) -> Self {
        change(&mut self.0.span);
        self
    }
}

pub(super) fn trace(spans: impl IntoIterator<Item = One>) -> Trace {
    Trace { id: TRACE, spans: spans.into_iter().map(|one| one.0).collect() }
}

/// The tree as text: `s1(s2 s3(s4))`; `?9` is a missing span 9, `[name]` an inferred peer.
pub(super) fn shape(tree: &TraceTree<'_>) -> String {
    let mut text = String::new();
    let mut open = Vec::new();
    for (index, node) in tree.nodes.iter().enumerate() {
        while open.last().is_some_and(|end| *end <= index) {
            open.pop();
            text.push(')');
        }
        if !text.is_empty() && !text.ends_with('(') {
            text.push(' ');
        }
        match &node.kind {
            NodeKind::Span(span) => text.push_str(&span.span.name),
            NodeKind::Missing => _ = write!(text, "?{}", u64::from_be_bytes(node.key.span_id.0)),
            NodeKind::Inferred(peer) => _ = write!(text, "[{}]", peer.name),
        }
        if node.next > index + 1 {
            open.push(node.next);
            text.push('(');
        }
    }
    text.extend(open.iter().map(|_| ')'));
    text
}

/// Warnings of the first node of span `number`.
pub(super) fn warnings(tree: &TraceTree<'_>, number: u64) -> Vec<Warning> {
    tree.nodes[tree.find_span(id(number)).expect("span")].warnings.clone()
}

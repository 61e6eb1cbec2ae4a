//! The store decides by columns whose parent a span is, for queries about the structure of traces. The tree says the same.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, SpanKind, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_storage::internals::{Head, Parent, Segment};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::assemble::{Clocks, Node, NodeKind, assemble};

const ID: TraceId = TraceId([7; 16]);

/// A span with one of few ids and of few services.
fn span() -> impl Strategy<Value = TraceSpan> {
    let fields = (1u8..9, prop::option::of(1u8..11), 0u64..4, 0i32..6, prop::sample::select(vec!["a", "b"]));
    fields.prop_map(|(id, parent, start, kind, service)| {
        let span = Span {
            trace_id: ID,
            span_id: SpanId([id; 8]),
            parent_span_id: parent.map(|parent| SpanId([parent; 8])),
            kind: SpanKind::from_otlp(kind),
            start_unix_nano: 1_700_000_000_000_000_000 + start,
            end_unix_nano: 1_700_000_000_000_000_005 + start,
            ..Span::default()
        };
        let attributes = vec![Attribute::new("service.name", service)];
        TraceSpan { span, resource: Arc::new(Resource { attributes, ..Resource::default() }), scope: Arc::default() }
    })
}

/// Spans of which many share an id, of which parents are missing, and that go in circles. No two are the same.
fn tangled() -> impl Strategy<Value = Vec<TraceSpan>> {
    vec(span(), 1..24).prop_map(|mut spans| {
        for (span, number) in spans.iter_mut().zip(0i64..) {
            span.span.attributes.push(Attribute::new("number", number));
        }
        spans
    })
}

/// The index of a node's span among the spans of the trace.
fn index(spans: &[TraceSpan], node: &Node<'_>) -> Option<usize> {
    match node.kind {
        NodeKind::Span(span) => spans.iter().position(|known| std::ptr::eq(known, span)),
        NodeKind::Missing | NodeKind::Inferred(_) => None,
    }
}

proptest! {
    #[test]
    fn the_store_decides_parents_as_the_tree_does(spans in tangled()) {
        let mut head = Head::default();
        head.append(&otlp::encode(&spans)).expect("well formed");
        let stored = Segment::encode(&[&head]).expect("fits").parents(ID).expect("readable");
        prop_assert_eq!(stored.len(), spans.len());
        let (spans, parents): (Vec<TraceSpan>, Vec<Parent>) = stored.into_iter().unzip();
        let trace = Trace { id: ID, spans };
        let tree = assemble(&trace, Clocks::default());
        for node in &tree.nodes {
            let Some(own) = index(&trace.spans, node) else { continue };
            let parent = match node.parent.map(|parent| index(&trace.spans, &tree.nodes[parent])) {
                None => Parent::None,
                Some(None) => Parent::Missing,
                Some(Some(parent)) => Parent::Span(parent),
            };
            prop_assert_eq!(parents[own], parent, "span {} of {:?}", own, trace.spans);
        }
    }
}

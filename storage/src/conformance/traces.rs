//! Spans of traces as no client should send them.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status, StatusCode, TraceId, TraceSpan,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// 2026, so that times are real.
pub(super) const EPOCH: u64 = 1_767_225_600_000_000_000;

/// Spans of few traces whose ids, parents and times clash. There are orphans, circles, several roots, shared ids, exact copies, repeated
/// keys, and values of all types under one key.
pub(super) fn dirty_batch() -> impl Strategy<Value = Vec<TraceSpan>> {
    vec(span(), 1..25)
}

fn span() -> impl Strategy<Value = TraceSpan> {
    let ids = (1u8..4, 1u8..10, 0u8..11);
    let times = (0u64..40, 0u64..30);
    let kinds = (0i32..6, 0i32..3, "[s-u]", "[n-p]");
    let lists = (attributes(), attributes(), vec(event(), 0..2), vec(link(), 0..2));
    (ids, times, kinds, lists, state()).prop_map(
        |(
            (trace, id, parent),
            (start, length),
            (kind, status, service, name),
            (own, of_resource, events, links),
            state,
        )| {
            let span = Span {
                trace_id: TraceId([trace; 16]),
                span_id: SpanId([id; 8]),
                parent_span_id: (parent > 0).then_some(SpanId([parent; 8])),
                trace_state: state.to_owned(),
                name,
                kind: SpanKind::from_otlp(kind),
                start_unix_nano: EPOCH + start,
                end_unix_nano: EPOCH + start + length,
                status: Status { code: StatusCode::from_otlp(status), message: String::new() },
                attributes: own,
                events,
                links,
                ..Span::default()
            };
            let mut resource = Resource { attributes: of_resource, ..Resource::default() };
            resource.attributes.push(Attribute::new("service.name", service));
            TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
        },
    )
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec((key(), value()).prop_map(|(key, value)| Attribute { key, value }), 0..3)
}

fn event() -> impl Strategy<Value = SpanEvent> {
    let name = prop_oneof![2 => "[e-f]", 1 => Just("exception".to_owned())];
    let said = ("exception[.](type|message)", prop_oneof![3 => "[pq] [1-3]", 1 => "'[pq]'"]);
    let said = prop_oneof![4 => said.prop_map(|(key, text)| Attribute::new(&key, text)), 1 => Just(Attribute::new("exception.type", 7))];
    (name, 0u64..40, attributes(), vec(said, 0..4)).prop_map(|(name, time, mut attributes, said)| {
        attributes.extend(said);
        SpanEvent { time_unix_nano: EPOCH + time, name, attributes, dropped_attributes_count: 0 }
    })
}

/// Keys that any span may have, and now and then one that names a peer.
fn key() -> impl Strategy<Value = String> {
    let of_peers = ["db.system", "peer.service", "server.address", "server.port", "messaging.system", "url.full"];
    prop_oneof![5 => "[xy]", 2 => prop::sample::select(of_peers.map(str::to_owned).to_vec())]
}

fn link() -> impl Strategy<Value = SpanLink> {
    let ids = (1u8..4, 1u8..10);
    ids.prop_map(|(trace, span)| SpanLink {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([span; 8]),
        ..SpanLink::default()
    })
}

/// Few values, so that many are equal. Doubles are added without error, in whatever order.
fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => (-2i64..4).prop_map(AnyValue::Int),
        3 => prop::sample::select(vec![0.5, 1.0, -2.5, f64::NAN]).prop_map(AnyValue::Double),
        2 => "[1a]".prop_map(AnyValue::String),
        1 => any::<bool>().prop_map(AnyValue::Bool),
        1 => Just(AnyValue::Empty),
    ];
    prop_oneof![5 => leaf.clone(), 1 => vec(leaf, 0..3).prop_map(AnyValue::Array)]
}

/// What a trace state may say of sampling.
fn state() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "ot=th:8;rv:ffffffffffffff", "ot=th:c;rv:ffffffffffffff", "ot=th:8", "ot=th:x"])
}

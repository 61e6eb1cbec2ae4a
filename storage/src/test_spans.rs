//! Spans for tests: arbitrary ones that use every corner of the model.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, EntityRef, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink,
    Status, StatusCode, TraceId, TraceSpan,
};
use hoptrail_proto::otlp;
use proptest::collection::vec;
use proptest::prelude::*;

/// The OTLP request that holds these spans.
pub(crate) fn encode(spans: &[TraceSpan]) -> Vec<u8> {
    otlp::encode(spans)
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => "[a-c0-3/. é]{0,6}".prop_map(AnyValue::String),
        1 => Just(AnyValue::Empty),
        1 => any::<bool>().prop_map(AnyValue::Bool),
        2 => prop_oneof![any::<i64>(), 0i64..5].prop_map(AnyValue::Int),
        2 => prop_oneof![Just(0.5f64), Just(f64::NAN), -1e9f64..1e9].prop_map(AnyValue::Double),
        1 => vec(any::<u8>(), 0..4).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(AnyValue::Array),
            vec(("[k-m]", inner), 0..3).prop_map(|pairs| {
                AnyValue::KvList(pairs.into_iter().map(|(key, value)| Attribute { key, value }).collect())
            }),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec(("[a-d]{1,2}", value()).prop_map(|(key, value)| Attribute { key, value }), 0..5)
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![9 => Just(0), 1 => 1u32..9]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[a-z]{1,3}"]
}

fn event() -> impl Strategy<Value = SpanEvent> {
    (any::<u64>(), "[e-g]", attributes(), count()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| SpanEvent {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = SpanLink> {
    (any::<[u8; 16]>(), any::<[u8; 8]>(), text(), attributes(), count(), count()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| SpanLink {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let start = prop_oneof![2 => Just(1u64 << 60), 2 => any::<u64>(), 1 => Just(0)];
    let end = prop_oneof![4 => any::<i16>().prop_map(Err), 1 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Ok)];
    let ids = (1u8..4, 1u8..40, prop::option::of(1u8..40), start, end);
    let texts = ("[n-p]", text(), text(), 0i32..6, 0i32..3, count());
    (ids, texts, attributes(), vec(event(), 0..3), vec(link(), 0..2), (count(), count(), count())).prop_map(
        |(
            (trace, span, parent, start, end),
            (name, trace_state, message, kind, code, flags),
            attributes,
            events,
            links,
            dropped,
        )| Span {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId([span; 8]),
            parent_span_id: parent.map(|parent| SpanId([parent; 8])),
            trace_state,
            flags,
            name,
            kind: SpanKind::from_otlp(kind),
            start_unix_nano: start,
            end_unix_nano: end.unwrap_or_else(|length| start.wrapping_add_signed(i64::from(length))),
            attributes,
            dropped_attributes_count: dropped.0,
            events,
            dropped_events_count: dropped.1,
            links,
            dropped_links_count: dropped.2,
            status: Status { code: StatusCode::from_otlp(code), message },
        },
    )
}

fn resource() -> impl Strategy<Value = Resource> {
    ("[s-v]", attributes(), count(), text()).prop_map(
        |(service, mut attributes, dropped_attributes_count, schema_url)| {
            attributes.insert(0, Attribute::new("service.name", service.as_str()));
            let entity_refs =
                vec![EntityRef { kind: service, id_keys: vec!["service.name".into()], ..EntityRef::default() }];
            Resource { attributes, dropped_attributes_count, entity_refs, schema_url }
        },
    )
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (text(), text(), attributes(), count(), text()).prop_map(
        |(name, version, attributes, dropped_attributes_count, schema_url)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
            schema_url,
        },
    )
}

/// Spans of few traces, resources and scopes, with colliding ids, repeated keys and extreme times.
pub(crate) fn any_batch() -> impl Strategy<Value = Vec<TraceSpan>> {
    (vec(resource(), 1..4), vec(scope(), 1..3), vec((span(), any::<u8>(), any::<u8>()), 1..40)).prop_map(
        |(resources, scopes, spans)| {
            let resources: Vec<_> = resources.into_iter().map(Arc::new).collect();
            let scopes: Vec<_> = scopes.into_iter().map(Arc::new).collect();
            let pick = |(span, resource, scope): (Span, u8, u8)| TraceSpan {
                span,
                resource: Arc::clone(&resources[usize::from(resource) % resources.len()]),
                scope: Arc::clone(&scopes[usize::from(scope) % scopes.len()]),
            };
            spans.into_iter().map(pick).collect()
        },
    )
}

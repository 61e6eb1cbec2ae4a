//! Any spans, for property tests.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{
    AnyValue, Attribute, EntityRef, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink,
    Status, StatusCode, TraceId, TraceSpan,
};
use crate::otlp::schema::{Kind, Message};
use crate::otlp::wire::{Fields, WireValue, put_field};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.]{0,12}", "\\PC{0,6}", any::<String>()]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::Empty),
        text().prop_map(AnyValue::String),
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0)]
            .prop_filter("JSON has only one NaN", |value| !value.is_nan())
            .prop_map(AnyValue::Double),
        vec(any::<u8>(), 0..20).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(AnyValue::Array),
            vec((text(), inner).prop_map(|(key, value)| Attribute { key, value }), 0..3).prop_map(AnyValue::KvList),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec((text(), value()).prop_map(|(key, value)| Attribute { key, value }), 0..4)
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    any::<u128>().prop_map(|id| TraceId(id.max(1).to_be_bytes()))
}

fn span_id() -> impl Strategy<Value = SpanId> {
    any::<u64>().prop_map(|id| SpanId(id.max(1).to_be_bytes()))
}

fn event() -> impl Strategy<Value = SpanEvent> {
    (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| SpanEvent {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = SpanLink> {
    (trace_id(), span_id(), text(), attributes(), any::<u32>(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| SpanLink {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (trace_id(), span_id(), proptest::option::of(span_id()));
    let numbers = (any::<[u64; 2]>(), any::<[u32; 4]>(), 0..6i32, 0..3i32);
    let parts = (attributes(), vec(event(), 0..3), vec(link(), 0..3));
    (ids, numbers, parts, (text(), text(), text())).prop_map(|(ids, numbers, parts, texts)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        trace_state: texts.0,
        flags: numbers.1[0],
        name: texts.1,
        kind: SpanKind::from_otlp(numbers.2),
        start_unix_nano: numbers.0[0],
        end_unix_nano: numbers.0[1],
        attributes: parts.0,
        dropped_attributes_count: numbers.1[1],
        events: parts.1,
        dropped_events_count: numbers.1[2],
        links: parts.2,
        dropped_links_count: numbers.1[3],
        status: Status { code: StatusCode::from_otlp(numbers.3), message: texts.2 },
    })
}

fn resource() -> impl Strategy<Value = Resource> {
    let entity = (text(), text(), vec(text(), 0..2), vec(text(), 0..2))
        .prop_map(|(schema_url, kind, id_keys, keys)| EntityRef { schema_url, kind, id_keys, description_keys: keys });
    (attributes(), any::<u32>(), vec(entity, 0..2), text()).prop_map(
        |(attributes, dropped_attributes_count, entity_refs, schema_url)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
            schema_url,
        },
    )
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (text(), text(), attributes(), any::<u32>(), text()).prop_map(
        |(name, version, attributes, dropped_attributes_count, schema_url)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
            schema_url,
        },
    )
}

/// Up to 3 resources with up to 2 scopes with up to 3 spans each.
pub(crate) fn spans() -> impl Strategy<Value = Vec<TraceSpan>> {
    let group = (resource(), vec((scope(), vec(span(), 1..4)), 1..3));
    vec(group, 0..4).prop_map(|groups| {
        let mut out = Vec::new();
        for (resource, scopes) in groups {
            let resource = Arc::new(resource);
            for (scope, spans) in scopes {
                let scope = Arc::new(scope);
                out.extend(spans.into_iter().map(|span| TraceSpan {
                    span,
                    resource: Arc::clone(&resource),
                    scope: Arc::clone(&scope),
                }));
            }
        }
        out
    })
}

/// The message written anew, with its fields dropped, repeated, renumbered, put in groups or changed as `picks` say; most picks
/// should be 0, which changes nothing.
pub(crate) fn restructured(table: &Message, message: &[u8], picks: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in Fields::new(message).flatten() {
        let inner;
        let value = match (table.field(number).map(|field| field.kind), value) {
            (Some(Kind::Message(table)), WireValue::Bytes(bytes)) => {
                inner = restructured(table, bytes, picks);
                WireValue::Bytes(&inner)
            }
            _ => value,
        };
        let pick = picks.next().unwrap_or(0);
        match pick {
            1 => {}
            2 => [(); 2].into_iter().for_each(|()| put_field(&mut out, number, value)),
            3 => put_field(&mut out, number + 1, value),
            4 => put_field(&mut out, number.saturating_sub(1).max(1), value),
            5 => put_field(&mut out, number, WireValue::Varint(300)),
            6 => put_field(&mut out, number, WireValue::Bytes(b"\xff text")),
            7 => put_field(&mut out, number, WireValue::Bytes(b"")),
            // A field that OTLP does not know, and a group.
            8 => out.extend_from_slice(&[0xfa, 0x07, 1, 0]),
            9 => {
                out.extend_from_slice(&[0xfb, 0x07]);
                put_field(&mut out, number, value);
                out.extend_from_slice(&[0xfc, 0x07]);
            }
            _ => put_field(&mut out, number, value),
        }
    }
    out
}

/// Picks for [`restructured`], one in twenty of which changes something.
pub(crate) fn picks() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![19 => Just(0u8), 1 => 1u8..10], 0..400)
}

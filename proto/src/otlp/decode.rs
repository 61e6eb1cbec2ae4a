//! From a request's bytes to the model. For cold paths and tests: ingest walks the bytes instead.
//!
//! Read with the views and not with prost, which refuses messages that are nested as deep as values may be.

use std::sync::Arc;

use super::validate::MAX_VALUE_DEPTH;
use super::view::{EventView, LinkView, Malformed, Origin, SpanView, ValueView, any_value, each_span, key_value};
use super::wire::{Fields, WireError, WireValue, uint32};
use crate::model::{
    AnyValue, Attribute, EntityRef, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink,
    Status, StatusCode, TraceId, TraceSpan,
};

/// The spans of an `ExportTraceServiceRequest` in its order, each with its resource and scope. Ids of a wrong length count as zero.
pub fn decode(body: &[u8]) -> Result<Vec<TraceSpan>, Malformed> {
    let (mut origins, mut spans) = (Vec::new(), Vec::new());
    let origin = |resource: &Origin<'_>, scope: &Origin<'_>| {
        origins.push(origin_of(resource, scope));
        origins.len() - 1
    };
    each_span(body, origin, |at, span| spans.push((at, span_of(span))))?;
    let origins = origins.into_iter().collect::<Result<Vec<_>, _>>()?;
    let whole = |(at, span): (usize, Result<Span, Malformed>)| {
        let (resource, scope) = origins.get(at).cloned().unwrap_or_default();
        Ok(TraceSpan { span: span?, resource, scope })
    };
    spans.into_iter().map(whole).collect()
}

/// Decodes a `Resource` message with the schema URL of its group.
pub fn decode_origin_resource(message: &[u8], schema_url: &str) -> Result<Resource, Malformed> {
    let mut resource = Resource { schema_url: schema_url.to_owned(), ..Resource::default() };
    for field in Fields::new(message) {
        match field? {
            (1, WireValue::Bytes(pair)) => resource.attributes.push(attribute(pair, MAX_VALUE_DEPTH)?),
            (2, WireValue::Varint(count)) => resource.dropped_attributes_count = uint32(count),
            (3, WireValue::Bytes(entity)) => resource.entity_refs.push(entity_ref(entity)?),
            _ => {}
        }
    }
    Ok(resource)
}

/// Decodes an `InstrumentationScope` message with the schema URL of its group.
pub fn decode_origin_scope(message: &[u8], schema_url: &str) -> Result<InstrumentationScope, Malformed> {
    let mut scope = InstrumentationScope { schema_url: schema_url.to_owned(), ..InstrumentationScope::default() };
    for field in Fields::new(message) {
        match field? {
            (1, WireValue::Bytes(name)) => scope.name = text(name)?,
            (2, WireValue::Bytes(version)) => scope.version = text(version)?,
            (3, WireValue::Bytes(pair)) => scope.attributes.push(attribute(pair, MAX_VALUE_DEPTH)?),
            (4, WireValue::Varint(count)) => scope.dropped_attributes_count = uint32(count),
            _ => {}
        }
    }
    Ok(scope)
}

/// Decodes an `AnyValue` message.
pub fn decode_value(message: &[u8]) -> Result<AnyValue, Malformed> {
    value(any_value(message)?, MAX_VALUE_DEPTH)
}

fn origin_of(
    resource: &Origin<'_>,
    scope: &Origin<'_>,
) -> Result<(Arc<Resource>, Arc<InstrumentationScope>), Malformed> {
    let resource = decode_origin_resource(&resource.message, &text(resource.schema_url)?)?;
    let scope = decode_origin_scope(&scope.message, &text(scope.schema_url)?)?;
    Ok((Arc::new(resource), Arc::new(scope)))
}

fn span_of(span: &SpanView<'_>) -> Result<Span, Malformed> {
    Ok(Span {
        trace_id: TraceId::from_bytes(span.trace_id).unwrap_or_default(),
        span_id: SpanId::from_bytes(span.span_id).unwrap_or_default(),
        parent_span_id: SpanId::from_bytes(span.parent_span_id),
        trace_state: text(span.trace_state)?,
        flags: span.flags,
        name: text(span.name)?,
        kind: SpanKind::from_otlp(span.kind),
        start_unix_nano: span.start_unix_nano,
        end_unix_nano: span.end_unix_nano,
        attributes: attributes(&span.attributes)?,
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(|event| event_of(event)).collect::<Result<_, _>>()?,
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(|link| link_of(link)).collect::<Result<_, _>>()?,
        dropped_links_count: span.dropped_links_count,
        status: Status { code: StatusCode::from_otlp(span.status_code), message: text(span.status_message)? },
    })
}

fn event_of(message: &[u8]) -> Result<SpanEvent, Malformed> {
    let event = EventView::read(message)?;
    Ok(SpanEvent {
        time_unix_nano: event.time_unix_nano,
        name: text(event.name)?,
        attributes: attributes(&event.attributes)?,
        dropped_attributes_count: event.dropped_attributes_count,
    })
}

fn link_of(message: &[u8]) -> Result<SpanLink, Malformed> {
    let link = LinkView::read(message)?;
    Ok(SpanLink {
        trace_id: TraceId::from_bytes(link.trace_id).unwrap_or_default(),
        span_id: SpanId::from_bytes(link.span_id).unwrap_or_default(),
        trace_state: text(link.trace_state)?,
        attributes: attributes(&link.attributes)?,
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    })
}

fn entity_ref(message: &[u8]) -> Result<EntityRef, Malformed> {
    let mut entity = EntityRef::default();
    for field in Fields::new(message) {
        match field? {
            (1, WireValue::Bytes(url)) => entity.schema_url = text(url)?,
            (2, WireValue::Bytes(kind)) => entity.kind = text(kind)?,
            (3, WireValue::Bytes(key)) => entity.id_keys.push(text(key)?),
            (4, WireValue::Bytes(key)) => entity.description_keys.push(text(key)?),
            _ => {}
        }
    }
    Ok(entity)
}

fn attributes(pairs: &[&[u8]]) -> Result<Vec<Attribute>, Malformed> {
    pairs.iter().map(|pair| attribute(pair, MAX_VALUE_DEPTH)).collect()
}

fn attribute(pair: &[u8], levels: usize) -> Result<Attribute, Malformed> {
    let (key, view) = key_value(pair)?;
    Ok(Attribute { key: text(key)?, value: value(view, levels)? })
}

/// A value of which so many levels are read.
fn value(view: ValueView<'_>, levels: usize) -> Result<AnyValue, Malformed> {
    Ok(match view {
        ValueView::Empty => AnyValue::Empty,
        ValueView::Text(bytes) => AnyValue::String(text(bytes)?),
        ValueView::Bool(value) => AnyValue::Bool(value),
        ValueView::Int(value) => AnyValue::Int(value),
        ValueView::Double(value) => AnyValue::Double(value),
        ValueView::Bytes(bytes) => AnyValue::Bytes(bytes.to_vec()),
        ValueView::Nested(message) => nested(message, levels.checked_sub(1).ok_or(WireError::Depth)?)?,
    })
}

/// An array or a list of attributes; of several the last counts.
fn nested(message: &[u8], levels: usize) -> Result<AnyValue, Malformed> {
    let mut found = AnyValue::Empty;
    for field in Fields::new(message) {
        found = match field? {
            (5, WireValue::Bytes(list)) => AnyValue::Array(each(list, |element| value(any_value(element)?, levels))?),
            (6, WireValue::Bytes(list)) => AnyValue::KvList(each(list, |pair| attribute(pair, levels))?),
            _ => found,
        };
    }
    Ok(found)
}

/// The messages in field 1, read.
fn each<T>(list: &[u8], read: impl Fn(&[u8]) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
    let mut all = Vec::new();
    for field in Fields::new(list) {
        if let (1, WireValue::Bytes(message)) = field? {
            all.push(read(message)?);
        }
    }
    Ok(all)
}

fn text(bytes: &[u8]) -> Result<String, WireError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::Utf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::otlp::{arbitrary, encode_value, to_request};

    fn lists(levels: usize) -> AnyValue {
        (1..levels).fold(AnyValue::KvList(Vec::new()), |inner, _| AnyValue::KvList(vec![Attribute::new("k", inner)]))
    }

    #[test]
    fn values_are_read_as_deep_as_they_are_kept_and_no_deeper() {
        let deep = lists(MAX_VALUE_DEPTH);
        assert_eq!(decode_value(&encode_value(&deep)), Ok(deep));
        let deeper = encode_value(&lists(1_000));
        assert_eq!(decode_value(&deeper), Err(WireError::Depth.into()));
    }

    #[test]
    fn what_is_damaged_is_told() {
        assert_eq!(decode_value(&[0x0a, 1, 0xff]), Err(WireError::Utf8.into()));
        assert_eq!(decode_origin_scope(&[0x0a, 1, 0xff], ""), Err(WireError::Utf8.into()));
        assert_eq!(decode_origin_resource(&[0x0a, 2, 0x0a, 9], ""), Err(WireError::Truncated.into()));
        assert_eq!(decode(&[0x0a, 9]), Err(WireError::Truncated.into()));
    }

    proptest! {
        #[test]
        fn what_prost_writes_is_read(spans in arbitrary::spans()) {
            prop_assert_eq!(decode(&to_request(&spans).encode_to_vec()), Ok(spans));
        }
    }
}

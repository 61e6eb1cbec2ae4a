//! The quick walk: is there anything to refuse or repair? It stops at the first doubt and does not say where.

use crate::otlp::schema::{ANY_VALUE, KEY_VALUE, Kind, Message, REQUEST, RESOURCE_SPANS, SCOPE_SPANS, SPAN};
use crate::otlp::wire::{Fields, WireValue};

/// How many spans a request holds, when there is nothing to refuse or repair in it.
pub(super) fn spans(request: &[u8], depth: usize) -> Option<u32> {
    let mut count = 0;
    let mut counted = |bytes: &[u8]| {
        count += 1;
        span(bytes, depth)
    };
    let mut scoped = |bytes: &[u8]| envelope(&SCOPE_SPANS, bytes, depth, &mut counted);
    let mut group = |bytes: &[u8]| envelope(&RESOURCE_SPANS, bytes, depth, &mut scoped);
    envelope(&REQUEST, request, depth, &mut group).then_some(count)
}

/// Whether a request, a `ResourceSpans` or a `ScopeSpans` is clean; `inner` judges the messages that it is there to hold.
fn envelope(table: &'static Message, bytes: &[u8], depth: usize, inner: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let mut seen = 0u64;
    Fields::new(bytes).all(|field| match field {
        Ok((number, WireValue::Bytes(bytes))) if holds(table, number) => inner(bytes),
        Ok((number, value)) => once(table, number, &mut seen) && known(table, number, value, depth),
        Err(_) => false,
    })
}

/// Whether `number` is the one repeated field of an envelope.
#[inline]
fn holds(table: &'static Message, number: u32) -> bool {
    table.field(number).is_some_and(|field| field.repeated)
}

/// Whether a span is clean and has its ids.
pub(super) fn span(bytes: &[u8], depth: usize) -> bool {
    let mut seen = 0u64;
    for field in Fields::new(bytes) {
        let Ok((number, value)) = field else { return false };
        let fine = match (number, value) {
            (9, WireValue::Bytes(attribute)) => {
                if !self::attribute(attribute, depth) {
                    return false;
                }
                continue;
            }
            (1, WireValue::Bytes(id)) => id.len() == 16 && id.iter().any(|byte| *byte != 0),
            (2, WireValue::Bytes(id)) => id.len() == 8 && id.iter().any(|byte| *byte != 0),
            (4, WireValue::Bytes(id)) => id.is_empty() || id.len() == 8,
            _ => known(&SPAN, number, value, depth),
        };
        if !fine || !once(&SPAN, number, &mut seen) {
            return false;
        }
    }
    seen & IDS == IDS
}

/// The bits of a span's `trace_id` and `span_id`.
const IDS: u64 = 0b11 << 1;

/// Whether a message is well-formed in full depth, its text is UTF-8, and no singular field occurs twice.
pub(super) fn message(table: &'static Message, bytes: &[u8], depth: usize) -> bool {
    let mut seen = 0u64;
    Fields::new(bytes).all(|field| match field {
        Ok((number, value)) => once(table, number, &mut seen) && known(table, number, value, depth),
        Err(_) => false,
    })
}

/// Whether a singular field occurs for the first time. All fields of `AnyValue` count as one.
#[inline(always)]
fn once(table: &'static Message, number: u32, seen: &mut u64) -> bool {
    let Some(field) = table.field(number) else { return true };
    let bit = if table.nests { 1 } else { 1u64 << (field.number & 63) };
    let again = *seen & bit != 0;
    *seen |= bit;
    field.repeated || !again
}

/// Whether a field has the wire type that its table says and content that is clean. Unknown fields are.
#[inline(always)]
fn known(table: &'static Message, number: u32, value: WireValue<'_>, depth: usize) -> bool {
    let Some(field) = table.field(number) else { return true };
    match (field.kind, value) {
        (Kind::Text, WireValue::Bytes(text)) => utf8(text),
        (Kind::Id | Kind::Base64, WireValue::Bytes(_)) => true,
        (Kind::Message(inner), WireValue::Bytes(bytes)) => nested(inner, bytes, depth),
        (Kind::Bool | Kind::Int64 | Kind::Int32 | Kind::Uint32 | Kind::Enum(_), WireValue::Varint(_)) => true,
        (Kind::Fixed32, WireValue::Fixed32(_)) => true,
        (Kind::Fixed64 | Kind::Double, WireValue::Fixed64(_)) => true,
        _ => false,
    }
}

#[inline(never)]
fn nested(inner: &'static Message, bytes: &[u8], depth: usize) -> bool {
    if !inner.nests {
        return message(inner, bytes, depth);
    }
    depth > 0 && message(inner, bytes, depth - 1)
}

/// A `KeyValue`. Nearly all are a short key, then a value with one short field: those are read without loops.
#[inline]
fn attribute(bytes: &[u8], depth: usize) -> bool {
    short_attribute(bytes, depth).unwrap_or_else(|| message(&KEY_VALUE, bytes, depth))
}

#[inline(always)]
fn short_attribute(bytes: &[u8], depth: usize) -> Option<bool> {
    let (key, rest) = short(bytes, 0x0a)?;
    let (value, rest) = short(rest, 0x12)?;
    if !rest.is_empty() || depth == 0 {
        return None;
    }
    let fine = match short(value, 0x0a) {
        Some((text, [])) => utf8(text),
        _ => message(&ANY_VALUE, value, depth - 1),
    };
    Some(fine && utf8(key))
}

/// The bytes of a field of less than 128 bytes whose key is `key`, and what follows.
#[inline(always)]
fn short(bytes: &[u8], key: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [found, length, rest @ ..] if *found == key && *length < 128 => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

#[inline(always)]
fn utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

//! The quick walk: is there anything to refuse or repair? It stops at the first finding and does not say where.

use crate::otlp::schema::{
    INSTRUMENTATION_LIBRARY_SPANS, KEY_VALUE, Kind, Message, REQUEST, RESOURCE_SPANS, SCOPE_SPANS, SPAN,
};
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

/// Whether a request, a `ResourceSpans` or a `ScopeSpans` is clean; `inner` checks the messages that it is there to hold.
fn envelope(table: &'static Message, bytes: &[u8], depth: usize, inner: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let (mut seen, mut holds_any, mut foreign) = (0u64, false, false);
    let clean = Fields::new(bytes).all(|field| match field {
        Ok((number, WireValue::Bytes(bytes))) if holds(table, number) => {
            holds_any = true;
            inner(bytes)
        }
        Ok((number, value)) => {
            foreign |= table.field(number).is_none();
            number != INSTRUMENTATION_LIBRARY_SPANS
                && once(table, number, &mut seen)
                && known(table, number, value, depth)
        }
        Err(_) => false,
    });
    clean && (!foreign || holds_any && !std::ptr::eq(table, &REQUEST))
}

/// Whether `number` is the one repeated field of an envelope.
#[inline]
fn holds(table: &'static Message, number: u32) -> bool {
    table.field(number).is_some_and(|field| field.repeated)
}

/// Whether a span is clean and has its ids. By far the most frequent message, so its fields are recognised without the table.
pub(super) fn span(bytes: &[u8], depth: usize) -> bool {
    let mut seen = 0u32;
    let mut fields = Fields::new(bytes);
    loop {
        while let Some(bytes) = fields.next_short::<9>() {
            if !attribute(bytes, depth) {
                return false;
            }
        }
        let Some(field) = fields.next() else { return seen & IDS == IDS };
        let Ok((number, value)) = field else { return false };
        let fine = match (number, value) {
            (9, WireValue::Bytes(bytes)) => attribute(bytes, depth),
            (1, WireValue::Bytes(id)) => <[u8; 16]>::try_from(id).is_ok_and(|id| u128::from_ne_bytes(id) != 0),
            (2, WireValue::Bytes(id)) => <[u8; 8]>::try_from(id).is_ok_and(|id| u64::from_ne_bytes(id) != 0),
            (4, WireValue::Bytes(id)) => id.is_empty() || id.len() == 8,
            (3 | 5, WireValue::Bytes(text)) => utf8(text),
            (6 | 10 | 12 | 14, WireValue::Varint(_)) | (7 | 8, WireValue::Fixed64(_)) => true,
            _ => known(&SPAN, number, value, depth),
        };
        let bit = 1u32.checked_shl(number).unwrap_or(0);
        if !fine || seen & bit & !REPEATED != 0 {
            return false;
        }
        seen |= bit;
    }
}

/// The bits of a span's `trace_id` and `span_id`.
const IDS: u32 = 1 << 1 | 1 << 2;

/// The bits of a span's attributes, events and links, and of numbers that OTLP does not know.
const REPEATED: u32 = 1 << 9 | 1 << 11 | 1 << 13 | u32::MAX << 17;

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
pub(super) fn once(table: &'static Message, number: u32, seen: &mut u64) -> bool {
    let Some(field) = table.field(number) else { return true };
    let bit = if table.nests { 1 } else { 1u64 << (field.number & 63) };
    let again = *seen & bit != 0;
    *seen |= bit;
    field.repeated || !again
}

/// Whether a field has the wire type that its table says and content that is clean. An unknown field counts as
/// clean. An index into a table of strings does not, as there is no such table.
#[inline(always)]
fn known(table: &'static Message, number: u32, value: WireValue<'_>, depth: usize) -> bool {
    let Some(field) = table.field(number) else { return true };
    match (field.kind, value) {
        (Kind::Text, WireValue::Bytes(text)) => utf8(text),
        (Kind::Id | Kind::Base64, WireValue::Bytes(_)) => true,
        (Kind::Message(inner), WireValue::Bytes(bytes)) => nested(inner, bytes, depth),
        (Kind::Bool | Kind::Int64 | Kind::Uint32 | Kind::Enum(_), WireValue::Varint(_)) => true,
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

/// A `KeyValue`. Nearly all are a short ASCII key and a short ASCII text: those are read without loops over fields.
#[inline]
fn attribute(bytes: &[u8], depth: usize) -> bool {
    (depth > 0 && is_short_text(bytes) && is_ascii(bytes)) || message(&KEY_VALUE, bytes, depth)
}

/// Whether a `KeyValue` is nothing but a key and a string, each of less than 128 bytes. All bytes around the two are ASCII then.
#[inline(always)]
fn is_short_text(bytes: &[u8]) -> bool {
    let mut pair = Fields::new(bytes);
    let (Some(_), Some(value)) = (pair.next_short::<1>(), pair.next_short::<2>()) else { return false };
    let mut value = Fields::new(value);
    value.next_short::<1>().is_some() && value.is_empty() && pair.is_empty()
}

#[inline(always)]
fn utf8(text: &[u8]) -> bool {
    is_ascii(text) || std::str::from_utf8(text).is_ok()
}

/// As `[u8]::is_ascii`, but made for a few dozen bytes: no alignment, the last word overlaps the one before.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().fold(0, |bits, byte| bits | byte) < 128;
    };
    let words =
        text.as_chunks::<8>().0.iter().fold(u64::from_ne_bytes(*last), |bits, word| bits | u64::from_ne_bytes(*word));
    words & HIGH == 0
}

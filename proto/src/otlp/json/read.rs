//! OTLP/JSON into the protobuf of the same request, driven by the tables of [`schema`](crate::otlp::schema).
//!
//! What is not of its kind is left out and noted for the span, scope or resource it stands in. Only a span that is no object, or
//! whose own ids cannot be read, is refused; what is no JSON at all refuses the request.

use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Chunk;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::leaf;
use super::reader::Reader;
use crate::otlp::malformed::MalformedRequest;
use crate::otlp::schema::{Field, Kind, Message, REQUEST, RESOURCE_SPANS, SCOPE_SPANS, SPAN};
use crate::otlp::validate::{Limits, MAX_VALUE_DEPTH, Reason, Refusals, Repairs, Validated, repaired};
use crate::otlp::warnings::Warnings;
use crate::otlp::wire::put_length_before;
use crate::varint::put_varint;

/// After so many levels of values the JSON parser starts anew: it counts at most 128 levels, four for each level of values.
const LEVELS_AT_ONCE: usize = 16;

/// An OTLP/JSON request as protobuf. It still has to be [validated](Self::validate).
#[derive(Debug, Clone)]
pub struct JsonRequest {
    /// An `ExportTraceServiceRequest`.
    pub body: Bytes,
    /// Spans that could not be read and are not in `body`.
    pub refused: Refusals,
    /// What else is not in `body`.
    pub warnings: Warnings,
    repairs: Repairs,
}

impl JsonRequest {
    /// [Validates](crate::otlp::validate()) the request. What reading has refused and repaired is in the result.
    pub fn validate(self, limits: &Limits) -> Result<Validated, MalformedRequest> {
        let Self { body, refused, warnings, repairs } = self;
        let mut validated = repaired(body, limits, repairs)?;
        validated.refused.merge(refused, limits.messages);
        validated.warnings.extend(warnings);
        Ok(validated)
    }
}

/// Reads an `ExportTraceServiceRequest` in OTLP/JSON. Never panics; memory and time are linear in the body's length.
///
/// Bytes that are not UTF-8, and lone surrogates, end up in the text fields of the protobuf as bytes that are not UTF-8
/// either, so that validation repairs and marks them.
pub fn read(body: &[u8], limits: &Limits) -> Result<JsonRequest, MalformedRequest> {
    let text = utf8(body);
    let mut reader = Reader::new(text.len() / 2, limits.messages);
    if !text.trim_ascii().is_empty() {
        let mut json = serde_json::Deserializer::from_str(&text);
        let depth = limits.value_depth.min(MAX_VALUE_DEPTH);
        let read = MessageSeed { reader: &mut reader, table: &REQUEST, depth }.deserialize(&mut json);
        read.and_then(|_| json.end()).map_err(|error| MalformedRequest::new("json", error))?;
    }
    let Reader { out, malformed, refused, warnings, repairs, .. } = reader;
    match malformed {
        Some(malformed) => Err(malformed),
        None => Ok(JsonRequest { body: Bytes::from(out), refused, warnings, repairs }),
    }
}

/// Bytes of memory that reading such a body takes besides it, about.
#[must_use]
pub fn memory(body: &[u8]) -> usize {
    // A body that is UTF-8 is read where it is; of any other, a copy with escapes is made.
    let copy = if std::str::from_utf8(body).is_ok() { 0 } else { escaped_length(body) };
    body.len().saturating_add(copy)
}

/// What stands for a sequence of bytes that is not UTF-8: the escape of a lone surrogate, which says the same inside a JSON string.
const ESCAPE: &str = "\\udfff";

fn escaped_length(body: &[u8]) -> usize {
    body.utf8_chunks().map(|chunk| chunk.valid().len() + escape_after(&chunk).len()).sum()
}

/// The escape of what is not UTF-8 behind a chunk; empty behind the last one.
fn escape_after(chunk: &Utf8Chunk<'_>) -> &'static str {
    if chunk.invalid().is_empty() { "" } else { ESCAPE }
}

/// The body as UTF-8. Bytes that are not become [`ESCAPE`].
pub(super) fn utf8(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(escaped_length(body));
    for chunk in body.utf8_chunks() {
        text += chunk.valid();
        text += escape_after(&chunk);
    }
    Cow::Owned(text)
}

/// One value of a field, which has been pushed onto the path.
struct ValueSeed<'r> {
    reader: &'r mut Reader,
    field: &'static Field,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { reader, field, depth } = self;
        let Kind::Message(table) = field.kind else {
            let raw = <&RawValue>::deserialize(json)?;
            if let Err(mismatch) = leaf::put(field, raw.get(), &mut reader.out) {
                match id_reason(field) {
                    Some(reason) => reader.unusable(reason, &mismatch.what),
                    None => reader.mismatch(mismatch.outcome, &mismatch.what),
                }
            }
            return Ok(());
        };
        let start = reader.out.len();
        message(reader, field, table, depth, json)?;
        match () {
            () if std::ptr::eq(table, &SPAN) => reader.end_span(start),
            () if std::ptr::eq(table, &SCOPE_SPANS) => reader.scopes += 1,
            () if std::ptr::eq(table, &RESOURCE_SPANS) => reader.groups += 1,
            () => {}
        }
        Ok(())
    }
}

/// The reason that a span's own id is not hex.
fn id_reason(field: &'static Field) -> Option<Reason> {
    let is = |number| SPAN.field(number).is_some_and(|own| std::ptr::eq(own, field));
    if is(1) { Some(Reason::TraceId) } else { is(2).then_some(Reason::SpanId) }
}

/// A message as a field. `null` is no message, but an empty one in a list.
fn message<'de, D: Deserializer<'de>>(
    reader: &mut Reader,
    field: &'static Field,
    table: &'static Message,
    depth: usize,
    json: D,
) -> Result<(), D::Error> {
    if table.nests && depth == 0 {
        IgnoredAny::deserialize(json)?;
        reader.too_deep();
        return Ok(());
    }
    let before = reader.out.len();
    put_varint(&mut reader.out, u64::from(field.number << 3 | 2));
    let start = reader.out.len();
    let depth = depth - usize::from(table.nests);
    let present = if table.nests && depth.is_multiple_of(LEVELS_AT_ONCE) {
        let raw = <&RawValue>::deserialize(json)?;
        let mut json = serde_json::Deserializer::from_str(raw.get());
        MessageSeed { reader, table, depth }.deserialize(&mut json).map_err(D::Error::custom)?
    } else {
        MessageSeed { reader, table, depth }.deserialize(json)?
    };
    if present || field.repeated {
        put_length_before(&mut reader.out, start);
    } else {
        reader.out.truncate(before);
    }
    Ok(())
}

/// The fields of a message. Answers false for `null`.
struct MessageSeed<'r> {
    reader: &'r mut Reader,
    table: &'static Message,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Self { reader, table, depth } = self;
        let (mut holds, mut foreign) = (false, None);
        while let Some(name) = map.next_key_seed(NameSeed(table))? {
            match name {
                Err(name) if table.is_envelope => {
                    if has_content(map.next_value::<&RawValue>()?.get()) {
                        reader.foreign(name, &mut foreign);
                    }
                }
                Err(_) => _ = map.next_value::<IgnoredAny>()?,
                Ok(field) if field.repeated => {
                    holds = true;
                    map.next_value_seed(ListSeed { reader, field, depth })?;
                }
                Ok(field) => {
                    reader.path.push(field, 0);
                    map.next_value_seed(ValueSeed { reader, field, depth })?;
                    reader.path.pop();
                }
            }
        }
        if let Some(name) = foreign.filter(|_| !holds) {
            reader.nothing_known(&name);
        }
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        wrong(self, "an array")
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        wrong(self, "a string")
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        wrong(self, "a boolean")
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        wrong(self, "a number")
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        wrong(self, "a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        wrong(self, "a number")
    }
}

fn wrong<E>(MessageSeed { reader, table, .. }: MessageSeed<'_>, found: &str) -> Result<bool, E> {
    let what = format!("expected an object, not {found}");
    match () {
        () if std::ptr::eq(table, &REQUEST) => reader.malformed(what),
        () if std::ptr::eq(table, &SPAN) => reader.unusable(Reason::Span, &what),
        () => reader.mismatch("dropped", &what),
    }
    Ok(false)
}

/// The values of a repeated field.
struct ListSeed<'r> {
    reader: &'r mut Reader,
    field: &'static Field,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl ListSeed<'_> {
    fn wrong<E>(self, found: &str) -> Result<(), E> {
        let what = format!("expected an array, not {found}");
        self.reader.path.push(self.field, 0);
        match self.field.kind {
            Kind::Message(table) if std::ptr::eq(table, &RESOURCE_SPANS) => self.reader.malformed(what),
            _ => self.reader.mismatch("dropped", &what),
        }
        self.reader.path.pop();
        Ok(())
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { reader, field, depth } = self;
        for index in 0.. {
            reader.path.push(field, index);
            let more = seq.next_element_seed(ValueSeed { reader, field, depth })?;
            reader.path.pop();
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        IgnoredAny.visit_map(map)?;
        self.wrong("an object")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.wrong("a string")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.wrong("a boolean")
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.wrong("a number")
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.wrong("a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.wrong("a number")
    }
}

/// Whether a value says anything.
fn has_content(json: &str) -> bool {
    !matches!(json, "null" | "[]" | "{}")
}

/// The field that a key names, or the key, when OTLP does not know it.
struct NameSeed(&'static Message);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Result<&'static Field, String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        // As bytes, since text with a lone surrogate is an error of the whole request.
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Result<&'static Field, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        let known = std::str::from_utf8(name).ok().and_then(|name| self.0.named(name));
        Ok(known.ok_or_else(|| String::from_utf8_lossy(name).chars().take(40).collect()))
    }
}

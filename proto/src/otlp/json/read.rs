//! OTLP/JSON into the protobuf of the same request, driven by the tables of [`schema`](crate::otlp::schema).
//!
//! Values of a wrong type refuse only the span, scope or resource they stand in, as broken bytes do in protobuf. What is no
//! JSON at all refuses the request.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::leaf;
use crate::otlp::schema::{Field, Kind, Message, REQUEST, RESOURCE_SPANS, SCOPE_SPANS, SPAN};
use crate::otlp::validate::{Limits, MAX_VALUE_DEPTH, MalformedRequest, Path, Reason, Refusals};
use crate::otlp::wire::put_varint;

/// An OTLP/JSON request as protobuf. It still has to be [validated](crate::otlp::validate()).
#[derive(Debug, Clone)]
pub struct JsonRequest {
    /// An `ExportTraceServiceRequest`.
    pub body: Bytes,
    /// Spans that could not be read and are not in `body`.
    pub refused: Refusals,
}

/// Reads an `ExportTraceServiceRequest` in OTLP/JSON. Never panics; memory and time are linear in the body's length.
///
/// Bytes that are not UTF-8, and lone surrogates, end up in the text fields of the protobuf as bytes that are not UTF-8
/// either, so that validation repairs and marks them.
pub fn read(body: &[u8], limits: &Limits) -> Result<JsonRequest, MalformedRequest> {
    let text = utf8(body);
    let mut reader = Reader {
        out: Vec::with_capacity(text.len() / 2),
        path: Path::default(),
        fault: None,
        spans: 0,
        refused: Refusals::default(),
        messages: limits.messages,
    };
    if !text.trim_ascii().is_empty() {
        let mut json = serde_json::Deserializer::from_str(&text);
        let depth = limits.value_depth.min(MAX_VALUE_DEPTH);
        let read = MessageSeed { reader: &mut reader, table: &REQUEST, depth }.deserialize(&mut json);
        read.and_then(|_| json.end())
            .map_err(|error| MalformedRequest { place: "json".to_owned(), reason: error.to_string() })?;
    }
    match reader.fault {
        Some(fault) => Err(MalformedRequest { place: fault.place, reason: fault.what }),
        None => Ok(JsonRequest { body: Bytes::from(reader.out), refused: reader.refused }),
    }
}

/// The body as UTF-8. Bytes that are not become the escape of a lone surrogate, which says the same inside a JSON string.
pub(super) fn utf8(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len() + 64);
    for chunk in body.utf8_chunks() {
        text += chunk.valid();
        if !chunk.invalid().is_empty() {
            text += "\\udfff";
        }
    }
    Cow::Owned(text)
}

/// The first thing that was wrong inside a span, scope or resource.
struct Fault {
    reason: Option<Reason>,
    place: String,
    what: String,
}

struct Reader {
    out: Vec<u8>,
    path: Path,
    fault: Option<Fault>,
    /// Spans in `out`.
    spans: u32,
    refused: Refusals,
    messages: usize,
}

impl Reader {
    fn fail(&mut self, reason: Option<Reason>, what: String) {
        if self.fault.is_none() {
            self.fault = Some(Fault { reason, place: self.path.text(), what });
        }
    }

    /// Puts the length before what was written from `start` on.
    fn frame(&mut self, start: usize) {
        let end = self.out.len();
        put_varint(&mut self.out, (end - start) as u64);
        let length = self.out.len() - end;
        if let Some(framed) = self.out.get_mut(start..) {
            framed.rotate_right(length);
        }
    }
}

/// Messages that are refused as a whole when something in them is wrong, and why.
fn boundary(table: &'static Message) -> Option<Reason> {
    let is = |other: &'static Message| std::ptr::eq(table, other);
    match () {
        () if is(&SPAN) => Some(Reason::Span),
        () if is(&SCOPE_SPANS) => Some(Reason::Scope),
        () if is(&RESOURCE_SPANS) => Some(Reason::Resource),
        () => None,
    }
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
            if let Err(what) = leaf::put(field, raw.get(), &mut reader.out) {
                reader.fail(id_reason(field), what);
            }
            return Ok(());
        };
        match boundary(table) {
            None => message(reader, field, table, depth, json),
            Some(reason) => bounded(reader, field, table, depth, reason, json),
        }
    }
}

/// The reason that a span's own id is not hex.
fn id_reason(field: &'static Field) -> Option<Reason> {
    let is = |number| SPAN.field(number).is_some_and(|own| std::ptr::eq(own, field));
    if is(1) { Some(Reason::TraceId) } else { is(2).then_some(Reason::SpanId) }
}

/// A span, or spans with what they share: left out when there is a fault inside.
fn bounded<'de, D: Deserializer<'de>>(
    reader: &mut Reader,
    field: &'static Field,
    table: &'static Message,
    depth: usize,
    reason: Reason,
    json: D,
) -> Result<(), D::Error> {
    let (outer, start, spans) = (reader.fault.take(), reader.out.len(), reader.spans);
    message(reader, field, table, depth, json)?;
    reader.spans += u32::from(reason == Reason::Span);
    if let Some(fault) = reader.fault.take() {
        let lost = reader.spans - spans;
        let text = || format!("{}: {}", fault.place, fault.what);
        reader.refused.add(fault.reason.unwrap_or(reason), lost, reader.messages, text);
        reader.out.truncate(start);
        reader.spans = spans;
    }
    reader.fault = outer;
    Ok(())
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
        reader.fail(Some(Reason::Depth), "values are nested too deep".to_owned());
        return Ok(());
    }
    let before = reader.out.len();
    put_varint(&mut reader.out, u64::from(field.number << 3 | 2));
    let start = reader.out.len();
    let depth = depth - usize::from(table.nests);
    let present = if table.nests && depth == MAX_VALUE_DEPTH / 2 {
        // serde_json counts at most 128 levels, four for each level of values: half way down it starts anew.
        let raw = <&RawValue>::deserialize(json)?;
        let mut json = serde_json::Deserializer::from_str(raw.get());
        MessageSeed { reader, table, depth }.deserialize(&mut json).map_err(D::Error::custom)?
    } else {
        MessageSeed { reader, table, depth }.deserialize(json)?
    };
    if present || field.repeated {
        reader.frame(start);
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
        while let Some(field) = map.next_key_seed(NameSeed(table))? {
            match field {
                None => _ = map.next_value::<IgnoredAny>()?,
                Some(field) if field.repeated => map.next_value_seed(ListSeed { reader, field, depth })?,
                Some(field) => {
                    reader.path.push(field, 0);
                    map.next_value_seed(ValueSeed { reader, field, depth })?;
                    reader.path.pop();
                }
            }
        }
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        wrong(self.reader, "an object, not an array")
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        wrong(self.reader, "an object, not a string")
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        wrong(self.reader, "an object, not a boolean")
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        wrong(self.reader, "an object, not a number")
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        wrong(self.reader, "an object, not a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        wrong(self.reader, "an object, not a number")
    }
}

fn wrong<E>(reader: &mut Reader, expected: &str) -> Result<bool, E> {
    reader.fail(None, format!("expected {expected}"));
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
        self.reader.path.push(self.field, 0);
        self.reader.fail(None, format!("expected an array, not {found}"));
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

/// The field that a key names, when OTLP knows it.
struct NameSeed(&'static Message);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

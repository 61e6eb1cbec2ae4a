//! Values of OTLP/JSON that are no objects or arrays, into protobuf.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer;
use serde::de::Visitor;

use crate::otlp::schema::{Field, Kind};
use crate::otlp::wire::{WireValue, put_field, signed};

/// Base64 as protobuf's JSON mapping wants it read: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A value that is not of the kind of its field.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// What became of it.
    pub(super) outcome: &'static str,
    /// What was expected, and what was there.
    pub(super) what: String,
}

/// Writes a field from the text of its JSON value. `null` writes nothing. What is not of its kind is left out; only a number that is
/// no 64-bit integer is kept as a double, since JavaScript has no integers and its SDK takes `1e21` for one.
pub(super) fn put(field: &Field, json: &str, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if json == "null" {
        return Ok(());
    }
    let mismatch = |outcome| {
        let shown: String = json.chars().take(40).collect();
        Mismatch { outcome, what: format!("expected {}, not {shown}", expected(field.kind)) }
    };
    let bytes = bytes_of(field.kind, json);
    let value = bytes.as_deref().map(WireValue::Bytes).or_else(|| number(field.kind, json));
    if let Some(value) = value {
        put_field(out, field.number, value);
        return Ok(());
    }
    match finite(unquoted(json)) {
        Some(number) if matches!(field.kind, Kind::Int64) => {
            put_field(out, DOUBLE_VALUE, WireValue::Fixed64(number.to_bits()));
            Err(mismatch("kept as a double"))
        }
        _ => Err(mismatch("dropped")),
    }
}

/// The field of `AnyValue` beside `int_value`, the only 64-bit integer that has a sign.
const DOUBLE_VALUE: u32 = 4;

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Id => "hex digits",
        Kind::Base64 => "base64",
        Kind::Bool => "true or false",
        Kind::Int64 => "a 64-bit integer",
        Kind::StringIndex => "a 32-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        Kind::Fixed64 => "an unsigned 64-bit integer",
        Kind::Double => "a number",
        Kind::Enum(_) => "a number or name",
        Kind::Message(_) => "an object",
    }
}

fn bytes_of(kind: Kind, json: &str) -> Option<Cow<'_, [u8]>> {
    match kind {
        Kind::Text => text(json),
        Kind::Id => hex(&text(json)?).map(Cow::Owned),
        Kind::Base64 => base64(&text(json)?).map(Cow::Owned),
        _ => None,
    }
}

fn number(kind: Kind, json: &str) -> Option<WireValue<'static>> {
    Some(match kind {
        Kind::Bool => WireValue::Varint(u64::from(json.parse::<bool>().ok()?)),
        Kind::Int64 => signed(integer::<i64>(json)?),
        Kind::StringIndex => signed(integer::<i32>(json)?),
        Kind::Uint32 => WireValue::Varint(u64::from(integer::<u32>(json)?)),
        Kind::Fixed32 => WireValue::Fixed32(integer(json)?),
        Kind::Fixed64 => WireValue::Fixed64(integer(json)?),
        Kind::Double => WireValue::Fixed64(double(json)?.to_bits()),
        Kind::Enum(names) => enumeration(names, json)?,
        Kind::Text | Kind::Id | Kind::Base64 | Kind::Message(_) => return None,
    })
}

/// An integer, as a number or in a string; `1e3` and `5.0` are integers too.
fn integer<T: TryFrom<i128>>(json: &str) -> Option<T> {
    let digits = unquoted(json);
    let value = match digits.parse::<i128>() {
        Ok(value) => value,
        Err(_) => whole(finite(digits)?)?,
    };
    T::try_from(value).ok()
}

/// A number without a fraction. None is needed that has more than 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and is far below the largest i128")]
fn whole(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1e20).then_some(value as i128)
}

fn double(json: &str) -> Option<f64> {
    match json {
        r#""NaN""# => Some(f64::NAN),
        r#""Infinity""# => Some(f64::INFINITY),
        r#""-Infinity""# => Some(f64::NEG_INFINITY),
        _ => finite(unquoted(json)),
    }
}

/// A finite number in JSON's spelling; Rust alone would also read `inf`.
fn finite(digits: &str) -> Option<f64> {
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    digits.bytes().all(allowed).then(|| digits.parse().ok())?.filter(|value: &f64| value.is_finite())
}

/// The content of a string without escapes, or the text itself.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

/// An enum by number or name. Names that OTLP does not know count as 0, unspecified.
fn enumeration(names: &[&str], json: &str) -> Option<WireValue<'static>> {
    if let Some(number) = integer::<i32>(json) {
        return Some(signed(number));
    }
    let name = json.starts_with('"').then(|| unquoted(json))?;
    Some(WireValue::Varint(names.iter().position(|known| *known == name).unwrap_or(0) as u64))
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.as_chunks::<2>().0.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// Standard or URL-safe base64.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let standard: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    BASE64.decode(standard).ok()
}

/// The bytes of a JSON string. A lone surrogate, which UTF-8 cannot hold, is the byte 0xFF: validation repairs and marks it.
fn text(json: &str) -> Option<Cow<'_, [u8]>> {
    if !json.starts_with('"') {
        return None;
    }
    let bytes = serde_json::Deserializer::from_str(json).deserialize_bytes(TextVisitor).ok()?;
    if std::str::from_utf8(&bytes).is_ok() {
        return Some(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_ref();
    loop {
        match rest {
            [0xed, 0xa0..=0xbf, _, tail @ ..] => {
                out.push(0xff);
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
            [] => return Some(Cow::Owned(out)),
        }
    }
}

/// Takes a string's bytes, which serde_json hands out with lone surrogates in them when asked for bytes.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.as_bytes().to_vec()))
    }
}

//! Values of OTLP/JSON that are no objects or arrays, into protobuf.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer;
use serde::de::Visitor;

use crate::otlp::schema::{Field, Kind};
use crate::otlp::wire::{WireValue, put_field};

/// Base64 as protobuf's JSON mapping wants it read: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Writes a field from the text of its JSON value. `null` writes nothing. Says what was expected when the value is not of its kind.
pub(super) fn put(field: &Field, json: &str, out: &mut Vec<u8>) -> Result<(), String> {
    if json == "null" {
        return Ok(());
    }
    let wrong = |expected: &str| {
        let shown: String = json.chars().take(40).collect();
        format!("expected {expected}, not {shown}")
    };
    let bytes;
    let value = match field.kind {
        Kind::Text => {
            bytes = text(json).ok_or_else(|| wrong("a string"))?;
            WireValue::Bytes(&bytes)
        }
        Kind::Id => {
            bytes = text(json).as_deref().and_then(hex).map(Cow::Owned).ok_or_else(|| wrong("hex digits"))?;
            WireValue::Bytes(&bytes)
        }
        Kind::Base64 => {
            bytes = text(json).as_deref().and_then(base64).map(Cow::Owned).ok_or_else(|| wrong("base64"))?;
            WireValue::Bytes(&bytes)
        }
        Kind::Bool => WireValue::Varint(match json {
            "true" => 1,
            "false" => 0,
            _ => return Err(wrong("true or false")),
        }),
        Kind::Int64 => WireValue::Varint(integer::<i64>(json).ok_or_else(|| wrong("a 64-bit integer"))? as u64),
        Kind::Int32 => {
            WireValue::Varint(i64::from(integer::<i32>(json).ok_or_else(|| wrong("a 32-bit integer"))?) as u64)
        }
        Kind::Uint32 => WireValue::Varint(u64::from(unsigned_32(json).ok_or_else(|| wrong(UNSIGNED_32))?)),
        Kind::Fixed32 => WireValue::Fixed32(unsigned_32(json).ok_or_else(|| wrong(UNSIGNED_32))?),
        Kind::Fixed64 => WireValue::Fixed64(integer::<u64>(json).ok_or_else(|| wrong("an unsigned 64-bit integer"))?),
        Kind::Double => WireValue::Fixed64(double(json).ok_or_else(|| wrong("a number"))?.to_bits()),
        Kind::Enum(names) => WireValue::Varint(number_of(names, json).ok_or_else(|| wrong("a number or name"))?),
        Kind::Message(_) => return Err(wrong("an object")),
    };
    put_field(out, field.number, value);
    Ok(())
}

const UNSIGNED_32: &str = "an unsigned 32-bit integer";

fn unsigned_32(json: &str) -> Option<u32> {
    integer(json)
}

/// An integer, as a number or in a string; `1e3` and `5.0` are integers too.
fn integer<T: TryFrom<i128>>(json: &str) -> Option<T> {
    let digits = unquoted(json);
    let value = match digits.parse::<i128>() {
        Ok(value) => value,
        Err(_) => {
            let value = finite(digits)?;
            (value.fract() == 0.0 && value.abs() < 1e20).then_some(value as i128)?
        }
    };
    T::try_from(value).ok()
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
fn number_of(names: &[&str], json: &str) -> Option<u64> {
    if let Some(number) = integer::<i32>(json) {
        return Some(i64::from(number) as u64);
    }
    let name = json.starts_with('"').then(|| unquoted(json))?;
    Some(names.iter().position(|known| *known == name).unwrap_or(0) as u64)
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.as_chunks::<2>().0.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
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

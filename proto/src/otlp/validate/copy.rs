//! Copies one message field by field: text that is not UTF-8 becomes so, and is noted.

use super::{Path, REPAIRED, Reason, clean};
use crate::otlp::schema::{Field, Kind, Message};
use crate::otlp::wire::{Fields, WireValue, put_field};

/// How many repaired fields are named; the others are counted.
const NOTES: usize = 4;

/// Why a message cannot be kept.
#[derive(Debug)]
pub(super) struct Fault {
    /// The reason, unless it is the message's own.
    pub(super) reason: Option<Reason>,
    /// For people: the place and what is wrong there.
    pub(super) text: String,
}

/// A copy that is well-formed and holds only UTF-8 text.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The message.
    pub(super) bytes: Vec<u8>,
    /// What was repaired.
    pub(super) notes: Vec<String>,
    more: usize,
}

impl Copied {
    /// Notes that a text field was not UTF-8.
    pub(super) fn repaired(&mut self, field: &str) {
        if self.notes.len() < NOTES {
            self.notes.push(format!("invalid utf-8 in {field}"));
        } else {
            self.more += 1;
        }
    }

    /// The notes as one text, when there are any.
    pub(super) fn text(&self) -> Option<String> {
        let more = if self.more > 0 { format!("; and {} more", self.more) } else { String::new() };
        (!self.notes.is_empty()).then(|| self.notes.join("; ") + &more)
    }
}

/// Copies a message. Unknown fields are kept.
pub(super) fn copy(table: &'static Message, bytes: &[u8], depth: usize) -> Result<Copied, Fault> {
    let mut copied = Copied::default();
    let mut out = Vec::with_capacity(bytes.len() + 64);
    fields(table, bytes, depth, &mut Path::default(), &mut out, &mut copied)?;
    copied.bytes = out;
    Ok(copied)
}

fn fault(path: &Path, reason: Option<Reason>, what: &str) -> Fault {
    let place = path.text();
    let colon = if place.is_empty() { "" } else { ": " };
    Fault { reason, text: format!("{place}{colon}{what}") }
}

fn fields(
    table: &'static Message,
    bytes: &[u8],
    depth: usize,
    path: &mut Path,
    out: &mut Vec<u8>,
    copied: &mut Copied,
) -> Result<(), Fault> {
    let mut counts = [0usize; 17];
    let mut walk = Fields::new(bytes);
    while let Some(next) = walk.next() {
        let (number, value) = next.map_err(|error| fault(path, None, &format!("byte {}: {error}", walk.offset())))?;
        let Some(field) = table.field(number) else {
            put_field(out, number, value);
            continue;
        };
        let index = counts.get_mut(number as usize).map_or(0, |count| std::mem::replace(count, *count + 1));
        path.push(field, index);
        one(field, value, depth, path, out, copied)?;
        path.pop();
    }
    Ok(())
}

fn one(
    field: &'static Field,
    value: WireValue<'_>,
    depth: usize,
    path: &mut Path,
    out: &mut Vec<u8>,
    copied: &mut Copied,
) -> Result<(), Fault> {
    match (field.kind, value) {
        (Kind::Text, WireValue::Bytes(text)) => {
            let fixed = String::from_utf8_lossy(text);
            if matches!(fixed, std::borrow::Cow::Owned(_)) {
                copied.repaired(&path.text());
            }
            put_field(out, field.number, WireValue::Bytes(fixed.as_bytes()));
        }
        (Kind::Message(inner), WireValue::Bytes(bytes)) => {
            if inner.nests && depth == 0 {
                return Err(fault(path, Some(Reason::Depth), "values are nested too deep"));
            }
            let mut nested = Vec::with_capacity(bytes.len());
            fields(inner, bytes, depth - usize::from(inner.nests), path, &mut nested, copied)?;
            put_field(out, field.number, WireValue::Bytes(&nested));
        }
        _ if fits(field.kind, value) => put_field(out, field.number, value),
        _ => return Err(fault(path, None, "wrong wire type")),
    }
    Ok(())
}

fn fits(kind: Kind, value: WireValue<'_>) -> bool {
    match value {
        WireValue::Bytes(_) => matches!(kind, Kind::Id | Kind::Base64),
        WireValue::Fixed32(_) => matches!(kind, Kind::Fixed32),
        WireValue::Fixed64(_) => matches!(kind, Kind::Fixed64 | Kind::Double),
        WireValue::Varint(_) => {
            matches!(kind, Kind::Bool | Kind::Int64 | Kind::Int32 | Kind::Uint32 | Kind::Enum(_))
        }
    }
}

/// Appends the attribute [`REPAIRED`] to a message whose attributes have this field number.
pub(super) fn mark(message: &mut Vec<u8>, attributes: u32, text: &str) {
    let mut value = Vec::new();
    put_field(&mut value, 1, WireValue::Bytes(text.as_bytes()));
    let mut pair = Vec::new();
    put_field(&mut pair, 1, WireValue::Bytes(REPAIRED.as_bytes()));
    put_field(&mut pair, 2, WireValue::Bytes(&value));
    put_field(message, attributes, WireValue::Bytes(&pair));
}

/// Merges singular fields that occur twice, as protobuf prescribes. Nothing writes such messages, so it may be slow, and it
/// may lose fields that OTLP does not know.
pub(super) fn canonical<M: prost::Message + Default>(
    table: &'static Message,
    bytes: Vec<u8>,
    depth: usize,
) -> Result<Vec<u8>, Fault> {
    if clean::message(table, &bytes, depth) {
        return Ok(bytes);
    }
    let merged = M::decode(bytes.as_slice()).map_err(|error| Fault { reason: None, text: error.to_string() })?;
    Ok(merged.encode_to_vec())
}

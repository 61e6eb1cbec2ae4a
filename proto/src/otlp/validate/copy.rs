//! Copies one message field by field, and repairs and notes what is invalid in it.

use super::{Notes, Path, REPAIRED, Reason, merge};
use crate::otlp::schema::{Field, Kind, Message};
use crate::otlp::wire::{Fields, WireValue, put_field, put_length_before};
use crate::varint::put_varint;

/// Why a message cannot be kept.
#[derive(Debug)]
pub(super) struct Fault {
    /// The reason, unless it is the message's own.
    pub(super) reason: Option<Reason>,
    /// For people: the path and what is wrong there.
    pub(super) text: String,
}

/// A copy that is well-formed, holds only UTF-8 text, is not too deep, and has no field twice that may occur once.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The message.
    pub(super) bytes: Vec<u8>,
    /// What was repaired.
    pub(super) notes: Notes,
    /// Texts given by their index in a table of strings; they are left out.
    pub(super) string_indexes: usize,
}

impl Copied {
    /// The copy with the attribute [`REPAIRED`], whose field has this number, when there is something to say.
    pub(super) fn marked(mut self, attributes: u32) -> Vec<u8> {
        if let Some(text) = self.notes.text() {
            mark(&mut self.bytes, attributes, &text);
        }
        self.bytes
    }
}

/// Copies a message. Unknown fields are kept.
pub(super) fn copy(table: &'static Message, bytes: &[u8], depth: usize) -> Result<Copied, Fault> {
    let copied = Copied { bytes: Vec::with_capacity(bytes.len() + 64), ..Copied::default() };
    let mut copier = Copier { path: Path::default(), copied };
    copier.fields(table, bytes, depth)?;
    Ok(copier.copied)
}

/// Notes that a text is not UTF-8.
pub(super) fn not_utf8(notes: &mut Notes, path: impl FnOnce() -> String) {
    notes.add(|| format!("invalid utf-8 in {}", path()));
}

struct Copier {
    path: Path,
    copied: Copied,
}

impl Copier {
    fn fault(&self, what: &str) -> Fault {
        let path = self.path.text();
        let colon = if path.is_empty() { "" } else { ": " };
        Fault { reason: None, text: format!("{path}{colon}{what}") }
    }

    fn fields(&mut self, table: &'static Message, bytes: &[u8], depth: usize) -> Result<(), Fault> {
        let merged = merge::merged(table, bytes);
        let mut counts = [0usize; 17];
        let mut walk = Fields::new(merged.as_deref().unwrap_or(bytes));
        while let Some(next) = walk.next() {
            let (number, value) = next.map_err(|error| self.fault(&format!("byte {}: {error}", walk.offset())))?;
            let Some(field) = table.field(number) else {
                put_field(&mut self.copied.bytes, number, value);
                continue;
            };
            let index = counts.get_mut(number as usize).map_or(0, |count| std::mem::replace(count, *count + 1));
            self.path.push(field, index);
            self.field(field, value, depth)?;
            self.path.pop();
        }
        Ok(())
    }

    fn field(&mut self, field: &'static Field, value: WireValue<'_>, depth: usize) -> Result<(), Fault> {
        let Self { path, copied: Copied { bytes: out, notes, string_indexes } } = self;
        match (field.kind, value) {
            (Kind::Text, WireValue::Bytes(text)) => {
                let fixed = String::from_utf8_lossy(text);
                if matches!(fixed, std::borrow::Cow::Owned(_)) {
                    not_utf8(notes, || path.text());
                }
                put_field(out, field.number, WireValue::Bytes(fixed.as_bytes()));
            }
            (Kind::Message(inner), WireValue::Bytes(_)) if inner.nests && depth == 0 => notes.add(|| cut(&path.text())),
            (Kind::Message(inner), WireValue::Bytes(bytes)) => {
                put_varint(out, u64::from(field.number << 3 | 2));
                let start = out.len();
                self.fields(inner, bytes, depth - usize::from(inner.nests))?;
                put_length_before(&mut self.copied.bytes, start);
            }
            (Kind::StringIndex, WireValue::Varint(_)) => *string_indexes += 1,
            _ if field.kind.fits(value) => put_field(out, field.number, value),
            _ => return Err(self.fault("wrong wire type")),
        }
        Ok(())
    }
}

/// The note that a value is left out.
pub(crate) fn cut(path: &str) -> String {
    format!("values nested too deep cut in {path}")
}

/// Appends the attribute [`REPAIRED`] to a message whose attributes have this field number.
fn mark(message: &mut Vec<u8>, attributes: u32, text: &str) {
    let mut value = Vec::new();
    put_field(&mut value, 1, WireValue::Bytes(text.as_bytes()));
    let mut pair = Vec::new();
    put_field(&mut pair, 1, WireValue::Bytes(REPAIRED.as_bytes()));
    put_field(&mut pair, 2, WireValue::Bytes(&value));
    put_field(message, attributes, WireValue::Bytes(&pair));
}

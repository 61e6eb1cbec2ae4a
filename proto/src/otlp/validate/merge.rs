//! Fields that may occur once and occur twice, as one: protobuf says that the last value counts, and that messages are merged.

use super::clean::once;
use crate::otlp::schema::{Kind, Message};
use crate::otlp::wire::{Fields, WireValue, put_field};

/// A field with what came later for it.
struct Slot<'a> {
    number: u32,
    value: WireValue<'a>,
    /// A message that came in parts: the parts one after the other, which are their merger.
    joined: Vec<u8>,
}

/// A message in which no field occurs twice that may occur once; inner messages still may. `None` when there was none, or when
/// the message is broken.
pub(super) fn merged(table: &'static Message, bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut seen, mut twice) = (0, false);
    for field in Fields::new(bytes) {
        let (number, value) = field.ok()?;
        if table.field(number).is_some_and(|field| !field.kind.fits(value)) {
            return None;
        }
        twice |= !once(table, number, &mut seen);
    }
    twice.then(|| merge(table, bytes))
}

/// What may occur many times is written at once, so that only the few other fields are held.
fn merge(table: &'static Message, bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut slots) = (Vec::with_capacity(bytes.len()), [const { None::<Slot<'_>> }; 17]);
    for (number, value) in Fields::new(bytes).flatten() {
        // The fields of a oneof share a slot.
        let slot = table.field(number).filter(|field| !field.repeated).map(|_| if table.nests { 0 } else { number });
        match slot.and_then(|slot| slots.get_mut(slot as usize)) {
            Some(Some(slot)) => slot.take(table, number, value),
            Some(empty) => *empty = Some(Slot { number, value, joined: Vec::new() }),
            None => put_field(&mut out, number, value),
        }
    }
    for slot in slots.iter().flatten() {
        let joined = WireValue::Bytes(&slot.joined);
        put_field(&mut out, slot.number, if slot.joined.is_empty() { slot.value } else { joined });
    }
    out
}

impl<'a> Slot<'a> {
    fn take(&mut self, table: &'static Message, number: u32, value: WireValue<'a>) {
        let is_message = table.field(number).is_some_and(|field| matches!(field.kind, Kind::Message(_)));
        match (self.value, value) {
            (WireValue::Bytes(first), WireValue::Bytes(more)) if is_message && number == self.number => {
                if self.joined.is_empty() {
                    self.joined.extend_from_slice(first);
                }
                self.joined.extend_from_slice(more);
            }
            _ => *self = Self { number, value, joined: Vec::new() },
        }
    }
}

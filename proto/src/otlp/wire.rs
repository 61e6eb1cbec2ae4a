//! Protobuf's wire format, read in place: no copy, no allocation, no panic on any input.
//!
//! [`Fields`] walks the fields of one message. Sub-messages are [`WireValue::Bytes`] to be walked in turn; the caller bounds how
//! deep. Groups, which proto3 does not have, are errors.

use crate::varint::put_varint;

/// Why bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The message ends inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// A field number of 0 or above 2^29 - 1.
    #[error("a field number is out of range")]
    FieldNumber,
    /// Wire type 3, 4 (groups), 6 or 7.
    #[error("wire type {0} is not allowed")]
    WireType(u32),
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// Values in each other, more than are ever kept.
    #[error("values are nested too deep")]
    Depth,
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireValue<'a> {
    /// int32, int64, uint32, uint64, bool, enum.
    Varint(u64),
    /// fixed64, double.
    Fixed64(u64),
    /// string, bytes, message.
    Bytes(&'a [u8]),
    /// fixed32.
    Fixed32(u32),
}

/// Walks the fields of one message in their order. After an error it ends.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message of these bytes.
    #[inline]
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, length: message.len() }
    }

    /// The offset of the next field from the start of the message; after an error, of the bytes that are wrong.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Whether no field is left.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field, when it is number `N` and holds less than 128 bytes: much cheaper than [`Self::next`] for a repeated
    /// field that is likely to come.
    #[inline(always)]
    pub(crate) fn next_short<const N: u8>(&mut self) -> Option<&'a [u8]> {
        const { assert!(N > 0 && N < 16, "the key is one byte") };
        match self.rest {
            [key, length, rest @ ..] if *key == N << 3 | 2 && *length < 128 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
                self.rest = rest;
                Some(bytes)
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn read(rest: &mut &'a [u8]) -> Result<(u32, WireValue<'a>), WireError> {
        let key = u32::try_from(varint(rest)?).map_err(|_| WireError::FieldNumber)?;
        let number = key >> 3;
        if number == 0 {
            return Err(WireError::FieldNumber);
        }
        let value = match key & 7 {
            0 => WireValue::Varint(varint(rest)?),
            1 => WireValue::Fixed64(u64::from_le_bytes(take_array(rest)?)),
            2 => {
                let length = usize::try_from(varint(rest)?).map_err(|_| WireError::Truncated)?;
                WireValue::Bytes(take(rest, length)?)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(take_array(rest)?)),
            other => return Err(WireError::WireType(other)),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, WireValue<'a>), WireError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut rest = self.rest;
        let field = Self::read(&mut rest);
        if field.is_err() {
            // `offset` still names the broken field: only the length shrinks to what was read.
            self.length -= self.rest.len();
            rest = &[];
        }
        self.rest = rest;
        Some(field)
    }
}

/// A varint as a `uint32`. Protobuf takes its lowest 32 bits, whatever stands above them.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "protobuf takes the lowest 32 bits")]
pub(crate) fn uint32(varint: u64) -> u32 {
    varint as u32
}

/// A varint as an `int32` or an enum.
#[inline(always)]
pub(crate) fn int32(varint: u64) -> i32 {
    uint32(varint).cast_signed()
}

/// A varint as an `int64`.
#[inline(always)]
pub(crate) fn int64(varint: u64) -> i64 {
    varint.cast_signed()
}

/// The varint of an `int64`, an `int32` or an enum. A negative one has all its high bits set: -1 is `u64::MAX`.
#[inline(always)]
pub(crate) fn signed(number: impl Into<i64>) -> WireValue<'static> {
    WireValue::Varint(number.into().cast_unsigned())
}

#[inline(always)]
fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    match *rest {
        [byte, tail @ ..] if *byte < 0x80 => {
            *rest = tail;
            Ok(u64::from(*byte))
        }
        [low, high, tail @ ..] if *high < 0x80 => {
            *rest = tail;
            Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
        }
        _ => long_varint(rest),
    }
}

#[inline(never)]
fn long_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0u64;
    for (at, byte) in rest.iter().take(10).enumerate() {
        if at == 9 && *byte > 1 {
            return Err(WireError::Varint);
        }
        value |= u64::from(*byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            *rest = rest.get(at + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(WireError::Truncated)
}

#[inline(always)]
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], WireError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(WireError::Truncated)?;
    *rest = tail;
    Ok(head)
}

#[inline(always)]
fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], WireError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
    *rest = tail;
    Ok(*head)
}

/// Puts the length before what was written from `start` on.
pub(crate) fn put_length_before(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    put_varint(out, (end - start) as u64);
    let length = out.len() - end;
    if let Some(framed) = out.get_mut(start..) {
        framed.rotate_right(length);
    }
}

/// Appends a field of any type.
pub(crate) fn put_field(out: &mut Vec<u8>, number: u32, value: WireValue<'_>) {
    let key = |wire_type: u32| u64::from(number << 3 | wire_type);
    match value {
        WireValue::Varint(value) => {
            put_varint(out, key(0));
            put_varint(out, value);
        }
        WireValue::Fixed64(value) => {
            put_varint(out, key(1));
            out.extend_from_slice(&value.to_le_bytes());
        }
        WireValue::Bytes(bytes) => {
            put_varint(out, key(2));
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        WireValue::Fixed32(value) => {
            put_varint(out, key(5));
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, WireValue<'_>)>, WireError> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn every_wire_type_is_written_and_read() {
        let fields = [
            (1, WireValue::Varint(0)),
            (2, WireValue::Varint(300)),
            (15, WireValue::Varint(u64::MAX)),
            (16, WireValue::Fixed64(7)),
            ((1 << 29) - 1, WireValue::Bytes(b"text")),
            (3, WireValue::Bytes(b"")),
            (4, WireValue::Fixed32(u32::MAX)),
        ];
        let mut bytes = Vec::new();
        for (number, value) in fields {
            put_field(&mut bytes, number, value);
        }
        assert_eq!(all(&bytes).expect("well-formed"), fields);
        for cut in 1..bytes.len() {
            let read: Vec<_> = Fields::new(&bytes[..cut]).collect();
            assert!(read.len() <= fields.len() && read.iter().rev().skip(1).all(Result::is_ok), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_message_says_why() {
        let cases: [(&[u8], WireError); 9] = [
            (&[0x08], WireError::Truncated),
            (&[0x0a, 5, 1, 2], WireError::Truncated),
            (&[0x09, 1, 2, 3], WireError::Truncated),
            (&[0x0d, 1, 2, 3], WireError::Truncated),
            (&[0x80], WireError::Truncated),
            (&[0x00, 1], WireError::FieldNumber),
            (&[0x0b, 0x0c], WireError::WireType(3)),
            (&[0x0e], WireError::WireType(6)),
            (&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], WireError::Varint),
        ];
        for (bytes, error) in cases {
            assert_eq!(all(bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(all(&[0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]), Err(WireError::FieldNumber));
        assert_eq!(all(&[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), Err(WireError::Truncated));
    }

    #[test]
    fn a_short_field_is_taken_only_when_it_is_the_next_and_whole() {
        let mut fields = Fields::new(&[0x0a, 2, 7, 8, 0x12, 1, 9, 0x0a, 2, 7]);
        assert_eq!((fields.next_short::<2>(), fields.next_short::<1>()), (None, Some([7, 8].as_slice())));
        assert_eq!((fields.offset(), fields.next_short::<1>()), (4, None));
        assert_eq!((fields.next_short::<2>(), fields.next_short::<1>()), (Some([9].as_slice()), None));
        assert_eq!(fields.next(), Some(Err(WireError::Truncated)));
    }

    #[test]
    fn an_error_ends_the_walk_at_its_offset() {
        let mut fields = Fields::new(&[0x08, 1, 0x0b, 0x08, 1]);
        assert_eq!(fields.next(), Some(Ok((1, WireValue::Varint(1)))));
        assert_eq!(fields.next(), Some(Err(WireError::WireType(3))));
        assert_eq!((fields.offset(), fields.next()), (2, None));
    }
}

//! Trace and span identifiers (W3C Trace Context §3.2.2: 16 and 8 bytes, all-zero is invalid).

use std::fmt;
use std::str::FromStr;

/// Identifies a trace: 16 bytes, shown as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub [u8; 16]);

/// Identifies a span inside its trace: 8 bytes, shown as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub [u8; 8]);

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Longer than the identifier, or empty.
    #[error("an id has 1 to {max} hex digits, not {found}")]
    Length {
        /// Most hex digits allowed.
        max: usize,
        /// Characters found.
        found: usize,
    },
    /// A character outside 0-9, a-f, A-F.
    #[error("{found:?} at position {at} is not a hex digit")]
    Digit {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// All zero, which the specification forbids.
    #[error("an id of only zeros is not valid")]
    Zero,
}

/// Reads up to `2 * N` hex digits, left-padded with zeros: 64-bit ids and ids whose leading zeros were cut are accepted.
fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let digits = text.len();
    if digits == 0 || digits > 2 * N {
        return Err(ParseIdError::Length { max: 2 * N, found: digits });
    }
    let mut number = 0u128;
    for (at, found) in text.char_indices() {
        let digit = found.to_digit(16).ok_or(ParseIdError::Digit { found, at })?;
        number = number << 4 | u128::from(digit);
    }
    let bytes = number.to_be_bytes().last_chunk::<N>().copied();
    bytes.filter(|bytes| *bytes != [0; N]).ok_or(ParseIdError::Zero)
}

/// The lower-case hex digits of `bytes`, without allocating.
fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; 32];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
    }
    let digits = text.get(..2 * bytes.len()).unwrap_or_default();
    f.pad(std::str::from_utf8(digits).unwrap_or_default())
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

macro_rules! id {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// The id of these bytes, unless they have the wrong length or are all zero.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let id = <[u8; $bytes]>::try_from(bytes).ok()?;
                (id != [0; $bytes]).then_some(Self(id))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_are_padded_on_the_left() {
        let id: TraceId = "abc".parse().expect("hex");
        assert_eq!(id.to_string(), "00000000000000000000000000000abc");
        assert_eq!("00F067AA0BA902B7".parse::<SpanId>().expect("hex").to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn what_is_no_id_says_why() {
        assert_eq!("".parse::<SpanId>(), Err(ParseIdError::Length { max: 16, found: 0 }));
        assert_eq!("12x4".parse::<SpanId>(), Err(ParseIdError::Digit { found: 'x', at: 2 }));
        assert_eq!("0000".parse::<TraceId>(), Err(ParseIdError::Zero));
        assert_eq!("1".repeat(33).parse::<TraceId>(), Err(ParseIdError::Length { max: 32, found: 33 }));
        assert_eq!(TraceId::from_bytes(&[1; 8]), None);
    }
}

//! Hashes of values, the same in whichever column and form a value is.

use std::hash::{Hash, Hasher};

use hoptrail_proto::otlp::view::ValueView;
use xxhash_rust::xxh3::Xxh3;

use crate::Value;
use crate::codec::hash::{TextHasher, mixed};
use crate::codec::len_u32;
use crate::rows::to_value;

/// Before a number is mixed in: the hash of no text.
const OF_NUMBERS: u64 = 0x517C_C1B7_2722_0A95;

/// Hashes values.
#[derive(Debug, Default)]
pub(crate) struct ValueHasher {
    texts: TextHasher,
}

impl ValueHasher {
    /// The hash of a stored value.
    pub(crate) fn hash(&mut self, value: ValueView<'_>) -> u64 {
        match value {
            ValueView::Text(text) => self.texts.hash(text),
            ValueView::Int(number) => hash_of_int(number),
            value => hash_of(&Value::Any(to_value(value))),
        }
    }
}

/// The hash of a whole number.
#[inline]
pub(crate) fn hash_of_int(number: i64) -> u64 {
    mixed(OF_NUMBERS, number.cast_unsigned())
}

/// The hash of a value that is neither a text nor a whole number of a column.
pub(crate) fn hash_of(value: &Value) -> u64 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Rows that have a column, ascending, with the hashes of their values.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    pub(crate) rows: Vec<u32>,
    pub(crate) hashes: Vec<u64>,
}

impl Hashes {
    pub(crate) fn push(&mut self, row: usize, hash: u64) {
        self.rows.push(len_u32(row));
        self.hashes.push(hash);
    }
}

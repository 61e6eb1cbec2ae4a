//! Hashes of values. That of a text is made of its template and numbers, so a column of templates tells it without putting a text together.

use xxhash_rust::xxh3::xxh3_64;

use super::template;

/// Mixes one more number into a hash.
#[inline]
pub(crate) fn mixed(hash: u64, number: u64) -> u64 {
    let product = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}

/// The hash of a text before its numbers are mixed in, one by one.
#[inline]
pub(crate) fn begun(template: &[u8]) -> u64 {
    xxh3_64(template)
}

/// Hashes texts.
#[derive(Debug, Default)]
pub(crate) struct TextHasher {
    template: Vec<u8>,
    numbers: Vec<u64>,
}

impl TextHasher {
    /// The hash of a text.
    pub(crate) fn hash(&mut self, text: &[u8]) -> u64 {
        template::split(text, &mut self.template, &mut self.numbers);
        self.numbers.iter().fold(begun(&self.template), |hash, number| mixed(hash, *number))
    }
}

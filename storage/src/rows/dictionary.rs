//! Distinct byte strings, numbered in order of appearance.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Numbers distinct strings from 0.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    table: HashTable<u32>,
}

impl Interner {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The string of a number; empty for a number that was never given.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        string(&self.bytes, &self.ends, number)
    }

    /// The number of a string that is known.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.table.find(xxh3_64(text), |number| self.get(*number) == text).copied()
    }

    /// The number of a string; `None` when it is new and there are `most` already.
    #[inline]
    pub(crate) fn intern(&mut self, text: &[u8], most: usize) -> Option<u32> {
        let Self { bytes, ends, table } = self;
        let hash = xxh3_64(text);
        if let Some(number) = table.find(hash, |number| string(bytes, ends, *number) == text) {
            return Some(*number);
        }
        let end = u32::try_from(bytes.len() + text.len()).ok()?;
        if ends.len() >= most {
            return None;
        }
        let number = ends.len() as u32;
        bytes.extend_from_slice(text);
        ends.push(end);
        table.insert_unique(hash, number, |number| xxh3_64(string(bytes, ends, *number)));
        Some(number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).map(|number| self.get(number))
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4 + self.table.capacity() * 5
    }
}

fn string<'a>(bytes: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    let end = ends.get(number).copied().unwrap_or(start);
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_a_number() {
        let mut interner = Interner::default();
        let numbers = [b"a".as_slice(), b"", b"a", b"bc", b""].map(|text| interner.intern(text, 3));
        assert_eq!(numbers, [Some(0), Some(1), Some(0), Some(2), Some(1)]);
        assert_eq!(interner.intern(b"d", 3), None);
        assert_eq!(interner.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"bc"]);
    }
}

//! Distinct byte strings, with codes in order of appearance.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::len_u32;

/// Gives distinct strings codes from 0.
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

    /// The string of a code; empty for a code that was never given.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> &[u8] {
        string(&self.bytes, &self.ends, code)
    }

    /// The code of a string that is known.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.table.find(xxh3_64(text), |code| self.get(*code) == text).copied()
    }

    /// The code of a string; `None` when it is new and there are `most` already.
    #[inline]
    pub(crate) fn intern(&mut self, text: &[u8], most: usize) -> Option<u32> {
        let Self { bytes, ends, table } = self;
        let hash = xxh3_64(text);
        if let Some(code) = table.find(hash, |code| string(bytes, ends, *code) == text) {
            return Some(*code);
        }
        let end = u32::try_from(bytes.len() + text.len()).ok()?;
        if ends.len() >= most {
            return None;
        }
        let code = len_u32(ends.len());
        bytes.extend_from_slice(text);
        ends.push(end);
        table.insert_unique(hash, code, |code| xxh3_64(string(bytes, ends, *code)));
        Some(code)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0u32..).take(self.ends.len()).map(|code| self.get(code))
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4 + self.table.capacity() * 5
    }
}

fn string<'a>(bytes: &'a [u8], ends: &[u32], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = code.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    let end = ends.get(code).copied().unwrap_or(start);
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_a_code() {
        let mut interner = Interner::default();
        let codes = [b"a".as_slice(), b"", b"a", b"bc", b""].map(|text| interner.intern(text, 3));
        assert_eq!(codes, [Some(0), Some(1), Some(0), Some(2), Some(1)]);
        assert_eq!(interner.intern(b"d", 3), None);
        assert_eq!(interner.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"bc"]);
    }
}

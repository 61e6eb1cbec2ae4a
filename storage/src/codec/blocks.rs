//! Lists of strings in blocks of about 8 kB. Each block is compressed by itself, so that reading one string decompresses one block and not
//! the list.

use std::borrow::Cow;

use super::bytes::{Input, put_varint};
use super::pack;
use super::{Damaged, len_u32};

/// Bytes after which a block is closed.
const BLOCK_BYTES: usize = 8 << 10;
/// Blocks below this size are not worth compressing.
const LEAST_TO_COMPRESS: usize = 1 << 10;

/// Writes a list.
pub(crate) fn encode<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut blocks = Vec::new();
    let mut block = Block::default();
    let mut total = 0usize;
    for string in strings {
        if block.bytes.len() + block.lens.len() >= BLOCK_BYTES {
            blocks.push(std::mem::take(&mut block).finish());
        }
        block.push(string);
        total += 1;
    }
    if block.count > 0 {
        blocks.push(block.finish());
    }
    let mut out = Vec::new();
    put_varint(&mut out, total as u64);
    put_varint(&mut out, blocks.len() as u64);
    let mut first = 0u32;
    let mut at = 0u32;
    for block in &blocks {
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(&block.raw_len.to_le_bytes());
        first += block.count;
        at += len_u32(block.stored.len());
    }
    blocks.iter().for_each(|block| out.extend_from_slice(&block.stored));
    out
}

#[derive(Default)]
struct Block {
    count: u32,
    lens: Vec<u8>,
    bytes: Vec<u8>,
}

struct Stored {
    count: u32,
    /// Length before compression; 0 when stored as it is.
    raw_len: u32,
    stored: Vec<u8>,
}

impl Block {
    fn push(&mut self, string: &[u8]) {
        put_varint(&mut self.lens, string.len() as u64);
        self.bytes.extend_from_slice(string);
        self.count += 1;
    }

    fn finish(self) -> Stored {
        let mut raw = self.lens;
        raw.extend_from_slice(&self.bytes);
        let packed = if raw.len() < LEAST_TO_COMPRESS { None } else { pack::compress(&raw) };
        match packed {
            Some(stored) => Stored { count: self.count, raw_len: len_u32(raw.len()), stored },
            None => Stored { count: self.count, raw_len: 0, stored: raw },
        }
    }
}

/// A list to read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks<'a> {
    len: usize,
    index: &'a [u8],
    stored: &'a [u8],
}

/// One block, decompressed.
#[derive(Debug)]
pub(crate) struct OpenBlock<'a> {
    first: usize,
    raw: Cow<'a, [u8]>,
    /// Where each string ends in `raw`; the first entry is where the first begins.
    ends: Vec<u32>,
}

const ENTRY: usize = 12;

impl<'a> Blocks<'a> {
    /// Reads a list that fills the whole slice.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut input = Input(bytes);
        let len = input.count(0)?;
        let blocks = input.count(ENTRY * 8)?;
        let index = input.take(blocks * ENTRY)?;
        let list = Self { len, index, stored: input.0 };
        // Each block ends where the next one begins. So no string is missing when the first block begins with string 0.
        let first = list.entry(0).map(|(first, ..)| first);
        if len > 0 && (first != Some(0) || len > pack::most(list.stored.len())) {
            return Err(Damaged("more strings than in the blocks of their list"));
        }
        Ok(list)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn block_count(&self) -> usize {
        self.index.len() / ENTRY
    }

    fn entry(&self, block: usize) -> Option<(usize, usize, usize)> {
        let mut entry = Input(self.index.get(block * ENTRY..)?);
        Some((entry.u32().ok()? as usize, entry.u32().ok()? as usize, entry.u32().ok()? as usize))
    }

    fn open(&self, block: usize) -> Result<OpenBlock<'a>, Damaged> {
        let (first, start, raw_len) = self.entry(block).ok_or(Damaged("string outside of its list"))?;
        let (next, end, _) = self.entry(block + 1).unwrap_or((self.len, self.stored.len(), 0));
        let stored = self.stored.get(start..end).ok_or(Damaged("string block outside of its page"))?;
        let raw: Cow<'a, [u8]> =
            if raw_len == 0 { Cow::Borrowed(stored) } else { Cow::Owned(pack::decompress(stored, raw_len)?) };
        let count = next.checked_sub(first).filter(|count| *count <= raw.len()).ok_or(Damaged("string counts"))?;
        let mut lens = Input(&raw);
        let mut ends = Vec::with_capacity(count + 1);
        ends.push(0u32);
        let mut end = 0u64;
        for _ in 0..count {
            end = end.saturating_add(lens.varint()?);
            ends.push(u32::try_from(end).map_err(|_| Damaged("string length"))?);
        }
        let base = len_u32(raw.len() - lens.0.len());
        if end > lens.0.len() as u64 {
            return Err(Damaged("string outside of its block"));
        }
        ends.iter_mut().for_each(|end| *end += base);
        Ok(OpenBlock { first, raw, ends })
    }

    /// Calls `visit` with every string, in order.
    pub(crate) fn each(&self, mut visit: impl FnMut(usize, &[u8])) -> Result<(), Damaged> {
        for block in 0..self.block_count() {
            let open = self.open(block)?;
            for row in open.first..open.first + open.ends.len() - 1 {
                visit(row, open.get(row)?);
            }
        }
        Ok(())
    }
}

impl OpenBlock<'_> {
    fn holds(&self, row: usize) -> bool {
        row >= self.first && row - self.first + 1 < self.ends.len()
    }

    fn get(&self, row: usize) -> Result<&[u8], Damaged> {
        const OUTSIDE: Damaged = Damaged("string outside of its block");
        let inside = row.checked_sub(self.first).ok_or(OUTSIDE)?;
        let (start, end) = (self.ends.get(inside).ok_or(OUTSIDE)?, self.ends.get(inside + 1).ok_or(OUTSIDE)?);
        self.raw.get(*start as usize..*end as usize).ok_or(OUTSIDE)
    }
}

/// Reads strings one by one. The last block stays decompressed, which helps where rows lie close together.
#[derive(Debug)]
pub(crate) struct BlockCursor<'a> {
    blocks: Blocks<'a>,
    open: Option<OpenBlock<'a>>,
}

impl<'a> BlockCursor<'a> {
    pub(crate) fn new(blocks: Blocks<'a>) -> Self {
        Self { blocks, open: None }
    }

    pub(crate) fn get(&mut self, row: usize) -> Result<&[u8], Damaged> {
        if row >= self.blocks.len {
            return Err(Damaged("string outside of its list"));
        }
        let open = match self.open.take() {
            Some(open) if open.holds(row) => open,
            _ => self.blocks.open(self.find(row))?,
        };
        self.open.insert(open).get(row)
    }

    /// The last block that begins at or before `row`.
    fn find(&self, row: usize) -> usize {
        let (mut low, mut high) = (0, self.blocks.block_count());
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            match self.blocks.entry(middle) {
                Some((first, _, _)) if first <= row => low = middle,
                _ => high = middle,
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(strings: &[Vec<u8>]) {
        let bytes = encode(strings.iter().map(Vec::as_slice));
        let list = Blocks::parse(&bytes).unwrap();
        assert_eq!(list.len(), strings.len());
        let mut seen = Vec::new();
        list.each(|row, string| seen.push((row, string.to_vec()))).unwrap();
        assert!(seen.iter().map(|(_, string)| string).eq(strings));
        let mut cursor = BlockCursor::new(list);
        for (row, string) in strings.iter().enumerate().rev() {
            assert_eq!(cursor.get(row).unwrap(), string.as_slice());
        }
        assert!(cursor.get(strings.len()).is_err());
    }

    #[test]
    fn long_lists_span_blocks() {
        check(&(0..5000).map(|n| format!("GET /things/{n}").into_bytes()).collect::<Vec<_>>());
        check(&[vec![b'x'; 1 << 20], vec![], b"short".to_vec()]);
        check(&[]);
    }

    #[test]
    fn a_list_holds_as_many_strings_as_it_says() {
        let none_of_three = [3, 0];
        let without_the_first = [&[2, 1, 1, 0, 0, 0][..], &[0; 8], &[1, b'a']].concat();
        for damaged in [none_of_three.as_slice(), &without_the_first] {
            assert!(Blocks::parse(damaged).is_err(), "{damaged:?}");
        }
        let more_than_fit = [0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(Blocks::parse(&more_than_fit).is_err());
    }

    proptest! {
        #[test]
        fn damaged_lists_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(list) = Blocks::parse(&bytes) {
                let _ = list.each(|_, _| ());
                let _ = BlockCursor::new(list).get(0);
            }
        }
    }
}

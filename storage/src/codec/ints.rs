//! Columns of 64-bit integers: a dictionary when there are few distinct values, else frame of reference in blocks of 256.

use std::ops::Range;

use super::bits::{self, BitWriter, Bitmap, Filling, width_byte, width_of};
use super::bytes::{Input, put_varint};
use super::{Damaged, len_u32, to_usize};

/// Rows of one frame of reference.
const BLOCK: usize = 256;
/// Most distinct values of a dictionary.
const DICTIONARY: usize = 256;
/// Most rows of a dictionary with a single value. Its codes take no bits, so without this bound a short page could claim any number of
/// rows.
const SINGLE: usize = 1 << 20;
/// Up to so many rows are read one by one, which costs less.
const FEW: usize = 8;
/// Bytes of a block's header: base, bit offset, width.
const HEADER: usize = 8 + 4 + 1;

/// Writes a page. Values are compared as unsigned; signed ones come mapped by [`ordered`].
pub(crate) fn encode(values: &[u64]) -> Vec<u8> {
    let dictionary = dictionary_of(values);
    let blocks = encode_blocks(values);
    let Some(dictionary) = dictionary else { return blocks };
    let width = width_of(dictionary.len().saturating_sub(1) as u64);
    let too_long = width == 0 && values.len() > SINGLE;
    if too_long || dictionary.len() * 8 + values.len() * width as usize / 8 + 8 > blocks.len() {
        return blocks;
    }
    let mut out = vec![1];
    put_varint(&mut out, values.len() as u64);
    put_varint(&mut out, dictionary.len() as u64);
    dictionary.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    let mut codes = BitWriter::default();
    for value in values {
        codes.put(dictionary.partition_point(|known| known < value) as u64, width);
    }
    out.extend_from_slice(&codes.finish());
    out
}

/// The distinct values, sorted; `None` when there are too many.
fn dictionary_of(values: &[u64]) -> Option<Vec<u64>> {
    let mut known: Vec<u64> = Vec::new();
    let mut last = None;
    for value in values {
        if last == Some(*value) {
            continue;
        }
        last = Some(*value);
        if let Err(place) = known.binary_search(value) {
            if known.len() == DICTIONARY {
                return None;
            }
            known.insert(place, *value);
        }
    }
    Some(known)
}

fn encode_blocks(values: &[u64]) -> Vec<u8> {
    let mut out = vec![0];
    put_varint(&mut out, values.len() as u64);
    let mut packed = BitWriter::default();
    for block in values.chunks(BLOCK) {
        let base = block.iter().copied().min().unwrap_or_default();
        let width = width_of(block.iter().copied().max().unwrap_or_default() - base);
        out.extend_from_slice(&base.to_le_bytes());
        out.extend_from_slice(&len_u32(packed.len()).to_le_bytes());
        out.push(width_byte(width));
        block.iter().for_each(|value| packed.put(value - base, width));
    }
    out.extend_from_slice(&packed.finish());
    out
}

/// Maps signed integers to unsigned ones in the same order.
#[inline]
pub(crate) fn ordered(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

/// The inverse of [`ordered`].
#[inline]
pub(crate) fn unordered(value: u64) -> i64 {
    (value ^ (1 << 63)).cast_signed()
}

/// A page of integers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ints<'a> {
    len: usize,
    /// Dictionary values, or block headers.
    table: &'a [u8],
    /// Width of a code; `None` for blocks.
    code_width: Option<u32>,
    packed: &'a [u8],
}

impl<'a> Ints<'a> {
    pub(crate) fn parse(page: &'a [u8]) -> Result<Self, Damaged> {
        let mut input = Input(page);
        let form = input.byte()?;
        let len = input.count(0)?;
        match form {
            0 => {
                let table = input.take(len.div_ceil(BLOCK) * HEADER)?;
                Ok(Self { len, table, code_width: None, packed: input.0 })
            }
            1 => {
                let values = input.count(64)?;
                let table = input.take(values * 8)?;
                let width = width_of(values.saturating_sub(1) as u64);
                let most = (input.0.len() * 8).checked_div(width as usize).unwrap_or(SINGLE);
                if len > most {
                    return Err(Damaged("more rows than codes"));
                }
                Ok(Self { len, table, code_width: Some(width), packed: input.0 })
            }
            _ => Err(Damaged("unknown form of an integer page")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The value at `row`.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Result<u64, Damaged> {
        if row >= self.len {
            return Err(Damaged("row outside of its page"));
        }
        if let Some(width) = self.code_width {
            let code = bits::read(self.packed, row * width as usize, width)?;
            return self.word(to_usize(code) * 8);
        }
        let block = row / BLOCK * HEADER;
        let (base, at, width) = self.block(block)?;
        Ok(base.wrapping_add(bits::read(self.packed, at + row % BLOCK * width as usize, width)?))
    }

    /// All values, in order.
    pub(crate) fn decode(&self) -> Result<Vec<u64>, Damaged> {
        self.range(0..self.len, |value| value)
    }

    /// Calls `visit` with the values of rows `from..to`.
    pub(crate) fn each(&self, from: usize, to: usize, mut visit: impl FnMut(u64)) -> Result<(), Damaged> {
        if to > self.len || from > to {
            return Err(Damaged("row outside of its page"));
        }
        if let Some(width) = self.code_width {
            let words: Vec<u64> = self.words().collect();
            let mut inside = true;
            bits::each(self.packed, from * width as usize, width, to - from, |code| match words.get(to_usize(code)) {
                Some(word) => visit(*word),
                None => inside = false,
            })?;
            return if inside { Ok(()) } else { Err(Damaged("code outside of its dictionary")) };
        }
        let mut row = from;
        while row < to {
            let (base, at, width) = self.block(row / BLOCK * HEADER)?;
            let end = to.min((row / BLOCK + 1) * BLOCK);
            let first = at + row % BLOCK * width as usize;
            bits::each(self.packed, first, width, end - row, |value| visit(base.wrapping_add(value)))?;
            row = end;
        }
        Ok(())
    }

    /// The rows whose value satisfies `holds`. In a dictionary each distinct value is tested once.
    pub(crate) fn select(&self, holds: impl Fn(u64) -> bool) -> Result<Bitmap, Damaged> {
        const MISSING: u8 = 2;
        let mut rows = Filling::of(self.len);
        let Some(width) = self.code_width else {
            self.each(0, self.len, |value| rows.push(holds(value)))?;
            return Ok(rows.finish());
        };
        let mut held = [MISSING; DICTIONARY];
        held.iter_mut().zip(self.words()).for_each(|(held, word)| *held = u8::from(holds(word)));
        let mut all = 0;
        bits::each(self.packed, 0, width, self.len, |code| {
            let held = held.get(to_usize(code)).copied().unwrap_or(MISSING);
            all |= held;
            rows.push(held == 1);
        })?;
        if all & MISSING == 0 { Ok(rows.finish()) } else { Err(Damaged("code outside of its dictionary")) }
    }

    /// No value is greater.
    pub(crate) fn bound(&self) -> Result<u64, Damaged> {
        self.bound_of(0..self.len)
    }

    /// No value of these rows is greater.
    pub(crate) fn bound_of(&self, rows: Range<usize>) -> Result<u64, Damaged> {
        if self.code_width.is_some() {
            return Ok(self.words().max().unwrap_or_default());
        }
        let mut bound = 0;
        for block in rows.start / BLOCK..rows.end.div_ceil(BLOCK) {
            let (base, _, width) = self.block(block * HEADER)?;
            bound = bound.max(base.saturating_add(1u64.checked_shl(width).unwrap_or(0).wrapping_sub(1)));
        }
        Ok(bound)
    }

    /// Whether one of these rows may be 0.
    pub(crate) fn may_be_zero(&self, rows: Range<usize>) -> Result<bool, Damaged> {
        if self.code_width.is_some() {
            return Ok(self.words().any(|word| word == 0));
        }
        let mut blocks = rows.start / BLOCK..rows.end.div_ceil(BLOCK);
        blocks.try_fold(false, |may, block| Ok(may || self.block(block * HEADER)?.0 == 0))
    }

    /// The first of `rows` for which `is_before` is false; the end of `rows` when there is none. `is_before` must be true up to some row
    /// and false from there on.
    pub(crate) fn partition_point(
        &self,
        rows: Range<usize>,
        is_before: impl Fn(u64) -> bool,
    ) -> Result<usize, Damaged> {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_before(self.get(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The values of some rows.
    pub(crate) fn range<T>(&self, rows: Range<usize>, mut map: impl FnMut(u64) -> T) -> Result<Vec<T>, Damaged> {
        let mut values = Vec::with_capacity(rows.len().min(1 << 20));
        self.each(rows.start, rows.end, |value| values.push(map(value)))?;
        Ok(values)
    }

    /// Whether the page has a dictionary, and so codes.
    pub(crate) fn has_dictionary(&self) -> bool {
        self.code_width.is_some()
    }

    /// The values that codes stand for, by code; none without a dictionary.
    pub(crate) fn dictionary(&self) -> impl Iterator<Item = u64> {
        self.words().filter(|_| self.has_dictionary())
    }

    /// The code of the value at `row`; 0 without a dictionary.
    pub(crate) fn code(&self, row: usize) -> Result<usize, Damaged> {
        if row >= self.len {
            return Err(Damaged("row outside of its page"));
        }
        let width = self.code_width.unwrap_or(0);
        let code = bits::read(self.packed, row * width as usize, width)?;
        usize::try_from(code).map_err(|_| Damaged("code outside of its dictionary"))
    }

    /// Calls `visit` with the codes of all rows, in order; 0 without a dictionary.
    pub(crate) fn codes(&self, visit: impl FnMut(u64)) -> Result<(), Damaged> {
        bits::each(self.packed, 0, self.code_width.unwrap_or(0), self.len, visit)
    }

    /// Calls `visit` with the values at these rows, which ascend.
    pub(crate) fn values(&self, rows: &[usize], mut visit: impl FnMut(u64)) -> Result<(), Damaged> {
        for run in rows.chunk_by(|one, next| one + 1 == *next) {
            match run {
                [first, .., last] if run.len() >= FEW => self.each(*first, *last + 1, &mut visit)?,
                _ => run.iter().try_for_each(|row| self.get(*row).map(&mut visit))?,
            }
        }
        Ok(())
    }

    /// The values of a dictionary.
    fn words(&self) -> impl Iterator<Item = u64> {
        self.table.chunks_exact(8).filter_map(|word| word.first_chunk()).map(|word| u64::from_le_bytes(*word))
    }

    fn word(&self, at: usize) -> Result<u64, Damaged> {
        let bytes = self.table.get(at..at + 8).ok_or(Damaged("code outside of its dictionary"))?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| Damaged("code outside of its dictionary"))?))
    }

    fn block(&self, at: usize) -> Result<(u64, usize, u32), Damaged> {
        let mut header = Input(self.table.get(at..).ok_or(Damaged("row outside of its page"))?);
        let (base, at, width) = (header.u64()?, header.u32()? as usize, u32::from(header.byte()?));
        if width > 64 { Err(Damaged("width over 64 bits")) } else { Ok((base, at, width)) }
    }
}

/// A page that must have `len` values.
pub(crate) fn of_len(page: &[u8], len: usize) -> Result<Ints<'_>, Damaged> {
    let page = Ints::parse(page)?;
    if page.len() == len { Ok(page) } else { Err(Damaged("page with a wrong count")) }
}

/// The values of a page that must have `len` of them.
pub(crate) fn decode<T>(page: &[u8], len: usize, map: impl FnMut(u64) -> T) -> Result<Vec<T>, Damaged> {
    of_len(page, len)?.range(0..len, map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_page_cannot_ask_for_much_memory() {
        let page = |count: &[u8]| [&[1], count, &[1], &[5; 8], &[0; 8]].concat();
        assert_eq!(Ints::parse(&page(&[0x80, 0x80, 0x40])).map(|page| page.len()), Ok(1 << 20));
        assert!(Ints::parse(&page(&[0x81, 0x80, 0x40])).is_err());
        let codes_missing = [&[1, 0xff, 0xff, 0x7f, 2], [0; 16].as_slice(), &[0; 8]].concat();
        assert!(Ints::parse(&codes_missing).is_err());
        let many = vec![5; (1 << 20) + 1];
        assert_eq!(Ints::parse(&encode(&many)).and_then(|page| page.decode()), Ok(many));
    }

    #[test]
    fn a_code_outside_of_its_dictionary_is_an_error() {
        let page = [&[1, 4, 3], [5; 24].as_slice(), &[0b11_10_01_00], &[0; 8]].concat();
        let page = Ints::parse(&page).unwrap();
        assert!(page.get(2).is_ok() && page.get(3).is_err());
        assert!(page.decode().is_err() && page.select(|_| true).is_err());
    }

    proptest! {
        #[test]
        fn pages_keep_their_values(values in prop_oneof![
            prop::collection::vec(any::<u64>(), 0..1000),
            prop::collection::vec(0u64..40, 0..1000),
            prop::collection::vec(1_700_000_000_000u64..1_700_000_900_000, 0..1000),
        ]) {
            let page = encode(&values);
            let read = Ints::parse(&page).unwrap();
            prop_assert_eq!(&read.decode().unwrap(), &values);
            let odd = read.select(|value| value % 3 == 1).unwrap();
            prop_assert!((0..values.len()).all(|row| odd.contains(row) == (values[row] % 3 == 1)));
            for (row, value) in values.iter().enumerate() {
                prop_assert_eq!(read.get(row).unwrap(), *value);
            }
        }

        #[test]
        fn damaged_pages_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(page) = Ints::parse(&bytes) {
                let _ = page.get(0);
                let _ = page.each(0, page.len().min(4096), |_| ());
                prop_assert_eq!(page.select(|value| value == 0).is_ok(), page.decode().is_ok());
            }
        }

        #[test]
        fn order_survives(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), ordered(a).cmp(&ordered(b)));
            prop_assert_eq!(unordered(ordered(a)), a);
        }
    }
}

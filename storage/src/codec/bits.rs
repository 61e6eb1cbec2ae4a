//! Streams of bits, lowest first, and sets of rows.

use std::ops::Range;

use super::Damaged;

const OUTSIDE: Damaged = Damaged("bits outside of their page");

/// Bits needed to write `value`; 0 for 0.
pub(crate) fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// A width as it is stored.
pub(crate) fn width_byte(width: u32) -> u8 {
    u8::try_from(width).unwrap_or(u8::MAX)
}

/// Appends values of any width to a stream of bits.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    filled: u32,
}

impl BitWriter {
    /// Bits written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() * 8 + self.filled as usize
    }

    /// Appends the lowest `width` bits of `value`; the others must be zero.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        if width == 0 {
            return;
        }
        self.pending |= value << self.filled;
        let total = self.filled + width;
        if total >= 64 {
            self.bytes.extend_from_slice(&self.pending.to_le_bytes());
            let used = 64 - self.filled;
            self.pending = if used == 64 { 0 } else { value >> used };
            self.filled = total - 64;
        } else {
            self.filled = total;
        }
    }

    /// The stream, with the 8 zero bytes after it that [`read`] needs.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&self.pending.to_le_bytes());
        let used = self.bytes.len() - 8 + (self.filled as usize).div_ceil(8);
        self.bytes.truncate(used);
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes
    }
}

/// The `width` bits at bit `at`; an error when they lie outside of the stream.
#[inline]
pub(crate) fn read(stream: &[u8], at: usize, width: u32) -> Result<u64, Damaged> {
    if width == 0 {
        return Ok(0);
    }
    let byte = at / 8;
    let shift = at % 8;
    let window = stream.get(byte..byte + 8).ok_or(OUTSIDE)?;
    let low = u64::from_le_bytes(window.try_into().map_err(|_| OUTSIDE)?) >> shift;
    let value = if shift + width as usize > 64 {
        let high = u64::from(*stream.get(byte + 8).ok_or(OUTSIDE)?);
        low | high << (64 - shift)
    } else {
        low
    };
    Ok(if width == 64 { value } else { value & ((1 << width) - 1) })
}

/// Calls `visit` with `count` values of the same width from bit `at` on.
#[inline]
pub(crate) fn each(
    stream: &[u8],
    at: usize,
    width: u32,
    count: usize,
    mut visit: impl FnMut(u64),
) -> Result<(), Damaged> {
    if width == 0 || count == 0 {
        (0..count).for_each(|_| visit(0));
        return Ok(());
    }
    if width > WIDEST {
        return (0..count).try_for_each(|index| read(stream, at + index * width as usize, width).map(&mut visit));
    }
    // The bytes of all values and the 8 after them, checked once.
    let end = at.saturating_add(count.saturating_mul(width as usize)).div_ceil(8).saturating_add(8);
    let bytes = stream.get(at / 8..end.min(stream.len())).ok_or(OUTSIDE)?;
    let (mut bit, mask) = (at % 8, (1u64 << width) - 1);
    // All values are inside of the stream, so no sum below overflows.
    for _ in 0..count {
        let window = bytes.get(bit / 8..bit / 8 + 8).and_then(|window| window.first_chunk()).ok_or(OUTSIDE)?;
        visit(u64::from_le_bytes(*window) >> (bit % 8) & mask);
        bit = bit.wrapping_add(width as usize);
    }
    Ok(())
}

/// The widest value that a loaded word holds whole, at whatever bit of its first byte the value begins.
const WIDEST: u32 = 57;

/// A set of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// No row of `len`.
    pub(crate) fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Every row of `len`.
    pub(crate) fn all(len: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        set.trim();
        set
    }

    /// The rows from `first` on of `len`.
    pub(crate) fn from(first: usize, len: usize) -> Self {
        let mut set = Self::all(len);
        let (whole, bits) = (first / 64, first % 64);
        set.words.iter_mut().take(whole).for_each(|word| *word = 0);
        if let Some(word) = set.words.get_mut(whole) {
            *word &= u64::MAX << bits;
        }
        set
    }

    fn trim(&mut self) {
        if !self.len.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Adds the row when `holds`, without a branch.
    #[inline]
    pub(crate) fn insert_if(&mut self, row: usize, holds: bool) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= u64::from(holds) << (row % 64);
        }
    }

    #[inline]
    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count() == self.len
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the set has so few rows that a look at each of them costs less than a pass over all rows.
    pub(crate) fn is_sparse(&self) -> bool {
        self.count() < self.len / 8
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn and_not(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    /// The rows in the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.iter_from(0)
    }

    /// The rows of this range that are in the set, ascending.
    pub(crate) fn iter_among(&self, rows: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        self.iter_from(rows.start / 64).skip_while(move |row| *row < rows.start).take_while(move |row| *row < rows.end)
    }

    /// The rows in the set, from the word with the index `first` on.
    fn iter_from(&self, first: usize) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().skip(first).flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

/// Fills a set row by row.
pub(crate) struct Filling {
    set: Bitmap,
    row: usize,
    word: u64,
}

impl Filling {
    /// A set of `len` rows.
    pub(crate) fn of(len: usize) -> Self {
        Self { set: Bitmap::none(len), row: 0, word: 0 }
    }

    /// Says whether the next row is in it.
    #[inline]
    pub(crate) fn push(&mut self, holds: bool) {
        self.word |= u64::from(holds) << (self.row % 64);
        // Never wraps: there are fewer rows in memory.
        self.row = self.row.wrapping_add(1);
        if self.row.is_multiple_of(64) {
            self.put(self.row / 64 - 1);
        }
    }

    fn put(&mut self, place: usize) {
        let word = std::mem::take(&mut self.word);
        if let Some(place) = self.set.words.get_mut(place) {
            *place = word;
        }
    }

    pub(crate) fn finish(mut self) -> Bitmap {
        self.put(self.row / 64);
        self.set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec((any::<u64>(), 0u32..=64), 0..300)) {
            let mut writer = BitWriter::default();
            let mut expected = Vec::new();
            for (value, width) in values {
                let value = if width == 64 { value } else { value & ((1 << width) - 1) };
                expected.push((writer.len(), width, value));
                writer.put(value, width);
            }
            let stream = writer.finish();
            for (at, width, value) in expected {
                prop_assert_eq!(read(&stream, at, width), Ok(value));
            }
        }

        #[test]
        fn runs_are_read_as_single_values_are(
            stream in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..99, width in 0u32..=64, count in 0usize..40,
        ) {
            let mut run = Vec::new();
            let read_run = each(&stream, at, width, count, |value| run.push(value));
            let single: Result<Vec<u64>, _> = (0..count).map(|n| read(&stream, at + n * width as usize, width)).collect();
            prop_assert_eq!(read_run.map(|()| run), single);
        }
    }

    #[test]
    fn sets_know_their_rows() {
        let mut set = Bitmap::none(130);
        set.insert(0);
        set.insert_if(64, true);
        set.insert_if(65, false);
        set.insert(129);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 129]);
        assert_eq!(Bitmap::all(130).iter().count(), 130);
        for rows in [0..0, 0..1, 1..64, 1..65, 60..130, 64..129, 65..500, 129..130, 200..300] {
            let expected = [0, 64, 129].into_iter().filter(|row| rows.contains(row));
            assert!(set.iter_among(rows.clone()).eq(expected), "{rows:?}");
        }
        let mut rest = Bitmap::all(130);
        rest.and_not(&set);
        assert_eq!(rest.iter().count(), 127);
        assert!(!rest.contains(129) && rest.contains(128));
        for first in [0, 1, 63, 64, 100, 129, 130, 200] {
            assert!(Bitmap::from(first, 130).iter().eq(first..130));
        }
    }

    #[test]
    fn sets_are_filled_row_by_row() {
        for len in [0, 1, 63, 64, 65, 130] {
            let mut filling = Filling::of(len);
            let mut set = Bitmap::none(len);
            for row in 0..len {
                filling.push(row % 3 == 0);
                set.insert_if(row, row % 3 == 0);
            }
            assert_eq!(filling.finish(), set);
        }
    }

    #[test]
    fn bits_outside_are_an_error() {
        assert!(read(&[0; 8], 1, 64).is_err());
        assert!(read(&[0; 8], 64, 1).is_err());
    }
}

//! The strings of one column, stored one after the other. A search for a text passes over all of them at once, which is much faster than
//! string by string.

use std::ops::Range;

use memchr::memmem::Finder;

/// Bytes after which a new run begins. Where a search finds the text, it looks at the run string by string.
const RUN: usize = 2 << 10;

/// Strings of ascending rows.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    /// For each run the row of its first string, and the offset of that string.
    runs: Vec<(u32, usize)>,
    /// The length from which on another run begins.
    next_run: usize,
}

impl Arena {
    /// Whether no string was ever pushed.
    #[inline]
    pub(crate) fn is_unused(&self) -> bool {
        self.runs.is_empty()
    }

    /// The row of the first string.
    pub(crate) fn first_row(&self) -> Option<usize> {
        self.runs.first().map(|(row, _)| *row as usize)
    }

    /// Bytes held, about.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.runs.capacity() * size_of::<(u32, usize)>()
    }

    #[inline]
    pub(crate) fn get(&self, at: Range<usize>) -> &[u8] {
        self.bytes.get(at).unwrap_or_default()
    }

    /// Appends the string of a row. Answers where it begins.
    #[inline]
    pub(crate) fn push(&mut self, row: u32, string: &[u8]) -> usize {
        let at = self.begin(row);
        self.bytes.extend_from_slice(string);
        at
    }

    /// Appends the bytes that `write` appends. Answers where they are.
    #[inline]
    pub(crate) fn append<E>(
        &mut self,
        row: u32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let at = self.begin(row);
        write(&mut self.bytes)?;
        Ok(at..self.bytes.len())
    }

    /// Where the next string begins.
    #[inline]
    fn begin(&mut self, row: u32) -> usize {
        let at = self.bytes.len();
        if at >= self.next_run {
            self.runs.push((row, at));
            self.next_run = at + RUN;
        }
        at
    }

    /// The rows of each run that contains the text, up to row `end`. A text that spans two strings counts, too.
    pub(crate) fn rows_with(&self, text: &[u8], end: usize) -> impl Iterator<Item = Range<usize>> {
        let finder = Finder::new(text).into_owned();
        let mut next = 0;
        std::iter::from_fn(move || {
            let (_, from) = self.runs.get(next)?;
            let hit = from + finder.find(self.bytes.get(*from..)?)?;
            let run = self.runs.partition_point(|(_, begin)| *begin <= hit).checked_sub(1)?;
            next = run + 1;
            let row = |run: usize| self.runs.get(run).map_or(end, |(row, _)| *row as usize);
            Some(row(run)..row(next))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_in_few_rows_and_every_row_that_has_it_is_among_them() {
        let mut arena = Arena::default();
        let strings: Vec<String> = (0..2_000u32).map(|row| format!("user-{:05}", row * 7_919 % 90_000)).collect();
        for (row, string) in (10..).zip(&strings) {
            arena.push(row, string.as_bytes());
        }
        for (row, string) in (10..).zip(&strings).step_by(97) {
            let found: Vec<Range<usize>> = arena.rows_with(string.as_bytes(), 2_010).collect();
            assert!(found.iter().any(|rows| rows.contains(&row)), "{string} of row {row}: {found:?}");
            assert!(found.iter().map(Range::len).sum::<usize>() < 450, "{string}: {found:?}");
        }
        assert_eq!(arena.rows_with(b"nobody", 2_010).count(), 0);
        let all: usize = arena.rows_with(b"", 2_010).map(|rows| rows.len()).sum();
        assert_eq!(all, 2_000, "the empty text is everywhere, once");
    }

    #[test]
    fn empty_strings_are_strings() {
        let mut arena = Arena::default();
        assert!(arena.is_unused() && arena.rows_with(b"", 9).next().is_none());
        arena.push(3, b"");
        assert_eq!((arena.is_unused(), arena.first_row()), (false, Some(3)));
        assert_eq!(arena.rows_with(b"", 9).next(), Some(3..9));
        assert_eq!(arena.rows_with(b"a", 9).count(), 0);
    }
}

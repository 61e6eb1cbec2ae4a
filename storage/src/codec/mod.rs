//! How the values of a column become bytes and back. `FORMAT.md` draws the layouts.
//!
//! One row of a page can be read without decoding the others. Every reader checks what it reads: damaged bytes give [`Damaged`], never a
//! panic.

pub(crate) mod bits;
pub(crate) mod blocks;
pub(crate) mod bytes;
#[cfg(test)]
mod format_tests;
pub(crate) mod fuse;
pub(crate) mod hash;
pub(crate) mod ints;
pub(crate) mod pack;
pub(crate) mod strings;
pub(crate) mod template;

/// A stored value as an index into memory. One that is too large becomes `usize::MAX`, which is no valid index either.
#[inline]
pub(crate) fn to_usize(stored: u64) -> usize {
    usize::try_from(stored).unwrap_or(usize::MAX)
}

/// The same for a list of fewer than 2^32 entries.
#[inline]
pub(crate) fn to_u32(stored: u64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}

/// A length or position for a field of 32 bits. Writers refuse longer pages and lists.
#[inline]
pub(crate) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Bytes that are not what the format says; the text says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

//! How the values of a column become bytes and back. `FORMAT.md` draws the layouts.
//!
//! Every page can be read at one row without decoding the rest, and every reader checks what it reads: damaged bytes give
//! [`Damaged`], never a panic.

pub(crate) mod bits;
pub(crate) mod blocks;
pub(crate) mod bytes;
#[cfg(test)]
mod format_tests;
pub(crate) mod fuse;
pub(crate) mod ints;
pub(crate) mod pack;
pub(crate) mod strings;
pub(crate) mod template;

/// Bytes that are not what the format says; the text says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

//! Integrity: finding damage, getting over it, putting a folder in order without losing what is still there.
//!
//! Damage below the log, segments and catalog, of the files of the database itself, is repaired by the back end when it opens.

mod adopt;
mod checkpoint;
mod repair;
mod segment_check;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use adopt::entry_from_pages;
pub use checkpoint::Checkpoint;
pub use repair::{Repaired, repair};
pub use verify::{Checked, verify};

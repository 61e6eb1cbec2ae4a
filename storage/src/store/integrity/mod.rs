//! Integrity: finds damage, works around it, and repairs a folder without losing anything that is still readable.
//!
//! Damage of the database's own files, below log, segments and catalog, is repaired by the back end when it opens.

mod adopt;
mod checkpoint;
mod repair;
mod rollups;
mod segment_check;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use adopt::entry_from_pages;
pub use checkpoint::Checkpoint;
pub use repair::{Repaired, repair};
pub(crate) use rollups::rollup_from_pages;
pub use verify::{Checked, verify};

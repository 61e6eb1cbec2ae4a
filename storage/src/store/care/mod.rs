//! Damage and care of the data folder: finding it, getting over it, putting it in order without losing what is still there.

mod adopt;
mod aside;
mod batch;
mod catalog;
mod checkpoint;
pub(crate) mod mend;
pub(crate) mod rebuild;
mod repair;
#[cfg(test)]
mod tests;
mod verify;
mod wal;

pub(crate) use adopt::entry_from_pages;
pub(crate) use aside::Aside;
pub(crate) use catalog::{CatalogRead, read_catalog};
pub use checkpoint::Checkpoint;
pub use repair::{Repaired, repair};
pub use verify::{Care, Checked, verify};

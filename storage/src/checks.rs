//! What must hold for any bytes. Each function panics when it does not: fuzz targets and property tests call the same ones.
#![expect(clippy::indexing_slicing, reason = "an index that is out of bounds is a fault that these checks look for")]

mod group;
mod pages;
mod records;
#[cfg(test)]
mod seeds;
mod written;

pub use group::group;
pub use pages::pages;
pub use records::{catalog, log_record};

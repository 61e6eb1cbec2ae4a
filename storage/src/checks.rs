//! What must hold for any bytes. Each function panics when something does not hold. Fuzz targets and property tests call the same
//! functions.
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

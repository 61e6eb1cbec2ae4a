//! What must hold for any bytes. Each function panics when it does not: fuzz targets and property tests call the same ones.

mod json;
#[cfg(test)]
mod seeds;
mod walk;

pub use json::otlp_json;
pub use walk::otlp_walk;

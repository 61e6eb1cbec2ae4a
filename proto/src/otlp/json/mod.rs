//! OTLP/JSON (the JSON mapping of protobuf with OTLP's deviations: hex ids, enums as integers, lowerCamelCase).

mod leaf;
mod read;
mod write;

pub use read::{JsonRequest, read};
pub use write::write_trace;

#[cfg(test)]
mod tests;

//! OTLP/JSON (the JSON mapping of protobuf with OTLP's deviations: hex ids, enums as integers, lowerCamelCase).

mod leaf;
mod read;
mod reader;
mod signals;
mod write;

pub use read::{JsonRequest, memory, read};
pub use signals::check_signal;
pub use write::{TraceWriter, write_trace};

#[cfg(test)]
mod tests;

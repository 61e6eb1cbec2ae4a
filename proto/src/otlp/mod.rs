//! OTLP traces: the generated types, and conversions between them and the model.

mod convert;
mod exporter;
pub(crate) mod wire;

pub use convert::{decode, from_request, to_request, to_resource_spans};
pub use exporter::{PartialSuccess, encode, retry_delay};
pub use opentelemetry_proto::tonic as types;

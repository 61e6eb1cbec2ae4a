//! OTLP traces: the generated types, and conversions between them and the model.

mod convert;
pub(crate) mod wire;

pub use convert::{decode, from_request, to_request, to_resource_spans};
pub use opentelemetry_proto::tonic as types;

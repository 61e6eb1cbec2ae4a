//! OTLP traces: the generated types, and conversions between them and the model.

#[cfg(test)]
mod arbitrary;
mod convert;
mod decode;
mod exporter;
pub mod json;
mod malformed;
mod response;
pub(crate) mod schema;
mod signals;
mod validate;
pub mod view;
mod warnings;
pub(crate) mod wire;

pub(crate) use convert::to_value;
pub use convert::{encode_value, span_bytes, to_request, to_resource_spans};
pub use decode::{decode, decode_origin_resource, decode_origin_scope, decode_value};
pub use exporter::{PartialSuccess, encode, retry_delay};
pub use malformed::{Malformation, MalformedRequest};
pub use opentelemetry_proto::tonic as types;
pub use response::{Detail, ExportResponse, Status};
pub use signals::{Signal, service_name};
pub use validate::{Limits, MAX_VALUE_DEPTH, REPAIRED, Reason, Refusals, Validated, validate};
pub use warnings::{Warning, Warnings};
pub use wire::WireError;

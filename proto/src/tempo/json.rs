//! How protobuf values are written as JSON.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Serializer;

use super::otlp_json::Json;

/// A 64-bit number is a string.
pub(super) fn string_u64<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Zero is left out.
pub(super) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Attributes with values as OTLP has them.
pub(super) fn attributes<S: Serializer>(attributes: &[KeyValue], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(attributes.iter().map(Json))
}

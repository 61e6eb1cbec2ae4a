//! How protobuf values are written as JSON.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Serializer;

use super::PartialStatus;
use super::otlp_json::{Json, double_name};

/// A 64-bit number is a string.
pub(super) fn string_u64<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A 64-bit number is a string.
pub(super) fn string_i64<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A double is a number where JSON has one, else a name.
pub(super) fn double<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match double_name(*value) {
        Some(name) => serializer.serialize_str(name),
        None => serializer.serialize_f64(*value),
    }
}

/// Zero is left out.
pub(super) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Attributes with values as OTLP has them.
pub(super) fn attributes<S: Serializer>(attributes: &[KeyValue], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(attributes.iter().map(Json))
}

/// The name of a [`PartialStatus`].
pub(super) fn status_name<S: Serializer>(status: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match PartialStatus::try_from(*status) {
        Ok(PartialStatus::Complete) => serializer.serialize_str("COMPLETE"),
        Ok(PartialStatus::Partial) => serializer.serialize_str("PARTIAL"),
        Err(_) => serializer.serialize_i32(*status),
    }
}

//! The messages of Tempo's API: protobuf by derive, JSON by the rules of protobuf's Go library (`jsonpb`).
//!
//! JSON: 64-bit integers as strings, enums by name, bytes as base64, zero values left out, lists that an answer always has
//! present even when empty. Clients decode strictly, so no key may be added to what Tempo sends: the fields
//! here are those that clients from 2025 know.

mod json;
mod otlp_json;
mod partial;
mod read;
mod requests;
mod search;
mod series;
mod tags;
mod trace;

pub use partial::PartialStatus;
pub use read::TraceAnswer;
pub use requests::{QueryInstantRequest, QueryRangeRequest, SearchRequest, SearchTagValuesRequest, SearchTagsRequest};
pub use search::{SearchMetrics, SearchResponse, ServiceStats, Span, SpanSet, TraceSearchMetadata};
pub use series::{Exemplar, InstantSeries, QueryInstantResponse, QueryRangeResponse, Sample, TimeSeries};
pub use tags::{
    MetadataMetrics, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsResponse, SearchTagsV2Response,
    SearchTagsV2Scope, TagValue,
};
pub use trace::{Batches, Trace, TraceByIdMetrics, TraceByIdResponse};

use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::model::AnyValue;

/// An attribute as the messages carry it.
#[must_use]
pub fn key_value(key: &str, value: &AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(crate::otlp::to_value(value)), ..KeyValue::default() }
}

/// Attributes as the messages carry them.
#[must_use]
pub fn key_values(pairs: &[(String, AnyValue)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| key_value(key, value)).collect()
}

//! The answer of `/api/search`.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Serialize;

use super::json::{attributes, is_zero, string_u64};

/// Traces found.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SearchResponse {
    /// Newest first.
    #[prost(message, repeated, tag = "1")]
    pub traces: Vec<TraceSearchMetadata>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SearchMetrics>,
}

/// A trace found.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceSearchMetadata {
    /// Hex digits without leading zeros.
    #[prost(string, tag = "1")]
    #[serde(rename = "traceID", skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// Service of the root span.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root_service_name: String,
    /// Name of the root span.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root_trace_name: String,
    /// Earliest start of its spans.
    #[prost(uint64, tag = "4")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub start_time_unix_nano: u64,
    /// Latest end minus earliest start.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_zero")]
    pub duration_ms: u32,
    /// The first of `span_sets`, for old clients.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_set: Option<SpanSet>,
    /// The spans that match.
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub span_sets: Vec<SpanSet>,
    /// Counts by service.
    #[prost(btree_map = "string, message", tag = "8")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub service_stats: BTreeMap<String, ServiceStats>,
}

/// A service's part in a trace.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStats {
    /// Its spans.
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub span_count: u32,
    /// Those with status error.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub error_count: u32,
}

/// Spans of one trace that belong together.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SpanSet {
    /// The first of them.
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// How many there are.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub matched: u32,
    /// What they have in common.
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attributes")]
    pub attributes: Vec<KeyValue>,
}

/// A span that matches.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// 16 hex digits.
    #[prost(string, tag = "1")]
    #[serde(rename = "spanID", skip_serializing_if = "String::is_empty")]
    pub span_id: String,
    /// Its name.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its start.
    #[prost(uint64, tag = "3")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub start_time_unix_nano: u64,
    /// End minus start.
    #[prost(uint64, tag = "4")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub duration_nanos: u64,
    /// The fields that the query names.
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attributes")]
    pub attributes: Vec<KeyValue>,
}

/// The work behind a search.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchMetrics {
    /// Traces looked at.
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub inspected_traces: u32,
    /// Bytes read.
    #[prost(uint64, tag = "2")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub inspected_bytes: u64,
    /// Segments looked at.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub total_blocks: u32,
    /// Parts of the work done.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_zero")]
    pub completed_jobs: u32,
    /// Parts of the work.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_zero")]
    pub total_jobs: u32,
    /// Bytes of the segments looked at.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub total_block_bytes: u64,
    /// Spans looked at.
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub inspected_spans: u64,
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::*;
    use crate::tempo::key_value;

    #[test]
    fn nothing_found_is_an_empty_list() {
        let response = SearchResponse { traces: Vec::new(), metrics: Some(SearchMetrics::default()) };
        assert_eq!(serde_json::to_value(&response).expect("JSON"), json!({"traces": [], "metrics": {}}));
        assert_eq!(response.encode_to_vec(), [0x12, 0]);
    }

    #[test]
    fn every_field_has_its_key_and_number() {
        let span = Span {
            span_id: "0000000000000001".into(),
            name: "GET /".into(),
            start_time_unix_nano: 10,
            duration_nanos: 20,
            attributes: vec![key_value("a", &5.into())],
        };
        let set = SpanSet { spans: vec![span], matched: 3, attributes: vec![key_value("b", &true.into())] };
        let stats = ServiceStats { span_count: 4, error_count: 1 };
        let response = SearchResponse {
            traces: vec![TraceSearchMetadata {
                trace_id: "abc".into(),
                root_service_name: "shop".into(),
                root_trace_name: "POST /".into(),
                start_time_unix_nano: 5,
                duration_ms: 6,
                span_set: Some(set.clone()),
                span_sets: vec![set],
                service_stats: BTreeMap::from([("shop".to_owned(), stats)]),
            }],
            metrics: Some(SearchMetrics {
                inspected_traces: 1,
                inspected_bytes: 2,
                total_blocks: 3,
                completed_jobs: 4,
                total_jobs: 5,
                total_block_bytes: 6,
                inspected_spans: 7,
            }),
        };
        let set = json!({
            "spans": [{
                "spanID": "0000000000000001",
                "name": "GET /",
                "startTimeUnixNano": "10",
                "durationNanos": "20",
                "attributes": [{"key": "a", "value": {"intValue": "5"}}],
            }],
            "matched": 3,
            "attributes": [{"key": "b", "value": {"boolValue": true}}],
        });
        assert_eq!(
            serde_json::to_value(&response).expect("JSON"),
            json!({
                "traces": [{
                    "traceID": "abc",
                    "rootServiceName": "shop",
                    "rootTraceName": "POST /",
                    "startTimeUnixNano": "5",
                    "durationMs": 6,
                    "spanSet": set,
                    "spanSets": [set],
                    "serviceStats": {"shop": {"spanCount": 4, "errorCount": 1}},
                }],
                "metrics": {
                    "inspectedTraces": 1,
                    "inspectedBytes": "2",
                    "totalBlocks": 3,
                    "completedJobs": 4,
                    "totalJobs": 5,
                    "totalBlockBytes": "6",
                    "inspectedSpans": "7",
                },
            })
        );
        let bytes = response.encode_to_vec();
        assert_eq!(SearchResponse::decode(bytes.as_slice()).expect("protobuf"), response);
    }
}

//! The answers of `/api/metrics/query_range` and `/api/metrics/query`: numbers over time.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Serialize;

use super::SearchMetrics;
use super::json::{attributes, double, is_zero, status_name, string_i64};

/// Series: `/api/metrics/query_range`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct QueryRangeResponse {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub series: Vec<TimeSeries>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SearchMetrics>,
    /// Whether they are all there: a [`PartialStatus`](super::PartialStatus).
    #[prost(enumeration = "super::PartialStatus", tag = "3")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "status_name")]
    pub status: i32,
    /// What is not.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A series of numbers.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct TimeSeries {
    /// What tells it from the others.
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attributes")]
    pub labels: Vec<KeyValue>,
    /// Its numbers by time.
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// Some of the spans behind it.
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exemplars: Vec<Exemplar>,
}

/// A number of an interval.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The number.
    #[prost(double, tag = "1")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "double")]
    pub value: f64,
    /// The end of the interval.
    #[prost(int64, tag = "2")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_i64")]
    pub timestamp_ms: i64,
}

/// A span that stands for others.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exemplar {
    /// What is known of it; `trace:id` is its trace.
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attributes")]
    pub labels: Vec<KeyValue>,
    /// Its value.
    #[prost(double, tag = "2")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "double")]
    pub value: f64,
    /// Its start.
    #[prost(int64, tag = "3")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_i64")]
    pub timestamp_ms: i64,
}

/// One number for each series: `/api/metrics/query`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct QueryInstantResponse {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub series: Vec<InstantSeries>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SearchMetrics>,
    /// Whether they are all there: a [`PartialStatus`](super::PartialStatus).
    #[prost(enumeration = "super::PartialStatus", tag = "3")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "status_name")]
    pub status: i32,
    /// What is not.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A series that has one number.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct InstantSeries {
    /// What tells it from the others.
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "attributes")]
    pub labels: Vec<KeyValue>,
    /// The number.
    #[prost(double, tag = "2")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "double")]
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;

    use super::*;
    use crate::model::AnyValue;
    use crate::tempo::{PartialStatus, key_value};

    fn range_response() -> QueryRangeResponse {
        let labels = [AnyValue::from("shop"), 5.into(), 0.9.into(), true.into()];
        let labels = labels.iter().zip(["a", "b", "p", "d"]).map(|(value, key)| key_value(key, value)).collect();
        let exemplar = Exemplar { labels: vec![key_value("trace:id", &"ab".into())], value: 0.25, timestamp_ms: 4 };
        let numbers = [1.5, 0.0, f64::INFINITY];
        let samples = numbers.into_iter().zip(1000..).map(|(value, timestamp_ms)| Sample { value, timestamp_ms });
        QueryRangeResponse {
            series: vec![TimeSeries { labels, samples: samples.collect(), exemplars: vec![exemplar] }],
            metrics: Some(SearchMetrics::default()),
            status: PartialStatus::Partial.into(),
            message: "cut".into(),
        }
    }

    #[test]
    fn series_have_exact_keys_and_leave_zeros_out() {
        let response = range_response();
        let expected = json!({
            "series": [{
                "labels": [
                    {"key": "a", "value": {"stringValue": "shop"}},
                    {"key": "b", "value": {"intValue": "5"}},
                    {"key": "p", "value": {"doubleValue": 0.9}},
                    {"key": "d", "value": {"boolValue": true}},
                ],
                "samples": [
                    {"value": 1.5, "timestampMs": "1000"},
                    {"timestampMs": "1001"},
                    {"value": "Infinity", "timestampMs": "1002"},
                ],
                "exemplars": [{
                    "labels": [{"key": "trace:id", "value": {"stringValue": "ab"}}], "value": 0.25, "timestampMs": "4",
                }],
            }],
            "metrics": {},
            "status": "PARTIAL",
            "message": "cut",
        });
        assert_eq!(serde_json::to_value(&response).expect("JSON"), expected);
        let bytes = response.encode_to_vec();
        assert_eq!(QueryRangeResponse::decode(bytes.as_slice()).expect("protobuf"), response);
    }

    #[test]
    fn fields_have_tempo_s_numbers() {
        let exemplar = Exemplar { labels: Vec::new(), value: 1.0, timestamp_ms: 2 };
        let one = [0x3f_u8, 0xf0].iter().rev().copied();
        let one: Vec<u8> = [0; 6].into_iter().chain(one).collect();
        let bytes = |parts: [&[u8]; 3]| parts.concat();
        assert_eq!(exemplar.encode_to_vec(), bytes([&[0x11], &one, &[0x18, 2]]));
        let sample = Sample { value: 1.0, timestamp_ms: 2 };
        assert_eq!(sample.encode_to_vec(), bytes([&[0x09], &one, &[0x10, 2]]));
        let series = TimeSeries { exemplars: vec![Exemplar::default()], ..TimeSeries::default() };
        assert_eq!(series.encode_to_vec(), [0x22, 0]);
        let instant = InstantSeries { labels: Vec::new(), value: 1.0 };
        assert_eq!(instant.encode_to_vec(), bytes([&[0x11], &one, &[]]));
    }

    #[test]
    fn instants_have_exact_keys() {
        let series = [("a", 2.0), ("b", 0.0)]
            .map(|(label, value)| InstantSeries { labels: vec![key_value(label, &1.into())], value });
        let response = QueryInstantResponse { series: series.into(), ..QueryInstantResponse::default() };
        let label = |key: &str| json!([{"key": key, "value": {"intValue": "1"}}]);
        let expected = json!({"series": [{"labels": label("a"), "value": 2.0}, {"labels": label("b")}]});
        assert_eq!(serde_json::to_value(&response).expect("JSON"), expected);
        let none = serde_json::to_value(QueryInstantResponse::default()).expect("JSON");
        assert_eq!(none, json!({"series": []}));
    }
}

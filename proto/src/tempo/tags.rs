//! The answers about attribute keys and values.

use serde::Serialize;

use super::json::{is_zero, string_u64};

/// The work behind a list.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataMetrics {
    /// Bytes read.
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub inspected_bytes: u64,
    /// Parts of the work.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub total_jobs: u32,
    /// Parts of the work done.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub completed_jobs: u32,
    /// Segments looked at.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_zero")]
    pub total_blocks: u32,
    /// Bytes of the segments looked at.
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_zero", serialize_with = "string_u64")]
    pub total_block_bytes: u64,
}

/// Attribute keys: `/api/search/tags`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchTagsResponse {
    /// The keys.
    #[prost(string, repeated, tag = "1")]
    pub tag_names: Vec<String>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetadataMetrics>,
}

/// Attribute keys by scope: `/api/v2/search/tags`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SearchTagsV2Response {
    /// The scopes that have keys.
    #[prost(message, repeated, tag = "1")]
    pub scopes: Vec<SearchTagsV2Scope>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetadataMetrics>,
}

/// The keys of one scope.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SearchTagsV2Scope {
    /// The scope's name.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its keys.
    #[prost(string, repeated, tag = "2")]
    pub tags: Vec<String>,
}

/// Values as text: `/api/search/tag/{name}/values`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchTagValuesResponse {
    /// The values.
    #[prost(string, repeated, tag = "1")]
    pub tag_values: Vec<String>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetadataMetrics>,
}

/// Values with their types: `/api/v2/search/tag/{name}/values`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchTagValuesV2Response {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub tag_values: Vec<TagValue>,
    /// The work behind them.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetadataMetrics>,
}

/// A value and how a query writes it.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub struct TagValue {
    /// `string`, `int`, `float`, `bool`, `duration` or `keyword`.
    #[prost(string, tag = "1")]
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The value.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::{Value, json};

    use super::*;

    fn json_of(message: &impl Serialize) -> Value {
        serde_json::to_value(message).expect("JSON")
    }

    #[test]
    fn lists_have_exact_keys() {
        let metrics = MetadataMetrics {
            inspected_bytes: 1,
            total_jobs: 2,
            completed_jobs: 3,
            total_blocks: 4,
            total_block_bytes: 5,
        };
        let names = SearchTagsResponse { tag_names: vec!["a".into()], metrics: Some(metrics) };
        let expected = json!({
            "inspectedBytes": "1", "totalJobs": 2, "completedJobs": 3, "totalBlocks": 4, "totalBlockBytes": "5",
        });
        assert_eq!(json_of(&names), json!({"tagNames": ["a"], "metrics": expected}));
        assert_eq!(SearchTagsResponse::decode(names.encode_to_vec().as_slice()).expect("protobuf"), names);

        let scope = SearchTagsV2Scope { name: "span".into(), tags: vec!["a".into()] };
        let scopes = SearchTagsV2Response { scopes: vec![scope], metrics: None };
        assert_eq!(json_of(&scopes), json!({"scopes": [{"name": "span", "tags": ["a"]}]}));

        let value = TagValue { kind: "int".into(), value: "5".into() };
        let values = SearchTagValuesV2Response { tag_values: vec![value], metrics: None };
        assert_eq!(json_of(&values), json!({"tagValues": [{"type": "int", "value": "5"}]}));
    }

    #[test]
    fn empty_lists_are_present() {
        assert_eq!(json_of(&SearchTagsResponse::default()), json!({"tagNames": []}));
        assert_eq!(json_of(&SearchTagsV2Response::default()), json!({"scopes": []}));
        assert_eq!(json_of(&SearchTagValuesResponse::default()), json!({"tagValues": []}));
        assert_eq!(json_of(&SearchTagValuesV2Response::default()), json!({"tagValues": []}));
    }
}

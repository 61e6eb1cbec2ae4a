//! What the calls of `tempopb.StreamingQuerier` ask. Fields of Tempo's own components among themselves are left out.

use std::collections::BTreeMap;

/// Which traces to find.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SearchRequest {
    /// Pairs of key and text, older than TraceQL.
    #[prost(btree_map = "string, string", tag = "1")]
    pub tags: BTreeMap<String, String>,
    /// Shortest duration of a trace; 0 for any.
    #[prost(uint32, tag = "2")]
    pub min_duration_ms: u32,
    /// Longest duration of a trace; 0 for any.
    #[prost(uint32, tag = "3")]
    pub max_duration_ms: u32,
    /// Most traces; 0 for the default.
    #[prost(uint32, tag = "4")]
    pub limit: u32,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "5")]
    pub start: u32,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "6")]
    pub end: u32,
    /// TraceQL.
    #[prost(string, tag = "8")]
    pub query: String,
    /// Most spans listed of each spanset; 0 for the default.
    #[prost(uint32, tag = "9")]
    pub spans_per_span_set: u32,
}

/// Which attribute keys to list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SearchTagsRequest {
    /// The name of a scope; empty for all.
    #[prost(string, tag = "1")]
    pub scope: String,
    /// TraceQL that spans satisfy.
    #[prost(string, tag = "2")]
    pub query: String,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "3")]
    pub start: u32,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "4")]
    pub end: u32,
    /// Most keys of each scope; 0 for any number.
    #[prost(uint32, tag = "5")]
    pub max_tags_per_scope: u32,
}

/// Which values to list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SearchTagValuesRequest {
    /// The attribute: a key, or a TraceQL identifier.
    #[prost(string, tag = "1")]
    pub tag_name: String,
    /// TraceQL that spans satisfy.
    #[prost(string, tag = "2")]
    pub query: String,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "4")]
    pub start: u32,
    /// Seconds since 1970 UTC; 0 for none.
    #[prost(uint32, tag = "5")]
    pub end: u32,
    /// Most values; 0 for the default.
    #[prost(uint32, tag = "6")]
    pub max_tag_values: u32,
}

/// Which series to compute.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct QueryRangeRequest {
    /// TraceQL.
    #[prost(string, tag = "1")]
    pub query: String,
    /// Nanoseconds since 1970 UTC.
    #[prost(uint64, tag = "2")]
    pub start: u64,
    /// Nanoseconds since 1970 UTC.
    #[prost(uint64, tag = "3")]
    pub end: u64,
    /// Length of an interval in nanoseconds; 0 for the default.
    #[prost(uint64, tag = "4")]
    pub step: u64,
    /// Most exemplars; 0 for the default.
    #[prost(uint32, tag = "16")]
    pub exemplars: u32,
    /// Most series; 0 for any number.
    #[prost(uint32, tag = "17")]
    pub max_series: u32,
}

/// Which numbers to compute, one for each series.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct QueryInstantRequest {
    /// TraceQL.
    #[prost(string, tag = "1")]
    pub query: String,
    /// Nanoseconds since 1970 UTC.
    #[prost(uint64, tag = "2")]
    pub start: u64,
    /// Nanoseconds since 1970 UTC.
    #[prost(uint64, tag = "3")]
    pub end: u64,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// The numbers of the fields in a message, in order.
    fn numbers(message: &impl Message) -> Vec<u32> {
        let bytes = message.encode_to_vec();
        let (mut rest, mut numbers) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (number, wire) = prost::encoding::decode_key(&mut rest).expect("a key");
            numbers.push(number);
            let context = prost::encoding::DecodeContext::default();
            prost::encoding::skip_field(wire, number, &mut rest, context).expect("a field");
        }
        numbers
    }

    #[test]
    fn fields_have_the_numbers_of_tempo() {
        let text = || "x".to_owned();
        let search = SearchRequest {
            tags: [(text(), text())].into(),
            min_duration_ms: 1,
            max_duration_ms: 1,
            limit: 1,
            start: 1,
            end: 1,
            query: text(),
            spans_per_span_set: 1,
        };
        assert_eq!(numbers(&search), [1, 2, 3, 4, 5, 6, 8, 9]);
        let tags = SearchTagsRequest { scope: text(), query: text(), start: 1, end: 1, max_tags_per_scope: 1 };
        assert_eq!(numbers(&tags), [1, 2, 3, 4, 5]);
        let values = SearchTagValuesRequest { tag_name: text(), query: text(), start: 1, end: 1, max_tag_values: 1 };
        assert_eq!(numbers(&values), [1, 2, 4, 5, 6]);
        let range = QueryRangeRequest { query: text(), start: 1, end: 1, step: 1, exemplars: 1, max_series: 1 };
        assert_eq!(numbers(&range), [1, 2, 3, 4, 16, 17]);
        assert_eq!(numbers(&QueryInstantRequest { query: text(), start: 1, end: 1 }), [1, 2, 3]);
    }
}

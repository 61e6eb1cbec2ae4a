//! A decoder as strict as the strictest client: a key too many, a key too few, a zero that should be left out, or a number that should be a
//! string fails. Written from what Tempo sends, not from what we send.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroU64};

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Checks the JSON that an address answers.
pub(super) fn check(url: &str, json: &Value) {
    let path = url.split('?').next().unwrap_or_default();
    let path = format!("/{}", path.trim_start_matches('/'));
    let fault = no_nulls(json).and_then(|()| match path.as_str() {
        "/api/search" => is::<Search>(json),
        "/api/search/tags" => is::<Names>(json),
        "/api/v2/search/tags" => is::<Scopes>(json),
        "/api/metrics/query_range" => is::<Range>(json),
        "/api/metrics/query" => is::<Instant>(json),
        "/api/v2/traces/diff" => is::<Difference>(json),
        "/api/status/buildinfo" => is::<BuildInfo>(json),
        path if path.starts_with("/api/v2/search/tag/") => is::<TypedValues>(json),
        path if path.starts_with("/api/search/tag/") => is::<Values>(json),
        path if path.starts_with("/api/v2/traces/") => is::<TraceById>(json),
        path if path.starts_with("/api/traces/") => is::<Batches>(json),
        _ => Err(format!("nobody wrote down what {path} answers")),
    });
    assert_eq!(fault, Ok(()), "{url}: {json:#}");
}

fn is<T: DeserializeOwned>(json: &Value) -> Result<(), String> {
    serde_json::from_value::<T>(json.clone()).map(drop).map_err(|error| error.to_string())
}

/// An `Option` would take null for a missing key, and nobody sends null.
fn no_nulls(json: &Value) -> Result<(), String> {
    match json {
        Value::Null => Err("a null".to_owned()),
        Value::Array(values) => values.iter().try_for_each(no_nulls),
        Value::Object(entries) => entries.values().try_for_each(no_nulls),
        _ => Ok(()),
    }
}

/// Text that is not empty.
#[derive(Debug)]
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Err(D::Error::custom("an empty text, which is left out")) } else { Ok(Self) }
    }
}

/// A 64-bit number that is not zero: a string of digits.
#[derive(Debug)]
struct Long;

impl<'de> Deserialize<'de> for Long {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<NonZeroU64>().map(|_| Self).map_err(D::Error::custom)
    }
}

/// Hex digits in small letters, as many as `N`.
#[derive(Debug)]
struct Hex<const N: usize>;

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && text.len() == N { Ok(Self) } else { Err(D::Error::custom(format!("{text:?} is no id"))) }
    }
}

/// 1 to 32 hex digits without leading zeros.
#[derive(Debug)]
struct TrimmedHex;

impl<'de> Deserialize<'de> for TrimmedHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_short = (1..=32).contains(&text.len()) && !text.starts_with('0');
        if is_hex && is_short { Ok(Self) } else { Err(D::Error::custom(format!("{text:?} is no trimmed id"))) }
    }
}

/// Bytes in base64, as many as `N`.
#[derive(Debug)]
struct Base64<const N: usize>;

impl<'de, const N: usize> Deserialize<'de> for Base64<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_base64 = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if is_base64 && text.len() == N.div_ceil(3) * 4 { Ok(Self) } else { Err(D::Error::custom("no base64")) }
    }
}

/// A double that is not zero.
#[derive(Debug)]
struct Double;

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) if number.as_f64() != Some(0.0) => Ok(Self),
            Value::String(name) if ["NaN", "Infinity", "-Infinity"].contains(&name.as_str()) => Ok(Self),
            other => Err(D::Error::custom(format!("{other} is no double, or a zero, which is left out"))),
        }
    }
}

/// A list that is not empty.
#[derive(Debug)]
struct Some1<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Some1<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_empty = Vec::<T>::deserialize(deserializer)?.is_empty();
        if is_empty { Err(D::Error::custom("an empty list, which is left out")) } else { Ok(Self(PhantomData)) }
    }
}

/// Declares objects: all keys are known, and a key without `Option` is always there.
macro_rules! objects {
    ($($name:ident { $($(#[$attribute:meta])* $key:ident: $kind:ty,)* })*) => {$(
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        #[expect(dead_code, reason = "that it can be read is all")]
        struct $name { $($(#[$attribute])* $key: $kind,)* }
    )*};
}

objects! {
    Search {
        traces: Vec<Found>,
        metrics: SearchMetrics,
    }

    Found {
                #[serde(rename = "traceID")] trace_id: TrimmedHex,
        root_service_name: Option<Text>,
        root_trace_name: Option<Text>,
        start_time_unix_nano: Option<Long>,
        duration_ms: Option<NonZeroU32>,
        span_set: SpanSet,
        span_sets: Some1<SpanSet>,
        service_stats: BTreeMap<String, ServiceStats>,
    }

    SpanSet {
        spans: Some1<FoundSpan>,
        matched: NonZeroU32,
        attributes: Option<Some1<KeyValue>>,
    }

    FoundSpan {
        #[serde(rename = "spanID")] span_id: Hex<16>,
        name: Option<Text>,
        start_time_unix_nano: Option<Long>,
        duration_nanos: Option<Long>,
        attributes: Option<Some1<KeyValue>>,
    }

    ServiceStats {
        span_count: NonZeroU32,
        error_count: Option<NonZeroU32>,
    }

    // The keys that clients of 2025 know; newer ones break them.
    SearchMetrics {
        inspected_traces: Option<NonZeroU32>,
        inspected_bytes: Option<Long>,
        total_blocks: Option<NonZeroU32>,
        completed_jobs: Option<NonZeroU32>,
        total_jobs: Option<NonZeroU32>,
        total_block_bytes: Option<Long>,
        inspected_spans: Option<Long>,
    }

    MetadataMetrics {
        inspected_bytes: Option<Long>,
        total_jobs: Option<NonZeroU32>,
        completed_jobs: Option<NonZeroU32>,
        total_blocks: Option<NonZeroU32>,
        total_block_bytes: Option<Long>,
    }

    Names { tag_names: Vec<Text>, metrics: MetadataMetrics, }
    Scopes { scopes: Vec<Scope>, metrics: MetadataMetrics, }
    Scope { name: Text, tags: Some1<Text>, }
    Values { tag_values: Vec<String>, metrics: MetadataMetrics, }
    TypedValues { tag_values: Vec<TypedValue>, metrics: MetadataMetrics, }
    TypedValue { #[serde(rename = "type")] kind: Type, value: Option<Text>, }

    Range {
        series: Vec<Series>,
        metrics: SearchMetrics,
        status: Option<Partial>,
        message: Option<Text>,
    }

    Series {
        labels: Some1<KeyValue>,
        samples: Option<Some1<Sample>>,
        exemplars: Option<Some1<Exemplar>>,
    }

    Sample { value: Option<Double>, timestamp_ms: Long, }
    Exemplar { labels: Some1<KeyValue>, value: Option<Double>, timestamp_ms: Long, }

    Instant {
        series: Vec<InstantSeries>,
        metrics: SearchMetrics,
        status: Option<Partial>,
        message: Option<Text>,
    }

    InstantSeries { labels: Some1<KeyValue>, value: Option<Double>, }

    BuildInfo {
        version: String,
        revision: String,
        branch: String,
        build_user: String,
        build_date: String,
        go_version: String,
    }

    Difference {
        format: String,
        base: WholeTrace,
        compare: WholeTrace,
        counts: Counts,
        operations: Option<Vec<Operation>>,
        patch: Option<Vec<Step>>,
    }

    WholeTrace {
        trace_id: Hex<32>,
        start_unix_nano: Long,
        duration_ms: f64,
        span_count: u32,
        error_count: u32,
    }

    Counts { added: u32, removed: u32, changed: u32, same: u32, }
    Operation { service: String, name: String, kind: String, base: Total, compare: Total, }
    Total { span_count: u32, error_count: u32, duration_ms: f64, self_ms: f64, }

    Step {
        op: String,
        service: String,
        name: String,
        kind: String,
        base: Option<ComparedSpan>,
        compare: Option<ComparedSpan>,
        changed: Option<Some1<Text>>,
        attributes: Option<BTreeMap<String, Value>>,
    }

    ComparedSpan {
        id: Text,
        parent: Option<Text>,
        start_ms: f64,
        duration_ms: f64,
        self_ms: f64,
        status: Text,
        status_message: Option<Text>,
    }

    Batches { batches: Vec<ResourceSpans>, }

    TraceById {
        trace: Trace,
        metrics: TraceMetrics,
        status: Option<Partial>,
        message: Option<Text>,
    }

    TraceMetrics { inspected_bytes: Option<Long>, }
    Trace { resource_spans: Option<Some1<ResourceSpans>>, }

    ResourceSpans {
        resource: Resource,
        scope_spans: Some1<ScopeSpans>,
        schema_url: Option<Text>,
    }

    Resource {
        attributes: Option<Some1<KeyValue>>,
        dropped_attributes_count: Option<NonZeroU32>,
    }

    ScopeSpans {
        scope: Scope2,
        spans: Some1<Span>,
        schema_url: Option<Text>,
    }

    Scope2 {
        name: Option<Text>,
        version: Option<Text>,
        attributes: Option<Some1<KeyValue>>,
        dropped_attributes_count: Option<NonZeroU32>,
    }

    Span {
        trace_id: Base64<16>,
        span_id: Base64<8>,
        trace_state: Option<Text>,
        parent_span_id: Option<Base64<8>>,
        flags: Option<NonZeroU32>,
        name: Option<Text>,
        kind: Option<Kind>,
        start_time_unix_nano: Option<Long>,
        end_time_unix_nano: Option<Long>,
        attributes: Option<Some1<KeyValue>>,
        dropped_attributes_count: Option<NonZeroU32>,
        events: Option<Some1<Event>>,
        dropped_events_count: Option<NonZeroU32>,
        links: Option<Some1<Link>>,
        dropped_links_count: Option<NonZeroU32>,
        status: Status,
    }

    Event {
        time_unix_nano: Option<Long>,
        name: Option<Text>,
        attributes: Option<Some1<KeyValue>>,
        dropped_attributes_count: Option<NonZeroU32>,
    }

    Link {
        trace_id: Base64<16>,
        span_id: Base64<8>,
        trace_state: Option<Text>,
        attributes: Option<Some1<KeyValue>>,
        dropped_attributes_count: Option<NonZeroU32>,
        flags: Option<NonZeroU32>,
    }

    Status { message: Option<Text>, code: Option<Code>, }
    KeyValue { key: Option<Text>, value: AnyValue, }
    List { values: Option<Some1<AnyValue>>, }
    Map { values: Option<Some1<KeyValue>>, }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Int,
    Float,
    Bool,
    Keyword,
}

#[derive(Debug, Deserialize)]
enum Partial {
    #[serde(rename = "PARTIAL")]
    Partial,
}

#[derive(Debug, Deserialize)]
enum Kind {
    #[serde(rename = "SPAN_KIND_INTERNAL")]
    Internal,
    #[serde(rename = "SPAN_KIND_SERVER")]
    Server,
    #[serde(rename = "SPAN_KIND_CLIENT")]
    Client,
    #[serde(rename = "SPAN_KIND_PRODUCER")]
    Producer,
    #[serde(rename = "SPAN_KIND_CONSUMER")]
    Consumer,
}

#[derive(Debug, Deserialize)]
enum Code {
    #[serde(rename = "STATUS_CODE_OK")]
    Ok,
    #[serde(rename = "STATUS_CODE_ERROR")]
    Error,
}

/// One key at most. Unlike elsewhere a zero is written: it is the value.
#[derive(Debug)]
struct AnyValue;

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<String, Value>::deserialize(deserializer)?;
        if entries.len() > 1 {
            return Err(D::Error::custom("more than one value"));
        }
        for (key, value) in entries {
            let is_right = match key.as_str() {
                "stringValue" | "bytesValue" => value.is_string(),
                "boolValue" => value.is_boolean(),
                "intValue" => value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
                "doubleValue" => value.is_number() || is::<Double>(&value).is_ok(),
                "arrayValue" => is::<List>(&value).is_ok(),
                "kvlistValue" => is::<Map>(&value).is_ok(),
                _ => false,
            };
            if !is_right {
                return Err(D::Error::custom(format!("{key} is no value: {value}")));
            }
        }
        Ok(Self)
    }
}

#[test]
fn the_decoder_is_strict() {
    let fine = serde_json::json!({"traces": [], "metrics": {"totalJobs": 1, "inspectedBytes": "5"}});
    check("/api/search?q=x", &fine);
    for (key, value) in [
        ("metrics", serde_json::json!({"totalJobs": 0})),
        ("metrics", serde_json::json!({"totalJobs": "1"})),
        ("metrics", serde_json::json!({"inspectedBytes": 5})),
        ("metrics", serde_json::json!({"backendReads": "5"})),
        ("metrics", Value::Null),
        ("traces", serde_json::json!({})),
        ("traces", serde_json::json!([{}])),
        ("more", serde_json::json!(1)),
    ] {
        let mut wrong = fine.clone();
        wrong[key] = value;
        let found = std::panic::catch_unwind(|| check("/api/search", &wrong));
        assert!(found.is_err(), "{wrong}");
    }
}

//! A snapshot as protobuf, with native histograms: Prometheus' `io.prometheus.client.MetricFamily`, each after its length.
//!
//! The stored buckets are those of schema 3, so native histograms are exact.

use prost::Message;

use super::{Exemplar, Exported, Snapshot};
use crate::prom::family::{FAMILIES, Family, Sample, bounds, seconds};
use crate::prom::labels::Labels;
use crate::prom::native::Native;

/// The type of the message.
pub(super) const KIND: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    /// 0 is a counter, 4 a histogram.
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Counter {
    /// A pointer on the other side: it must be there also when it is 0.
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "2")]
    exemplar: Option<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarMessage {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<ClassicBucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ClassicBucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// The whole message.
pub(super) fn write(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    for family in &FAMILIES {
        let of_table = snapshot.series.iter().filter(|series| series.table == family.table);
        let metric: Vec<Metric> = of_table.filter_map(|series| metric(family, series)).collect();
        if !metric.is_empty() {
            let kind = if family.is_histogram() { 4 } else { 0 };
            let message = MetricFamily { name: family.name.to_owned(), help: family.help.to_owned(), kind, metric };
            out.extend(message.encode_length_delimited_to_vec());
        }
    }
    out
}

fn metric(family: &Family, series: &Exported) -> Option<Metric> {
    let label = pairs(&series.labels);
    if family.is_histogram() {
        return Some(Metric { label, counter: None, histogram: Some(histogram(family, series)?) });
    }
    let value = Some(family.value(Sample::Total, &series.numbers()));
    let exemplar = series.exemplars.first().map(exemplar);
    Some(Metric { label, counter: Some(Counter { value, exemplar }), histogram: None })
}

fn histogram(family: &Family, series: &Exported) -> Option<Histogram> {
    let numbers = series.numbers();
    let durations = family.durations(&numbers);
    let native = Native::of(durations).filter(|native| native.count > 0)?;
    let mut above = 0.0;
    let bucket = bounds().map(|bound| {
        let end = bound.longest_seconds();
        let is_within = |exemplar: &&Exemplar| exemplar.seconds > above && exemplar.seconds <= end;
        let exemplar = series.exemplars.iter().find(is_within).map(exemplar);
        above = end;
        let cumulative_count = u64::try_from(durations.up_to(bound)).unwrap_or_default();
        ClassicBucket { cumulative_count, upper_bound: end, exemplar }
    });
    Some(Histogram {
        bucket: bucket.collect(),
        sample_count: native.count,
        sample_sum: seconds(durations),
        schema: Some(Native::SCHEMA),
        zero_threshold: Some(Native::ZERO_THRESHOLD),
        zero_count: Some(native.zero_count),
        positive_span: native
            .spans
            .iter()
            .map(|(offset, length)| BucketSpan { offset: *offset, length: *length })
            .collect(),
        positive_delta: native.deltas,
        exemplars: series.exemplars.iter().map(exemplar).collect(),
    })
}

fn pairs(labels: &Labels) -> Vec<LabelPair> {
    labels.iter().map(|(name, value)| LabelPair { name: name.to_owned(), value: value.to_owned() }).collect()
}

fn exemplar(of: &Exemplar) -> ExemplarMessage {
    let label = |name: &str, value: &str| LabelPair { name: name.to_owned(), value: value.to_owned() };
    let second = i64::try_from(of.time / 1_000_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(of.time % 1_000_000_000).unwrap_or_default();
    ExemplarMessage {
        label: vec![label("trace_id", &of.trace_id), label("span_id", &of.span_id)],
        value: of.seconds,
        timestamp: Some(Timestamp { seconds: second, nanos }),
    }
}

//! The messages of remote write, by the field numbers of `prometheus.WriteRequest` (1.0) and `io.prometheus.write.v2.Request` (2.0).

use std::collections::HashMap;

use hoptrail_query::prom::Native;
use hoptrail_query::prom::export::Exemplar;
use prost::Message;

use super::config::Version;
use super::samples::{Value, Written, millis};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request1 {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<Series1>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Series1 {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) exemplars: Vec<Exemplar1>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar1 {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

/// The same in both versions.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    /// One of two kinds of counts: it is written also when it is 0.
    #[prost(uint64, optional, tag = "1")]
    pub(super) count: Option<u64>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(super) zero_count: Option<u64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<Run>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Run {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request2 {
    /// Each text once; the first one is empty.
    #[prost(string, repeated, tag = "4")]
    pub(super) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) timeseries: Vec<Series2>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Series2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(super) exemplars: Vec<Exemplar2>,
    #[prost(message, optional, tag = "5")]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    /// 1 is a counter, 3 a histogram.
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(uint32, tag = "3")]
    pub(super) help: u32,
}

/// When a snapshot was made, and a time before it and after the last one, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) now: i64,
    pub(super) before: i64,
}

/// A request with these series, not yet compressed.
pub(super) fn request(version: Version, series: &[Written<'_>], moments: Moments) -> Vec<u8> {
    match version {
        Version::One => {
            let timeseries = series.iter().map(|one| series1(one, moments)).collect();
            Request1 { timeseries }.encode_to_vec()
        }
        Version::Two => {
            let mut symbols = Symbols::default();
            symbols.code("");
            let timeseries = series.iter().map(|one| series2(one, moments, &mut symbols)).collect();
            Request2 { symbols: symbols.all, timeseries }.encode_to_vec()
        }
    }
}

/// The texts of a request.
#[derive(Default)]
struct Symbols {
    all: Vec<String>,
    codes: HashMap<String, u32>,
}

impl Symbols {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        // A request has a few thousand texts.
        let code = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(text.to_owned());
        self.codes.insert(text.to_owned(), code);
        code
    }
}

fn series1(one: &Written<'_>, moments: Moments) -> Series1 {
    let label = |(name, value): (&str, &str)| Label { name: name.to_owned(), value: value.to_owned() };
    let exemplar =
        |of: &&Exemplar| Exemplar1 { labels: ids(of).map(label).into(), value: of.seconds, timestamp: millis(of.time) };
    let (samples, histograms) = values(one, moments);
    Series1 {
        labels: one.labels.iter().map(label).collect(),
        samples,
        exemplars: one.exemplars.iter().map(exemplar).collect(),
        histograms,
    }
}

fn series2(one: &Written<'_>, moments: Moments, symbols: &mut Symbols) -> Series2 {
    let labels = one.labels.iter().flat_map(|(name, value)| [symbols.code(name), symbols.code(value)]).collect();
    let mut exemplars = Vec::new();
    for of in &one.exemplars {
        let labels = ids(of).iter().flat_map(|(name, value)| [symbols.code(name), symbols.code(value)]).collect();
        exemplars.push(Exemplar2 { labels, value: of.seconds, timestamp: millis(of.time) });
    }
    let kind = if one.family.is_histogram() { 3 } else { 1 };
    let metadata = Some(Metadata { kind, help: symbols.code(one.family.help) });
    let (samples, histograms) = values(one, moments);
    Series2 { labels, samples, histograms, exemplars, metadata }
}

fn ids(exemplar: &Exemplar) -> [(&str, &str); 2] {
    [("span_id", &exemplar.span_id), ("trace_id", &exemplar.trace_id)]
}

/// What the series had one interval earlier, when that was not written then, and what it has now.
fn values(one: &Written<'_>, moments: Moments) -> (Vec<Sample>, Vec<Histogram>) {
    let before = one.before.as_ref().filter(|_| moments.before < moments.now);
    let both = before.map(|value| (value, moments.before)).into_iter().chain([(&one.value, moments.now)]);
    let (mut samples, mut histograms) = (Vec::new(), Vec::new());
    for (value, time) in both {
        match value {
            Value::Number(value) => samples.push(Sample { value: *value, timestamp: time }),
            Value::Native(native, sum) => histograms.push(histogram(native, *sum, time)),
        }
    }
    (samples, histograms)
}

fn histogram(native: &Native, sum: f64, timestamp: i64) -> Histogram {
    Histogram {
        count: Some(native.count),
        sum,
        schema: Native::SCHEMA,
        zero_threshold: Native::ZERO_THRESHOLD,
        zero_count: Some(native.zero_count),
        positive_spans: native.spans.iter().map(|(offset, length)| Run { offset: *offset, length: *length }).collect(),
        positive_deltas: native.deltas.clone(),
        timestamp,
    }
}

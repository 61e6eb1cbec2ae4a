//! The data, made from a seed. Pure: the same shape and number give the same trace at any time, so nothing has to be remembered of
//! a trace but its number.

mod batches;
mod demo;
mod shop;
mod tree;
mod wide;
mod words;

pub(crate) use batches::{Batch, Batches};
pub(crate) use tree::{Node, tree};

use hoptrail_proto::otlp::types::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use hoptrail_proto::otlp::types::resource::v1::Resource;
use hoptrail_proto::otlp::types::trace::v1::Span as OtlpSpan;
use hoptrail_proto::otlp::types::trace::v1::status::StatusCode;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// What chance is taken from.
pub(crate) type Dice = Xoshiro256PlusPlus;

/// Spans in a trace, on average, where traces are ordinary.
const AVERAGE: u64 = 19;
/// Spans in a deep trace.
const DEEP: u64 = 100_000;
/// Nanoseconds over which traces begin.
const SPREAD: u64 = 30 * MINUTE;
const MINUTE: u64 = 60 * 1_000_000_000;
/// In how many slots of time late spans arrive, and in how many of them each trace.
const SLOTS: u64 = 20;
const SLOTS_OF_A_TRACE: u64 = 10;
/// An hour for the slots of a trace.
const SLOT: u64 = 60 * MINUTE / SLOTS_OF_A_TRACE;

/// Kinds of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// 12 services, 16 attributes, high cardinalities: the ordinary data.
    Shop,
    /// The OpenTelemetry demo: 17 services, 134 attribute keys, small traces.
    OtelDemo,
    /// 2,000 attribute keys, and some spans with keys from anywhere.
    Wide,
    /// The shop with 100,000 spans in a trace.
    Deep,
    /// The shop with traces whose spans arrive over an hour.
    Late,
    /// The shop with a value of 1 MB in each span; a thousandth of the spans.
    Big,
}

impl Kind {
    /// As written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::OtelDemo => "otel-demo",
            Self::Wide => "wide",
            Self::Deep => "deep",
            Self::Late => "late",
            Self::Big => "big",
        }
    }
}

/// Which data to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What it looks like.
    pub(crate) kind: Kind,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// Spans wanted; whole traces are made until there are that many.
    pub(crate) spans: u64,
    /// Nanoseconds since 1970 at which the last traces begin.
    pub(crate) end_unix_nano: u64,
}

/// A trace before it is spread over requests.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// Its id.
    pub(crate) id: u128,
    /// Its spans, each after its parent.
    pub(crate) spans: Vec<Span>,
}

/// A span with what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// As exported.
    pub(crate) otlp: OtlpSpan,
    /// Index of its resource. Each resource sends requests of its own.
    pub(crate) resource: usize,
    /// Slot of time in which it arrives; 0 unless spans are late.
    pub(crate) slot: usize,
    /// The questions to which it belongs.
    pub(crate) marks: Vec<Mark>,
}

impl Span {
    /// Whether its status is an error.
    pub(crate) fn has_failed(&self) -> bool {
        self.otlp.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
    }
}

/// What questions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// A value that few spans have.
    Rare,
    /// Failures of a service.
    Failed,
    /// Slow spans of a name.
    Slow,
    /// A regular expression over an attribute of many values.
    Regex,
    /// One that begins with a text.
    Beginning,
    /// Failures of a service somewhere below another one.
    Below,
    /// Many failures in one trace.
    ManyFailed,
}

/// A question, and the property of all spans that belong to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// What it is about.
    pub(crate) topic: Topic,
    /// Which of the questions about it.
    pub(crate) value: u64,
}

impl Trace {
    fn of(id: u128, mut spans: Vec<Span>) -> Self {
        spans.iter_mut().for_each(|span| span.otlp.trace_id = id.to_be_bytes().to_vec());
        Self { id, spans }
    }

    /// The earliest start of its spans.
    #[must_use]
    pub(crate) fn start(&self) -> u64 {
        self.spans.iter().map(|span| span.otlp.start_time_unix_nano).min().unwrap_or_default()
    }
}

impl Shape {
    /// The trace with this number.
    #[must_use]
    pub(crate) fn trace(&self, number: u64) -> Trace {
        let (mut dice, id, start) = self.begin(number);
        let spans = match self.kind {
            Kind::Shop => shop::spans(&mut dice, ordinary(start)),
            Kind::Deep => return self.large_trace(number, self.spans_of_a_trace() as usize),
            Kind::Big => shop::with_documents(&mut dice, ordinary(start)),
            Kind::Late => {
                let mut spans = shop::spans(&mut dice, |dice| tree::long(dice, start, SLOT * SLOTS_OF_A_TRACE));
                spans.iter_mut().for_each(|span| span.slot = self.slot(span.otlp.start_time_unix_nano));
                spans
            }
            Kind::OtelDemo => demo::spans(&mut dice, start),
            Kind::Wide => wide::spans(&mut dice, ordinary(start)),
        };
        Trace::of(id, spans)
    }

    /// The trace with this number, of so many spans of the shop.
    #[must_use]
    pub(crate) fn large_trace(&self, number: u64, count: usize) -> Trace {
        let (mut dice, id, start) = self.begin(number);
        Trace::of(id, shop::spans(&mut dice, move |dice| tree(dice, count, start, 10 * MINUTE)))
    }

    /// What chance gives a trace first: its id, and when it starts.
    fn begin(&self, number: u64) -> (Dice, u128, u64) {
        let mut dice = Dice::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let id = dice.random::<u128>() | 1;
        let start = self.start(number) + dice.random_range(0..1_000_000);
        (dice, id, start)
    }

    /// The slot of time in which a late span arrives that begins at `start`.
    fn slot(&self, start: u64) -> usize {
        let first = self.end_unix_nano - SLOT * SLOTS;
        (start.saturating_sub(first) / SLOT).min(SLOTS - 1) as usize
    }

    /// The traces from this number on, oldest first.
    pub(crate) fn traces_from(self, number: u64) -> impl Iterator<Item = Trace> {
        (number..).map(move |number| self.trace(number))
    }

    /// Spans in a trace, on average.
    #[must_use]
    pub(crate) fn spans_of_a_trace(&self) -> u64 {
        match self.kind {
            // Short forms of the bench have several traces, too.
            Kind::Deep => DEEP.min(self.spans / 4).max(100),
            Kind::OtelDemo => demo::spans_of_a_trace(),
            _ => AVERAGE,
        }
    }

    /// Bytes of a trace, about.
    #[must_use]
    pub(crate) fn bytes_of_a_trace(&self) -> u64 {
        let of_a_span = if self.kind == Kind::Big { shop::DOCUMENT as u64 } else { 600 };
        self.spans_of_a_trace() * of_a_span
    }

    /// When the trace with this number begins, about.
    fn start(&self, number: u64) -> u64 {
        let expected = (self.spans as f64 / self.spans_of_a_trace() as f64).max(1.0);
        let share = (number as f64 / expected).min(1.0);
        match self.kind {
            Kind::Late => {
                let spread = SLOT * (SLOTS - SLOTS_OF_A_TRACE);
                self.end_unix_nano - SLOT * SLOTS + (share * (spread - MINUTE) as f64) as u64
            }
            _ => self.end_unix_nano - SPREAD + (share * SPREAD as f64) as u64,
        }
    }

    /// How many resources there are.
    #[must_use]
    pub(crate) fn resources(&self) -> usize {
        match self.kind {
            Kind::OtelDemo => demo::resources(),
            Kind::Wide => wide::RESOURCES,
            _ => shop::RESOURCES,
        }
    }

    /// The resource with this index, and the scope of its spans.
    #[must_use]
    pub(crate) fn resource(&self, index: usize) -> (Resource, InstrumentationScope) {
        match self.kind {
            Kind::OtelDemo => demo::resource(index),
            Kind::Wide => wide::resource(index),
            _ => shop::resource(index),
        }
    }

    /// The service of the resource with this index.
    #[must_use]
    pub(crate) fn service(&self, resource: usize) -> String {
        let attributes = self.resource(resource).0.attributes;
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        match name.and_then(|name| name.value?.value) {
            Some(Value::StringValue(name)) => name,
            _ => String::new(),
        }
    }

    /// TraceQL for the spans with this mark.
    #[must_use]
    pub(crate) fn query(&self, mark: Mark) -> String {
        match self.kind {
            Kind::OtelDemo => demo::query(mark),
            Kind::Wide => wide::query(mark),
            _ => shop::query(mark),
        }
    }

    /// TraceQL for values that no span has; each number gives another.
    #[must_use]
    pub(crate) fn absent(&self, number: usize) -> String {
        match self.kind {
            Kind::OtelDemo => demo::absent(number),
            Kind::Wide => wide::absent(number),
            _ => shop::absent(number),
        }
    }

    /// TraceQL for values that no span has, which only reading all that there are can tell.
    #[must_use]
    pub(crate) fn absent_regex(&self, number: usize) -> String {
        match self.kind {
            Kind::OtelDemo => demo::absent_regex(number),
            Kind::Wide => wide::absent_regex(number),
            _ => shop::absent_regex(number),
        }
    }
}

/// A tree of 5 to 34 spans that lasts at most two seconds.
fn ordinary(start: u64) -> impl FnOnce(&mut Dice) -> Vec<Node> {
    move |dice| {
        let count = dice.random_range(5..=34);
        tree(dice, count, start, 2_000_000_000)
    }
}

fn text(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: impl Into<String>, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn shape(kind: Kind, spans: u64) -> Shape {
        Shape { kind, seed: 7, spans, end_unix_nano: 1_800_000_000_000_000_000 }
    }

    fn some(kind: Kind, spans: u64) -> Vec<Trace> {
        let mut made = 0;
        let enough = |trace: &Trace| {
            let more = made < spans;
            made += trace.spans.len() as u64;
            more
        };
        shape(kind, spans).traces_from(0).take_while(enough).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_traces() {
        for kind in [Kind::Shop, Kind::OtelDemo, Kind::Wide, Kind::Late] {
            let shape = shape(kind, 20_000);
            let spans = |trace: Trace| trace.spans.into_iter().map(|span| span.otlp).collect::<Vec<_>>();
            assert_eq!(spans(shape.trace(12)), spans(shape.trace(12)));
            assert_ne!(shape.trace(12).id, shape.trace(13).id);
            assert_ne!(shape.trace(12).id, Shape { seed: 8, ..shape }.trace(12).id);
        }
    }

    #[test]
    fn traces_of_the_shop_have_the_promised_sizes_and_times() {
        let traces = some(Kind::Shop, 20_000);
        let spans: Vec<&Span> = traces.iter().flat_map(|trace| &trace.spans).collect();
        assert!(traces.iter().all(|trace| (5..=34).contains(&trace.spans.len())));
        let average = spans.len() as f64 / traces.len() as f64;
        assert!((18.5..20.5).contains(&average), "{average} spans in a trace");
        let failed = |span: &&&Span| span.marks.iter().any(|mark| mark.topic == Topic::Failed);
        let errors = spans.iter().filter(failed).count();
        assert!((300..500).contains(&errors), "{errors} errors");
        let (first, last) = (traces[0].start(), traces[traces.len() - 1].start());
        assert!(last - first > SPREAD / 10 * 9, "{} s between the first and the last", (last - first) / 1_000_000_000);
    }

    #[test]
    fn wide_data_has_two_thousand_keys() {
        let traces = some(Kind::Wide, 40_000);
        let spans = traces.iter().flat_map(|trace| &trace.spans);
        let keys: BTreeSet<&str> =
            spans.flat_map(|span| &span.otlp.attributes).map(|attribute| attribute.key.as_str()).collect();
        assert!((1_990..=2_010).contains(&keys.len()), "{} keys", keys.len());
    }

    #[test]
    fn late_spans_arrive_over_an_hour_and_when_they_begin() {
        let shape = shape(Kind::Late, 20_000);
        let slots = |trace: &Trace| trace.spans.iter().map(|span| span.slot).collect::<BTreeSet<_>>();
        for trace in shape.traces_from(0).take(50) {
            let (first, last) = (slots(&trace).first().copied(), slots(&trace).last().copied());
            assert!(last.unwrap_or(0) - first.unwrap_or(0) <= SLOTS_OF_A_TRACE as usize);
            assert!(trace.spans.iter().all(|span| span.otlp.start_time_unix_nano <= shape.end_unix_nano));
        }
        let all: BTreeSet<usize> = some(Kind::Late, 20_000).iter().flat_map(slots).collect();
        assert_eq!(all.len(), SLOTS as usize);
    }

    #[test]
    fn deep_traces_are_deep_and_big_values_are_big() {
        assert_eq!(shape(Kind::Deep, 2_000_000).trace(3).spans.len(), 100_000);
        let trace = shape(Kind::Big, 100).trace(0);
        let bytes = prost::Message::encoded_len(&trace.spans[0].otlp);
        assert!((1_000_000..1_100_000).contains(&bytes), "{bytes}");
    }
}

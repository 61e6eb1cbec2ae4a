//! Numbers over time, written directly from the rules of [`MetricsRequest`].

use std::collections::{BTreeMap, BTreeSet};

use hoptrail_proto::model::{AnyValue, Attribute, SpanId, TraceId, TraceSpan, sampling};

use super::all_attributes;
use super::compare::{SortKey, real_number, whole_number};
use super::evaluate::Subject;
use super::pipeline::{spansets, union};
use super::whole::WholeTrace;
use crate::series::{Exemplar, MetricsAnswer, MetricsFunction, MetricsRequest, Series, SeriesPart};
use crate::{AttributeScope, Expr, Field, Filter, Intrinsic, QueryContext, ReadError, TimeRange, Value};

/// The intrinsics that are compared.
const COMPARED: [Intrinsic; 6] = [
    Intrinsic::Name,
    Intrinsic::Kind,
    Intrinsic::Status,
    Intrinsic::StatusMessage,
    Intrinsic::RootName,
    Intrinsic::RootService,
];

/// Collects the spans that count.
pub(super) struct Metrics<'r> {
    request: &'r MetricsRequest,
    series: BTreeMap<SeriesKey, Collected>,
    answer: MetricsAnswer,
}

/// What tells series apart, in the order in which exemplars are shared out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey {
    group: Vec<Option<SortKey>>,
    /// The bucket.
    bucket: Option<SortKey>,
    /// The field that is compared, its value unless it is about all, and whether it is of the selection.
    compared: Option<(Field, Option<SortKey>, bool)>,
}

/// The spans of a series.
struct Collected {
    group: Vec<Option<Value>>,
    part: SeriesPart,
    /// By interval.
    samples: Vec<Vec<Sample>>,
}

/// A span in a series.
#[derive(Debug, Clone)]
struct Sample {
    value: f64,
    weight: f64,
    start: u64,
    trace_id: TraceId,
    span_id: SpanId,
}

impl<'r> Metrics<'r> {
    pub(super) fn new(request: &'r MetricsRequest) -> Self {
        Self { request, series: BTreeMap::new(), answer: MetricsAnswer::default() }
    }

    /// Adds the spans of a trace.
    pub(super) fn add(&mut self, spans: &[TraceSpan], context: &QueryContext) -> Result<(), ReadError> {
        let trace = &WholeTrace::new(spans);
        self.answer.inspected.traces += 1;
        self.answer.inspected.spans += spans.len() as u64;
        for span in union(&spansets(trace, &self.request.spans, context)?) {
            context.check()?;
            let subject = Subject::new(trace, span);
            if let Some(interval) = self.request.steps.interval(subject.span().span.start_unix_nano) {
                self.add_span(subject, interval);
            }
        }
        Ok(())
    }

    fn add_span(&mut self, subject: Subject<'_>, interval: usize) {
        let span = &subject.span().span;
        let sampled = self.request.weighted.then(|| sampling::weight(&span.trace_state, span.trace_id));
        self.answer.unweighted += u64::from(sampled == Some(None));
        let mut sample = Sample {
            value: f64::NAN,
            weight: sampled.flatten().unwrap_or(1.0),
            start: span.start_unix_nano,
            trace_id: span.trace_id,
            span_id: span.span_id,
        };
        let group: Vec<Option<Value>> = self.request.by.iter().map(|by| subject.computed(by)).collect();
        match &self.request.function {
            MetricsFunction::Count => self.put(group, SeriesPart::Whole, interval, sample),
            MetricsFunction::Compare { selection, range, .. } => {
                for part in compared(subject, selection, *range) {
                    self.put(Vec::new(), part, interval, sample.clone());
                }
            }
            MetricsFunction::Min(argument)
            | MetricsFunction::Max(argument)
            | MetricsFunction::Avg(argument)
            | MetricsFunction::Sum(argument)
            | MetricsFunction::Quantiles(argument, _)
            | MetricsFunction::Histogram(argument) => {
                let Some((value, bucket)) = number(subject, argument) else { return };
                let is_histogram = matches!(self.request.function, MetricsFunction::Histogram(_));
                let part = if is_histogram { SeriesPart::Bucket(bucket) } else { SeriesPart::Whole };
                sample.value = value;
                self.put(group, part, interval, sample);
            }
        }
    }

    fn put(&mut self, group: Vec<Option<Value>>, part: SeriesPart, interval: usize, sample: Sample) {
        let count = self.request.steps.count;
        let series = self.series.entry(SeriesKey::of(&group, &part)).or_insert_with(|| Collected {
            group,
            part,
            samples: vec![Vec::new(); count],
        });
        series.samples[interval].push(sample);
    }

    pub(super) fn finish(mut self) -> MetricsAnswer {
        let mut exemplars_left = self.request.exemplars;
        if let MetricsFunction::Compare { top, .. } = self.request.function {
            self.keep_frequent(top);
            exemplars_left = 0;
        }
        let shares = shares(exemplars_left, self.series.len());
        for (series, share) in self.series.into_values().zip(shares) {
            let Collected { group, part, samples } = series;
            let exemplars = exemplars(&samples, share);
            let values = |of: &dyn Fn(&[Sample]) -> f64| samples.iter().map(|some| of(some)).collect();
            if let MetricsFunction::Quantiles(_, quantiles) = &self.request.function {
                for (number, quantile) in quantiles.iter().enumerate() {
                    self.answer.series.push(Series {
                        group: group.clone(),
                        part: SeriesPart::Quantile(*quantile),
                        values: values(&|some| quantile_of(some, *quantile)),
                        exemplars: if number == 0 { exemplars.clone() } else { Vec::new() },
                    });
                }
            } else {
                let values = values(&|some| value_of(some, &self.request.function));
                self.answer.series.push(Series { group, part, values, exemplars });
            }
        }
        self.answer
    }

    /// Leaves the values that are among the most frequent ones of their field, in the selection or among the others.
    fn keep_frequent(&mut self, top: usize) {
        let mut by_side: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, series) in &self.series {
            if let Some((field, Some(value), selected)) = &key.compared {
                let count = sum(series.samples.iter().flatten().map(|sample| sample.weight));
                by_side.entry((field, selected)).or_default().push((count, value));
            }
        }
        let mut kept = BTreeSet::new();
        for ((field, _), mut values) in by_side {
            // They stand in the order of values, which decides among equal counts.
            values.sort_by(|(one, _), (other, _)| other.total_cmp(one));
            kept.extend(values.into_iter().take(top).map(|(_, value)| (field.clone(), value.clone())));
        }
        self.series.retain(|key, _| match &key.compared {
            Some((field, Some(value), _)) => kept.contains(&(field.clone(), value.clone())),
            _ => true,
        });
    }
}

impl SeriesKey {
    fn of(group: &[Option<Value>], part: &SeriesPart) -> Self {
        let bucket = match part {
            SeriesPart::Bucket(bucket) => Some(SortKey::of(&Value::Any(AnyValue::Double(*bucket)))),
            _ => None,
        };
        let compared = match part {
            SeriesPart::Value { selected, field, value } => Some((field.clone(), Some(SortKey::of(value)), *selected)),
            SeriesPart::Total { selected, field } => Some((field.clone(), None, *selected)),
            _ => None,
        };
        Self { group: group.iter().map(|value| value.as_ref().map(SortKey::of)).collect(), bucket, compared }
    }
}

/// The number that a span has, durations in seconds, and the greatest number of its bucket.
fn number(subject: Subject<'_>, argument: &Expr) -> Option<(f64, f64)> {
    let value = subject.computed(argument)?;
    let unit = if matches!(value, Value::Duration(_)) { 1e9 } else { 1.0 };
    let number = real_number(&value).filter(|number| !number.is_nan())?;
    Some((number / unit, bucket(&value, number) / unit))
}

/// The least power of two that is not below the value.
fn bucket(value: &Value, number: f64) -> f64 {
    match whole_number(value).map(u128::try_from) {
        Some(Ok(number)) => number.next_power_of_two() as f64,
        Some(Err(_)) => 1.0,
        None => {
            let mut bucket = 1.0;
            while bucket < number {
                bucket *= 2.0;
            }
            bucket
        }
    }
}

/// Everything that a span counts for.
fn compared(subject: Subject<'_>, selection: &Filter, range: Option<TimeRange>) -> Vec<SeriesPart> {
    let start = subject.span().span.start_unix_nano;
    let selected = range.is_none_or(|range| range.contains(start)) && subject.satisfies(selection);
    let of_attributes = |(scope, attributes): (AttributeScope, &[Attribute])| {
        attributes.iter().map(|attribute| Field::attribute(scope, attribute.key.as_str())).collect::<Vec<_>>()
    };
    let mut fields: BTreeSet<Field> = all_attributes(subject.span()).into_iter().flat_map(of_attributes).collect();
    fields.extend(COMPARED.map(Field::Intrinsic));
    let mut parts = Vec::new();
    for field in fields {
        let values = subject.values(&field);
        let distinct: BTreeMap<SortKey, Value> = values.into_iter().map(|value| (SortKey::of(&value), value)).collect();
        if !distinct.is_empty() {
            parts.push(SeriesPart::Total { selected, field: field.clone() });
        }
        let of_value = |value| SeriesPart::Value { selected, field: field.clone(), value };
        parts.extend(distinct.into_values().map(of_value));
    }
    parts
}

/// 0 of nothing; the sum of an iterator would be -0.
fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

fn value_of(samples: &[Sample], function: &MetricsFunction) -> f64 {
    let weight = sum(samples.iter().map(|sample| sample.weight));
    let total = sum(samples.iter().map(|sample| sample.weight * sample.value));
    match function {
        MetricsFunction::Count | MetricsFunction::Histogram(_) | MetricsFunction::Compare { .. } => weight,
        // NaN is not less than any number, and not greater.
        MetricsFunction::Min(_) => samples.iter().map(|sample| sample.value).fold(f64::NAN, f64::min),
        MetricsFunction::Max(_) => samples.iter().map(|sample| sample.value).fold(f64::NAN, f64::max),
        MetricsFunction::Avg(_) => total / weight,
        MetricsFunction::Sum(_) if samples.is_empty() => f64::NAN,
        MetricsFunction::Sum(_) => total,
        MetricsFunction::Quantiles(..) => f64::NAN,
    }
}

fn quantile_of(samples: &[Sample], quantile: f64) -> f64 {
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
    let rank = (quantile * sum(sorted.iter().map(|sample| sample.weight))).ceil();
    let mut passed = 0.0;
    let found = sorted.iter().find(|sample| {
        passed += sample.weight;
        passed >= rank
    });
    found.or(sorted.last()).map_or(f64::NAN, |sample| sample.value)
}

/// How many exemplars each series may have.
fn shares(all: usize, series: usize) -> impl Iterator<Item = usize> {
    let (each, more) = (all.checked_div(series).unwrap_or_default(), all.checked_rem(series).unwrap_or_default());
    (0..series).map(move |number| each + usize::from(number < more))
}

/// For some intervals, spread over time, the span with the greatest value; of equal ones the earliest.
fn exemplars(samples: &[Vec<Sample>], most: usize) -> Vec<Exemplar> {
    let order = |one: &&Sample, other: &&Sample| {
        let key = |sample: &Sample| (sample.start, sample.trace_id, sample.span_id);
        other.value.total_cmp(&one.value).then_with(|| key(one).cmp(&key(other)))
    };
    let firsts: Vec<&Sample> = samples.iter().filter_map(|some| some.iter().min_by(order)).collect();
    let count = most.min(firsts.len());
    let chosen = (0..count).filter_map(|number| firsts.get(number * firsts.len() / count));
    let exemplar = |sample: &&Sample| Exemplar {
        time_unix_nano: sample.start,
        value: sample.value,
        trace_id: sample.trace_id,
        span_id: sample.span_id,
    };
    chosen.map(exemplar).collect()
}

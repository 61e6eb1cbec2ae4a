//! Questions about numbers over time, and about the keys and values of attributes; with their answers, counted while the data is made.

mod panels;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use hoptrail_proto::otlp::types::common::v1::any_value::Value;
use serde_json::Value as Json;

use crate::http::escape;
use crate::shape::{Shape, Span};

/// Spans whose durations are kept. With more, no quantiles are asked for.
const MOST_DURATIONS: usize = 8_000_000;
/// Values of an attribute up to which all are known.
const MOST_VALUES: usize = 64;
/// Intervals of a question.
const INTERVALS: u64 = 60;
const SECOND: u64 = 1_000_000_000;
/// The label of a service.
const SERVICE: &str = "resource.service.name";

/// Numbers counted while spans pass by.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// By resource: spans, and those that failed.
    resources: BTreeMap<usize, (u64, u64)>,
    /// By name: spans.
    names: HashMap<String, u64>,
    /// By resource: nanoseconds.
    durations: BTreeMap<usize, Vec<u64>>,
    kept: usize,
    /// By exponent: durations up to that power of two.
    buckets: BTreeMap<u32, u64>,
    /// Earliest and latest start.
    starts: Option<(u64, u64)>,
    /// Values of span attributes, while they are few texts.
    values: HashMap<String, Option<BTreeSet<String>>>,
}

/// A question, and what its answer must be.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    /// Path and query, without what makes the intervals.
    path: String,
    intervals: Intervals,
    expected: Expected,
}

/// What makes the intervals of a question.
#[derive(Debug, Clone, Copy)]
enum Intervals {
    /// It has none.
    No,
    /// Their length in milliseconds.
    Step(u64),
    /// The end of the only one, seconds since 1970.
    End(u64),
}

/// What an answer must say.
#[derive(Debug, Clone)]
enum Expected {
    /// For each value of a label the sum of all numbers.
    Spans(&'static str, BTreeMap<String, u64>, Per),
    /// For some values of a label, with the greatest counts, the count.
    Top(&'static str, BTreeMap<String, u64>, usize),
    /// For each service one number.
    Seconds(BTreeMap<String, f64>),
    /// For each power of two of nanoseconds the sum of all numbers.
    Buckets(BTreeMap<u32, u64>),
    /// For each service the sums of the others and of the selection; an answer may leave out services.
    Compared(BTreeMap<String, (u64, u64)>),
    /// The keys of an attribute scope.
    Keys(BTreeSet<String>),
}

/// What a number of spans is told per.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Interval,
    Second,
}

impl Numbers {
    /// Counts a span.
    pub(crate) fn add(&mut self, span: &Span) {
        let (start, end) = (span.otlp.start_time_unix_nano, span.otlp.end_time_unix_nano);
        let nanos = end.saturating_sub(start);
        let failed = span.has_failed();
        let (spans, failures) = self.resources.entry(span.resource).or_default();
        *spans += 1;
        *failures += u64::from(failed);
        match self.names.get_mut(&span.otlp.name) {
            Some(count) => *count += 1,
            None => _ = self.names.insert(span.otlp.name.clone(), 1),
        }
        self.kept += 1;
        if self.kept <= MOST_DURATIONS {
            self.durations.entry(span.resource).or_default().push(nanos);
        }
        *self.buckets.entry(u64::BITS - nanos.saturating_sub(1).leading_zeros()).or_default() += 1;
        let (first, last) = self.starts.unwrap_or((start, start));
        self.starts = Some((first.min(start), last.max(start)));
        for attribute in &span.otlp.attributes {
            let text = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(text)) => Some(text),
                _ => None,
            };
            if !self.values.contains_key(&attribute.key) {
                self.values.insert(attribute.key.clone(), Some(BTreeSet::new()));
            }
            let Some(known) = self.values.get_mut(&attribute.key) else { continue };
            match (text, known.as_mut()) {
                (Some(text), Some(values)) if values.len() < MOST_VALUES || values.contains(text) => {
                    if !values.contains(text) {
                        values.insert(text.clone());
                    }
                }
                _ => *known = None,
            }
        }
    }

    /// Spans of each service, and those that failed.
    fn services(&self, shape: Shape) -> BTreeMap<String, (u64, u64)> {
        let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (resource, (spans, failed)) in &self.resources {
            let own = all.entry(shape.service(*resource)).or_default();
            *own = (own.0 + spans, own.1 + failed);
        }
        all
    }

    /// A question about numbers for all spans: in intervals, or in one.
    fn asked(&self, query: &str, in_intervals: bool, expected: Expected) -> Option<Numbered> {
        let (first, last) = self.starts?;
        let (start, end) = (first / SECOND - 1, last / SECOND + 2);
        let step = (end - start).div_ceil(INTERVALS);
        let query = escape(query);
        let (path, intervals) = if in_intervals {
            let path = format!("/api/metrics/query_range?q={query}&start={start}&end={end}&exemplars=0&maxSeries=0");
            (path, Intervals::Step(step * 1000))
        } else {
            (format!("/api/metrics/query?q={query}&start={start}&maxSeries=0"), Intervals::End(end))
        };
        Some(Numbered { path, intervals, expected })
    }

    /// The spans of each service over time.
    pub(crate) fn rates(&self, shape: Shape) -> Option<Numbered> {
        let spans = self.services(shape).into_iter().map(|(service, (spans, _))| (service, spans)).collect();
        self.asked("{ } | rate() by (resource.service.name)", true, Expected::Spans(SERVICE, spans, Per::Second))
    }

    /// A quantile of each service's durations.
    pub(crate) fn quantiles(&self, shape: Shape) -> Option<Numbered> {
        if self.kept > MOST_DURATIONS {
            return None;
        }
        let mut by_service: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (resource, own) in &self.durations {
            by_service.entry(shape.service(*resource)).or_default().extend(own);
        }
        let quantile = |(service, mut own): (String, Vec<u64>)| {
            let rank = (0.99 * own.len() as f64).ceil() as usize;
            let (_, nanos, _) = own.select_nth_unstable(rank.max(1) - 1);
            (service, *nanos as f64 / SECOND as f64)
        };
        let expected = by_service.into_iter().map(quantile).collect();
        let query = "{ } | quantile_over_time(duration, .99) by (resource.service.name)";
        self.asked(query, false, Expected::Seconds(expected))
    }

    /// How many durations are in each bucket, over time.
    pub(crate) fn heatmap(&self) -> Option<Numbered> {
        self.asked("{ } | histogram_over_time(duration)", true, Expected::Buckets(self.buckets.clone()))
    }

    /// What failures have more often than other spans.
    pub(crate) fn comparison(&self, shape: Shape) -> Option<Numbered> {
        let counts =
            self.services(shape).into_iter().map(|(service, (spans, failed))| (service, (spans - failed, failed)));
        let counts = counts.collect();
        self.asked("{ } | compare({ status = error })", true, Expected::Compared(counts))
    }

    /// The keys of span attributes.
    pub(crate) fn keys(&self) -> Numbered {
        let expected = Expected::Keys(self.values.keys().cloned().collect());
        Numbered { path: "/api/v2/search/tags?scope=span".to_owned(), intervals: Intervals::No, expected }
    }

    /// Span attributes of few values, with these.
    pub(crate) fn values(&self) -> BTreeMap<&str, &BTreeSet<String>> {
        self.values.iter().filter_map(|(key, values)| Some((key.as_str(), values.as_ref()?))).collect()
    }
}

impl Numbered {
    /// Path and query.
    pub(crate) fn path(&self) -> String {
        let path = &self.path;
        match self.intervals {
            Intervals::No => path.clone(),
            Intervals::Step(milliseconds) => format!("{path}&step={milliseconds}ms"),
            Intervals::End(seconds) => format!("{path}&end={seconds}"),
        }
    }

    /// The same question with other intervals for each number, so that nothing is kept of its answer.
    pub(crate) fn anew(&self, number: usize) -> Self {
        let mut anew = self.clone();
        match &mut anew.intervals {
            Intervals::No => {}
            Intervals::Step(length) | Intervals::End(length) => *length += number as u64,
        }
        anew
    }

    /// How long an interval is, when numbers are told per second.
    fn seconds(&self, per: Per) -> f64 {
        match (per, self.intervals) {
            (Per::Second, Intervals::Step(milliseconds)) => milliseconds as f64 / 1000.0,
            _ => 1.0,
        }
    }

    /// Fails when the answer is wrong.
    pub(crate) fn check(&self, body: &[u8]) -> Result<()> {
        let answer: Json = serde_json::from_slice(body)?;
        if let Expected::Keys(expected) = &self.expected {
            return check_keys(expected, &answer);
        }
        let mut found: Vec<(&Json, f64)> = Vec::new();
        for series in answer["series"].as_array().context("no list of series")? {
            let numbers = series["samples"].as_array().into_iter().flatten().chain([series]);
            found.push((&series["labels"], numbers.filter_map(|number| number["value"].as_f64()).sum()));
        }
        match &self.expected {
            Expected::Spans(key, expected, per) => {
                let found = counts(&found, key, self.seconds(*per));
                ensure!(found == *expected, "{found:?} instead of {expected:?}");
            }
            Expected::Top(key, expected, top) => {
                let found = counts(&found, key, 1.0);
                ensure!(panels::are_top(expected, *top, &found), "{found:?} are not the {top} greatest");
            }
            Expected::Seconds(expected) => {
                let found: BTreeMap<String, f64> =
                    found.iter().map(|(labels, number)| (service(labels), *number)).collect();
                let is_right = |(service, seconds): (&String, &f64)| {
                    found.get(service).is_some_and(|found| (found - seconds).abs() <= seconds * 1e-9)
                };
                ensure!(
                    found.len() == expected.len() && expected.iter().all(is_right),
                    "{found:?} instead of {expected:?}"
                );
            }
            Expected::Buckets(expected) => {
                let exponent = |labels: &Json| {
                    let bucket = label(labels, "__bucket").and_then(|value| value["doubleValue"].as_f64());
                    (bucket.unwrap_or_default() * SECOND as f64).log2().round() as u32
                };
                let found: BTreeMap<u32, u64> =
                    found.iter().map(|(labels, sum)| (exponent(labels), sum.round() as u64)).collect();
                ensure!(found == *expected, "{found:?} instead of {expected:?}");
            }
            Expected::Compared(expected) => check_compared(expected, &found)?,
            Expected::Keys(_) => {}
        }
        Ok(())
    }
}

fn check_keys(expected: &BTreeSet<String>, answer: &Json) -> Result<()> {
    let scopes = answer["scopes"].as_array().context("no list of scopes")?;
    let own = scopes.iter().filter(|scope| scope["name"] == "span").flat_map(|scope| scope["tags"].as_array());
    let found: BTreeSet<String> = own.flatten().filter_map(Json::as_str).map(str::to_owned).collect();
    ensure!(found == *expected, "{found:?} instead of {expected:?}");
    Ok(())
}

/// Those services that are shown, on both sides.
fn check_compared(expected: &BTreeMap<String, (u64, u64)>, found: &[(&Json, f64)]) -> Result<()> {
    let mut shown = 0;
    for (labels, sum) in found {
        let Some(service) = label(labels, "resource.service.name").and_then(|value| value["stringValue"].as_str())
        else {
            continue;
        };
        let side = label(labels, "__meta_type").and_then(|value| value["stringValue"].as_str()).unwrap_or_default();
        let is_selected = match side {
            "baseline" => false,
            "selection" => true,
            // What all values have together.
            _ => continue,
        };
        let (others, selected) = expected.get(service).with_context(|| format!("no such service: {service}"))?;
        let wanted = if is_selected { selected } else { others };
        ensure!(*sum == *wanted as f64, "{service}, {side}: {sum} instead of {wanted}");
        shown += 1;
    }
    ensure!(shown > 0, "no service is compared");
    Ok(())
}

fn label<'j>(labels: &'j Json, key: &str) -> Option<&'j Json> {
    labels.as_array()?.iter().find(|label| label["key"] == key).map(|label| &label["value"])
}

fn service(labels: &Json) -> String {
    text_of(labels, SERVICE)
}

/// The text of a label; empty when there is none.
fn text_of(labels: &Json, key: &str) -> String {
    label(labels, key).and_then(|value| value["stringValue"].as_str()).unwrap_or_default().to_owned()
}

/// By the values of a label the sums of all numbers, times so many seconds.
fn counts(found: &[(&Json, f64)], key: &str, step: f64) -> BTreeMap<String, u64> {
    found.iter().map(|(labels, sum)| (text_of(labels, key), (sum * step).round() as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Kind;

    #[test]
    fn wrong_sums_are_found() {
        let shape = Shape { kind: Kind::Shop, seed: 3, spans: 5_000, end_unix_nano: 1_800_000_000_000_000_000 };
        let mut numbers = Numbers::default();
        shape.traces_from(0).take(500).for_each(|trace| trace.spans.iter().for_each(|span| numbers.add(span)));
        let rates = numbers.rates(shape).expect("spans");
        let Expected::Spans(_, spans, per) = &rates.expected else { panic!("spans") };
        let step = rates.seconds(*per);
        let answer = |more: f64| {
            let series = |(service, spans): (&String, &u64)| {
                let labels = serde_json::json!([{"key": "resource.service.name", "value": {"stringValue": service}}]);
                serde_json::json!({"labels": labels, "samples": [{"value": more}, {"value": *spans as f64 / step}]})
            };
            serde_json::json!({"series": spans.iter().map(series).collect::<Vec<_>>()}).to_string()
        };
        assert!(rates.check(answer(0.0).as_bytes()).is_ok());
        assert!(rates.check(answer(1.0).as_bytes()).is_err());
        assert!(numbers.values().contains_key("http.request.method") && !numbers.values().contains_key("user.id"));
        assert!(numbers.keys().check(br#"{"scopes": [{"name": "span", "tags": ["http.request.method"]}]}"#).is_err());
    }
}

//! Asks the questions and checks every answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::ParseIntError;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hoptrail_proto::otlp::types::trace::v1::Span as OtlpSpan;
use hoptrail_proto::tempo::TraceByIdResponse;
use prost::Message;

use crate::account::process_cpu;
use crate::dashboards;
use crate::http::{Connection, escape};
use crate::progress::Stage;
use crate::series::Numbered;
use crate::shape::{Shape, Topic};
use crate::truth::{LIMIT, Newest, Question, Truth};

/// Spans that the traces found by all questions of one kind may have together: large traces are asked for less often.
const SPANS: u64 = 2_000_000;
/// The same in bytes.
const BYTES: u64 = 1 << 30;
/// The same in spans for searches, which tell of each trace found how many spans it has.
const SPANS_OF_SEARCHES: u64 = 10_000_000;
/// Spans that all questions of a kind may look at which look at every span.
const SPANS_OF_SCANS: u64 = 20_000_000;

/// One kind of question.
#[derive(Debug)]
pub(crate) struct Kind {
    /// For people.
    pub(crate) name: &'static str,
    asked: Vec<Ask>,
}

#[derive(Debug)]
enum Ask {
    Trace {
        shape: Shape,
        number: u64,
        id: u128,
    },
    Search(Question),
    /// What a field has, of the spans that match.
    Values {
        path: String,
        expected: BTreeSet<String>,
    },
    /// Numbers over time, or keys.
    Numbers(Numbered),
    /// Dashboards of these panels, opened at once.
    Dashboards(Arc<Vec<Numbered>>),
}

/// How one kind of question was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The kind.
    pub(crate) name: &'static str,
    /// From sending to the last byte, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// CPU time of the server for one.
    pub(crate) cpu: Duration,
    /// Traces in an answer, on average.
    pub(crate) traces: f64,
    /// Spans in an answer, on average; searches give none.
    pub(crate) spans: f64,
    /// Spans that a search looked at, as its answer says, on average.
    pub(crate) inspected: f64,
}

/// What an answer held.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    traces: usize,
    spans: usize,
    inspected: usize,
}

/// All kinds, each `repetitions` times with different values.
#[must_use]
pub(crate) fn kinds(shape: Shape, truth: &Truth, repetitions: usize) -> Vec<Kind> {
    let affordable = (SPANS / shape.spans_of_a_trace()).min(BYTES / shape.bytes_of_a_trace()).max(3);
    let traces = truth.some_traces(repetitions.min(affordable as usize));
    let searches = (SPANS_OF_SEARCHES / (shape.spans_of_a_trace() * LIMIT as u64)).max(3);
    let repetitions = repetitions.min(searches as usize);
    let scans = repetitions.min((SPANS_OF_SCANS / truth.spans().max(1)).max(3) as usize);
    let about = |name, topic| Kind::search(name, truth.questions(topic, repetitions));
    let services = truth.names_by_service();
    let some_services = services.iter().cycle().take(repetitions);
    let mut kinds = vec![
        Kind { name: "trace by id", asked: traces.map(|number| Ask::trace(shape, number)).collect() },
        about("rare attribute value", Topic::Rare),
        Kind::search("no match", truth.absent(repetitions)),
        about("service + error, newest 20", Topic::Failed),
        about("span name + duration, newest 20", Topic::Slow),
        about("regex on a high-cardinality attribute, newest 20", Topic::Regex),
        about("structural >>, newest 20", Topic::Below),
        Kind::search("{ status = error } | count() > 3, newest 20", truth.questions(Topic::ManyFailed, scans)),
        Kind::search("regex with a literal beginning, few match", truth.questions(Topic::Beginning, scans)),
        Kind::search("regex that nothing matches", truth.absent_regex(scans)),
        Kind { name: "all services", asked: (0..repetitions).map(|_| Ask::service_names(&services)).collect() },
        Kind {
            name: "span names of a service",
            asked: some_services.map(|(service, names)| Ask::span_names(service, names)).collect(),
        },
    ];
    let numbers = &truth.numbers;
    let often = |name, question: Option<Numbered>, times: usize| Kind {
        name,
        asked: question.iter().cycle().take(times).enumerate().map(|(n, own)| Ask::Numbers(own.anew(n))).collect(),
    };
    let opened = |panels: &Vec<Numbered>, number| {
        Ask::Dashboards(Arc::new(panels.iter().map(|panel| panel.anew(number)).collect()))
    };
    let values = numbers.values();
    // Answers about thousands of keys are bounded.
    let has_few_keys = shape.kind == crate::shape::Kind::Shop;
    let few_values = values.iter().cycle().take(repetitions);
    let boards = if has_few_keys { numbers.panels(shape) } else { None };
    kinds.extend([
        often("rate() by service, all spans, 60 intervals", numbers.rates(shape), scans),
        often("quantile_over_time(duration, .99) by service, all spans", numbers.quantiles(shape), scans),
        often("histogram_over_time(duration), 60 intervals", numbers.heatmap(), scans),
        often(
            "compare({ status = error }), all spans, 60 intervals",
            numbers.comparison(shape).filter(|_| has_few_keys),
            scans,
        ),
        Kind {
            name: "10 dashboards of 12 panels at once, each until its last panel",
            asked: boards.iter().flat_map(|panels| (0..scans).map(|number| opened(panels, number))).collect(),
        },
        often("tag names", Some(numbers.keys()).filter(|_| has_few_keys), repetitions),
        Kind {
            name: "tag values",
            asked: few_values
                .map(|(key, values)| Ask::values(&format!("span.{key}"), None, (*values).clone()))
                .collect(),
        },
    ]);
    // Some data has no spans of a kind.
    kinds.retain(|kind| !kind.asked.is_empty());
    kinds
}

/// Asks all questions of all kinds.
pub(crate) async fn ask_all(
    connection: &mut Connection,
    pid: u32,
    kinds: &[Kind],
    label: &str,
) -> Result<Vec<Answered>> {
    let stage = Stage::begin(label, kinds.iter().map(|kind| kind.questions() as u64).sum());
    let mut answered = Vec::new();
    for kind in kinds {
        answered.push(kind.ask(0..kind.questions(), connection, pid, &stage).await?);
    }
    stage.end();
    Ok(answered)
}

impl Kind {
    fn search(name: &'static str, questions: Vec<Question>) -> Self {
        Self { name, asked: questions.into_iter().map(Ask::Search).collect() }
    }

    /// How many questions there are.
    pub(crate) fn questions(&self) -> usize {
        self.asked.len()
    }

    /// Asks the questions with these numbers one after the other over one connection.
    pub(crate) async fn ask(
        &self,
        numbers: Range<usize>,
        connection: &mut Connection,
        pid: u32,
        stage: &Stage,
    ) -> Result<Answered> {
        let (mut latencies, mut sum) = (Vec::new(), Found::default());
        let before = process_cpu(pid)?;
        for number in numbers {
            let (took, found) = self.exchange(connection, number).await?;
            latencies.extend(took);
            sum = Found {
                traces: sum.traces + found.traces,
                spans: sum.spans + found.spans,
                inspected: sum.inspected + found.inspected,
            };
            stage.add(1);
        }
        let count = u32::try_from(latencies.len().max(1))?;
        let cpu = process_cpu(pid)?.saturating_sub(before) / count;
        latencies.sort_unstable();
        let [traces, spans, inspected] =
            [sum.traces, sum.spans, sum.inspected].map(|sum| sum as f64 / f64::from(count));
        Ok(Answered { name: self.name, cpu, traces, spans, inspected, latencies })
    }

    /// Asks one question; how long it took. Fails when the answer is wrong.
    pub(crate) async fn ask_one(&self, connection: &mut Connection, number: usize) -> Result<Duration> {
        let (took, _) = self.exchange(connection, number).await?;
        took.into_iter().max().with_context(|| format!("no answer for {}", self.name))
    }

    /// How long each of the answers took that were asked for at once, mostly one, and what they hold.
    async fn exchange(&self, connection: &mut Connection, number: usize) -> Result<(Vec<Duration>, Found)> {
        let ask = self.asked.get(number % self.asked.len().max(1));
        let ask = ask.with_context(|| format!("no question for {}", self.name))?;
        if let Ask::Dashboards(panels) = ask {
            return Ok((dashboards::open(connection.host(), panels).await?, Found::default()));
        }
        let (path, accept) = ask.request();
        let (body, took) = connection.get(&path, accept).await?;
        let found = ask.check(&body).with_context(|| format!("wrong answer: {}: {path}", self.name))?;
        Ok((vec![took], found))
    }
}

impl Ask {
    fn trace(shape: Shape, number: u64) -> Self {
        Self::Trace { shape, number, id: shape.trace(number).id }
    }

    fn service_names(services: &BTreeMap<String, BTreeSet<String>>) -> Self {
        Self::values("resource.service.name", None, services.keys().cloned().collect())
    }

    fn span_names(service: &str, expected: &BTreeSet<String>) -> Self {
        let filter = format!(r#"{{ resource.service.name = "{service}" }}"#);
        Self::values("name", Some(filter), expected.clone())
    }

    fn values(field: &str, filter: Option<String>, expected: BTreeSet<String>) -> Self {
        let filter = filter.map_or_else(String::new, |filter| format!("?q={}", escape(&filter)));
        Self::Values { path: format!("/api/v2/search/tag/{field}/values{filter}"), expected }
    }

    fn request(&self) -> (String, &'static str) {
        match self {
            Self::Trace { id, .. } => (format!("/api/v2/traces/{id:032x}"), "application/protobuf"),
            Self::Search(question) => {
                (format!("/api/search?limit={LIMIT}&q={}", escape(&question.query)), "application/json")
            }
            Self::Values { path, .. } => (path.clone(), "application/json"),
            Self::Numbers(question) => (question.path(), "application/json"),
            Self::Dashboards(_) => (String::new(), "application/json"),
        }
    }

    /// Fails when the answer is wrong; otherwise what it holds.
    fn check(&self, body: &[u8]) -> Result<Found> {
        match self {
            Self::Trace { shape, number, .. } => {
                let expected = shape.trace(*number).spans.into_iter().map(|span| span.otlp);
                check_trace(&expected.collect::<Vec<_>>(), body)
            }
            Self::Search(question) => check_search(&question.expected, body),
            Self::Values { expected, .. } => check_values(expected, body),
            Self::Numbers(question) => question.check(body).map(|()| Found::default()),
            Self::Dashboards(_) => Ok(Found::default()),
        }
    }
}

/// Every span with all that it has, and no other.
fn check_trace(expected: &[OtlpSpan], body: &[u8]) -> Result<Found> {
    let answer = TraceByIdResponse::decode(body)?.trace.context("no trace")?;
    let found = answer.resource_spans.into_iter().flat_map(|group| group.scope_spans).flat_map(|scoped| scoped.spans);
    let mut found: HashMap<Vec<u8>, OtlpSpan> = found.map(|span| (span.span_id.clone(), span)).collect();
    let mut missing = 0;
    for expected in expected {
        let Some(mut found) = found.remove(&expected.span_id) else {
            missing += 1;
            continue;
        };
        found.status.get_or_insert_default();
        ensure!(found == *expected, "a span came back as {found:?} instead of {expected:?}");
    }
    ensure!(
        missing == 0 && found.is_empty(),
        "{missing} of {} spans are missing, {} are unknown",
        expected.len(),
        found.len()
    );
    Ok(Found { traces: 1, spans: expected.len(), inspected: 0 })
}

fn check_search(expected: &Newest, body: &[u8]) -> Result<Found> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    let traces = answer["traces"].as_array().context("no list of traces")?;
    let found = traces.iter().map(trace_id).collect::<Result<Vec<_>, _>>()?;
    let expected: Vec<u128> = expected.ids().collect();
    ensure!(found == expected, "{} traces {found:032x?} instead of {} {expected:032x?}", found.len(), expected.len());
    // A 64-bit integer is a string in JSON (protobuf), and one that is 0 is left out.
    let inspected = answer["metrics"]["inspectedSpans"].as_str().map_or(Ok(0), str::parse)?;
    Ok(Found { traces: found.len(), spans: 0, inspected })
}

fn trace_id(trace: &serde_json::Value) -> Result<u128, ParseIntError> {
    u128::from_str_radix(trace["traceID"].as_str().unwrap_or_default(), 16)
}

fn check_values(expected: &BTreeSet<String>, body: &[u8]) -> Result<Found> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    let values = answer["tagValues"].as_array().context("no list of values")?;
    let found: BTreeSet<&str> = values.iter().filter_map(|value| value["value"].as_str()).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    Ok(Found::default())
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::otlp::types::trace::v1::{ResourceSpans, ScopeSpans};
    use hoptrail_proto::tempo::Trace;

    use super::*;
    use crate::shape;

    fn answer(spans: Vec<OtlpSpan>) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let trace = Trace { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
        TraceByIdResponse { trace: Some(trace), ..TraceByIdResponse::default() }.encode_to_vec()
    }

    #[test]
    fn a_trace_with_a_missing_unknown_or_changed_span_is_wrong() {
        let shape = Shape { kind: shape::Kind::Shop, seed: 1, spans: 1_000, end_unix_nano: 1 << 60 };
        let whole: Vec<OtlpSpan> = shape.trace(1).spans.into_iter().map(|span| span.otlp).collect();
        let check = |spans: &[OtlpSpan]| check_trace(&whole, &answer(spans.to_vec()));
        assert_eq!(check(&whole).expect("right").spans, whole.len());
        assert!(check(&whole[1..]).is_err(), "one is missing");
        let unknown = OtlpSpan { span_id: vec![1; 8], ..OtlpSpan::default() };
        assert!(check(&[whole.as_slice(), &[unknown]].concat()).is_err(), "one is unknown");
        let mut changed = whole.clone();
        changed[2].attributes.pop();
        assert!(check(&changed).is_err(), "an attribute is missing");
    }
}

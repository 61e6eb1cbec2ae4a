//! Asks the questions and checks every answer.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hoptrail_proto::tempo::TraceByIdResponse;
use prost::Message;

use crate::account::threads_cpu;
use crate::http::{Connection, escape};
use crate::shape::Trace;
use crate::truth::{LIMIT, Newest, Question, Truth};

/// One kind of question.
#[derive(Debug)]
pub(crate) struct Kind {
    /// For people.
    pub(crate) name: &'static str,
    asked: Vec<Ask>,
}

#[derive(Debug)]
enum Ask {
    Trace(Box<Trace>),
    Search(Question),
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
}

impl Kind {
    /// How many questions.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.asked.len()
    }
}

/// All kinds, each `repetitions` times with different values.
#[must_use]
pub(crate) fn kinds(truth: &Truth, repetitions: usize) -> Vec<Kind> {
    let search =
        |name, questions: Vec<Question>| Kind { name, asked: questions.into_iter().map(Ask::Search).collect() };
    let traces = truth.some_traces(repetitions).map(|trace| Ask::Trace(Box::new(trace))).collect();
    vec![
        Kind { name: "trace by id", asked: traces },
        search("rare attribute value", truth.rare(repetitions)),
        search("no match", truth.absent(repetitions)),
        search("service + error, newest 20", truth.failed(repetitions)),
        search("span name + duration, newest 20", truth.slow(repetitions)),
        search("regex on a high-cardinality attribute, newest 20", truth.regex(repetitions)),
    ]
}

/// Asks all questions of a kind one after the other over one connection.
pub(crate) async fn ask(connection: &mut Connection, pid: u32, kind: &Kind) -> Result<Answered> {
    let (mut latencies, mut bodies) = (Vec::new(), Vec::new());
    let before = threads_cpu(pid)?;
    for ask in &kind.asked {
        let (path, accept) = ask.request();
        let (body, took) = connection.get(&path, accept).await?;
        latencies.push(took);
        bodies.push(body);
    }
    let cpu = (threads_cpu(pid)?.saturating_sub(before)) / u32::try_from(kind.asked.len().max(1))?;
    let mut traces = 0;
    for (ask, body) in kind.asked.iter().zip(bodies) {
        traces += ask.check(&body).with_context(|| format!("wrong answer: {}: {}", kind.name, ask.request().0))?;
    }
    latencies.sort_unstable();
    Ok(Answered { name: kind.name, cpu, traces: traces as f64 / kind.asked.len().max(1) as f64, latencies })
}

/// Asks the first question of a kind, alone.
pub(crate) async fn ask_first(connection: &mut Connection, kind: &Kind) -> Result<Duration> {
    let ask = kind.asked.first().with_context(|| format!("no question for {}", kind.name))?;
    let (path, accept) = ask.request();
    let (body, took) = connection.get(&path, accept).await?;
    ask.check(&body).with_context(|| format!("wrong answer: {path}"))?;
    Ok(took)
}

impl Ask {
    fn request(&self) -> (String, &'static str) {
        match self {
            Self::Trace(trace) => (format!("/api/v2/traces/{:032x}", trace.id), "application/protobuf"),
            Self::Search(question) => {
                (format!("/api/search?limit={LIMIT}&q={}", escape(&question.query)), "application/json")
            }
        }
    }

    /// Fails when the answer is wrong; otherwise how many traces it has.
    fn check(&self, body: &[u8]) -> Result<usize> {
        match self {
            Self::Trace(trace) => check_trace(trace, body).map(|()| 1),
            Self::Search(question) => check_search(&question.expected, body),
        }
    }
}

fn check_trace(trace: &Trace, body: &[u8]) -> Result<()> {
    let answer = TraceByIdResponse::decode(body)?.trace.context("no trace")?;
    let spans: Vec<_> =
        answer.resource_spans.iter().flat_map(|group| &group.scope_spans).flat_map(|scoped| &scoped.spans).collect();
    let found: BTreeSet<(Vec<u8>, u64, usize)> =
        spans.iter().map(|span| (span.span_id.clone(), span.start_time_unix_nano, span.events.len())).collect();
    let expected =
        trace.spans.iter().map(|span| (span.id.to_be_bytes().to_vec(), span.start, usize::from(span.error.is_some())));
    let expected: BTreeSet<(Vec<u8>, u64, usize)> = expected.collect();
    ensure!(spans.len() == trace.spans.len(), "{} spans instead of {}", spans.len(), trace.spans.len());
    ensure!(found == expected, "the spans differ");
    Ok(())
}

fn check_search(expected: &Newest, body: &[u8]) -> Result<usize> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    let traces = answer["traces"].as_array().context("no list of traces")?;
    let id = |trace: &serde_json::Value| u128::from_str_radix(trace["traceID"].as_str().unwrap_or_default(), 16);
    let found = traces.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let expected: Vec<u128> = expected.ids().collect();
    ensure!(found == expected, "{} traces {found:032x?} instead of {} {expected:032x?}", found.len(), expected.len());
    Ok(found.len())
}

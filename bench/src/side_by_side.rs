//! The same questions to two stores in turn. A machine whose speed changes within minutes, as that of a shared one does, changes it
//! for both.

use std::ops::Range;

use anyhow::{Context, Result};

use crate::http::Connection;
use crate::progress::Stage;
use crate::queries::{Answered, Kind};
use crate::report::{Compared, Relation, ms, percentile};
use crate::run::Stored;
use crate::server::Server;

/// How often each store is asked questions of a kind. One round before does not count: there both read what they keep in memory.
const ROUNDS: usize = 5;
/// Questions of a round, which are others in the next as far as there are; fewer where one takes long.
const QUESTIONS: usize = 25;

/// A store that is being asked.
struct Asked {
    server: Server,
    connection: Connection,
}

/// Asks both, kind by kind.
pub(crate) async fn relate(ordinary: &Stored, other: &Stored) -> Result<Vec<Relation>> {
    let bytes = other.report.bytes_compared(&ordinary.report);
    let pairs = pairs(&ordinary.kinds, &other.kinds);
    let sum: usize = pairs.iter().map(|(_, kind)| questions(kind)).sum();
    let stage = Stage::begin("beside the ordinary store", (2 * (1 + ROUNDS) * sum) as u64);
    let (mut ordinary, mut other) = (Asked::start(ordinary).await?, Asked::start(other).await?);
    let mut relations = Vec::new();
    for (same, kind) in pairs {
        let mut rounds = Vec::new();
        let questions = questions(kind);
        for round in 0..=ROUNDS {
            let numbers = round * questions..(round + 1) * questions;
            let ordinary = ordinary.ask(same, numbers.clone(), &stage).await?;
            rounds.push((ordinary, other.ask(kind, numbers, &stage).await?));
        }
        relations.extend(relation(&rounds[1..], bytes));
    }
    stage.end();
    ordinary.server.stop()?;
    other.server.stop()?;
    Ok(relations)
}

/// The kinds of questions that both stores have answers to.
fn pairs<'a>(ordinary: &'a [Kind], other: &'a [Kind]) -> Vec<(&'a Kind, &'a Kind)> {
    let same = |kind: &Kind| ordinary.iter().find(|ordinary| ordinary.name == kind.name);
    other.iter().filter_map(|kind| Some((same(kind)?, kind))).collect()
}

/// Questions of a round: fewer of a kind that costs more.
fn questions(kind: &Kind) -> usize {
    (kind.questions() / 4).clamp(3, QUESTIONS)
}

impl Asked {
    async fn start(stored: &Stored) -> Result<Self> {
        let server = Server::start(&stored.launch)?;
        let connection = Connection::open(&server.tempo).await?;
        Ok(Self { server, connection })
    }

    async fn ask(&mut self, kind: &Kind, numbers: Range<usize>, stage: &Stage) -> Result<Answered> {
        kind.ask(numbers, &mut self.connection, self.server.pid(), stage).await.context("side by side")
    }
}

/// The middle of all rounds. A trace is read whole, so one that is larger, in spans or in `bytes` for a span, may cost so much more.
fn relation(rounds: &[(Answered, Answered)], bytes: f64) -> Option<Relation> {
    let (ordinary, other) = rounds.first()?;
    let size = if other.spans > 0.0 { (other.spans / ordinary.spans * bytes).max(1.0) } else { 1.0 };
    Some(Relation {
        question: other.name.to_owned(),
        traces: other.traces,
        ordinary_traces: ordinary.traces,
        inspected: other.inspected,
        ordinary_inspected: ordinary.inspected,
        p50: compare(rounds, size, |answered| ms(percentile(&answered.latencies, 50))),
        cpu: compare(rounds, size, |answered| ms(answered.cpu)),
    })
}

/// A figure of both stores. The other one may be `size` times as large.
fn compare(rounds: &[(Answered, Answered)], size: f64, figure: fn(&Answered) -> f64) -> Compared {
    let figures = rounds.iter().map(|(ordinary, other)| (figure(ordinary), figure(other)));
    Compared {
        ms: middle(figures.clone().map(|(_, other)| other).collect()),
        ordinary_ms: middle(figures.clone().map(|(ordinary, _)| ordinary).collect()),
        ratio: middle(figures.map(|(ordinary, other)| other / ordinary).collect()) / size,
    }
}

/// The middle one of some numbers.
fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answered(ms: u64, spans: f64) -> Answered {
        let took = Duration::from_millis(ms);
        Answered { name: "trace by id", latencies: vec![took; 3], cpu: took * 2, traces: 1.0, spans, inspected: 0.0 }
    }

    #[test]
    fn a_relation_is_the_middle_of_the_rounds_for_a_span() {
        // The machine is half as fast in the second round.
        let rounds = [(10, 40), (20, 80), (10, 50)].map(|(one, other)| (answered(one, 5.0), answered(other, 10.0)));
        let relation = relation(&rounds, 1.0).expect("rounds");
        assert_eq!((relation.p50.ms, relation.p50.ordinary_ms, relation.p50.ratio), (50.0, 10.0, 2.0));
        assert_eq!((relation.cpu.ms, relation.cpu.ordinary_ms, relation.cpu.ratio), (100.0, 20.0, 2.0));
    }

    #[test]
    fn spans_of_a_megabyte_count_by_bytes_and_searches_as_they_are() {
        let rounds = |spans| [(answered(1, spans), answered(300, spans))];
        assert_eq!(relation(&rounds(5.0), 100.0).map(|relation| relation.p50.ratio), Some(3.0));
        assert_eq!(relation(&rounds(0.0), 100.0).map(|relation| relation.p50.ratio), Some(300.0));
    }
}

//! What the answers must be, counted while the data is made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::series::Numbers;
use crate::shape::{Mark, Shape, Topic, Trace};

/// Traces that a search asks for.
pub(crate) const LIMIT: usize = 20;

/// The newest traces of each question, as far as the store promises them: by start, then by id, both descending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Newest(Vec<(u64, u128)>);

impl Newest {
    fn add(&mut self, start: u64, id: u128) {
        let rank = self.0.partition_point(|found| *found > (start, id));
        if rank < LIMIT && self.0.get(rank) != Some(&(start, id)) {
            self.0.insert(rank, (start, id));
            self.0.truncate(LIMIT);
        }
    }

    /// The traces, newest first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u128> {
        self.0.iter().map(|(_, id)| *id)
    }
}

/// A question with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// TraceQL.
    pub(crate) query: String,
    /// The traces, newest first.
    pub(crate) expected: Newest,
}

/// Counts while traces pass by.
#[derive(Debug)]
pub(crate) struct Truth {
    shape: Shape,
    traces: u64,
    spans: u64,
    /// Traces with a span that failed.
    failed: u64,
    /// Rare values that will be asked for. There are too many to know the answers for all.
    chosen: BTreeSet<Mark>,
    known: HashMap<Mark, Newest>,
    /// Span names, by resource.
    names: BTreeMap<usize, BTreeSet<String>>,
    /// What metrics queries must find.
    pub(crate) numbers: Numbers,
}

impl Truth {
    /// Will know the answers for about `values` rare values of the first `spans` spans.
    #[must_use]
    pub(crate) fn new(shape: Shape, spans: u64, values: u64) -> Self {
        let values = values.max(1);
        let traces = (spans / shape.spans_of_a_trace() / 2).max(1);
        let of_a_trace = values.div_ceil(traces) as usize;
        let mut chosen = BTreeSet::new();
        for number in (0..traces).step_by((traces / values).max(1) as usize) {
            let trace = shape.trace(number);
            let marks = trace.spans.iter().flat_map(|span| &span.marks);
            chosen.extend(marks.filter(|mark| mark.topic == Topic::Rare).take(of_a_trace));
        }
        Self {
            shape,
            traces: 0,
            spans: 0,
            failed: 0,
            chosen,
            known: HashMap::new(),
            names: BTreeMap::new(),
            numbers: Numbers::default(),
        }
    }

    /// Counts a trace.
    pub(crate) fn add(&mut self, trace: &Trace) {
        self.traces += 1;
        self.spans += trace.spans.len() as u64;
        self.failed += u64::from(trace.spans.iter().any(|span| span.has_failed()));
        let start = trace.start();
        for span in &trace.spans {
            self.numbers.add(span);
            let names = self.names.entry(span.resource).or_default();
            if !names.contains(&span.otlp.name) {
                names.insert(span.otlp.name.clone());
            }
        }
        for mark in trace.spans.iter().flat_map(|span| &span.marks) {
            if mark.topic != Topic::Rare || self.chosen.contains(mark) {
                self.known.entry(*mark).or_default().add(start, trace.id);
            }
        }
    }

    /// Traces counted.
    #[must_use]
    pub(crate) fn traces(&self) -> u64 {
        self.traces
    }

    /// Of these, traces with a span that failed.
    #[must_use]
    pub(crate) fn failed_traces(&self) -> u64 {
        self.failed
    }

    /// Spans counted.
    #[must_use]
    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    /// Services, each with the names of its spans.
    pub(crate) fn names_by_service(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (resource, names) in &self.names {
            all.entry(self.shape.service(*resource)).or_default().extend(names.iter().cloned());
        }
        all
    }

    /// Numbers of `count` traces from all over the data.
    pub(crate) fn some_traces(&self, count: usize) -> impl Iterator<Item = u64> {
        let traces = self.traces;
        (0..count as u64).map(move |at| spread(at, traces))
    }

    /// `count` questions about a topic, repeated where there are too few.
    #[must_use]
    pub(crate) fn questions(&self, topic: Topic, count: usize) -> Vec<Question> {
        let mut marks: Vec<(&Mark, &Newest)> = self.known.iter().filter(|(mark, _)| mark.topic == topic).collect();
        // The rarest values where all are rare; elsewhere all alike.
        marks.sort_by_key(|(mark, newest)| (if topic == Topic::Rare { newest.0.len() } else { 0 }, **mark));
        let indexes = (0..count as u64).map(|at| match topic {
            Topic::Rare => at % marks.len().max(1) as u64,
            _ => spread(at, marks.len() as u64),
        });
        let chosen = indexes.filter_map(|index| marks.get(index as usize));
        chosen.map(|(mark, newest)| self.question(**mark, newest)).collect()
    }

    fn question(&self, mark: Mark, expected: &Newest) -> Question {
        Question { query: self.shape.query(mark), expected: expected.clone() }
    }

    /// `count` questions for values that no span has.
    #[must_use]
    pub(crate) fn absent(&self, count: usize) -> Vec<Question> {
        unanswered((0..count).map(|number| self.shape.absent(number)))
    }

    /// The same where only reading all values can tell.
    #[must_use]
    pub(crate) fn absent_regex(&self, count: usize) -> Vec<Question> {
        unanswered((0..count).map(|number| self.shape.absent_regex(number)))
    }
}

/// Questions to which the answer is nothing.
fn unanswered(queries: impl Iterator<Item = String>) -> Vec<Question> {
    queries.map(|query| Question { query, expected: Newest::default() }).collect()
}

/// Numbers below `end` that look like chance and do not repeat soon.
fn spread(at: u64, end: u64) -> u64 {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Kind;

    #[test]
    fn the_newest_are_kept_once_and_in_order() {
        let mut newest = Newest::default();
        for number in [5, 9, 7, 9, 1].into_iter().chain(10..40) {
            newest.add(number, 100 + u128::from(number));
        }
        assert_eq!(newest.ids().collect::<Vec<_>>(), (120..140).rev().collect::<Vec<u128>>());
    }

    #[test]
    fn questions_have_answers() {
        for kind in [Kind::Shop, Kind::OtelDemo, Kind::Wide, Kind::Late] {
            let shape = Shape { kind, seed: 3, spans: 60_000, end_unix_nano: 1_800_000_000_000_000_000 };
            let mut truth = Truth::new(shape, shape.spans, 50);
            shape.traces_from(0).take(12_000).for_each(|trace| truth.add(&trace));
            for topic in [Topic::Rare, Topic::Failed, Topic::Slow, Topic::Regex] {
                let questions = truth.questions(topic, 30);
                assert_eq!(questions.len(), 30, "{kind:?} {topic:?}");
                assert!(questions.iter().all(|question| question.expected.ids().count() > 0), "{kind:?} {topic:?}");
            }
            assert!(truth.absent(3).iter().all(|question| question.expected == Newest::default()));
        }
    }
}

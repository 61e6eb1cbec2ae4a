//! What the answers must be, counted while the data is made.

use std::collections::HashMap;

use crate::shape::{self, METHODS, ROUTES, SERVICES, Shape, Trace};

/// Traces that a search asks for.
pub(crate) const LIMIT: usize = 20;
/// Numbers in a path that one regular expression matches.
const NUMBERS_OF_A_REGEX: u32 = 10;
/// Regular expressions start with this many digits fixed, so that none is a suffix of another number.
const FIRST_REGEX: u32 = 100;

/// The newest traces of each question, as far as the store promises them: by start, then by id, both descending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Newest(Vec<(u64, u128)>);

impl Newest {
    fn add(&mut self, start: u64, id: u128) {
        let place = self.0.partition_point(|known| *known > (start, id));
        if place < LIMIT && self.0.get(place) != Some(&(start, id)) {
            self.0.insert(place, (start, id));
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
    users: HashMap<u32, Newest>,
    errors: Vec<Newest>,
    names: Vec<Newest>,
    numbers: Vec<Newest>,
}

impl Truth {
    /// Will know the answers for about `values` users of the data.
    #[must_use]
    pub(crate) fn new(shape: Shape, values: u64) -> Self {
        let traces = (shape.spans / 35).max(1);
        let step = (traces / values.max(1)).max(1);
        let users =
            (0..traces).step_by(step as usize).map(|number| (shape.trace(number).spans[0].user, Newest::default()));
        Self {
            shape,
            traces: 0,
            spans: 0,
            users: users.collect(),
            errors: vec![Newest::default(); SERVICES],
            names: vec![Newest::default(); SERVICES * ROUTES * METHODS],
            numbers: vec![Newest::default(); (shape::NUMBERS / NUMBERS_OF_A_REGEX) as usize],
        }
    }

    /// Counts a trace.
    pub(crate) fn add(&mut self, trace: &Trace) {
        self.traces += 1;
        self.spans += trace.spans.len() as u64;
        let Some(start) = trace.spans.iter().map(|span| span.start).min() else { return };
        for span in &trace.spans {
            if let Some(newest) = self.users.get_mut(&span.user) {
                newest.add(start, trace.id);
            }
            if span.error.is_some() {
                self.errors[span.service].add(start, trace.id);
            }
            if span.duration > slow(span.name_index()) {
                self.names[span.name_index()].add(start, trace.id);
            }
            self.numbers[(span.number / NUMBERS_OF_A_REGEX) as usize].add(start, trace.id);
        }
    }

    /// Spans counted.
    #[must_use]
    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    /// `count` traces from all over the data.
    pub(crate) fn some_traces(&self, count: usize) -> impl Iterator<Item = Trace> {
        let (shape, traces) = (self.shape, self.traces);
        (0..count as u64).map(move |at| shape.trace(spread(at, traces)))
    }

    /// Questions for a value that few spans have.
    #[must_use]
    pub(crate) fn rare(&self, count: usize) -> Vec<Question> {
        let mut users: Vec<_> = self.users.iter().filter(|(_, newest)| newest.0.len() < LIMIT).collect();
        users.sort_by_key(|(user, _)| **user);
        let ask = |(user, newest): &(&u32, &Newest)| {
            question(format!(r#"{{ span.user.id = "{}" }}"#, shape::user(**user)), newest)
        };
        users.iter().cycle().take(count.min(users.len())).map(ask).collect()
    }

    /// Questions for values that no span has.
    #[must_use]
    pub(crate) fn absent(&self, count: usize) -> Vec<Question> {
        let ask = |at| question(format!(r#"{{ span.user.id = "nobody-{at:06}" }}"#), &Newest::default());
        (0..count).map(ask).collect()
    }

    /// Questions for the failures of a service.
    #[must_use]
    pub(crate) fn failed(&self, count: usize) -> Vec<Question> {
        let ask = |at: usize| {
            let query =
                format!(r#"{{ resource.service.name = "{}" && status = error }}"#, shape::service(at % SERVICES));
            question(query, &self.errors[at % SERVICES])
        };
        (0..count).map(ask).collect()
    }

    /// Questions for slow spans of a name.
    #[must_use]
    pub(crate) fn slow(&self, count: usize) -> Vec<Question> {
        let ask = |at: u64| {
            let index = spread(at, shape::names() as u64) as usize;
            let (name, slow) = (shape::name(index), slow(index) / 1_000_000);
            question(format!(r#"{{ name = "{name}" && duration > {slow}ms }}"#), &self.names[index])
        };
        (0..count as u64).map(ask).collect()
    }

    /// Questions for a regular expression over an attribute with a million values.
    #[must_use]
    pub(crate) fn regex(&self, count: usize) -> Vec<Question> {
        let ask = |at: u64| {
            let most = u64::from(shape::NUMBERS / NUMBERS_OF_A_REGEX - FIRST_REGEX);
            let digits = spread(at, most) as usize + FIRST_REGEX as usize;
            let query = format!(r#"{{ span.url.path =~ ".*/{digits}[0-9](/[a-z]+)?" }}"#);
            question(query, &self.numbers[digits])
        };
        (0..count as u64).map(ask).collect()
    }
}

fn question(query: String, expected: &Newest) -> Question {
    Question { query, expected: expected.clone() }
}

/// From when on a span of this name counts as slow, nanoseconds.
fn slow(name: usize) -> u64 {
    (50 + name as u64) * 1_000_000
}

/// Numbers below `end` that look like chance and do not repeat soon.
fn spread(at: u64, end: u64) -> u64 {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_once_and_in_order() {
        let mut newest = Newest::default();
        for number in [5, 9, 7, 9, 1].into_iter().chain(10..40) {
            newest.add(number, 100 + u128::from(number));
        }
        assert_eq!(newest.ids().collect::<Vec<_>>(), (120..140).rev().collect::<Vec<u128>>());
    }

    #[test]
    fn questions_have_answers_where_they_should() {
        let shape = Shape { seed: 3, spans: 60_000, end_unix_nano: 1_800_000_000_000_000_000 };
        let mut truth = Truth::new(shape, 50);
        shape.traces().for_each(|trace| truth.add(&trace));
        for questions in [truth.rare(30), truth.failed(12), truth.slow(30), truth.regex(30)] {
            assert!(questions.iter().any(|question| question.expected.ids().count() > 0), "{questions:?}");
        }
        assert!(truth.failed(12).iter().all(|question| question.expected.ids().count() == LIMIT));
        assert!(truth.absent(3).iter().all(|question| question.expected == Newest::default()));
    }
}

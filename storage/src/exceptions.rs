//! Exceptions that spans recorded, in groups: the question, the answer, and what makes two exceptions one group.

use hoptrail_proto::model::{SpanId, TraceId};

use crate::rollup::template;
use crate::{Inspected, Pipeline, Steps};

/// The name of an event that is an exception, and the attributes that say which.
pub(crate) const EVENT: &str = "exception";
pub(crate) const KIND: &str = "exception.type";
pub(crate) const MESSAGE: &str = "exception.message";
/// The attribute of a resource that says which version failed.
pub(crate) const VERSION: &str = "service.version";

/// Characters of a message that count.
const LONGEST: usize = 300;

/// Which exceptions?
#[derive(Debug, Clone)]
pub struct ExceptionsRequest {
    /// Those of spans that a search for this finds.
    pub spans: Pipeline,
    /// By when their spans started.
    pub steps: Steps,
    /// Most examples of a group, one of each trace: those whose spans started last.
    pub examples: usize,
}

/// Exceptions in groups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exceptions {
    /// By service, type and template.
    pub groups: Vec<ExceptionGroup>,
    /// What it took.
    pub inspected: Inspected,
}

/// Exceptions of one service, type and kind of message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExceptionGroup {
    /// The service whose spans have them.
    pub service: String,
    /// `exception.type`; empty when it is missing.
    pub kind: String,
    /// The first line of `exception.message` without what differs: numbers, ids and what stands in quotes.
    pub template: String,
    /// How many in each interval.
    pub counts: Vec<u64>,
    /// When the first and the last span with one started.
    pub seen: (u64, u64),
    /// How many each version of the service had, by version; an empty one where it is missing.
    pub versions: Vec<(String, u64)>,
    /// The last ones of different traces, latest first.
    pub examples: Vec<ExceptionExample>,
}

/// An exception that stands for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExceptionExample {
    /// When its span started.
    pub start_unix_nano: u64,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// Its message, at most the first 300 characters of the first line.
    pub message: String,
}

impl ExceptionGroup {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds exceptions of the same kind.
    pub(crate) fn add(&mut self, other: Self, examples: usize) {
        if self.counts.is_empty() {
            self.counts = vec![0; other.counts.len()];
            self.seen = other.seen;
        }
        self.counts.iter_mut().zip(other.counts).for_each(|(own, more)| *own += more);
        self.seen = (self.seen.0.min(other.seen.0), self.seen.1.max(other.seen.1));
        for (version, count) in other.versions {
            match self.versions.binary_search_by(|(known, _)| known.cmp(&version)) {
                Ok(place) => self.versions.get_mut(place).into_iter().for_each(|own| own.1 += count),
                Err(place) => self.versions.insert(place, (version, count)),
            }
        }
        self.examples.extend(other.examples);
        self.examples.sort_by(|one, other| other.cmp(one));
        // One of each trace says more.
        let mut seen = Vec::new();
        self.examples.retain(|own| {
            let is_new = seen.len() < examples && !seen.contains(&own.trace_id);
            seen.extend(is_new.then_some(own.trace_id));
            is_new
        });
    }
}

/// The part of a message that is shown: its first line.
pub(crate) fn shown(message: &str) -> String {
    message.trim_start().lines().next().unwrap_or_default().trim_end().chars().take(LONGEST).collect()
}

/// What messages of one kind share: `user "ann" has 7 orders` is `user "{}" has {} orders`.
pub(crate) fn message_template(message: &str) -> String {
    let message = shown(message);
    let mut out = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some((before, quote, inside, after)) = quoted(rest) {
        out.push_str(&template(before));
        out.push(quote);
        out.push_str(if inside.is_empty() { "" } else { "{}" });
        out.push(quote);
        rest = after;
    }
    out.push_str(&template(rest));
    out
}

/// What stands before quotes, the quote, what stands in the quotes, and what stands behind. An apostrophe in a word is no quote.
fn quoted(text: &str) -> Option<(&str, char, &str, &str)> {
    let mut last = None;
    for (at, c) in text.char_indices() {
        if matches!(c, '"' | '\'' | '`') && !last.is_some_and(char::is_alphanumeric) {
            let (before, after) = text.split_at(at);
            let after = after.strip_prefix(c)?;
            if let Some((inside, after)) = after.split_once(c) {
                return Some((before, c, inside, after));
            }
        }
        last = Some(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_kind_share_a_template() {
        for (message, expected) in [
            ("user \"ann\" has 7 orders", "user \"{}\" has {} orders"),
            ("can't open 'a/b.txt' of o-4711", "can't open '{}' of {}"),
            ("no tax rule for region DE in rule set 2026-11", "no tax rule for region DE in rule set {}"),
            ("timeout after 250ms\n  at x", "timeout after {}"),
            ("unclosed 'quote 5", "unclosed 'quote {}"),
            ("", ""),
            ("''", "''"),
            ("v2 of /api", "v2 of /api"),
        ] {
            assert_eq!(message_template(message), expected);
        }
        assert!(message_template(&"ü9 ".repeat(400_000)).len() < 1_000);
    }

    #[test]
    fn groups_are_put_together() {
        let example = |start| ExceptionExample {
            start_unix_nano: start,
            trace_id: TraceId([start as u8 / 4; 16]),
            span_id: SpanId([1; 8]),
            message: String::new(),
        };
        let group = |start, version: &str| ExceptionGroup {
            counts: vec![1, 0],
            seen: (start, start),
            versions: vec![(version.to_owned(), 1)],
            examples: vec![example(start)],
            ..ExceptionGroup::default()
        };
        let mut sum = ExceptionGroup::default();
        [(5, "b"), (3, "a"), (9, "b"), (8, "b")]
            .into_iter()
            .for_each(|(start, version)| sum.add(group(start, version), 2));
        assert_eq!((sum.count(), sum.seen), (4, (3, 9)));
        assert_eq!(sum.versions, [("a".to_owned(), 1), ("b".to_owned(), 3)]);
        assert_eq!(sum.examples, [example(9), example(5)], "one of each trace");
    }
}

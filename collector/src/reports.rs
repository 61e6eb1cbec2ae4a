//! Few lines of the log for what happens often. The first time that a sender meets a reason is logged at once; what follows is
//! counted, and logged once in a period.
//!
//! Clients choose their names, so the number of senders is bounded. Those that come on top are counted together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sender::Sender;

/// The most pairs of a sender and a reason that have a count of their own.
const MOST: usize = 100;

/// The most characters of an example.
const EXAMPLE: usize = 300;

/// Counts by sender and reason.
#[derive(Debug)]
pub(crate) struct Reports {
    period: Duration,
    tallies: Mutex<HashMap<Key, Tally>>,
    /// All that was counted since the start; senders are not forgotten.
    totals: Mutex<HashMap<Key, Total>>,
}

/// No sender: all those that have no count of their own.
type Key = (Option<Sender>, &'static str);

#[derive(Debug)]
struct Tally {
    /// When the last line was due.
    since: Instant,
    requests: u64,
    spans: u64,
    example: String,
}

#[derive(Debug, Default)]
struct Total {
    requests: u64,
    spans: u64,
    example: String,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// None for all those that have no count of their own.
    pub(crate) sender: Option<Sender>,
    pub(crate) reason: &'static str,
    pub(crate) requests: u64,
    pub(crate) spans: u64,
    /// What was wrong with one of them.
    pub(crate) example: String,
}

impl Line {
    /// The sender's service, or a name for many senders.
    pub(crate) fn service(&self) -> &str {
        self.sender.as_ref().map_or("(other senders)", |sender| sender.service.as_str())
    }

    pub(crate) fn address(&self) -> String {
        self.sender.as_ref().map(Sender::address).unwrap_or_default()
    }

    pub(crate) fn user_agent(&self) -> &str {
        self.sender.as_ref().map_or("", |sender| sender.user_agent.as_str())
    }
}

impl Reports {
    /// Reports each sender and reason once in a period.
    pub(crate) fn every(period: Duration) -> Self {
        Self { period, tallies: Mutex::default(), totals: Mutex::default() }
    }

    /// Counts one request, and how many of its spans were refused for this reason. A line, when sender and reason are new.
    pub(crate) fn count(
        &self,
        now: Instant,
        sender: &Sender,
        reason: &'static str,
        spans: u32,
        example: impl Fn() -> String,
    ) -> Option<Line> {
        self.add_total((Some(sender.clone()), reason), spans, &example);
        let mut tallies = self.lock();
        let mut key = (Some(sender.clone()), reason);
        if !tallies.contains_key(&key) && tallies.len() >= MOST {
            key.0 = None;
        }
        if let Some(tally) = tallies.get_mut(&key) {
            tally.requests += 1;
            tally.spans += u64::from(spans);
            if tally.requests == 1 {
                tally.example = example().chars().take(EXAMPLE).collect();
            }
            return None;
        }
        let first = Tally { since: now, requests: 1, spans: u64::from(spans), example: example() };
        let line = first.line(&key);
        tallies.insert(key, Tally::nothing(now));
        Some(line)
    }

    fn add_total(&self, mut key: Key, spans: u32, example: &dyn Fn() -> String) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if !totals.contains_key(&key) && totals.len() >= MOST {
            key.0 = None;
        }
        let total = totals.entry(key).or_default();
        if total.requests == 0 {
            total.example = example().chars().take(EXAMPLE).collect();
        }
        total.requests += 1;
        total.spans += u64::from(spans);
    }

    /// All since the start, the most requests first.
    pub(crate) fn totals(&self) -> Vec<Line> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |((sender, reason), Total { requests, spans, example }): (&Key, &Total)| Line {
            sender: sender.clone(),
            reason,
            requests: *requests,
            spans: *spans,
            example: example.clone(),
        };
        let mut lines: Vec<Line> = totals.iter().map(line).collect();
        lines.sort_by(|one, other| {
            other
                .requests
                .cmp(&one.requests)
                .then_with(|| (one.reason, &one.sender).cmp(&(other.reason, &other.sender)))
        });
        lines
    }

    /// The lines whose period is over. A sender that has not come again is forgotten.
    pub(crate) fn due(&self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.lock().retain(|key, tally| {
            if now.saturating_duration_since(tally.since) < self.period {
                return true;
            }
            let is_new = tally.requests > 0;
            if is_new {
                lines.push(tally.line(key));
                *tally = Tally::nothing(now);
            }
            is_new
        });
        lines
    }

    /// What has been counted and not logged, before the end.
    pub(crate) fn rest(&self) -> Vec<Line> {
        let rest = std::mem::take(&mut *self.lock());
        rest.iter().filter(|(_, tally)| tally.requests > 0).map(|(key, tally)| tally.line(key)).collect()
    }

    /// Reasons and senders that have been counted lately, in order.
    pub(crate) fn lately(&self) -> Vec<(&'static str, Option<Sender>)> {
        let mut lately: Vec<_> = self.lock().keys().map(|(sender, reason)| (*reason, sender.clone())).collect();
        lately.sort();
        lately
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn nothing(since: Instant) -> Self {
        Self { since, requests: 0, spans: 0, example: String::new() }
    }

    fn line(&self, (sender, reason): &Key) -> Line {
        let example = self.example.chars().take(EXAMPLE).collect();
        Line { sender: sender.clone(), reason, requests: self.requests, spans: self.spans, example }
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_storage::clock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sender(service: &str) -> Sender {
        Sender { service: service.to_owned(), ..Sender::default() }
    }

    fn counts(lines: &[Line]) -> Vec<(&str, &str, u64, u64)> {
        lines.iter().map(|line| (line.service(), line.reason, line.requests, line.spans)).collect()
    }

    #[test]
    fn the_first_time_is_reported_at_once_and_the_rest_once_in_a_period() {
        let (reports, start) = (Reports::every(MINUTE), clock::instant());
        let count = |seconds: u64, service: &str, reason: &'static str| {
            reports.count(start + Duration::from_secs(seconds), &sender(service), reason, 3, || "so".to_owned())
        };
        assert_eq!(counts(count(0, "a", "x").as_slice()), [("a", "x", 1, 3)]);
        for second in 1..50 {
            assert_eq!(count(second, "a", "x"), None);
        }
        assert_eq!(counts(count(50, "b", "x").as_slice()), [("b", "x", 1, 3)]);
        assert_eq!(counts(count(51, "a", "y").as_slice()), [("a", "y", 1, 3)]);
        assert_eq!(reports.due(start + Duration::from_secs(59)), []);
        let due = reports.due(start + MINUTE);
        assert_eq!(counts(&due), [("a", "x", 49, 147)]);
        assert_eq!(due[0].example, "so");
        assert_eq!(count(61, "a", "x"), None);
        assert_eq!(counts(&reports.rest()), [("a", "x", 1, 3)]);
        assert_eq!(reports.rest(), []);
    }

    #[test]
    fn a_sender_that_stays_away_is_forgotten_and_reported_at_once_when_it_comes_back() {
        let (reports, start) = (Reports::every(MINUTE), clock::instant());
        assert!(reports.count(start, &sender("a"), "x", 0, String::new).is_some());
        assert_eq!(reports.due(start + MINUTE), []);
        assert_eq!(reports.lately(), []);
        assert!(reports.count(start + MINUTE, &sender("a"), "x", 0, String::new).is_some());
    }

    #[test]
    fn fifty_thousand_senders_take_the_room_and_the_lines_of_a_hundred() {
        let (reports, start) = (Reports::every(MINUTE), clock::instant());
        let long = "x".repeat(100_000);
        let first = (0..50_000).filter_map(|service| {
            reports.count(start, &sender(&service.to_string()), ["x", "y"][service % 2], 1, || long.clone())
        });
        assert_eq!(first.map(|line| line.example.len()).collect::<Vec<_>>(), vec![EXAMPLE; MOST + 2]);
        assert_eq!(reports.lately().len(), MOST + 2);
        let mut due = reports.due(start + MINUTE);
        due.sort_by_key(|line| line.reason);
        let rest = (50_000 - 100) / 2 - 1;
        assert_eq!(counts(&due), [("(other senders)", "x", rest, rest), ("(other senders)", "y", rest, rest)]);
        assert_eq!(reports.due(start + 3 * MINUTE), []);
        assert_eq!(reports.lately(), []);
        let totals = reports.totals();
        assert_eq!((totals.len(), totals.iter().map(|line| line.requests).sum::<u64>()), (MOST + 2, 50_000));
        assert_eq!(totals.iter().map(|line| line.example.len()).max(), Some(EXAMPLE));
    }
}

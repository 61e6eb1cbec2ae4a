//! The slowest queries of late, for people who look after the server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hoptrail_storage::clock;

/// Most queries that are kept.
const MOST: usize = 20;
/// For how long.
const LATE: Duration = Duration::from_secs(3600);
/// Quicker ones are not slow.
const LEAST: Duration = Duration::from_millis(5);
/// Most characters of a text that are kept.
const TEXT: usize = 500;

/// A query that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowQuery {
    /// What was asked: `search`, `metrics`, `trace` and so on.
    pub kind: &'static str,
    /// The question in the words of TraceQL; empty when it has none.
    pub text: String,
    /// How long it took, with the time in which it waited for its turn.
    pub took: Duration,
    /// How it ended, as in `hoptrail_queries`.
    pub outcome: &'static str,
    /// How long ago it ended.
    pub ago: Duration,
}

#[derive(Debug)]
struct Known {
    ended: Instant,
    query: SlowQuery,
}

/// The slowest of the last hour.
#[derive(Debug, Default)]
pub(crate) struct SlowQueries(Mutex<Vec<Known>>);

impl SlowQueries {
    /// Notes a query that has ended now. `text` is only asked of slow ones.
    pub(crate) fn note(&self, kind: &'static str, text: &str, took: Duration, outcome: &'static str) {
        if took < LEAST {
            return;
        }
        let text = text.chars().take(TEXT).collect();
        let query = SlowQuery { kind, text, took, outcome, ago: Duration::ZERO };
        self.add(clock::instant(), query);
    }

    fn add(&self, now: Instant, query: SlowQuery) {
        let mut known = self.lock();
        known.retain(|known| now.saturating_duration_since(known.ended) < LATE);
        known.push(Known { ended: now, query });
        known.sort_by_key(|known| std::cmp::Reverse(known.query.took));
        known.truncate(MOST);
    }

    /// The slowest first.
    pub(crate) fn of_late(&self) -> Vec<SlowQuery> {
        self.at(clock::instant())
    }

    fn at(&self, now: Instant) -> Vec<SlowQuery> {
        let ago = |known: &Known| now.saturating_duration_since(known.ended);
        let known = self.lock();
        let late = known.iter().filter(|known| ago(known) < LATE);
        late.map(|known| SlowQuery { ago: ago(known), ..known.query.clone() }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(millis: u64) -> SlowQuery {
        let took = Duration::from_millis(millis);
        SlowQuery { kind: "search", text: String::new(), took, outcome: "ok", ago: Duration::ZERO }
    }

    #[test]
    fn the_slowest_of_an_hour_are_kept() {
        let (slow, start) = (SlowQueries::default(), clock::instant());
        (0..100).for_each(|number| slow.add(start, query(number * 7 % 100)));
        let found: Vec<u128> = slow.at(start).iter().map(|query| query.took.as_millis()).collect();
        assert_eq!((found.len(), found[0], found[19]), (20, 99, 80));
        assert_eq!(slow.at(start + LATE).len(), 0);
        slow.add(start + LATE, query(1));
        assert_eq!(slow.at(start + LATE + LEAST), [SlowQuery { ago: LEAST, ..query(1) }]);
        slow.note("search", &"x".repeat(1_000_000), LATE, "ok");
        assert_eq!(slow.of_late()[0].text.len(), TEXT);
        slow.note("search", "", Duration::ZERO, "ok");
        assert_eq!(slow.of_late().len(), 2, "what is quick is not noted");
    }
}

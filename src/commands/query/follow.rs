//! `--follow`: asks again and again, and prints each trace once.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::printer::Printer;
use super::rows::Row;
use super::search::{Question, note};
use crate::client::Failure;
use crate::commands::stop_on_signal;

/// Traces that are asked for at a time when no limit is given.
const LIMIT: u32 = 20;
/// The most that are asked for at once, when more have come since the last time.
const MOST: u32 = 10_000;
/// How many traces are remembered as printed.
const REMEMBERED: usize = 200_000;

/// Prints new traces, oldest first, until it is interrupted. Whether there were any.
pub(super) async fn run(
    question: &Question<'_>,
    mut printer: Printer,
    limit: Option<u32>,
    every: Duration,
) -> Result<bool, Failure> {
    let stop = stop_on_signal().map_err(|error| Failure::Mistake(error.to_string()))?;
    let mut follower = Follower { question, limit: limit.unwrap_or(LIMIT), seen: Seen::default(), answered: false };
    let mut found = false;
    loop {
        let Some(asked) = unless(&stop, follower.fresh()).await else { return Ok(found) };
        let pause = match asked {
            Ok(rows) => {
                found |= !rows.is_empty();
                printer.rows(&rows)?;
                every
            }
            Err(failure) => {
                let pause = failure.pause().filter(|_| follower.answered || matches!(failure, Failure::Busy { .. }));
                let Some(pause) = pause else { return Err(failure) };
                eprintln!("hoptrail: {failure}; asking again in {:.0} s", pause.as_secs_f64().ceil());
                pause
            }
        };
        if unless(&stop, tokio::time::sleep(pause)).await.is_none() {
            return Ok(found);
        }
    }
}

/// What comes of the work, unless it is stopped first.
async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = stop.cancelled() => None,
        done = work => Some(done),
    }
}

struct Follower<'a> {
    question: &'a Question<'a>,
    limit: u32,
    seen: Seen,
    answered: bool,
}

impl Follower<'_> {
    /// Rows that were not printed yet, oldest first. Asks for more when all of an answer is new, so that none is passed over.
    async fn fresh(&mut self) -> Result<Vec<Row>, Failure> {
        let mut limit = self.limit;
        loop {
            let page = self.question.page(limit, None).await?;
            let rows = page.rows.len();
            let all_new = page.rows.iter().all(|row| !self.seen.has(row));
            if self.answered && all_new && rows >= limit as usize && limit < MOST {
                limit = limit.saturating_mul(8).min(MOST);
                continue;
            }
            if self.answered && all_new && rows >= MOST as usize {
                eprintln!("more than {MOST} new ones at once: the oldest of them are not shown");
            }
            if !self.answered {
                note(&page);
            }
            self.answered = true;
            let mut fresh: Vec<Row> = page.rows.into_iter().filter(|row| self.seen.add(row)).collect();
            fresh.sort_by_key(|row| row.start.max(row.span.start));
            return Ok(fresh);
        }
    }
}

/// What was printed, as far as it is remembered.
#[derive(Debug, Default)]
struct Seen {
    keys: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    fn has(&self, row: &Row) -> bool {
        self.keys.contains(&row.key())
    }

    /// Whether it is new.
    fn add(&mut self, row: &Row) -> bool {
        let key = row.key();
        if !self.keys.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_is_remembered_within_bounds() {
        let row = |number: usize| Row { trace_id: number.to_string(), ..Row::default() };
        let mut seen = Seen::default();
        assert!(seen.add(&row(0)) && !seen.add(&row(0)) && seen.has(&row(0)));
        for number in 1..=REMEMBERED {
            assert!(seen.add(&row(number)));
        }
        assert_eq!((seen.keys.len(), seen.order.len(), seen.has(&row(0))), (REMEMBERED, REMEMBERED, false));
    }
}

//! The bounds of one query: its time, its memory, and whether the client still waits.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::ReadError;
use crate::explain::{Counted, Explanation};

/// Damaged locations that an answer lists.
const MOST_LEFT_OUT: usize = 16;

/// The bounds of one query, and what its answer lacks. Clones share both.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// use hoptrail_storage::{QueryContext, ReadError};
///
/// let client_has_gone = Arc::new(AtomicBool::new(false));
/// let context = QueryContext::new(Duration::from_secs(30), 256 << 20, Arc::clone(&client_has_gone));
/// let held = context.reserve(64 << 20).unwrap();
/// assert!(matches!(context.reserve(200 << 20), Err(ReadError::Memory { .. })));
/// drop(held);
/// assert!(context.reserve(200 << 20).is_ok());
///
/// client_has_gone.store(true, Ordering::Relaxed);
/// assert!(matches!(context.check(), Err(ReadError::Cancelled)));
/// ```
#[derive(Debug, Clone)]
pub struct QueryContext {
    limit: Duration,
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
    account: Arc<Account>,
    left_out: Arc<Mutex<BTreeSet<String>>>,
    /// Spans in the answer, and spans that are known, when the answer was cut.
    cut_to: Arc<OnceLock<(usize, usize)>>,
    /// What the query does, when somebody asks.
    explanation: Option<Explanation>,
}

/// Memory that all threads of a query hold together.
#[derive(Debug)]
struct Account {
    limit: usize,
    held: AtomicUsize,
}

/// A share of a query's memory. Dropping it gives the bytes back.
#[derive(Debug)]
pub struct Reserved {
    account: Arc<Account>,
    bytes: usize,
}

impl QueryContext {
    /// A query that may run for `limit` from now and hold `memory` bytes. It ends when `cancelled` is set.
    #[must_use]
    pub fn new(limit: Duration, memory: usize, cancelled: Arc<AtomicBool>) -> Self {
        let account = Arc::new(Account { limit: memory, held: AtomicUsize::new(0) });
        let (left_out, cut_to) = (Arc::default(), Arc::default());
        let deadline = crate::clock::instant() + limit;
        Self { limit, deadline, cancelled, account, left_out, cut_to, explanation: None }
    }

    /// The same query, which notes what it does in `explanation`.
    #[must_use]
    pub fn explained(self, explanation: Explanation) -> Self {
        Self { explanation: Some(explanation), ..self }
    }

    /// Counts what the query does, when somebody asks.
    pub(crate) fn count(&self, what: Counted, count: usize) {
        self.explanation.iter().for_each(|explanation| explanation.add(what, count as u64));
    }

    /// Adds a line to the plan, when somebody asks.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if let Some(explanation) = &self.explanation {
            explanation.say(line());
        }
    }

    /// Notes that a step which began then has ended, when somebody asks.
    pub(crate) fn ended(&self, step: &'static str, begun: Instant) {
        self.explanation.iter().for_each(|explanation| explanation.ended(step, begun));
    }

    /// Bounds that no test meets.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(Duration::from_secs(3600), usize::MAX, Arc::default())
    }

    /// Fails once the time is up or the client has gone. Called every few thousand rows.
    pub fn check(&self) -> Result<(), ReadError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        if crate::clock::instant() > self.deadline { Err(ReadError::Deadline { limit: self.limit }) } else { Ok(()) }
    }

    /// Notes that stored bytes at `location` are damaged, so that the answer lacks what they held.
    pub fn leave_out(&self, location: String) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if left_out.len() < MOST_LEFT_OUT {
            left_out.insert(location);
        }
    }

    /// The damaged locations that the answer lacks; empty when it is complete. The list is bounded: a few are enough to say that the answer
    /// is incomplete.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Notes that the answer has only the first `spans` of `known` spans, because there was no memory for more.
    pub fn cut(&self, spans: usize, known: usize) {
        _ = self.cut_to.set((spans, known));
    }

    /// How many spans the answer has, and how many are known, when it was [`cut`](Self::cut).
    #[must_use]
    pub fn cut_to(&self) -> Option<(usize, usize)> {
        self.cut_to.get().copied()
    }

    /// Takes `bytes` of the query's memory until the returned value is dropped. Fails when less is left.
    pub fn reserve(&self, bytes: usize) -> Result<Reserved, ReadError> {
        let mut reserved = Reserved { account: Arc::clone(&self.account), bytes: 0 };
        reserved.grow(bytes)?;
        Ok(reserved)
    }

    /// Bytes that the query may still take.
    #[must_use]
    pub fn memory_left(&self) -> usize {
        self.account.limit.saturating_sub(self.account.held.load(Ordering::Relaxed))
    }
}

impl Reserved {
    /// Takes so many bytes more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), ReadError> {
        let Account { limit, held } = &*self.account;
        let more = |held: usize| held.checked_add(bytes).filter(|held| held <= limit);
        held.try_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| ReadError::Memory { limit: *limit })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives so many bytes back, at most all.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.account.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Keeps the bytes reserved until the query ends, for what is in its answer.
    pub fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_hold_counts_together_until_it_is_given_back() {
        let context = QueryContext::new(Duration::from_secs(1), 100, Arc::default());
        let first = context.reserve(60).expect("room");
        let mut second = context.reserve(40).expect("room");
        assert!(matches!(context.reserve(1), Err(ReadError::Memory { limit: 100 })));
        assert!(second.grow(usize::MAX).is_err(), "no overflow");
        second.shrink(30);
        assert_eq!(context.memory_left(), 30);
        drop(first);
        assert_eq!(context.memory_left(), 90);
        second.keep();
        assert_eq!(context.memory_left(), 90, "it stays with the answer");
    }
}

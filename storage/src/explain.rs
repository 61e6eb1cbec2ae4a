//! What a query did, for people who ask why it took so long.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Steps that an explanation lists.
const MOST_STEPS: usize = 64;

/// What is counted while a query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Chunks of the head and row groups of segments that there are.
    Units,
    /// Those passed over since nothing in them can be in the time range.
    OutsideRange,
    /// Those passed over since filters over values say that nothing in them matches.
    RuledOut,
    /// Those of which numbers were kept from an earlier question.
    Kept,
    /// Those that were looked into. What is left was not needed: the answer was certain before.
    Scanned,
    /// Pages of segments that were read.
    Pages,
    /// Their bytes.
    Bytes,
    /// Spans that were looked at.
    Rows,
    /// Traces that were judged as a whole.
    Judged,
}

impl Counted {
    const ALL: [Self; 9] = [
        Self::Units,
        Self::OutsideRange,
        Self::RuledOut,
        Self::Kept,
        Self::Scanned,
        Self::Pages,
        Self::Bytes,
        Self::Rows,
        Self::Judged,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::OutsideRange => "outside of the time range",
            Self::RuledOut => "ruled out by filters over values",
            Self::Kept => "answered by numbers that were kept",
            Self::Scanned => "looked into",
            Self::Pages => "pages read",
            Self::Bytes => "bytes of pages read",
            Self::Rows => "spans looked at",
            Self::Judged => "traces judged as a whole",
        }
    }
}

/// A step of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedStep {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// What a query did. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Explanation(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    counts: [AtomicU64; Counted::ALL.len()],
    plan: Mutex<Vec<String>>,
    steps: Mutex<Vec<TimedStep>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Explanation {
    /// How many were counted.
    #[must_use]
    pub fn count(&self, what: Counted) -> u64 {
        self.0.counts.get(what as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// The plan, a line for each part.
    #[must_use]
    pub fn plan(&self) -> Vec<String> {
        lock(&self.0.plan).clone()
    }

    /// The steps, in the order in which they ended.
    #[must_use]
    pub fn steps(&self) -> Vec<TimedStep> {
        lock(&self.0.steps).clone()
    }

    pub(crate) fn add(&self, what: Counted, count: u64) {
        self.0.counts.get(what as usize).into_iter().for_each(|known| _ = known.fetch_add(count, Ordering::Relaxed));
    }

    pub(crate) fn say(&self, line: String) {
        lock(&self.0.plan).push(line);
    }

    /// Notes that a step which began then has ended.
    pub(crate) fn ended(&self, name: &'static str, begun: Instant) {
        let mut steps = lock(&self.0.steps);
        if steps.len() < MOST_STEPS {
            steps.push(TimedStep { name, took: begun.elapsed() });
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan")?;
        self.plan().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "\nwork")?;
        for what in Counted::ALL {
            writeln!(f, "  {:>14}  {}", self.count(what), what.name())?;
        }
        writeln!(f, "\ntime")?;
        for step in self.steps() {
            writeln!(f, "  {:>11.3} ms  {}", step.took.as_secs_f64() * 1e3, step.name)?;
        }
        Ok(())
    }
}

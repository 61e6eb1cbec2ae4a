//! Numbers of row groups that are kept. A group never changes, so a dashboard that is opened again, by somebody else or a moment later,
//! asks only for what came since.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, GuardResult};

use super::quantiles::Values;
use super::table::{Content, Found};
use super::tally::Tally;
use crate::first_values::bytes;
use crate::{Expr, Filter, ReadError, Value};

/// Questions that are known at once.
const MOST_QUESTIONS: usize = 256;
/// How long a query waits for another one that works on the same group.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Memory of numbers beside their contents, about.
const KEPT_BYTES: usize = 256;

/// Numbers of groups, by the questions they answer.
#[derive(Debug)]
pub(in crate::store) struct KeptNumbers {
    pub(super) tallies: Keep<Tally>,
    pub(super) values: Keep<Values>,
    questions: Mutex<Questions>,
}

/// Questions with their numbers.
#[derive(Debug, Default)]
struct Questions {
    /// The one asked last is at the end.
    known: Vec<(u64, Question)>,
    next: u64,
}

/// Numbers of one kind.
pub(super) type Keep<C> = Cache<Key, Arc<Kept<C>>, MemoryOf>;

/// What the numbers of a group depend on beside its spans. Two questions that differ only in which intervals they ask for are one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) filter: Filter,
    pub(super) argument: Option<Expr>,
    pub(super) is_histogram: bool,
    pub(super) by: Vec<Expr>,
    /// Length of the intervals, and where they begin, as what is left of a division by it; nothing when there is one.
    pub(super) intervals: (u64, u64),
    pub(super) has_exemplars: bool,
    pub(super) is_weighted: bool,
}

/// Names the numbers of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) question: u64,
    pub(super) group: (u64, u16),
    /// The segments that may have the same spans and are older: copies do not count.
    pub(super) older: Arc<[u64]>,
}

/// The numbers of a group.
#[derive(Debug)]
pub(super) struct Kept<C> {
    /// How many spans the group has.
    pub(super) spans: usize,
    /// The values of the groups that places name by their index.
    pub(super) groups: Vec<Vec<Option<Value>>>,
    /// When the first interval of the question began, counted in intervals.
    pub(super) first: u64,
    pub(super) found: Found<C>,
}

impl KeptNumbers {
    pub(in crate::store) fn new(bytes: u64) -> Self {
        Self {
            tallies: Cache::with_weighter(1024, bytes / 2, MemoryOf),
            values: Cache::with_weighter(1024, bytes / 2, MemoryOf),
            questions: Mutex::default(),
        }
    }

    /// The number of a question. No number is given twice.
    pub(super) fn number(&self, question: Question) -> u64 {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let Questions { known, next } = &mut *questions;
        let (number, question) = match known.iter().position(|(_, other)| *other == question) {
            Some(index) => known.remove(index),
            None => {
                *next += 1;
                (*next, question)
            }
        };
        known.push((number, question));
        if known.len() > MOST_QUESTIONS {
            known.remove(0);
        }
        number
    }
}

/// The kept numbers, or else those that are made now. Whoever asks meanwhile for the same ones waits for them.
pub(super) fn kept<C: Content>(
    keep: &Keep<C>,
    key: &Key,
    make: impl FnOnce() -> Result<Option<Kept<C>>, ReadError>,
) -> Result<Option<Arc<Kept<C>>>, ReadError> {
    match keep.get_value_or_guard(key, Some(LONGEST_WAIT)) {
        GuardResult::Value(known) => Ok(Some(known)),
        GuardResult::Guard(guard) => {
            let made = make()?.map(Arc::new);
            if let Some(made) = &made {
                _ = guard.insert(Arc::clone(made));
            }
            Ok(made)
        }
        GuardResult::Timeout => Ok(make()?.map(Arc::new)),
    }
}

/// Tells how much memory kept numbers take.
#[derive(Debug, Clone)]
pub(super) struct MemoryOf;

impl<C: Content> Weighter<Key, Arc<Kept<C>>> for MemoryOf {
    fn weight(&self, key: &Key, kept: &Arc<Kept<C>>) -> u64 {
        let groups = kept.groups.iter().flatten().map(|value| value.as_ref().map_or(0, bytes) + size_of::<Value>());
        (KEPT_BYTES + size_of_val(&*key.older) + groups.sum::<usize>() + kept.found.bytes()) as u64
    }
}

//! Answers that change slowly and that many pages ask for, kept for as long as their time is asked for: it is told in minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hoptrail_proto::model::TenantId;

/// In nanoseconds.
const MINUTE: u64 = 60_000_000_000;
/// What an answer takes beside its own size.
const OWN: usize = 8;

/// What an answer is about: a tenant, a name, and a time from its first minute to its last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct About {
    pub(crate) tenant: TenantId,
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl About {
    /// The time is made to be whole minutes.
    pub(crate) fn new(tenant: &TenantId, name: &str, start: u64, end: u64) -> Self {
        let (start, end) = (start - start % MINUTE, end.div_ceil(MINUTE).saturating_mul(MINUTE));
        Self { tenant: tenant.clone(), name: name.to_owned(), start, end }
    }
}

/// What is kept, up to a size.
#[derive(Debug)]
pub(crate) struct Kept<V> {
    most: usize,
    state: Mutex<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    answers: HashMap<About, Arc<V>>,
    size: usize,
}

impl<V> Kept<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { answers: HashMap::new(), size: 0 }) }
    }

    pub(crate) fn get(&self, about: &About) -> Option<Arc<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answers.get(about).cloned()
    }

    /// Keeps an answer of this size. When there is too much, all that was kept before is forgotten.
    pub(crate) fn keep(&self, about: About, answer: &Arc<V>, size: usize) {
        let size = size + OWN;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.size + size > self.most {
            *state = State { answers: HashMap::new(), size: 0 };
        }
        if size <= self.most && state.answers.insert(about, Arc::clone(answer)).is_none() {
            state.size += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_bounded() {
        let (kept, tenant) = (Kept::new(100), TenantId::single());
        let about = |name: &str, end: u64| About::new(&tenant, name, 0, end);
        kept.keep(about("shop", 1), &Arc::new(7), 1);
        assert_eq!(kept.get(&about("shop", MINUTE)).as_deref(), Some(&7), "the same minute");
        let other = About { tenant: TenantId::new("other").expect("a tenant"), ..about("shop", 1) };
        for unknown in [about("cart", 1), about("shop", MINUTE + 1), other] {
            assert_eq!(kept.get(&unknown), None, "{unknown:?}");
        }
        kept.keep(about("large", 1), &Arc::new(8), 100);
        assert_eq!(kept.get(&about("large", 1)), None);
        for minute in 1..1_000 {
            kept.keep(about("shop", minute * MINUTE), &Arc::new(minute), 1);
        }
        assert_eq!(kept.get(&about("shop", 999 * MINUTE)).as_deref(), Some(&999));
        assert!(kept.state.lock().expect("no panic").answers.len() <= 100 / OWN);
    }
}

//! Which of many shared values are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Numbers distinct values from 0 in the order of their first sight. Stores may or may not share equal ones, so an address seen before
/// is only the quick way; others are told by their hash, since there may be as many values as spans.
#[derive(Debug)]
pub struct Places<T> {
    /// With what lies there, so that the address is not used for another one.
    by_address: HashMap<usize, (Arc<T>, usize)>,
    by_hash: HashMap<u64, Vec<(Arc<T>, usize)>>,
    hasher: RandomState,
    count: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { by_address: HashMap::new(), by_hash: HashMap::new(), hasher: RandomState::new(), count: 0 }
    }
}

impl<T: PartialEq + Hash> Places<T> {
    /// The number of a value.
    pub fn of(&mut self, value: &Arc<T>) -> usize {
        if let Some((_, place)) = self.by_address.get(&Arc::as_ptr(value).addr()) {
            return *place;
        }
        let same_hash = self.by_hash.entry(self.hasher.hash_one(&**value)).or_default();
        let known = same_hash.iter().find(|(known, _)| known == value).map(|(_, place)| *place);
        let place = known.unwrap_or_else(|| {
            same_hash.push((Arc::clone(value), self.count));
            self.count += 1;
            self.count - 1
        });
        self.by_address.insert(Arc::as_ptr(value).addr(), (Arc::clone(value), place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Resource};
    use super::*;

    fn pod(number: i64) -> Arc<Resource> {
        Arc::new(Resource { attributes: vec![Attribute::new("pod", number)], ..Resource::default() })
    }

    #[test]
    fn equal_values_share_a_number_and_many_cost_no_square() {
        let mut places = Places::default();
        let pods: Vec<_> = (0..50_000).map(pod).collect();
        let begun = std::time::Instant::now();
        for (number, known) in pods.iter().enumerate() {
            assert_eq!(places.of(known), number);
        }
        assert_eq!((places.of(&pod(7)), places.of(&pods[7])), (7, 7));
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    }
}

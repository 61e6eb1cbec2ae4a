//! Which of many shared values are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Gives equal values the same index, from 0 in the order in which they are first seen.
///
/// A store may share equal values, and then a known address is enough. Other values are looked up by their hash: there may be as
/// many of them as spans, so comparing each with all others would take too long.
///
/// ```
/// use std::sync::Arc;
/// use hoptrail_proto::model::Distinct;
///
/// let mut distinct = Distinct::default();
/// let indexes = ["cart", "stock", "cart"].map(|name| distinct.index_of(&Arc::new(name)));
/// assert_eq!(indexes, [0, 1, 0]);
/// ```
#[derive(Debug)]
pub struct Distinct<T> {
    /// Holds each value, so that its address cannot become the address of another one.
    by_address: HashMap<usize, (Arc<T>, usize)>,
    by_hash: HashMap<u64, Vec<(Arc<T>, usize)>>,
    hasher: RandomState,
    count: usize,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { by_address: HashMap::new(), by_hash: HashMap::new(), hasher: RandomState::new(), count: 0 }
    }
}

impl<T: PartialEq + Hash> Distinct<T> {
    /// The index of a value.
    pub fn index_of(&mut self, value: &Arc<T>) -> usize {
        if let Some((_, index)) = self.by_address.get(&Arc::as_ptr(value).addr()) {
            return *index;
        }
        let same_hash = self.by_hash.entry(self.hasher.hash_one(&**value)).or_default();
        let known = same_hash.iter().find(|(known, _)| known == value).map(|(_, index)| *index);
        let index = known.unwrap_or_else(|| {
            same_hash.push((Arc::clone(value), self.count));
            self.count += 1;
            self.count - 1
        });
        self.by_address.insert(Arc::as_ptr(value).addr(), (Arc::clone(value), index));
        index
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
        let mut distinct = Distinct::default();
        let pods: Vec<_> = (0..50_000).map(pod).collect();
        let begun = std::time::Instant::now();
        for (number, known) in pods.iter().enumerate() {
            assert_eq!(distinct.index_of(known), number);
        }
        assert_eq!((distinct.index_of(&pod(7)), distinct.index_of(&pods[7])), (7, 7));
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
    }
}

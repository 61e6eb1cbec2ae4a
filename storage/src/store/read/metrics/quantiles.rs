//! Quantiles: of the values themselves as long as they take little memory, then of narrow buckets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::table::{Content, Found};
use crate::QueryContext;

/// Memory that values may take: all quantiles of a query are exact up to 8 million numbers.
const EXACT_BYTES: usize = 64 << 20;
/// Bits of a number that a bucket has in common: sign, exponent, and the first bits of the fraction.
const SHARED_BITS: u32 = 12 + FRACTION_BITS;
const FRACTION_BITS: u32 = 6;
/// Bits that differ in a bucket.
const INNER_BITS: u32 = u64::BITS - SHARED_BITS;
/// A number is off by half the width of its bucket at most, and a bucket begins at 64 times its width at least: 1/128, and what is rounded.
pub(super) const ERROR: f64 = 0.008;
/// Memory of a bucket, about.
const BUCKET_BYTES: usize = 32;
/// Memory of a list beside its values, about.
const LIST_BYTES: usize = 48;

/// How many bytes the values of a query may still take.
pub(super) struct Room(AtomicUsize);

impl Room {
    /// At most half of what the query may take.
    pub(super) fn of(context: &QueryContext) -> Self {
        Self(AtomicUsize::new(EXACT_BYTES.min(context.memory_left() / 2)))
    }

    /// The values themselves while there is room for them, or else buckets.
    pub(super) fn fit(&self, found: Found<Values>) -> Found<Values> {
        let bytes = found.contents.iter().map(|(_, values)| values.bytes()).sum();
        if self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left: usize| left.checked_sub(bytes)).is_ok() {
            return found;
        }
        let contents = found.contents.into_iter().map(|(place, values)| (place, values.in_buckets()));
        Found { contents: contents.collect(), ..found }
    }
}

/// The values of some spans.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// The values, mapped to integers of the same order, with what they weigh; weights are left out when all are 1. A list comes of a unit,
    /// and may be kept for other queries.
    exact: Vec<Arc<(Vec<u64>, Vec<f64>)>>,
    /// Weights by bucket.
    buckets: BTreeMap<u64, f64>,
}

impl Content for Values {
    fn add(&mut self, other: Self) -> usize {
        let known = self.buckets.len();
        for (bucket, weight) in other.buckets {
            *self.buckets.entry(bucket).or_default() += weight;
        }
        let bytes = bytes_of(&other.exact) + (self.buckets.len() - known) * BUCKET_BYTES;
        self.exact.extend(other.exact);
        bytes
    }

    fn bytes(&self) -> usize {
        bytes_of(&self.exact) + self.buckets.len() * BUCKET_BYTES
    }
}

impl Values {
    /// Room for so many values.
    pub(super) fn with_capacity(count: u64, is_weighted: bool) -> Self {
        let count = usize::try_from(count).unwrap_or_default();
        let weights = if is_weighted { Vec::with_capacity(count) } else { Vec::new() };
        Self { exact: vec![Arc::new((Vec::with_capacity(count), weights))], buckets: BTreeMap::new() }
    }

    /// Adds a number, which counts so many times.
    #[inline]
    pub(super) fn add_number(&mut self, number: f64, weight: Option<f64>) {
        if let Some((values, weights)) = self.exact.last_mut().and_then(Arc::get_mut) {
            values.push(ordered(number));
            weights.extend(weight);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.iter().all(|list| list.0.is_empty()) && self.buckets.is_empty()
    }

    /// The same in buckets.
    pub(super) fn in_buckets(mut self) -> Self {
        for (value, weight) in std::mem::take(&mut self.exact).iter().flat_map(weighed) {
            *self.buckets.entry(value >> INNER_BITS).or_default() += weight;
        }
        self
    }

    pub(super) fn is_exact(&self) -> bool {
        self.buckets.is_empty()
    }

    /// These quantiles; NaN without values.
    pub(super) fn quantiles(&self, quantiles: &[f64]) -> Vec<f64> {
        if !self.is_exact() {
            return self.of_buckets(quantiles);
        }
        if self.exact.iter().any(|list| !list.1.is_empty()) {
            let mut sorted: Vec<(u64, f64)> = self.exact.iter().flat_map(weighed).collect();
            sorted.sort_unstable_by_key(|(value, _)| *value);
            return quantiles.iter().map(|quantile| at(&sorted, *quantile, unordered)).collect();
        }
        let mut values: Vec<u64> = Vec::with_capacity(self.exact.iter().map(|list| list.0.len()).sum());
        self.exact.iter().for_each(|list| values.extend_from_slice(&list.0));
        quantiles.iter().map(|quantile| select(&mut values, *quantile)).collect()
    }

    fn of_buckets(&self, quantiles: &[f64]) -> Vec<f64> {
        let mut all = self.buckets.clone();
        for (value, weight) in self.exact.iter().flat_map(weighed) {
            *all.entry(value >> INNER_BITS).or_default() += weight;
        }
        let sorted: Vec<(u64, f64)> = all.into_iter().collect();
        quantiles.iter().map(|quantile| at(&sorted, *quantile, middle)).collect()
    }
}

fn bytes_of(lists: &[Arc<(Vec<u64>, Vec<f64>)>]) -> usize {
    lists.iter().map(|list| (list.0.len() + list.1.len()) * 8 + LIST_BYTES).sum()
}

/// Values with their weights.
fn weighed(list: &Arc<(Vec<u64>, Vec<f64>)>) -> impl Iterator<Item = (u64, f64)> {
    let (values, weights) = &**list;
    let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
    values.iter().copied().zip(weights)
}

/// The value of this rank among values that all count once.
fn select(values: &mut [u64], quantile: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let rank = (quantile * values.len() as f64).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank from 0 to the number of values"
    )]
    let index = (rank.max(1.0) as usize - 1).min(last);
    unordered(*values.select_nth_unstable(index).1)
}

/// The value of this rank among weighed ones in their order.
fn at(sorted: &[(u64, f64)], quantile: f64, value: impl Fn(u64) -> f64) -> f64 {
    let rank = (quantile * sorted.iter().map(|(_, weight)| weight).sum::<f64>()).ceil();
    let mut passed = 0.0;
    let found = sorted.iter().find(|(_, weight)| {
        passed += weight;
        passed >= rank
    });
    found.or(sorted.last()).map_or(f64::NAN, |(own, _)| value(*own))
}

/// A number as an integer of the same order.
#[inline]
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The inverse of [`ordered`].
fn unordered(value: u64) -> f64 {
    f64::from_bits(if value >> 63 == 1 { value ^ 1 << 63 } else { !value })
}

/// The middle of a bucket.
fn middle(bucket: u64) -> f64 {
    let first = unordered(bucket << INNER_BITS);
    let last = unordered((bucket << INNER_BITS) | ((1 << INNER_BITS) - 1));
    // The bucket of zero ends at a number that is hardly more; numbers that are not finite have buckets of their own.
    if first == 0.0 || first.is_infinite() {
        first
    } else if last == 0.0 || last.is_infinite() {
        last
    } else {
        first / 2.0 + last / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Durations and others, from tiny to large, of both signs.
    fn numbers() -> Vec<f64> {
        let number = |n: i32| f64::from(n % 7 - 2) * 1.37f64.powi(n % 90 - 30) + f64::from(n) / 1e3;
        (0..5_000).map(number).chain([0.0, -0.0, 1e300, -1e300]).collect()
    }

    fn values(numbers: &[f64], weight: Option<f64>) -> Values {
        let mut all = Values::default();
        for some in numbers.chunks(100) {
            let mut own = Values::with_capacity(some.len() as u64, weight.is_some());
            some.iter().for_each(|number| own.add_number(*number, weight));
            all.add(own);
        }
        all
    }

    #[test]
    fn quantiles_are_values_of_a_rank() {
        let mut sorted = numbers();
        sorted.sort_by(f64::total_cmp);
        for quantile in [0.0, 0.1, 0.5, 0.99, 1.0] {
            let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1);
            let expected = sorted[rank - 1];
            let exact = values(&numbers(), None);
            assert_eq!(exact.quantiles(&[quantile]), [expected], "{quantile}");
            let weighed = values(&numbers(), Some(3.0));
            assert_eq!(weighed.quantiles(&[quantile]), [expected], "{quantile}");
            let [found] = exact.in_buckets().quantiles(&[quantile])[..] else { panic!("one") };
            assert!((found - expected).abs() <= expected.abs() * ERROR, "{quantile}: {found} for {expected}");
        }
        assert!(Values::default().quantiles(&[0.5])[0].is_nan());
    }

    #[test]
    fn a_middle_is_near_each_value_of_its_bucket() {
        for number in numbers() {
            let found = middle(ordered(number) >> INNER_BITS);
            assert!((found - number).abs() <= number.abs() * ERROR, "{found} for {number}");
        }
        assert_eq!(middle(ordered(f64::INFINITY) >> INNER_BITS), f64::INFINITY);
        assert_eq!(middle(ordered(f64::NEG_INFINITY) >> INNER_BITS), f64::NEG_INFINITY);
    }

    #[test]
    fn values_and_buckets_mix() {
        let mut all = values(&[1.0, 2.0, 3.0], None);
        all.add(values(&[4.0, 5.0], None).in_buckets());
        assert!(!all.is_exact());
        let found = all.quantiles(&[0.2, 0.6, 1.0]);
        assert!(found.iter().zip([1.0, 3.0, 5.0]).all(|(one, other)| (one / other - 1.0).abs() < ERROR), "{found:?}");
    }
}

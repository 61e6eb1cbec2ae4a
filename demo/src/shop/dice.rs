//! Chance with a seed: the same seed gives the same numbers.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// Microseconds in nanoseconds.
pub(super) const US: u64 = 1_000;
/// Milliseconds in nanoseconds.
pub(super) const MS: u64 = 1_000_000;
/// Seconds in nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;

/// A source of chance.
#[derive(Debug, Clone)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number from 0 up to but without `end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// One of them, each as likely as the others.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// An index into `weights`, each as likely as its weight.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().map(|&weight| u64::from(weight)).sum());
        for (index, &weight) in weights.iter().enumerate() {
            if left < u64::from(weight) {
                return index;
            }
            left -= u64::from(weight);
        }
        0
    }

    /// A number below `end`. Small ones are much more frequent, as popular things are.
    pub(super) fn popular(&mut self, end: u64) -> u64 {
        let skewed = self.0.random::<f64>().powi(3);
        ((skewed * end as f64) as u64).min(end.saturating_sub(1))
    }

    /// A duration around `median`: half of them are shorter. One in a hundred is 3 times as long with `spread` 0.5, 10 times with 1.0.
    pub(super) fn log_normal(&mut self, median: u64, spread: f64) -> u64 {
        // Box-Muller; the first factor must not be zero.
        let radius = (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.0.random::<f64>()).cos();
        (median as f64 * (spread * normal).exp()) as u64
    }

    /// The time until the next of many independent things that come every `mean`.
    pub(super) fn waiting_time(&mut self, mean: u64) -> u64 {
        (-(1.0 - self.0.random::<f64>()).ln() * mean as f64) as u64
    }

    /// Bytes that are not all zero.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes[N - 1] |= u8::from(bytes == [0; N]);
        bytes
    }

    /// A random (version 4) UUID.
    pub(super) fn uuid(&mut self) -> String {
        let bits = u128::from_be_bytes(self.bytes());
        let versioned = (bits & !(0xf << 76) & !(0x3 << 62)) | (4 << 76) | (2 << 62);
        let hex = format!("{versioned:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// `digits` hex digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        format!("{:032x}", u128::from_be_bytes(self.bytes()))[..digits.min(32)].to_owned()
    }
}

/// A number that depends on both and looks random: for facts that must be the same each time they are asked.
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut x = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        x = (x ^ (x >> 30)).wrapping_mul(factor);
    }
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lie_around_the_median_with_a_long_tail() {
        let mut dice = Dice::new(7);
        let mut durations: Vec<u64> = (0..10_001).map(|_| dice.log_normal(10 * MS, 0.5)).collect();
        durations.sort_unstable();
        assert!((9 * MS..11 * MS).contains(&durations[5_000]), "{}", durations[5_000]);
        assert!((25 * MS..45 * MS).contains(&durations[9_900]), "{}", durations[9_900]);
    }

    #[test]
    fn weights_decide_how_often() {
        let mut dice = Dice::new(7);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[dice.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn a_uuid_is_of_version_4() {
        let uuid = Dice::new(1).uuid();
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
    }

    #[test]
    fn the_popular_comes_more_often() {
        let mut dice = Dice::new(3);
        let low = (0..1_000).filter(|_| dice.popular(1_000) < 125).count();
        assert!((450..550).contains(&low), "{low}");
    }
}

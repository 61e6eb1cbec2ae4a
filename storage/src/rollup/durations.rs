//! Durations in exponential buckets, as OpenTelemetry and Prometheus define them: scale 3, so eight buckets for each power of two of
//! seconds.

use std::sync::LazyLock;

use crate::codec::to_usize;

/// Buckets for each power of two.
const PER_OCTAVE: i16 = 8;
/// The bucket of 1 ns, and that of the longest duration.
const FIRST: i16 = -239;
const LAST: i16 = 273;

/// The number of a bucket. Bucket `n` has the durations up to `2^(n/8)` seconds and more than bucket `n - 1`. [`Bucket::ZERO`] has those of
/// no length. OpenTelemetry's index is one less, Prometheus' is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub i16);

/// The longest duration of each bucket from [`FIRST`], in nanoseconds.
static LONGEST: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let longest = |bucket: i16| (f64::from(bucket) / f64::from(PER_OCTAVE)).exp2() * 1e9;
    // A float that is too large becomes the largest integer.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and saturating")]
    (FIRST..=LAST).map(|bucket| longest(bucket).floor() as u64).collect()
});

/// Leading bits of a duration, after the first, that tell nearly which bucket it is in.
const BITS: u32 = 4;

/// For each number of leading zeros and the bits after the first one that is set: the first bucket that such a duration may be in.
static BY_LEADING_BITS: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let bucket_of = |least: u64| LONGEST.partition_point(|longest| *longest < least);
    let least = |zeros: u32, bits: u64| ((1 << BITS | bits) << (63 - BITS)) >> zeros;
    let all = (0..64).flat_map(|zeros| (0..1 << BITS).map(move |bits| bucket_of(least(zeros, bits).max(1))));
    all.map(|bucket| u16::try_from(bucket).unwrap_or(u16::MAX)).collect()
});

impl Bucket {
    /// The bucket of durations of no length.
    pub const ZERO: Self = Self(i16::MIN);

    /// The bucket of a duration.
    #[must_use]
    pub fn of(nanos: u64) -> Self {
        if nanos == 0 {
            return Self::ZERO;
        }
        let zeros = nanos.leading_zeros();
        let bits = nanos << zeros << 1 >> (64 - BITS);
        let first =
            BY_LEADING_BITS.get(((zeros as usize) << BITS) | to_usize(bits)).map_or(0, |first| usize::from(*first));
        let longest = LONGEST.get(first..).unwrap_or_default();
        // A bucket is wider than the durations with the same leading bits, so the next one is the last that may have it.
        let further = longest.iter().position(|longest| nanos <= *longest).unwrap_or(longest.len());
        Self(i16::try_from(first + further).map_or(LAST, |at| (FIRST + at).min(LAST)))
    }

    /// The longest duration in it, in seconds.
    #[must_use]
    pub fn longest_seconds(self) -> f64 {
        if self == Self::ZERO { 0.0 } else { (f64::from(self.0) / f64::from(PER_OCTAVE)).exp2() }
    }

    /// A duration in it, at most 4.5 % away from any other, in nanoseconds.
    fn middle(self) -> f64 {
        if self == Self::ZERO { 0.0 } else { ((f64::from(self.0) - 0.5) / f64::from(PER_OCTAVE)).exp2() * 1e9 }
    }
}

/// How long things took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Durations {
    /// All of them together, in nanoseconds.
    pub sum_nanos: i128,
    /// The shortest and the longest, in nanoseconds. What was taken back may still be in them.
    pub bounds: Option<(u64, u64)>,
    /// How many are in each bucket that has any, by bucket. Never negative in an answer.
    pub buckets: Vec<(Bucket, i64)>,
}

impl Durations {
    /// Adds durations of one length.
    #[inline]
    pub(crate) fn note(&mut self, nanos: u64, times: i64) {
        self.sum_nanos += i128::from(nanos) * i128::from(times);
        if times > 0 {
            self.widen((nanos, nanos));
        }
        self.count(Bucket::of(nanos), times);
    }

    fn widen(&mut self, (least, most): (u64, u64)) {
        let known = self.bounds.get_or_insert((least, most));
        *known = (known.0.min(least), known.1.max(most));
    }

    #[inline]
    fn count(&mut self, bucket: Bucket, times: i64) {
        let at = self.buckets.partition_point(|(known, _)| *known < bucket);
        match self.buckets.get_mut(at) {
            Some((known, count)) if *known == bucket => *count += times,
            _ => self.buckets.insert(at, (bucket, times)),
        }
    }

    /// Adds what others have.
    pub fn add(&mut self, other: &Self) {
        self.sum_nanos += other.sum_nanos;
        other.bounds.into_iter().for_each(|bounds| self.widen(bounds));
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            other.buckets.iter().for_each(|(bucket, times)| self.count(*bucket, *times));
        }
    }

    /// How many.
    #[must_use]
    pub fn count_all(&self) -> i64 {
        self.buckets.iter().map(|(_, times)| times).sum()
    }

    /// The quantile `q` from 0 to 1 in nanoseconds, at most 4.5 % off: the duration of rank `ceil(q * n)`. `None` when there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let all = self.count_all();
        // A count of spans is far below 2^52.
        let rank = (q.clamp(0.0, 1.0) * all as f64).ceil().max(1.0);
        let mut before = 0;
        let (bucket, _) = self.buckets.iter().find(|(_, times)| {
            before += times;
            before as f64 >= rank
        })?;
        let (least, most) = self.bounds?;
        Some(bucket.middle().clamp(least as f64, most as f64))
    }

    /// The mean in nanoseconds.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let all = self.count_all();
        (all > 0).then(|| self.sum_nanos as f64 / all as f64)
    }

    /// How many took at most as long as the longest of a bucket.
    #[must_use]
    pub fn up_to(&self, bucket: Bucket) -> i64 {
        self.buckets.iter().take_while(|(known, _)| *known <= bucket).map(|(_, times)| times).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        // What came instead of something else of the same bucket leaves only a difference of the sums.
        self.sum_nanos == 0 && self.buckets.iter().all(|(_, times)| *times == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_its_longest_duration_and_not_that_of_the_bucket_before() {
        let buckets = [
            (0, Bucket::ZERO),
            (1, Bucket(-239)),
            (1_000_000_000, Bucket(0)),
            (1_000_000_001, Bucket(1)),
            (1_090_507_732, Bucket(1)),
            (1_090_507_733, Bucket(2)),
            (2_000_000_000, Bucket(8)),
            (500_000_000, Bucket(-8)),
            (500_000_001, Bucket(-7)),
            (u64::MAX, Bucket(273)),
        ];
        for (nanos, expected) in buckets {
            assert_eq!(Bucket::of(nanos), expected, "{nanos}");
        }
        let mut nanos = 1_u64;
        while nanos < u64::MAX / 3 {
            let (bucket, seconds) = (Bucket::of(nanos), nanos as f64 / 1e9);
            assert!(seconds <= bucket.longest_seconds() * (1.0 + 1e-12), "{nanos}");
            assert!(seconds > Bucket(bucket.0 - 1).longest_seconds() * (1.0 - 1e-12), "{nanos}");
            assert!((bucket.middle() / nanos as f64 - 1.0).abs() < 0.045, "{nanos}");
            nanos += nanos / 2 + 1;
        }
    }

    #[test]
    fn quantiles_are_near_and_within_bounds() {
        let mut durations = Durations::default();
        assert_eq!((durations.quantile(0.5), durations.mean()), (None, None));
        (1..=1000).for_each(|n| durations.note(n * 1_000_000, 1));
        for (q, exact) in [(0.0, 1e6), (0.5, 500e6), (0.95, 950e6), (0.99, 990e6), (1.0, 1000e6)] {
            let found = durations.quantile(q).expect("durations");
            assert!((found / exact - 1.0).abs() < 0.09 && found <= 1e9, "{q}: {found}");
        }
        assert_eq!((durations.count_all(), durations.mean()), (1000, Some(500.5e6)));
        let mut twice = durations.clone();
        twice.add(&durations);
        assert_eq!((twice.count_all(), twice.up_to(Bucket(0))), (2000, 2000));
        (1..=1000).for_each(|n| twice.note(n * 1_000_000, -2));
        assert!(twice.is_empty() && twice.sum_nanos == 0);
    }
}

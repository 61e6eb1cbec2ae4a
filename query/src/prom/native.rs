//! Durations as a native histogram of Prometheus.

use hoptrail_storage::{Bucket, Durations};

/// The buckets of a native histogram, written as Prometheus does: runs of buckets, and how each differs from the one before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Native {
    /// How many durations.
    pub count: u64,
    /// Those of no length.
    pub zero_count: u64,
    /// Runs: how many empty buckets before, and how many it has. For the first run, the number of its first bucket.
    pub spans: Vec<(i32, u32)>,
    /// What each bucket of the runs has more than the one before.
    pub deltas: Vec<i64>,
}

impl Native {
    /// Eight buckets for each power of two.
    pub const SCHEMA: i32 = 3;
    /// What is not longer has no length: 2 to the -128th, which is Prometheus' default.
    pub const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

    /// The histogram of durations. `None` when a count is negative.
    #[must_use]
    pub fn of(durations: &Durations) -> Option<Self> {
        let mut native = Self::default();
        let (mut last, mut before) = (None, 0);
        for (bucket, count) in durations.buckets.iter().filter(|(_, count)| *count != 0) {
            let times = u64::try_from(*count).ok()?;
            native.count = native.count.checked_add(times)?;
            if *bucket == Bucket::ZERO {
                native.zero_count = times;
                continue;
            }
            let at = i32::from(bucket.0);
            native.put(last.map(|last: i32| last + 1), at);
            native.deltas.push(count - before);
            (last, before) = (Some(at), *count);
        }
        Some(native)
    }

    /// Adds a bucket to the runs; `next` is the one that would continue the last run.
    fn put(&mut self, next: Option<i32>, at: i32) {
        let gap = at - next.unwrap_or(0);
        match self.spans.last_mut() {
            Some((_, length)) if gap == 0 => *length += 1,
            _ => self.spans.push((gap, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_buckets_are_written_by_their_differences() {
        let buckets =
            [(Bucket::ZERO, 4), (Bucket(-7), 2), (Bucket(-6), 5), (Bucket(-5), 0), (Bucket(3), 1), (Bucket(4), 1)];
        let durations = Durations { buckets: buckets.into(), ..Durations::default() };
        let native = Native::of(&durations).expect("counts");
        assert_eq!((native.count, native.zero_count), (13, 4));
        assert_eq!(native.spans, [(-7, 2), (8, 2)]);
        assert_eq!(native.deltas, [2, 3, -4, 0]);
        let first = Durations { buckets: vec![(Bucket(0), 1)], ..Durations::default() };
        assert_eq!(Native::of(&first).expect("counts").spans, [(0, 1)]);
        assert_eq!(Native::of(&Durations { buckets: vec![(Bucket(0), -1)], ..Durations::default() }), None);
    }
}

//! Time to percent of the width.

use hoptrail_query::assemble::Interval;

/// A stretch of time laid over a width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) range: Interval,
}

impl Scale {
    pub(crate) fn new(range: Interval) -> Self {
        Self { range }
    }

    /// Percent from the left; moments outside lie at the edges.
    pub(crate) fn position(&self, moment: u64) -> f64 {
        let length = self.range.nanos();
        if length == 0 {
            return 0.0;
        }
        let offset = moment.clamp(self.range.start, self.range.end) - self.range.start;
        100.0 * offset as f64 / length as f64
    }

    /// Left edge and width of an interval; `None` when all of it lies outside.
    pub(crate) fn bar(&self, interval: Interval) -> Option<(f64, f64)> {
        if interval.end < self.range.start || interval.start > self.range.end {
            return None;
        }
        let left = self.position(interval.start);
        Some((left, self.position(interval.end) - left))
    }
}

/// Offsets in nanoseconds that divide a length into about `parts` by round numbers (1, 2 or 5 times a power of ten), from 0.
pub(crate) fn ticks(length: u64, parts: u64) -> Vec<u64> {
    let wanted = (length / parts.max(1)).max(1);
    let power = 10_u64.pow(wanted.ilog10());
    let step = [1, 2, 5, 10].into_iter().map(|factor| power.saturating_mul(factor)).find(|step| *step >= wanted);
    let step = step.unwrap_or(wanted);
    (0..=length / step).map(|tick| tick * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_clamped_and_bars_cut() {
        let scale = Scale::new(Interval { start: 100, end: 300 });
        assert_eq!((scale.position(0), scale.position(150), scale.position(900)), (0.0, 25.0, 100.0));
        assert_eq!(scale.bar(Interval { start: 0, end: 200 }), Some((0.0, 50.0)));
        assert_eq!(scale.bar(Interval { start: 300, end: 900 }), Some((100.0, 0.0)));
        assert_eq!(scale.bar(Interval { start: 301, end: 900 }), None);
        assert_eq!(Scale::new(Interval { start: 5, end: 5 }).bar(Interval { start: 5, end: 5 }), Some((0.0, 0.0)));
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(100, 5), [0, 20, 40, 60, 80, 100]);
        assert_eq!(ticks(1_234_567, 5), [0, 500_000, 1_000_000]);
        assert_eq!(ticks(0, 5), [0]);
        for length in [1, 7, 99, 1_000_000_007, u64::MAX] {
            let found = ticks(length, 5);
            assert!(found.len() <= 10 && found.iter().all(|tick| *tick <= length), "{length}: {found:?}");
        }
    }
}

//! Steps of time, of whole minutes.

use super::{DAY, MINUTE};
use crate::TimeRange;

/// Steps of one length that follow one another. Step `n` has the times `start + n * step <= t < start + (n + 1) * step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollupSteps {
    /// Start of the first step, nanoseconds since 1970 UTC; a whole minute.
    pub start: u64,
    /// Length of a step in nanoseconds; whole minutes, at least one.
    pub step: u64,
    /// How many there are.
    pub count: usize,
}

/// Lengths of steps that people are used to, in minutes.
const USUAL: [u64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080];

impl RollupSteps {
    /// One step that has the whole range.
    #[must_use]
    pub fn whole(range: TimeRange) -> Self {
        let start = range.start / MINUTE * MINUTE;
        let minutes = range.end.saturating_sub(start).div_ceil(MINUTE).max(1);
        Self { start, step: minutes.saturating_mul(MINUTE), count: 1 }
    }

    /// Steps of a usual length over a range, about `most`. They are aligned to UTC: steps of hours begin at whole hours.
    #[must_use]
    pub fn over(range: TimeRange, most: usize) -> Self {
        let length = range.end.saturating_sub(range.start);
        let least = length / most.max(1) as u64;
        let step = USUAL.iter().map(|minutes| minutes * MINUTE).find(|step| *step >= least).unwrap_or(7 * DAY);
        let start = range.start / step * step;
        let count = range.end.saturating_sub(start).div_ceil(step).max(1);
        Self { start, step, count: usize::try_from(count).unwrap_or(usize::MAX) }
    }

    /// All times that are in a step.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        let length = self.step.saturating_mul(self.count as u64);
        TimeRange { start: self.start, end: self.start.saturating_add(length) }
    }

    /// The step that a time is in.
    #[must_use]
    pub fn of(&self, time: u64) -> Option<usize> {
        let step = time.checked_sub(self.start)?.checked_div(self.step)?;
        usize::try_from(step).ok().filter(|step| *step < self.count)
    }

    /// The start of a step.
    #[must_use]
    pub fn start_of(&self, step: usize) -> u64 {
        self.start.saturating_add(self.step.saturating_mul(step as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::HOUR;
    use super::*;

    #[test]
    fn steps_have_their_start_and_not_their_end() {
        let steps = RollupSteps { start: 10 * MINUTE, step: 5 * MINUTE, count: 2 };
        let at = [10 * MINUTE - 1, 10 * MINUTE, 15 * MINUTE - 1, 15 * MINUTE, 20 * MINUTE - 1, 20 * MINUTE];
        assert_eq!(at.map(|time| steps.of(time)), [None, Some(0), Some(0), Some(1), Some(1), None]);
        assert_eq!(steps.range(), TimeRange { start: 10 * MINUTE, end: 20 * MINUTE });
        assert_eq!(steps.start_of(1), 15 * MINUTE);
    }

    #[test]
    fn a_range_gets_usual_steps() {
        let range = TimeRange { start: 7 * HOUR + 5, end: 9 * HOUR + 5 };
        let steps = RollupSteps::over(range, 60);
        assert_eq!(steps, RollupSteps { start: 7 * HOUR, step: 2 * MINUTE, count: 61 });
        assert_eq!(RollupSteps::over(TimeRange { start: 0, end: 40 * DAY }, 48).step, DAY);
        assert_eq!(RollupSteps::over(TimeRange { start: 5, end: 5 }, 0).count, 1);
        let whole = RollupSteps::whole(TimeRange { start: MINUTE + 1, end: 3 * MINUTE + 1 });
        assert_eq!(whole, RollupSteps { start: MINUTE, step: 3 * MINUTE, count: 1 });
        assert_eq!(RollupSteps::whole(TimeRange { start: 0, end: u64::MAX }).count, 1);
    }
}

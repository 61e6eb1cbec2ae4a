//! Counters over time, from counts of whole minutes.
//!
//! A counter is a line that rises evenly within a minute. So `increase` over whole minutes is exactly what was counted in them, and a
//! minute that is only partly in a window counts in proportion. What was counted in the minute that runs now was counted before now.

use hoptrail_storage::{HOUR, MINUTE, RollupSteps, TimeRange};

/// A series is there for so long after its last span, as on `/metrics/spans` by default.
pub(super) const PRESENT: u64 = HOUR;
/// Most steps that are read for one range. A longer range is read in coarser steps.
const MOST_STEPS: usize = 3000;

/// The times at which a query is computed, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) step: u64,
    pub(super) count: usize,
    /// The time now.
    pub(super) now: u64,
}

impl Times {
    pub(super) fn iter(self) -> impl Iterator<Item = u64> {
        (0..self.count as u64).map(move |at| self.start.saturating_add(self.step.saturating_mul(at)))
    }

    fn end(self) -> u64 {
        self.start.saturating_add(self.step.saturating_mul(self.count.saturating_sub(1) as u64))
    }

    /// The steps to read for windows of `window` that end `offset` before the times. Where all ends of windows are whole minutes they
    /// are steps that the windows are made of.
    pub(super) fn steps(self, window: u64, offset: i64) -> RollupSteps {
        let ends = [self.start, self.end()].map(|time| time.saturating_add_signed(-offset));
        let range = TimeRange { start: ends[0].saturating_sub(window.max(PRESENT)), end: ends[1].saturating_add(1) };
        let lengths = [ends[0], self.step, window];
        let is_whole = lengths.iter().all(|length| length.is_multiple_of(MINUTE));
        let step = if is_whole { lengths.into_iter().fold(0, greatest_divisor).max(MINUTE) } else { MINUTE };
        let start = range.start / step * step;
        let count = range.end.saturating_sub(start).div_ceil(step);
        match usize::try_from(count) {
            Ok(count) if count <= MOST_STEPS => RollupSteps { start, step, count: count.max(1) },
            _ => RollupSteps::over(range, MOST_STEPS),
        }
    }
}

fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Within what a counter rises evenly: the steps that were read, or coarser ones where the store has no finer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    start: u64,
    step: u64,
    read: RollupSteps,
    now: u64,
}

impl Grid {
    pub(super) fn new(read: RollupSteps, resolution: u64, now: u64) -> Self {
        let step = read.step.max(resolution);
        Self { start: read.start / step * step, step, read, now }
    }

    /// Where in the grid a step is that was read.
    fn index(&self, step: usize) -> u64 {
        self.read.start_of(step).saturating_sub(self.start) / self.step
    }

    /// Whether the store has only coarser steps than were asked for.
    pub(super) fn is_coarse(&self) -> bool {
        self.step > self.read.step
    }
}

/// A counter.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    /// What it had before the grid.
    pub(super) before: f64,
    /// What it has at the end of each step of the grid in which it rises.
    ends: Vec<(u64, f64)>,
}

impl Counter {
    /// A counter of numbers by steps that were read, ascending.
    pub(super) fn new(grid: &Grid, numbers: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut ends: Vec<(u64, f64)> = Vec::new();
        let mut sum = 0.0;
        for (step, number) in numbers.filter(|(_, number)| *number != 0.0) {
            sum += number;
            let at = grid.index(step);
            match ends.last_mut() {
                Some((last, end)) if *last == at => *end = sum,
                _ => ends.push((at, sum)),
            }
        }
        Self { before: 0.0, ends }
    }

    /// Its value.
    pub(super) fn at(&self, grid: &Grid, time: u64) -> f64 {
        let Some(since) = time.checked_sub(grid.start) else { return self.before };
        let step = since / grid.step;
        let from = self.ends.partition_point(|(at, _)| *at < step);
        let before = from.checked_sub(1).and_then(|at| self.ends.get(at)).map_or(0.0, |(_, end)| *end);
        let within = self.ends.get(from).filter(|(at, _)| *at == step);
        let share = within.map_or(0.0, |(_, end)| (end - before) * share(grid, step, time));
        self.before + before + share
    }
}

/// How much of a step is over at a time in it.
fn share(grid: &Grid, step: u64, time: u64) -> f64 {
    let start = grid.start + step * grid.step;
    let whole = start.saturating_add(grid.step);
    let end = if (start..whole).contains(&grid.now) { grid.now } else { whole };
    if time >= end {
        return 1.0;
    }
    (time - start) as f64 / (end - start) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * HOUR;

    fn times(start: u64, step: u64, count: usize) -> Times {
        Times { start, step, count, now: 100 * DAY }
    }

    #[test]
    fn whole_minutes_are_read_in_steps_that_fit() {
        let steps = times(10 * DAY, 30 * MINUTE, 48).steps(30 * MINUTE, 0);
        assert_eq!((steps.step, steps.start), (30 * MINUTE, 10 * DAY - HOUR));
        assert!(steps.range().end >= 10 * DAY + 47 * 30 * MINUTE);
        assert_eq!(times(10 * DAY + MINUTE, 5 * MINUTE, 10).steps(HOUR, 0).step, MINUTE);
        assert_eq!(times(10 * DAY + 1, 5 * MINUTE, 10).steps(HOUR, 0).step, MINUTE);
        assert!(times(10 * DAY + 1, HOUR, 24 * 30).steps(HOUR, 0).step >= 10 * MINUTE, "30 days are read coarser");
        let earlier = times(10 * DAY, HOUR, 1).steps(HOUR, DAY as i64);
        assert_eq!(earlier.start, 9 * DAY - HOUR);
    }

    #[test]
    fn a_counter_rises_evenly_within_a_minute() {
        let read = RollupSteps { start: 10 * MINUTE, step: MINUTE, count: 5 };
        let grid = Grid::new(read, MINUTE, 12 * MINUTE + MINUTE / 2);
        let counter = Counter::new(&grid, [(0, 60.0), (2, 10.0)].into_iter());
        let at = |time: u64| counter.at(&grid, time);
        assert_eq!(at(9 * MINUTE), 0.0);
        assert_eq!(at(10 * MINUTE), 0.0);
        assert_eq!(at(10 * MINUTE + MINUTE / 4), 15.0);
        assert_eq!((at(11 * MINUTE), at(12 * MINUTE)), (60.0, 60.0));
        assert_eq!(at(12 * MINUTE + MINUTE / 4), 65.0, "the minute that runs is as long as it lasted");
        assert_eq!((at(12 * MINUTE + MINUTE / 2), at(20 * MINUTE)), (70.0, 70.0));
    }

    #[test]
    fn coarse_counts_are_spread() {
        let read = RollupSteps { start: HOUR + 10 * MINUTE, step: MINUTE, count: 100 };
        let grid = Grid::new(read, HOUR, DAY);
        assert!(grid.is_coarse());
        let counter = Counter::new(&grid, [(0, 30.0), (50, 60.0)].into_iter());
        assert_eq!(counter.at(&grid, HOUR + 30 * MINUTE), 15.0);
        assert_eq!(counter.at(&grid, 2 * HOUR + 30 * MINUTE), 60.0);
    }
}

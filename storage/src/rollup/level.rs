//! How finely time is divided. A rollup has its numbers at each level, so that a year is not summed up of minutes. With age the finer levels
//! go.

use super::{DAY, HOUR, MINUTE, RollupSteps};

/// The length of the rows of a level. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Minute = 0,
    Hour = 1,
    Day = 2,
    /// One row for all times. It stays when everything else is gone: counters never fall.
    Ever = 3,
}

impl Level {
    /// All levels, finest first.
    pub(crate) const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Ever];

    /// How long a row is.
    pub(crate) fn length(self) -> u64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Ever => u64::MAX,
        }
    }

    /// How much time a page has.
    pub(crate) fn page_length(self) -> u64 {
        match self {
            Self::Minute => HOUR,
            Self::Hour => 2 * DAY,
            Self::Day => 64 * DAY,
            Self::Ever => u64::MAX,
        }
    }

    /// The start of the row that has a time.
    pub(crate) fn row(self, time: u64) -> u64 {
        time / self.length() * self.length()
    }

    /// The start of the page that has a time.
    pub(crate) fn page(self, time: u64) -> u64 {
        time / self.page_length() * self.page_length()
    }
}

impl RollupSteps {
    /// The coarsest level whose row at this time lies in one step; the finest when there is none.
    pub(crate) fn level_at(&self, time: u64) -> Level {
        let fits = |level: &Level| {
            let start = level.row(time);
            self.of(start).is_some_and(|step| self.of(start.saturating_add(level.length() - 1)) == Some(step))
        };
        let all = self.start == 0 && self.count == 1 && self.range().end == u64::MAX;
        if all { Level::Ever } else { [Level::Day, Level::Hour].into_iter().find(fits).unwrap_or(Level::Minute) }
    }

    /// Whether a page of a level may have rows that answer.
    pub(crate) fn needs(&self, level: Level, page: u64) -> bool {
        let (end, range) = (page.saturating_add(level.page_length()), self.range());
        let is_met = page < range.end && range.start < end;
        match level {
            Level::Ever => self.level_at(0) == Level::Ever,
            _ if self.level_at(0) == Level::Ever => false,
            // Such a page is an hour, which fits into a step as a whole or not.
            Level::Minute => is_met && self.level_at(page) == Level::Minute,
            Level::Hour | Level::Day => is_met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimeRange;

    #[test]
    fn whole_days_and_hours_are_read_as_such() {
        let steps = RollupSteps::whole(TimeRange { start: DAY - HOUR - MINUTE, end: 2 * DAY + HOUR + MINUTE });
        let levels =
            [DAY - HOUR - MINUTE, DAY - HOUR, DAY, 2 * DAY - 1, 2 * DAY, 2 * DAY + HOUR].map(|t| steps.level_at(t));
        use Level::{Day, Hour, Minute};
        assert_eq!(levels, [Minute, Hour, Day, Day, Hour, Minute]);
        let hourly = RollupSteps { start: DAY, step: HOUR, count: 24 };
        assert_eq!(hourly.level_at(DAY + 5), Hour);
        let ever = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
        assert_eq!(ever.level_at(DAY), Level::Ever);
    }

    #[test]
    fn pages_outside_of_the_range_are_not_needed() {
        let steps = RollupSteps { start: DAY + 5 * MINUTE, step: DAY, count: 1 };
        let needed = |level, page: u64| (0..60).filter(|n| steps.needs(level, n * page)).collect::<Vec<_>>();
        assert_eq!(needed(Level::Minute, HOUR), [24, 48]);
        assert_eq!((needed(Level::Hour, 2 * DAY), needed(Level::Day, 64 * DAY)), (vec![0, 1], vec![0]));
        assert!(!steps.needs(Level::Ever, 0));
    }
}

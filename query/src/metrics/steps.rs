//! The intervals of a range of time.

use hoptrail_storage::Steps;

use crate::traceql::format_duration;

/// Most intervals of a query.
pub const MAX_INTERVALS: usize = 10_000;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
/// What default steps are multiples of.
const GRANULARITIES: [u64; 6] = [60 * MINUTE, 5 * MINUTE, MINUTE, 15 * SECOND, 5 * SECOND, SECOND];
/// The same for ranges below a minute.
const FINE: u64 = 50_000_000;
/// About how many intervals a range has by default.
const USUAL: u64 = 240;

/// Why a range has no intervals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// The range is empty.
    #[error("the end must be after the start, but start={start} and end={end} (nanoseconds since 1970)")]
    Empty {
        /// Its start.
        start: u64,
        /// Its end.
        end: u64,
    },
    /// A step of nothing.
    #[error("the step must be more than 0")]
    NoStep,
    /// More than [`MAX_INTERVALS`].
    #[error(
        "a step of {} makes {count} intervals, and at most {MAX_INTERVALS} are allowed; use a step of at least {}",
        text(*step),
        text(*least)
    )]
    TooMany {
        /// The step, nanoseconds.
        step: u64,
        /// How many intervals that would be.
        count: u64,
        /// The least step for this range, in whole seconds where it has any.
        least: u64,
    },
}

/// Intervals of a step, by default [`default_step`], that end at multiples of it. The first one ends at the start or, when that is no
/// multiple, before. The last one ends at the end or after; but not after `now`, since it would not be complete.
///
/// ```
/// use hoptrail_query::metrics::range_steps;
///
/// let steps = range_steps(25, 42, Some(10), 1000).unwrap();
/// assert_eq!((steps.start, steps.step, steps.count), (10, 10, 4), "they end at 20, 30, 40 and 50");
/// ```
///
/// # Errors
/// The range is empty, or the step is 0 or too small for it.
pub fn range_steps(start: u64, end: u64, step: Option<u64>, now: u64) -> Result<Steps, StepsError> {
    let length = length(start, end)?;
    let step = step.unwrap_or_else(|| default_step(length));
    let first_end = start.checked_div(step).ok_or(StepsError::NoStep)?.saturating_mul(step);
    let before = first_end.saturating_sub(step);
    let complete = now - now % step;
    let last_end = end.div_ceil(step).saturating_mul(step).min(complete.max(before.saturating_add(step)));
    let count = last_end.saturating_sub(before) / step;
    match usize::try_from(count) {
        Ok(count) if count <= MAX_INTERVALS => Ok(Steps { start: before, step, count }),
        _ => {
            // Two intervals may lie partly outside of the range.
            let least = length.div_ceil(MAX_INTERVALS as u64 - 2);
            let least = if least < SECOND { least } else { least.div_ceil(SECOND).saturating_mul(SECOND) };
            Err(StepsError::TooMany { step, count, least })
        }
    }
}

/// One interval, from the start to the end of a range.
///
/// # Errors
/// The range is empty.
pub fn instant_steps(start: u64, end: u64) -> Result<Steps, StepsError> {
    let step = length(start, end)?;
    Ok(Steps { start, step, count: 1 })
}

fn length(start: u64, end: u64) -> Result<u64, StepsError> {
    end.checked_sub(start).filter(|length| *length > 0).ok_or(StepsError::Empty { start, end })
}

/// The step for a range of this length: about 240 of them fit in.
#[must_use]
pub fn default_step(length: u64) -> u64 {
    let step = length / USUAL;
    if length < MINUTE {
        return (step - step % FINE).max(FINE);
    }
    let granularity = GRANULARITIES.into_iter().find(|granularity| step >= *granularity).unwrap_or(SECOND);
    (step - step % granularity).max(granularity)
}

fn text(nanos: u64) -> String {
    format_duration(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_end_at_multiples_of_the_step() {
        for ((start, end, now), (before, count)) in [
            // Both on the grid: a point at each.
            ((20, 40, 100), (10, 3)),
            ((21, 39, 100), (10, 3)),
            ((20, 41, 100), (10, 4)),
            // What is not over yet is left out.
            ((20, 44, 46), (10, 3)),
            ((20, 40, 40), (10, 3)),
            // There is one interval at least.
            ((20, 25, 3), (10, 1)),
            ((5, 9, 100), (0, 1)),
        ] {
            let found = range_steps(start, end, Some(10), now);
            assert_eq!(found, Ok(Steps { start: before, step: 10, count }), "{start} {end} {now}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_numbers() {
        let message = |found: Result<Steps, StepsError>| found.map_err(|error| error.to_string()).unwrap_err();
        assert!(message(range_steps(5, 5, None, 9)).contains("start=5 and end=5"));
        assert!(message(instant_steps(6, 5)).contains("end must be after the start"));
        assert!(message(range_steps(5, 6, Some(0), 9)).contains("more than 0"));
        let day = 86_400 * SECOND;
        let refused = message(range_steps(day, 2 * day, Some(SECOND), 9 * day));
        assert!(refused.contains("a step of 1s makes 86401 intervals"), "{refused}");
        assert!(refused.ends_with("use a step of at least 9s"), "{refused}");
        assert!(range_steps(day, 2 * day, Some(9 * SECOND), 9 * day).is_ok());
        assert!(range_steps(0, u64::MAX, Some(1), u64::MAX).is_err(), "no overflow");
        let widest = range_steps(u64::MAX - 1, u64::MAX, Some(u64::MAX), u64::MAX);
        assert!(widest.is_ok_and(|steps| steps.count <= 2));
    }

    #[test]
    fn default_steps_are_round() {
        for (length, step) in [
            (SECOND, FINE),
            (30 * SECOND, 100_000_000),
            (MINUTE, SECOND),
            (15 * MINUTE, 3 * SECOND),
            (60 * MINUTE, 15 * SECOND),
            (6 * 60 * MINUTE, 90 * SECOND - 30 * SECOND),
            (24 * 60 * MINUTE, 6 * MINUTE - MINUTE),
            (20 * 24 * 60 * MINUTE, 120 * MINUTE),
        ] {
            assert_eq!(default_step(length), step, "{length}");
        }
    }
}

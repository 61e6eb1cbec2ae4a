//! When a span ran, and a trace: one rule for times that cannot be, for search, list and page.

use std::ops::Range;

/// Times that can be real, nanoseconds since 1970 UTC: from the year 2000 to the end of 2099. Others come from a clock that was never
/// set, from another unit, or from a value that is missing.
const REAL: Range<u64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;

/// The time by which a span counts, or several spans together. Spans whose time can be real decide; the others count only when there
/// is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Whether the time can be real.
    pub is_real: bool,
    /// Nanoseconds since 1970 UTC.
    pub start: u64,
    /// Nanoseconds since 1970 UTC, not before the start.
    pub end: u64,
}

impl Extent {
    /// The extent of one span. An end that lies before the start, or that cannot be real, counts as the start. A start that is missing
    /// or too early counts as the end.
    #[must_use]
    pub fn of(start: u64, end: u64) -> Self {
        match (REAL.contains(&start), REAL.contains(&end)) {
            (true, true) => Self { is_real: true, start, end: end.max(start) },
            (true, false) => Self { is_real: true, start, end: start },
            (false, true) if start < REAL.start => Self { is_real: true, start: end, end },
            _ => Self { is_real: false, start, end: end.max(start) },
        }
    }

    /// The extent of both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.is_real, other.is_real) {
            (true, false) => self,
            (false, true) => other,
            _ => Self { start: self.start.min(other.start), end: self.end.max(other.end), ..self },
        }
    }

    /// The extent of all together; `None` when there are none.
    #[must_use]
    pub fn of_all(spans: impl IntoIterator<Item = Self>) -> Option<Self> {
        spans.into_iter().reduce(Self::and)
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.end - self.start
    }

    /// The start by which traces are ordered. Extents without a real time come after all others.
    ///
    /// The order start of several extents together is the least of theirs. So whoever knows only some spans of a trace knows a bound:
    /// the whole trace cannot come later in the order.
    #[must_use]
    pub fn order_start(&self) -> u64 {
        match self.is_real {
            true => self.start,
            false if self.start < REAL.start => REAL.end + self.start,
            false => self.start.max(REAL.end + REAL.start),
        }
    }

    /// The order start of an extent with this [`start`](Extent::start).
    #[must_use]
    pub fn order_start_of(start: u64) -> u64 {
        Self { is_real: REAL.contains(&start), start, end: start }.order_start()
    }

    /// Whether every start between these two, both included, can be real.
    #[must_use]
    pub fn are_real(earliest: u64, latest: u64) -> bool {
        REAL.contains(&earliest) && REAL.contains(&latest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026.
    const NOW: u64 = 1_767_225_600_000_000_000;

    #[test]
    fn times_that_cannot_be_real_do_not_count() {
        let real = |start, end| Extent { is_real: true, start: NOW + start, end: NOW + end };
        for (start, end, extent) in [
            (NOW, NOW + 5, real(0, 5)),
            (NOW, NOW - 5, real(0, 0)),
            (NOW, 0, real(0, 0)),
            (NOW, u64::MAX, real(0, 0)),
            (0, NOW + 5, real(5, 5)),
            (NOW / 1_000, NOW / 1_000 + 5, Extent { is_real: false, start: NOW / 1_000, end: NOW / 1_000 + 5 }),
            (u64::MAX, NOW, Extent { is_real: false, start: u64::MAX, end: u64::MAX }),
            (0, 0, Extent { is_real: false, start: 0, end: 0 }),
        ] {
            assert_eq!(Extent::of(start, end), extent, "{start} {end}");
        }
        let unreal = [Extent::of(0, 0), Extent::of(u64::MAX, u64::MAX)];
        assert_eq!(Extent::of_all(unreal).map(|all| all.nanos()), Some(u64::MAX), "when none is real, all count");
        assert_eq!(Extent::of_all(unreal.into_iter().chain([real(1, 2), real(3, 9)])), Some(real(1, 9)));
    }

    fn time() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), NOW..NOW + 100, REAL.end - 5..REAL.end + REAL.start + 5]
    }

    proptest! {
        #[test]
        fn the_order_start_of_several_is_the_least_of_theirs(times in prop::collection::vec((time(), time()), 1..5)) {
            let extents = || times.iter().map(|(start, end)| Extent::of(*start, *end));
            let all = Extent::of_all(extents()).expect("there is one");
            prop_assert_eq!(Some(all.order_start()), extents().map(|extent| extent.order_start()).min());
            prop_assert_eq!(Extent::order_start_of(all.start), all.order_start());
            prop_assert!(all.start <= all.end);
            // A span is looked for by its start alone.
            prop_assert!(times.iter().zip(extents()).all(|((start, _), extent)| extent.order_start() >= *start));
        }
    }
}

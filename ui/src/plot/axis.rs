//! The axis of values: where it begins and ends, its round numbers, and where a value lies on it.

use crate::format::Unit;

/// Most intervals between ticks.
const INTERVALS: f64 = 5.0;
/// Values that differ by less than this part of themselves are shown without zero, and by less than the second as equal.
const NARROW: (f64, f64) = (0.1, 1e-9);
/// Round durations from a minute on, in seconds. Longer ones are whole days.
const LONG: [f64; 15] = [
    10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0,
    43_200.0,
];
const DAY: f64 = 86_400.0;

/// An axis from the bottom to the top of a plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
}

/// A round value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// Percent from the top.
    pub(crate) at: f64,
    pub(crate) label: String,
    pub(crate) is_zero: bool,
}

impl Axis {
    /// An axis on which all these values lie. It has zero, unless plain values differ by little.
    pub(crate) fn of(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let (low, high) = bounds(values, unit);
        let step = step(high / INTERVALS - low / INTERVALS, high.max(-low), unit);
        let ends = [(low / step).floor(), (high / step).ceil()];
        let values: Vec<f64> = if step.is_normal() && ends.iter().all(|end| end.is_finite() && end.abs() < 1e15) {
            (0..)
                .map(|number| ends[0] + f64::from(number))
                .take_while(|at| *at <= ends[1])
                .map(|at| at * step)
                .collect()
        } else {
            vec![low, high]
        };
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let edge = |value: Option<&f64>, other: f64| value.copied().unwrap_or(other);
        let mut axis =
            Self { low: edge(values.first(), low).min(low), high: edge(values.last(), high).max(high), ticks: vec![] };
        let labels = unit.ticks(&values, step);
        let tick = |(value, label): (&f64, String)| Tick { at: axis.at(*value), label, is_zero: *value == 0.0 };
        axis.ticks = values.iter().zip(labels).map(tick).collect();
        axis
    }

    /// Percent from the top.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        // The difference of two large numbers may be none: then of their halves.
        let part = if span.is_finite() {
            (value - self.low) / span
        } else {
            (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
        };
        100.0 - 100.0 * part.clamp(0.0, 1.0)
    }

    /// Where bars begin: at zero, or at the edge next to it.
    pub(crate) fn base(&self) -> f64 {
        self.at(0.0)
    }
}

/// The least and the greatest value that the axis must have; not the same.
fn bounds(values: impl Iterator<Item = f64>, unit: Unit) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let spread = (high / 2.0 - low / 2.0) / (high.abs().max(low.abs()) / 2.0);
    if unit == Unit::Plain && (NARROW.1..NARROW.0).contains(&spread) {
        return (low, high);
    }
    let (low, high) = (low.min(0.0), high.max(0.0));
    if low < high { (low, high) } else { (0.0, 1.0) }
}

/// A round number that is at least `least`.
fn step(least: f64, largest: f64, unit: Unit) -> f64 {
    let least = if unit == Unit::Count { least.max(1.0) } else { least };
    if unit == Unit::Seconds && largest >= 60.0 {
        let long = LONG.into_iter().find(|step| *step >= least);
        return long.unwrap_or_else(|| round_up(least / DAY) * DAY);
    }
    round_up(least)
}

/// 1, 2 or 5 times a power of ten.
fn round_up(least: f64) -> f64 {
    let power = 10_f64.powi(least.log10().floor() as i32);
    let found = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= least * 0.999_999);
    found.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], unit: Unit) -> Vec<String> {
        Axis::of(values.iter().copied(), unit).ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_have_zero() {
        assert_eq!(labels(&[3.0, 17.0], Unit::Count), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&[1.0], Unit::Count), ["0", "1"]);
        assert_eq!(labels(&[0.0, 0.0], Unit::Count), ["0", "1"]);
        assert_eq!(labels(&[-3.0, 4.0], Unit::Plain), ["−4", "−2", "0", "2", "4"]);
        assert_eq!(labels(&[0.004], Unit::Seconds), ["0", "1 ms", "2 ms", "3 ms", "4 ms"]);
        assert_eq!(labels(&[200.0], Unit::Seconds), ["0", "1 min", "2 min", "3 min", "4 min"]);
        assert_eq!(labels(&[1e6, 1e6 + 4.0], Unit::Plain).len(), 5);
        assert_eq!(labels(&[7.0, 7.0], Unit::Plain), ["0", "2", "4", "6", "8"]);
        assert_eq!(labels(&[], Unit::PerSecond).len(), 6);
    }

    #[test]
    fn any_values_lie_on_their_axis() {
        let sizes = [5e-324, 1e-300, 1e-9, 3e-4, 0.1, 1.0, 7.0, 59.0, 61.0, 86_399.0, 1e7, 1e15, 1e20, 1.7e308];
        let signed: Vec<f64> = sizes.iter().flat_map(|size| [*size, -size, size * (1.0 + 1e-6)]).chain([0.0]).collect();
        for unit in [Unit::Plain, Unit::Count, Unit::PerSecond, Unit::Seconds] {
            for (one, other) in signed.iter().flat_map(|one| signed.iter().map(move |other| (*one, *other))) {
                let axis = Axis::of([one, other, f64::NAN].into_iter(), unit);
                let positions = [axis.at(one), axis.at(other)];
                assert!(positions.iter().all(|at| (0.0..=100.0).contains(at)), "{one} {other} {axis:?}");
                assert!(one >= other || positions[0] >= positions[1], "{one} {other} {axis:?}");
                assert!((2..=8).contains(&axis.ticks.len()), "{one} {other} {axis:?}");
                for pair in axis.ticks.windows(2) {
                    assert!(
                        pair[0].at > pair[1].at && pair[0].label != pair[1].label,
                        "{one} {other} {unit:?} {axis:?}"
                    );
                }
            }
        }
    }
}

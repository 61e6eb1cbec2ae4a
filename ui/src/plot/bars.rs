//! Series as bars: on top of each other where their sum means something, else side by side.

use std::fmt::Write;

use super::{Axis, Columns};
use crate::format::Unit;

/// How much of a column has bars; the rest keeps columns apart.
const FILLED: f64 = 0.8;

/// Bars with their axis.
#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) axis: Axis,
    /// One path for each series.
    pub(crate) paths: Vec<String>,
}

/// The bars of these series. They are stacked when `sums` says that their sum means something and none is negative.
pub(crate) fn bars(series: &[&[f64]], columns: Columns, unit: Unit, sums: Sums) -> Bars {
    let values = || series.iter().flat_map(|values| values.iter().copied());
    let is_stack = sums == Sums::Mean && values().all(|value| value.is_nan() || value >= 0.0);
    if is_stack { stacked(series, columns, unit) } else { grouped(series, columns, unit) }
}

/// Whether the sum of several series means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sums {
    /// As that of counts does.
    Mean,
    /// As that of quantiles does not.
    MeanNothing,
}

fn stacked(series: &[&[f64]], columns: Columns, unit: Unit) -> Bars {
    let mut tops = vec![0.0; columns.0.count];
    let mut ranges = Vec::new();
    for values in series {
        let mut own = Vec::new();
        for (interval, (value, top)) in values.iter().zip(&mut tops).enumerate() {
            let from = *top;
            if value.is_finite() && *value > 0.0 {
                *top += value;
                own.push((interval, from, *top));
            }
        }
        ranges.push(own);
    }
    let axis = Axis::of(tops.into_iter().chain([0.0]), unit);
    let width = columns.width() * FILLED;
    let paths = ranges.iter().map(|own| {
        let mut path = String::new();
        for (interval, from, to) in own {
            rect(columns.middle(*interval) - width / 2.0, width, (axis.at(*from), axis.at(*to)), &mut path);
        }
        path
    });
    Bars { paths: paths.collect(), axis }
}

fn grouped(series: &[&[f64]], columns: Columns, unit: Unit) -> Bars {
    let axis = Axis::of(series.iter().flat_map(|values| values.iter().copied()), unit);
    let width = columns.width() * FILLED / series.len().max(1) as f64;
    let paths = series.iter().enumerate().map(|(number, values)| {
        let mut path = String::new();
        for (interval, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let left = columns.left(interval) + columns.width() * (1.0 - FILLED) / 2.0 + width * number as f64;
            rect(left, width, (axis.base(), axis.at(*value)), &mut path);
        }
        path
    });
    Bars { paths: paths.collect(), axis }
}

/// A rectangle between two heights. What is there at all is seen.
fn rect(left: f64, width: f64, (from, to): (f64, f64), path: &mut String) {
    let height = from - to;
    let seen = if height.abs() < 0.4 { height.signum() * 0.4 } else { height };
    _ = write!(
        path,
        "M{:.1} {:.1}h{:.1}v{:.1}h-{:.1}z",
        left * 10.0,
        from * 10.0,
        width * 10.0,
        -seen * 10.0,
        width * 10.0
    );
}

#[cfg(test)]
mod tests {
    use hoptrail_query::Steps;

    use super::*;

    const COLUMNS: Columns = Columns(Steps { start: 0, step: 1, count: 2 });

    #[test]
    fn counts_are_stacked() {
        let drawn = bars(&[&[4.0, f64::NAN], &[6.0, 5.0]], COLUMNS, Unit::Count, Sums::Mean);
        assert_eq!(drawn.axis.ticks.last().map(|tick| tick.label.as_str()), Some("10"));
        assert_eq!(drawn.paths[0], "M50.0 1000.0h400.0v-400.0h-400.0z");
        assert_eq!(drawn.paths[1], "M50.0 600.0h400.0v-600.0h-400.0zM550.0 1000.0h400.0v-500.0h-400.0z");
    }

    #[test]
    fn what_has_no_sum_stands_side_by_side_from_zero() {
        let series: [&[f64]; 2] = [&[-5.0, 5.0], &[5.0, 0.0]];
        for sums in [Sums::Mean, Sums::MeanNothing] {
            let drawn = bars(&series, COLUMNS, Unit::Plain, sums);
            assert_eq!(drawn.paths[0], "M50.0 500.0h200.0v416.7h-200.0zM550.0 500.0h200.0v-416.7h-200.0z");
            assert!(drawn.paths[1].starts_with("M250.0 500.0h200.0v-416.7"), "{}", drawn.paths[1]);
            assert!(drawn.paths[1].ends_with("v-4.0h-200.0z"), "zero is seen: {}", drawn.paths[1]);
        }
        assert!(bars(&[], COLUMNS, Unit::Plain, Sums::Mean).paths.is_empty());
    }
}

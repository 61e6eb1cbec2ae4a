//! A series as a line.

use std::fmt::Write;

use super::{Axis, Columns};

/// A line with gaps where there is no value.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// The path through neighbours.
    pub(crate) path: String,
    /// Values without a neighbour: percent from the left and the top.
    pub(crate) alone: Vec<(f64, f64)>,
}

/// The line through these values, one for each interval; what is no number is a gap.
pub(crate) fn line(values: &[f64], columns: Columns, axis: &Axis) -> Line {
    let mut line = Line { path: String::new(), alone: Vec::new() };
    for run in runs(values) {
        let points: Vec<(f64, f64)> = run.map(|(interval, value)| (columns.middle(interval), axis.at(value))).collect();
        match points.as_slice() {
            [only] => line.alone.push(*only),
            points => draw(points, &mut line.path),
        }
    }
    line
}

/// Neighbours that all have values, with their intervals.
fn runs(values: &[f64]) -> impl Iterator<Item = impl Iterator<Item = (usize, f64)>> {
    let mut start = 0;
    let pieces = values.chunk_by(|one, other| one.is_finite() == other.is_finite()).map(move |piece| {
        start += piece.len();
        (start - piece.len(), piece)
    });
    pieces
        .filter(|(_, piece)| piece.first().is_some_and(|value| value.is_finite()))
        .map(|(start, piece)| piece.iter().enumerate().map(move |(at, value)| (start + at, *value)))
}

fn draw(points: &[(f64, f64)], path: &mut String) {
    for (number, (x, y)) in points.iter().enumerate() {
        _ = write!(path, "{}{:.1} {:.1}", if number == 0 { 'M' } else { 'L' }, x * 10.0, y * 10.0);
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::Steps;

    use super::*;
    use crate::format::Unit;

    #[test]
    fn a_line_breaks_where_there_is_no_value() {
        let columns = Columns(Steps { start: 0, step: 1, count: 10 });
        let axis = Axis::of([0.0, 10.0].into_iter(), Unit::Plain);
        let nan = f64::NAN;
        let drawn = line(&[0.0, 5.0, nan, 10.0, nan, f64::INFINITY, 10.0, 0.0, nan, nan], columns, &axis);
        assert_eq!(drawn.path, "M50.0 1000.0L150.0 500.0M650.0 0.0L750.0 1000.0");
        assert_eq!(drawn.alone, [(35.0, 0.0)]);
        assert_eq!(line(&[nan; 3], columns, &axis), Line { path: String::new(), alone: vec![] });
        assert_eq!(line(&[], columns, &axis).alone.len(), 0);
    }
}

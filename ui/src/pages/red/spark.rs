//! Numbers over time in the height of a line of text.

use hoptrail_query::Steps;
use hoptrail_query::rollups::RollupSteps;

use crate::format::Unit;
use crate::plot::{Axis, Columns, Sums, bars, line};

/// A line and bars, as paths of a square of 1,000 units.
#[derive(Debug, Default)]
pub(crate) struct Spark {
    pub(crate) line: String,
    pub(crate) bars: String,
}

/// The rates as a line, the errors as bars. Each has an axis of its own.
pub(crate) fn spark(rates: &[f64], errors: &[f64], steps: &RollupSteps) -> Spark {
    let columns = Columns(Steps { start: steps.start, step: steps.step, count: steps.count });
    let axis = Axis::of(rates.iter().copied(), Unit::PerSecond);
    let bars = bars(&[errors], columns, Unit::Plain, Sums::Mean);
    Spark { line: line(rates, columns, &axis).path, bars: bars.paths.into_iter().next().unwrap_or_default() }
}

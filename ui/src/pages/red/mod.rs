//! Rate, errors and durations: which times a page asks for, and how their numbers are written.

mod ask;
mod names;
mod spark;
mod times;
mod words;

pub(crate) use ask::{Asked, ask, is_json};
pub(crate) use names::{SERVICES, named, service_href};
pub(crate) use spark::{Spark, spark};
pub(crate) use times::{TimeBar, Times, Window};
pub(crate) use words::{RateUnit, milliseconds, percent, points, relative, seconds_text};

use hoptrail_query::rollups::Cell;

/// How many in a second.
pub(crate) fn rate(count: i64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// Which part failed; none of nothing.
pub(crate) fn error_rate(cell: &Cell) -> Option<f64> {
    (cell.count > 0).then(|| cell.errors as f64 / cell.count as f64)
}

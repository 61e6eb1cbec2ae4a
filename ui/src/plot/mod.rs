//! How numbers over time are drawn: pure functions from numbers to positions. Positions are percent of the plot, so that it fits any
//! screen; paths have ten units for each percent.

mod axis;
mod bars;
mod ends;
mod heat;
mod lines;
mod time;

pub(crate) use axis::{Axis, Tick};
pub(crate) use bars::{Sums, bars};
pub(crate) use ends::spread;
pub(crate) use heat::{Cell, Heat, Row};
pub(crate) use lines::{Line, line};
pub(crate) use time::{Columns, round_up};

/// A position as SVG has it.
pub(crate) fn percent(position: f64) -> String {
    let text = format!("{position:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

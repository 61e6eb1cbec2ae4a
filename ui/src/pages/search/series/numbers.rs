//! The numbers of a plot as a table: an interval in each row, a series in each column.

use hoptrail_query::Steps;
use jiff::tz::TimeZone;

use super::entries::{Entry, mean};
use crate::format::{self, Unit};
use crate::plot::Columns;

/// Most series of the table. Downloads have all.
const MOST: usize = 40;

/// A table.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<NumberRow>,
    /// How many series are left out.
    pub(crate) more: usize,
}

/// An interval.
#[derive(Debug)]
pub(crate) struct NumberRow {
    pub(crate) time: String,
    /// RFC 3339.
    pub(crate) machine: String,
    pub(crate) cells: Vec<NumberCell>,
}

/// A number, which may lead to its spans.
#[derive(Debug)]
pub(crate) struct NumberCell {
    pub(crate) text: String,
    /// Empty when there is none.
    pub(crate) href: String,
}

/// A line of the legend.
#[derive(Debug)]
pub(crate) struct LegendRow {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) last: String,
    pub(crate) mean: String,
    pub(crate) most: String,
}

/// The table of these series.
pub(super) fn numbers(
    entries: &[Entry<'_>],
    steps: Steps,
    unit: Unit,
    zone: &TimeZone,
    link: impl Fn(usize, &Entry<'_>, f64) -> String,
) -> Numbers {
    let shown = &entries[..entries.len().min(MOST)];
    let row = |interval: usize| {
        let (start, _) = Columns(steps).times(interval);
        let cell = |entry: &Entry<'_>| {
            let value = entry.series.values.get(interval).copied().unwrap_or(f64::NAN);
            NumberCell { text: unit.text(value), href: link(interval, entry, value) }
        };
        NumberRow {
            time: time_text(start, steps.step, zone),
            machine: format::exact_time(start, &TimeZone::UTC),
            cells: shown.iter().map(cell).collect(),
        }
    };
    Numbers {
        columns: shown.iter().map(|entry| entry.name.clone()).collect(),
        rows: (0..steps.count).map(row).collect(),
        more: entries.len() - shown.len(),
    }
}

/// The start of an interval, as exactly as its length needs.
pub(crate) fn time_text(start: u64, step: u64, zone: &TimeZone) -> String {
    let text = format::Moment::new(start, zone).text;
    let is_whole = step.is_multiple_of(1_000_000_000);
    text.strip_suffix(".000").filter(|_| is_whole).map_or(text.clone(), str::to_owned)
}

/// What the legend says of a series.
pub(super) fn legend(entry: &Entry<'_>, class: String, unit: Unit) -> LegendRow {
    let values = &entry.series.values;
    let there = || values.iter().copied().filter(|value| value.is_finite());
    LegendRow {
        class,
        name: entry.name.clone(),
        last: unit.text(values.last().copied().unwrap_or(f64::NAN)),
        mean: unit.text(mean(values)),
        most: unit.text(there().fold(f64::NEG_INFINITY, f64::max)),
    }
}

//! All spans that match by start and duration. A cell leads to its spans; so does an area that is drawn over with the pointer.

use hoptrail_query::Steps;
use hoptrail_query::metrics::LabelledSeries;
use hoptrail_query::traceql::format_duration;

use crate::context::Visit;
use crate::format::{self, Unit};
use crate::pages::search::form::{Form, SEARCH, duration};
use crate::pages::search::series::{
    CellShown, Frame, Heatmap, bucket, range_text, row_ticks, smallest, time_text, times,
};
use crate::plot::{Cell, Columns, Heat, Row, percent};

const NANOS: f64 = 1e9;
const MILLISECOND: u64 = 1_000_000;

/// The heatmap, and what a script needs to know of its area.
#[derive(Debug)]
pub(crate) struct HeatOfAll {
    pub(crate) map: Heatmap,
    /// The search without times and durations.
    pub(crate) base: String,
    /// From and to in milliseconds since 1970.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The logarithms to base 2 of the nanoseconds at bottom and top; `None` when rows are missing between.
    pub(crate) powers: Option<(i32, i32)>,
}

pub(super) fn heat(visit: &Visit, form: &Form, steps: Steps, series: &[LabelledSeries]) -> Option<HeatOfAll> {
    let columns = Columns(steps);
    let buckets: Vec<(f64, &[f64])> =
        series.iter().filter_map(|series| Some((bucket(&series.labels)?, series.values.as_slice()))).collect();
    let heat = Heat::of(&buckets, smallest(Unit::Seconds), columns);
    if heat.cells.is_empty() {
        return None;
    }
    let shown = |cell: &Cell| {
        let (row, interval) = (&heat.rows[cell.row], columns.times(cell.interval));
        CellShown {
            x: percent(columns.left(cell.interval)),
            y: percent(row.top),
            width: percent(columns.width()),
            height: percent(row.height),
            level: cell.level,
            href: link(visit, form, interval, row),
            title: format!(
                "{} of {}, {}",
                format::counted(cell.value as usize, "span", "spans"),
                range_text(row, Unit::Seconds),
                time_text(interval.0, steps.step, &visit.zone)
            ),
        }
    };
    let (from, to) = (columns.times(0).0, columns.times(steps.count.saturating_sub(1)).1);
    Some(HeatOfAll {
        map: Heatmap {
            name: String::new(),
            frame: Frame { values: row_ticks(&heat.rows, Unit::Seconds), times: times(steps, &visit.zone) },
            cells: heat.cells.iter().map(shown).collect(),
            colours: heat.thresholds().into_iter().map(|(level, from)| (level, Unit::Count.text(from))).collect(),
            marks: vec![],
        },
        base: form.link(SEARCH, &[("lookback", ""), ("minDuration", ""), ("maxDuration", "")]),
        from: from / MILLISECOND,
        to: to / MILLISECOND,
        powers: powers(&heat.rows),
    })
}

/// The spans of a cell. A bound that the form has already stays when it is the narrower one.
fn link(visit: &Visit, form: &Form, (from, to): (u64, u64), row: &Row) -> String {
    let [from, to] = [from, to].map(|time| format::exact_time(time, &visit.zone));
    let text = |nanos: i64| format_duration(nanos);
    let nanos = |seconds: f64| (seconds * NANOS).round() as i64;
    let least = row.above.map(|above| nanos(above) + 1).max(duration(&form.min).ok()).map(text).unwrap_or_default();
    let most = nanos(row.upto);
    let most = text(duration(&form.max).map_or(most, |own| own.min(most)));
    form.link(
        SEARCH,
        &[("lookback", ""), ("from", &from), ("to", &to), ("minDuration", &least), ("maxDuration", &most)],
    )
}

/// Rows follow one another by powers of two unless there are too many of them.
fn powers(rows: &[Row]) -> Option<(i32, i32)> {
    let power = |row: &Row| (row.upto * NANOS).log2().round() as i32;
    let (top, bottom) = (power(rows.first()?), power(rows.last()?) - 1);
    usize::try_from(top - bottom).is_ok_and(|count| count == rows.len()).then_some((bottom, top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(power: i32) -> Row {
        let upto = 2_f64.powi(power) / NANOS;
        Row { above: Some(upto / 2.0), upto, top: 0.0, height: 1.0, is_labelled: false }
    }

    #[test]
    fn an_area_has_its_durations_when_no_row_is_missing() {
        assert_eq!(powers(&[row(12), row(11), row(10)]), Some((9, 12)));
        assert_eq!(powers(&[row(30), row(10)]), None);
        assert_eq!(powers(&[]), None);
    }
}

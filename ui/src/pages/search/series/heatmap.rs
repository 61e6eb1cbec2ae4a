//! Histograms over time as the page shows them: a heatmap for each group.

use hoptrail_proto::model::AnyValue;

use super::Asked;
use super::chart::{Frame, Mark, Tick, marks, times};
use super::entries::{BUCKET, Entry, shown};
use super::numbers::time_text;
use crate::format::{self, Unit};
use crate::plot::{Columns, Heat, Row, percent};

/// Most heatmaps of a page.
const MOST: usize = 6;

/// A heatmap.
#[derive(Debug)]
pub(crate) struct Heatmap {
    /// The group; empty when there is only one.
    pub(crate) name: String,
    pub(crate) frame: Frame,
    pub(crate) cells: Vec<CellShown>,
    /// Colours, each with the least number that has it.
    pub(crate) colours: Vec<(u8, String)>,
    pub(crate) marks: Vec<Mark>,
}

/// A cell that leads to its spans.
#[derive(Debug)]
pub(crate) struct CellShown {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) level: u8,
    pub(crate) href: String,
    pub(crate) title: String,
}

/// The series of one group, each with its bucket.
struct Group<'a, 'b> {
    name: String,
    buckets: Vec<(f64, &'b Entry<'a>)>,
}

/// The heatmaps, those with the most spans first, and how many are left out.
pub(super) fn heatmaps(asked: &Asked<'_>, entries: &[Entry<'_>]) -> (Vec<Heatmap>, usize) {
    let groups = groups(entries, asked.measure.buckets);
    let maps = groups.iter().take(MOST).map(|group| heatmap(asked, group)).collect();
    (maps, groups.len().saturating_sub(MOST))
}

/// The upper end of a series' bucket.
pub(crate) fn bucket(labels: &[(String, AnyValue)]) -> Option<f64> {
    labels.iter().find(|(key, _)| key == BUCKET).and_then(|(_, value)| match value {
        AnyValue::Double(upto) => Some(*upto),
        _ => None,
    })
}

/// What is one of the unit in which buckets are counted: a nanosecond, or one.
pub(crate) fn smallest(unit: Unit) -> f64 {
    if unit == Unit::Seconds { 1e-9 } else { 1.0 }
}

fn groups<'a, 'b>(entries: &'b [Entry<'a>], unit: Unit) -> Vec<Group<'a, 'b>> {
    let mut groups: Vec<(f64, Group<'a, 'b>)> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for entry in entries {
        let Some(upto) = bucket(&entry.series.labels) else { continue };
        let own: Vec<String> = entry
            .series
            .labels
            .iter()
            .filter(|(key, _)| key != BUCKET && key != "__name__")
            .map(|(key, value)| format!("{key} = {}", shown(key, value, unit)))
            .collect();
        let at = *known.entry(own.join(", ")).or_insert_with_key(|name| {
            groups.push((0.0, Group { name: name.clone(), buckets: vec![] }));
            groups.len() - 1
        });
        if let Some((total, group)) = groups.get_mut(at) {
            *total += entry.series.values.iter().filter(|value| value.is_finite()).sum::<f64>();
            group.buckets.push((upto, entry));
        }
    }
    groups.sort_by(|one, other| other.0.total_cmp(&one.0));
    groups.into_iter().map(|(_, group)| group).collect()
}

fn heatmap(asked: &Asked<'_>, group: &Group<'_, '_>) -> Heatmap {
    let columns = Columns(asked.steps);
    let buckets: Vec<(f64, &[f64])> =
        group.buckets.iter().map(|(upto, entry)| (*upto, entry.series.values.as_slice())).collect();
    let heat = Heat::of(&buckets, smallest(asked.measure.buckets), columns);
    let labels: Vec<(String, AnyValue)> =
        group.buckets.first().map(|(_, entry)| entry.series.labels.clone()).unwrap_or_default();
    let cell = |cell: &crate::plot::Cell| {
        let row = &heat.rows[cell.row];
        let interval = columns.times(cell.interval);
        let time = time_text(interval.0, asked.steps.step, asked.zone);
        CellShown {
            x: percent(columns.left(cell.interval)),
            y: percent(row.top),
            width: percent(columns.width()),
            height: percent(row.height),
            level: cell.level,
            href: asked.narrow.to(interval, &labels, Some(((row.above, row.upto), asked.measure.buckets))),
            title: format!(
                "{} of {}, {time}",
                format::counted(cell.value as usize, "span", "spans"),
                range_text(row, asked.measure.buckets)
            ),
        }
    };
    let entries: Vec<Entry<'_>> = group.buckets.iter().map(|(_, entry)| entry.again()).collect();
    Heatmap {
        name: group.name.clone(),
        frame: Frame { values: row_ticks(&heat.rows, asked.measure.buckets), times: times(asked.steps, asked.zone) },
        cells: heat.cells.iter().map(cell).collect(),
        colours: heat.thresholds().into_iter().map(|(level, from)| (level, Unit::Count.text(from))).collect(),
        marks: marks(asked, &entries, |entry, _| {
            bucket(&entry.series.labels).and_then(|upto| heat.at(upto)).unwrap_or(100.0)
        }),
    }
}

/// `1.05 ms to 2.1 ms`
pub(crate) fn range_text(row: &Row, unit: Unit) -> String {
    match row.above {
        Some(above) => format!("{} to {}", unit.text(above), unit.text(row.upto)),
        None => format!("up to {}", unit.text(row.upto)),
    }
}

/// Powers of ten of a second, where rows follow one another by powers of two; else the upper ends of buckets at their upper edges, as far as
/// there is room.
pub(crate) fn row_ticks(rows: &[Row], unit: Unit) -> Vec<Tick> {
    if let Some(decades) = decades(rows).filter(|_| unit == Unit::Seconds) {
        return decades;
    }
    let labelled = rows.iter().filter(|row| row.is_labelled);
    labelled.map(|row| Tick { at: percent(row.top), label: unit.text(row.upto), is_zero: false }).collect()
}

/// `None` when rows are missing between, or there are too few of them.
fn decades(rows: &[Row]) -> Option<Vec<Tick>> {
    let (top, last) = (rows.first()?.upto.log2(), rows.last()?.upto.log2());
    let bottom = last - 1.0;
    let is_whole = (top - last).round() as usize + 1 == rows.len();
    let tick = |power: i32| Tick {
        at: percent(100.0 * (top - 10_f64.powi(power).log2()) / (top - bottom)),
        label: Unit::Seconds.text(10_f64.powi(power)),
        is_zero: false,
    };
    let decade = |power: f64| power * 2_f64.log10();
    let ticks: Vec<Tick> = (decade(bottom).ceil() as i32..=decade(top).floor() as i32).map(tick).collect();
    (is_whole && ticks.len() > 1).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(power: i32, upto: f64) -> Row {
        Row { above: Some(upto / 2.0), upto, top: f64::from(power), height: 1.0, is_labelled: true }
    }

    #[test]
    fn durations_are_marked_by_powers_of_ten() {
        let rows: Vec<Row> = (-10..=1).rev().map(|power| row(power, 2_f64.powi(power))).collect();
        let ticks = row_ticks(&rows, Unit::Seconds);
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["1 ms", "10 ms", "100 ms", "1 s"]);
        let at: Vec<f64> = ticks.iter().map(|tick| tick.at.parse().expect("a number")).collect();
        // 1 s lies a twelfth below the top, which is 2 s.
        assert!((at[3] - 100.0 / 12.0).abs() < 0.01 && at[0] > at[1] && at[0] < 100.0, "{at:?}");
        let gaps = [row(3, 8.0), row(0, 1.0)];
        assert_eq!(row_ticks(&gaps, Unit::Seconds)[0].label, Unit::Seconds.text(8.0), "rows are missing between");
        assert_eq!(row_ticks(&rows, Unit::Count).len(), rows.len());
    }
}

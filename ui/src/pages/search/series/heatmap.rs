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

/// The upper ends of buckets stand at their upper edges, as far as there is room.
pub(crate) fn row_ticks(rows: &[Row], unit: Unit) -> Vec<Tick> {
    let labelled = rows.iter().filter(|row| row.is_labelled);
    labelled.map(|row| Tick { at: percent(row.top), label: unit.text(row.upto), is_zero: false }).collect()
}

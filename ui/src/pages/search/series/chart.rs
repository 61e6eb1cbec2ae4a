//! Lines and bars as the page shows them.

use hoptrail_query::Steps;
use jiff::tz::TimeZone;

use super::Asked;
use super::entries::{BUCKET, COLOURS, Entry, shown};
use super::numbers::{LegendRow, legend, time_text};
use crate::filters::plain_text;
use crate::format;
use crate::plot::{self, Axis, Columns, Line, percent};

/// Most series whose names stand at the ends of their lines.
const NAMED: usize = 6;
/// Room for a name there, percent of the height.
const GAP: f64 = 7.0;
/// Most characters of a name there.
const SHORT: usize = 20;
/// Most values told of one interval.
const TOLD: usize = 8;
/// Most rows of the legend that are always open.
const OPEN: usize = 10;

/// Lines or bars.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) frame: Frame,
    pub(crate) bars: Vec<Drawn>,
    pub(crate) lines: Vec<Drawn>,
    pub(crate) bands: Vec<Band>,
    pub(crate) ends: Vec<End>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) events: Vec<Event>,
    pub(crate) key: String,
    pub(crate) legend: Vec<LegendRow>,
    pub(crate) folded: Vec<LegendRow>,
    /// What is drawn without a colour of its own.
    pub(crate) note: String,
}

/// Axes.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) values: Vec<Tick>,
    pub(crate) times: Vec<Tick>,
}

/// A line of the grid with its label.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) at: String,
    pub(crate) label: String,
    pub(crate) is_zero: bool,
}

/// A series as a path.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) class: String,
    pub(crate) path: String,
    /// Values without neighbours.
    pub(crate) alone: Vec<(String, String)>,
}

/// What is told of an interval where the pointer is.
#[derive(Debug)]
pub(crate) struct Band {
    pub(crate) href: String,
    pub(crate) time: String,
    pub(crate) rows: Vec<(String, String, String)>,
    pub(crate) more: usize,
    /// Whether it lies in the right half, so that its text stands in the left one.
    pub(crate) is_late: bool,
}

/// A name at the end of a line.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) at: String,
    pub(crate) name: String,
    pub(crate) class: String,
}

/// What happened at a time.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: String,
    /// Whether its label stands before it.
    pub(crate) is_late: bool,
    /// Empty where there is no room.
    pub(crate) label: String,
    pub(crate) title: String,
}

/// An exemplar.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) class: String,
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) time: String,
    pub(crate) value: String,
    pub(crate) name: String,
    pub(crate) trace: String,
}

pub(super) fn lines(asked: &Asked<'_>, entries: &[Entry<'_>], key: String) -> Chart {
    let axis = Axis::of(entries.iter().flat_map(|entry| entry.series.values.iter().copied()), asked.measure.unit);
    let columns = Columns(asked.steps);
    let drawn = |entry: &Entry<'_>| {
        let Line { path, alone } = plot::line(&entry.series.values, columns, &axis);
        let alone = alone.into_iter().map(|(x, y)| (percent(x), percent(y))).collect();
        Drawn { class: entry.class.clone(), path, alone }
    };
    let grey = entries.len().saturating_sub(2 * COLOURS);
    Chart {
        frame: frame(&axis, asked.steps, asked.zone),
        bars: vec![],
        // The greatest lie on top.
        lines: entries.iter().rev().map(drawn).collect(),
        ends: ends(entries, &axis),
        marks: marks(asked, entries, |_, value| axis.at(value)),
        note: if grey > 0 { format!("{grey} more are drawn in grey.") } else { String::new() },
        ..chart(asked, entries, key)
    }
}

pub(super) fn bars(asked: &Asked<'_>, entries: &[Entry<'_>], key: String) -> Chart {
    // Bars have no broken lines: further series share one colour.
    let entries: Vec<Entry<'_>> = entries.iter().enumerate().map(|(rank, entry)| entry.with_colour(rank)).collect();
    let entries = entries.as_slice();
    let columns = Columns(asked.steps);
    let (coloured, others) = entries.split_at(entries.len().min(COLOURS));
    let mut series: Vec<&[f64]> = coloured.iter().map(|entry| entry.series.values.as_slice()).collect();
    let rest = rest(others, asked.steps.count);
    let is_sum = asked.measure.sums == plot::Sums::Mean && !others.is_empty();
    series.extend(is_sum.then_some(rest.as_slice()));
    let drawn = plot::bars(&series, columns, asked.measure.unit, asked.measure.sums);
    let classes = coloured.iter().map(|entry| entry.class.clone()).chain(["rest".to_owned()]);
    let bars = classes.zip(drawn.paths).map(|(class, path)| Drawn { class, path, alone: vec![] });
    let axis = &drawn.axis;
    Chart {
        frame: frame(axis, asked.steps, asked.zone),
        bars: bars.collect(),
        note: match others.len() {
            0 => String::new(),
            many if is_sum => format!("{many} more are drawn as one, in grey."),
            many => format!("{many} more are not drawn."),
        },
        ..chart(asked, entries, key)
    }
}

/// What lines and bars share.
pub(super) fn chart(asked: &Asked<'_>, entries: &[Entry<'_>], key: String) -> Chart {
    let row = |entry: &Entry<'_>| legend(entry, entry.class.clone(), asked.measure.unit);
    let open = entries.len().min(OPEN);
    Chart {
        frame: Frame::default(),
        bars: vec![],
        lines: vec![],
        bands: (0..asked.steps.count).map(|interval| band(asked, entries, interval)).collect(),
        ends: vec![],
        marks: vec![],
        events: vec![],
        key,
        legend: entries[..open].iter().map(row).collect(),
        folded: entries[open..].iter().map(row).collect(),
        note: String::new(),
    }
}

/// The sums of series.
fn rest(entries: &[Entry<'_>], count: usize) -> Vec<f64> {
    let at = |interval: usize| {
        let values = entries.iter().filter_map(|entry| entry.series.values.get(interval));
        values.filter(|value| value.is_finite()).sum()
    };
    (0..count).map(at).collect()
}

pub(super) fn frame(axis: &Axis, steps: Steps, zone: &TimeZone) -> Frame {
    let value = |tick: &plot::Tick| Tick { at: percent(tick.at), label: tick.label.clone(), is_zero: tick.is_zero };
    Frame { values: axis.ticks.iter().map(value).collect(), times: times(steps, zone) }
}

pub(crate) fn times(steps: Steps, zone: &TimeZone) -> Vec<Tick> {
    let ticks = Columns(steps).ticks(zone).into_iter();
    ticks.map(|tick| Tick { at: percent(tick.at), label: tick.label, is_zero: false }).collect()
}

fn band(asked: &Asked<'_>, entries: &[Entry<'_>], interval: usize) -> Band {
    let value = |entry: &Entry<'_>| entry.series.values.get(interval).copied().filter(|value| value.is_finite());
    let mut there: Vec<(&Entry<'_>, f64)> = entries.iter().filter_map(|entry| Some((entry, value(entry)?))).collect();
    there.sort_by(|one, other| other.1.total_cmp(&one.1));
    let row = |(entry, value): &(&Entry<'_>, f64)| {
        (entry.class.clone(), format::shortened(&entry.name, 40), asked.measure.unit.text(*value))
    };
    let times = Columns(asked.steps).times(interval);
    Band {
        href: asked.narrow.to(times, &[], None),
        time: time_text(times.0, asked.steps.step, asked.zone),
        rows: there.iter().take(TOLD).map(row).collect(),
        more: there.len().saturating_sub(TOLD),
        is_late: interval * 2 >= asked.steps.count,
    }
}

fn ends(entries: &[Entry<'_>], axis: &Axis) -> Vec<End> {
    if !(2..=NAMED).contains(&entries.len()) {
        return vec![];
    }
    let last = |entry: &&Entry<'_>| entry.series.values.iter().rev().copied().find(|value| value.is_finite());
    let there: Vec<(&Entry<'_>, f64)> =
        entries.iter().filter_map(|entry| Some((entry, axis.at(last(&entry)?)))).collect();
    let positions: Vec<f64> = there.iter().map(|(_, at)| *at).collect();
    let end = |((entry, _), at): (&(&Entry<'_>, f64), f64)| End {
        at: percent(at),
        name: format::shortened(&entry.name, SHORT),
        class: entry.class.clone(),
    };
    there.iter().zip(plot::spread(&positions, GAP)).map(end).collect()
}

/// The exemplars of these series, where `height` says that they lie.
pub(super) fn marks(asked: &Asked<'_>, entries: &[Entry<'_>], height: impl Fn(&Entry<'_>, f64) -> f64) -> Vec<Mark> {
    let columns = Columns(asked.steps);
    let all = entries.iter().flat_map(|entry| entry.series.exemplars.iter().map(move |exemplar| (entry, exemplar)));
    let all = all.filter(|(_, exemplar)| exemplar.value.is_finite());
    let mark = |(entry, exemplar): (&Entry<'_>, &hoptrail_query::metrics::LabelledExemplar)| {
        let id = |name: &str| {
            let found = exemplar.labels.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
        };
        let (trace, span) = (id("trace:id"), id("span:id"));
        let time = format::Moment::new(exemplar.time_unix_nano, asked.zone).text;
        // In a histogram, the value is how many are in its cell; its bucket says more.
        let bucket = entry.series.labels.iter().find(|(key, _)| key == BUCKET);
        let value = match bucket {
            Some((key, upto)) => shown(key, upto, asked.measure.values()),
            None => asked.measure.unit.text(exemplar.value),
        };
        Mark {
            x: percent(columns.at(exemplar.time_unix_nano)),
            y: percent(height(entry, exemplar.value)),
            // A mark has the colour of its line, and no gaps.
            class: entry.class.replace(" dashed", ""),
            href: crate::url::href(&format!("/trace/{trace}"), [("span", span.as_str())]),
            title: format!("{}: {value}, a trace at {time}", plain_text(&format::shortened(&entry.name, 60))),
            time,
            value,
            name: entry.name.clone(),
            trace: trace.chars().take(8).collect(),
        }
    };
    let mut marks: Vec<(u64, Mark)> =
        all.map(|(entry, exemplar)| (exemplar.time_unix_nano, mark((entry, exemplar)))).collect();
    marks.sort_by_key(|(time, _)| *time);
    marks.into_iter().map(|(_, mark)| mark).collect()
}

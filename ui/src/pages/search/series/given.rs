//! Lines of numbers that are no answer to a query.

use hoptrail_query::Steps;
use hoptrail_query::metrics::LabelledSeries;
use jiff::tz::TimeZone;

use super::chart::{self, Chart, Drawn, Event, Mark};
use super::entries::Entry;
use super::measure::{Measure, Shape};
use super::narrow::Narrow;
use super::{Asked, Form};
use crate::format::{self, Unit};
use crate::plot::{self, Axis, Columns, Line, Sums, percent};
use crate::url::href;

/// Lines, and what stands beside them.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) steps: Steps,
    pub(crate) unit: Unit,
    pub(crate) zone: &'a TimeZone,
    /// An interval leads to a search with this form.
    pub(crate) form: &'a Form,
    pub(crate) lines: Vec<GivenLine>,
    pub(crate) examples: Vec<Example>,
    /// What happened when.
    pub(crate) events: &'a [(u64, String)],
}

/// A line: a number for each interval, NaN where there is none.
#[derive(Debug)]
pub(crate) struct GivenLine {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) values: Vec<f64>,
}

/// A span that stands for others.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) time: u64,
    pub(crate) value: f64,
    /// What it is an example of.
    pub(crate) text: String,
    pub(crate) trace: String,
    pub(crate) span: String,
}

/// Labels of events keep so far apart, percent of the width.
const LABEL: f64 = 14.0;
/// Longer labels of events are cut.
const SHORT: usize = 16;

impl Given<'_> {
    pub(crate) fn chart(self) -> Chart {
        let Self { steps, unit, zone, form, lines, examples, events } = self;
        let measure = Measure { shape: Shape::Numbers, unit, buckets: Unit::Plain, sums: Sums::MeanNothing };
        let asked = Asked { steps, measure, zone, narrow: Narrow::new(form, zone) };
        let series =
            |line: &GivenLine| LabelledSeries { labels: vec![], values: line.values.clone(), exemplars: vec![] };
        let all: Vec<LabelledSeries> = lines.iter().map(series).collect();
        let entry = |(line, series)| {
            let GivenLine { name, class, .. }: &GivenLine = line;
            Entry { name: (*name).to_owned(), series, class: (*class).to_owned() }
        };
        let entries: Vec<Entry<'_>> = lines.iter().zip(&all).map(entry).collect();
        let axis = Axis::of(lines.iter().flat_map(|line| line.values.iter().copied()).chain([0.0]), unit);
        let columns = Columns(steps);
        let drawn = |line: &GivenLine| {
            let Line { path, alone } = plot::line(&line.values, columns, &axis);
            let alone = alone.into_iter().map(|(x, y)| (percent(x), percent(y))).collect();
            Drawn { class: line.class.to_owned(), path, alone }
        };
        Chart {
            frame: chart::frame(&axis, steps, zone),
            lines: lines.iter().rev().map(drawn).collect(),
            marks: examples.iter().map(|example| mark(example, columns, &axis, zone)).collect(),
            events: drawn_events(events, columns),
            ..chart::chart(&asked, &entries, "Series".to_owned())
        }
    }
}

fn mark(example: &Example, columns: Columns, axis: &Axis, zone: &TimeZone) -> Mark {
    let time = format::Moment::new(example.time, zone).text;
    Mark {
        x: percent(columns.at(example.time)),
        y: percent(axis.at(example.value)),
        class: "example".to_owned(),
        href: href(&format!("/trace/{}", example.trace), [("span", example.span.as_str())]),
        title: format!("{}, a trace at {time}", example.text),
        time,
        value: String::new(),
        name: example.text.clone(),
        trace: example.trace.chars().take(8).collect(),
    }
}

fn drawn_events(events: &[(u64, String)], columns: Columns) -> Vec<Event> {
    let mut free = 0.0;
    let mut out = Vec::new();
    for (time, text) in events {
        let at = columns.at(*time);
        let has_room = at >= free;
        if has_room {
            free = at + LABEL;
        }
        let label = if has_room { format::shortened(text, SHORT) } else { String::new() };
        out.push(Event { at: percent(at), is_late: at > 80.0, label, title: text.clone() });
    }
    out
}

//! What was found, as rows.

use std::collections::HashMap;

use hoptrail_proto::model::TraceId;
use hoptrail_query::{Field, Rows, ServiceStats, TraceHit, Value};
use jiff::tz::TimeZone;

use super::entry::{Entry, Title, shown_service};
use super::form::Form;
use super::sets::{self, FieldShown, SetRow};

use crate::colour::Palette;
use crate::format::{self, Moment};

/// Most services shown on a row.
const CHIPS: usize = 4;

/// A trace on the list, or a span.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) short_id: String,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) rootless: bool,
    /// Whom the request came through, when the name is not that of the root.
    pub(crate) via: String,
    pub(crate) colour: usize,
    pub(crate) spans: String,
    pub(crate) errors: usize,
    pub(crate) chips: Vec<Chip>,
    pub(crate) more_services: usize,
    pub(crate) duration: String,
    /// Width of the bar, in percent.
    pub(crate) width: String,
    pub(crate) start: Moment,
    /// The time of day, with the day where rows of other days stand between.
    pub(crate) time: String,
    /// The day, when it is another one than that of the row before.
    pub(crate) day: String,
    pub(crate) age: String,
    /// What the query says of the trace.
    pub(crate) sets: Vec<SetRow>,
    pub(crate) more_sets: usize,
    /// What the query lists of the span.
    pub(crate) fields: Vec<FieldShown>,
}

impl Row {
    /// What the query lists of the span under a name.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldShown> {
        self.fields.iter().find(|own| own.label == name)
    }
}

/// A service on a row.
#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) name: String,
    pub(crate) colour: usize,
    pub(crate) spans: String,
    pub(crate) errors: usize,
}

/// Spans and errors of a trace.
pub(super) fn totals(hit: &TraceHit) -> (u64, u64) {
    hit.services
        .iter()
        .fold((0, 0), |(spans, errors), service| (spans + u64::from(service.spans), errors + u64::from(service.errors)))
}

pub(super) fn palette(hits: &[TraceHit], services: &[String]) -> Palette {
    let found = hits.iter().flat_map(|hit| hit.services.iter().map(|service| service.service.as_str()));
    Palette::of(services.iter().map(String::as_str).chain(found))
}

/// What all rows need.
pub(super) struct Shown<'a> {
    pub(super) form: &'a Form,
    pub(super) rows: Rows,
    pub(super) palette: &'a Palette,
    pub(super) entries: &'a HashMap<TraceId, Entry>,
    pub(super) zone: &'a TimeZone,
    pub(super) now: u64,
    /// Whether rows are in the order of time.
    pub(super) by_time: bool,
}

pub(super) fn rows(hits: &[TraceHit], shown: &Shown<'_>) -> Vec<Row> {
    let row_of = |hit: &TraceHit, full| match shown.rows {
        Rows::Traces => row(hit, shown, full),
        Rows::Spans => span_row(hit, shown, full),
    };
    let duration = |hit: &TraceHit| match shown.rows {
        Rows::Traces => hit.duration_nanos,
        Rows::Spans => hit.spans().next().map_or(0, |span| span.duration_nanos),
    };
    let full = full_bar(hits.iter().map(duration).collect());
    let mut rows: Vec<Row> = hits.iter().map(|hit| row_of(hit, full)).collect();
    name_days(&mut rows, shown.by_time);
    rows
}

/// The names of what the query lists, in the order in which they come.
pub(super) fn columns(rows: &[Row]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for field in rows.iter().flat_map(|row| &row.fields) {
        if !columns.contains(&field.label) {
            columns.push(field.label.clone());
        }
    }
    columns
}

/// A day is written once: above its rows, or in each row when days alternate.
fn name_days(rows: &mut [Row], by_time: bool) {
    let is_one = rows.iter().all(|row| Some(&row.day) == rows.first().map(|first| &first.day));
    let mut before = String::new();
    for row in rows {
        if is_one || by_time {
            let day = std::mem::take(&mut row.day);
            if day != before {
                row.day.clone_from(&day);
                before = day;
            }
        } else {
            row.time = format!("{} {}", std::mem::take(&mut row.day), row.time);
        }
    }
}

/// The duration whose bar is full: the longest, unless it is so long that all others would have no bar.
fn full_bar(mut durations: Vec<u64>) -> u64 {
    durations.sort_unstable();
    let middle = durations.get(durations.len() / 2).copied().unwrap_or_default().max(1);
    let usual = durations.iter().rev().find(|duration| **duration / 50 <= middle);
    usual.copied().unwrap_or_default().max(1)
}

fn row(hit: &TraceHit, shown: &Shown<'_>, full: u64) -> Row {
    let (spans, errors) = totals(hit);
    let Title { service, name, via } = title(hit, shown.entries);
    let (palette, start) = (shown.palette, hit.start_unix_nano);
    let id = hit.trace_id.to_string();
    let (spansets, more_sets) = sets::sets(shown.form, hit);
    Row {
        href: format!("/trace/{id}"),
        short_id: id[..8].to_owned(),
        colour: palette.colour(&service),
        service: shown_service(&service),
        name: if name.is_empty() { "(no name)".to_owned() } else { name },
        rootless: hit.root.is_none() && !shown.entries.contains_key(&hit.trace_id),
        via,
        spans: format::count(spans),
        errors: usize::try_from(errors).unwrap_or(usize::MAX),
        chips: chips(&hit.services, palette),
        more_services: hit.services.len().saturating_sub(CHIPS),
        duration: format::duration(hit.duration_nanos),
        width: width(hit.duration_nanos, full),
        start: Moment::new(start, shown.zone),
        time: format::time_of_day(start, shown.zone),
        day: format::day(start, shown.zone),
        age: format::age(start, shown.now),
        sets: spansets,
        more_sets,
        fields: vec![],
    }
}

/// The row of the only span that a hit lists.
fn span_row(hit: &TraceHit, all: &Shown<'_>, full: u64) -> Row {
    let row = row(hit, all, full);
    let Some(span) = hit.spans().next() else { return row };
    let service = span.fields.iter().find(|(field, _)| *field == Field::service());
    let service = service.and_then(|(_, value)| match value {
        Value::Any(value) => value.as_str(),
        _ => None,
    });
    let shown = sets::span_row(all.form, hit, span, Rows::Spans);
    Row {
        href: shown.href,
        colour: all.palette.colour(service.unwrap_or_default()),
        service: shown_service(service.unwrap_or_default()),
        name: shown.name,
        rootless: false,
        via: String::new(),
        chips: vec![],
        more_services: 0,
        duration: shown.duration,
        width: width(span.duration_nanos, full),
        start: Moment::new(span.start_unix_nano, all.zone),
        time: format::time_of_day(span.start_unix_nano, all.zone),
        day: format::day(span.start_unix_nano, all.zone),
        age: format::age(span.start_unix_nano, all.now),
        sets: vec![],
        more_sets: 0,
        fields: shown.fields,
        ..row
    }
}

/// The name of the root or, when that says little, of the entry.
pub(super) fn title(hit: &TraceHit, entries: &HashMap<TraceId, Entry>) -> Title {
    Title::new(hit.root.as_ref(), entries.get(&hit.trace_id))
}

fn width(nanos: u64, full: u64) -> String {
    format!("{:.2}", (100.0 * nanos as f64 / full as f64).min(100.0))
}

/// The services with the most spans, those with errors before others.
fn chips(services: &[ServiceStats], palette: &Palette) -> Vec<Chip> {
    let mut sorted: Vec<&ServiceStats> = services.iter().collect();
    sorted.sort_by_key(|service| std::cmp::Reverse((service.errors > 0, service.spans)));
    let chip = |service: &&ServiceStats| Chip {
        name: shown_service(&service.service),
        colour: palette.colour(&service.service),
        spans: format::count(u64::from(service.spans)),
        errors: service.errors as usize,
    };
    sorted.iter().take(CHIPS).map(chip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_extreme_trace_does_not_flatten_all_bars() {
        let cases = [(vec![], 1), (vec![0], 1), (vec![5, 100, 20], 100), (vec![10, 20, 30, 5_000_000], 30)];
        for (durations, full) in cases {
            assert_eq!(full_bar(durations.clone()), full, "{durations:?}");
        }
    }
}

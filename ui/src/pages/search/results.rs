//! What was found, as rows.

use hoptrail_query::{Field, Rows, ServiceStats, TraceHit, Value};
use jiff::tz::TimeZone;

use super::sets::{self, SetRow};

use crate::colour::Palette;
use crate::format::{self, Moment};

/// Most services shown on a row.
const CHIPS: usize = 4;

/// How the rows are ordered. All orders are of the traces found, which are the newest that match.
pub(super) const ORDERS: [(&str, &str); 4] =
    [("", "Newest first"), ("longest", "Longest first"), ("spans", "Most spans"), ("errors", "Most errors")];

/// A trace on the list, or a span.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) short_id: String,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) rootless: bool,
    pub(crate) colour: usize,
    pub(crate) spans: String,
    pub(crate) errors: usize,
    pub(crate) chips: Vec<Chip>,
    pub(crate) more_services: usize,
    pub(crate) duration: String,
    /// Width of the bar, in percent.
    pub(crate) width: String,
    pub(crate) start: Moment,
    pub(crate) age: String,
    /// What the query says of the trace.
    pub(crate) sets: Vec<SetRow>,
    pub(crate) more_sets: usize,
    /// What the query lists of the span.
    pub(crate) fields: Vec<(String, String)>,
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

pub(super) fn sort(hits: &mut [TraceHit], order: &str) {
    match order {
        "longest" => hits.sort_by_key(|hit| std::cmp::Reverse(hit.duration_nanos)),
        "spans" => hits.sort_by_key(|hit| std::cmp::Reverse(totals(hit).0)),
        "errors" => hits.sort_by_key(|hit| std::cmp::Reverse(totals(hit).1)),
        _ => {}
    }
}

pub(super) fn palette(hits: &[TraceHit], services: &[String]) -> Palette {
    let found = hits.iter().flat_map(|hit| hit.services.iter().map(|service| service.service.as_str()));
    Palette::of(services.iter().map(String::as_str).chain(found))
}

pub(super) fn rows(hits: &[TraceHit], rows: Rows, palette: &Palette, zone: &TimeZone, now: u64) -> Vec<Row> {
    let row_of = |hit: &TraceHit, full| match rows {
        Rows::Traces => row(hit, palette, zone, now, full),
        Rows::Spans => span_row(hit, palette, zone, now, full),
    };
    let duration = |hit: &TraceHit| match rows {
        Rows::Traces => hit.duration_nanos,
        Rows::Spans => hit.spans().next().map_or(0, |span| span.duration_nanos),
    };
    let full = full_bar(hits.iter().map(duration).collect());
    hits.iter().map(|hit| row_of(hit, full)).collect()
}

/// The duration whose bar is full: the longest, unless it is so long that all others would have no bar.
fn full_bar(mut durations: Vec<u64>) -> u64 {
    durations.sort_unstable();
    let middle = durations.get(durations.len() / 2).copied().unwrap_or_default().max(1);
    let usual = durations.iter().rev().find(|duration| **duration / 50 <= middle);
    usual.copied().unwrap_or_default().max(1)
}

fn row(hit: &TraceHit, palette: &Palette, zone: &TimeZone, now: u64, full: u64) -> Row {
    let (spans, errors) = totals(hit);
    let (service, name) = hit.root.clone().unwrap_or_default();
    let id = hit.trace_id.to_string();
    let (spansets, more_sets) = sets::sets(hit);
    Row {
        href: format!("/trace/{id}"),
        short_id: id[..8].to_owned(),
        colour: palette.colour(&service),
        service: shown_service(&service),
        name: if name.is_empty() { "(no name)".to_owned() } else { name },
        rootless: hit.root.is_none(),
        spans: format::count(spans),
        errors: usize::try_from(errors).unwrap_or(usize::MAX),
        chips: chips(&hit.services, palette),
        more_services: hit.services.len().saturating_sub(CHIPS),
        duration: format::duration(hit.duration_nanos),
        width: width(hit.duration_nanos, full),
        start: Moment::new(hit.start_unix_nano, zone),
        age: format::age(hit.start_unix_nano, now),
        sets: spansets,
        more_sets,
        fields: vec![],
    }
}

/// The row of the only span that a hit lists.
fn span_row(hit: &TraceHit, palette: &Palette, zone: &TimeZone, now: u64, full: u64) -> Row {
    let row = row(hit, palette, zone, now, full);
    let Some(span) = hit.spans().next() else { return row };
    let service = span.fields.iter().find(|(field, _)| *field == Field::service());
    let service = service.and_then(|(_, value)| match value {
        Value::Any(value) => value.as_str(),
        _ => None,
    });
    let shown = sets::span_row(hit, span, Rows::Spans);
    Row {
        href: shown.href,
        colour: palette.colour(service.unwrap_or_default()),
        service: shown_service(service.unwrap_or_default()),
        name: shown.name,
        rootless: false,
        chips: vec![],
        more_services: 0,
        duration: shown.duration,
        width: width(span.duration_nanos, full),
        start: Moment::new(span.start_unix_nano, zone),
        age: format::age(span.start_unix_nano, now),
        sets: vec![],
        more_sets: 0,
        fields: shown.fields,
        ..row
    }
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

/// A service's name, or a word for a service without one.
pub(crate) fn shown_service(name: &str) -> String {
    if name.is_empty() { "unknown service".to_owned() } else { name.to_owned() }
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

//! Groups of exceptions as rows.

use hoptrail_query::exceptions::{ExceptionGroup, group_query};

use super::EXCEPTIONS;
use crate::colour::Palette;
use crate::context::Visit;
use crate::format;
use crate::pages::red::{Spark, Times, Window, service_href, spark};
use crate::pages::search::form::write_name;
use crate::pages::search::shown_service;
use crate::url::href;

/// Characters of a message that are shown.
const MESSAGE: usize = 200;
/// Versions that are named.
const VERSIONS: usize = 3;

/// A group.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) service: String,
    pub(super) service_href: String,
    pub(super) only_service: String,
    pub(super) colour: usize,
    pub(super) count: String,
    pub(super) spark: Spark,
    pub(super) first: String,
    pub(super) last: String,
    /// Whether none was seen in the first half of the time.
    pub(super) is_new: bool,
    pub(super) versions: Vec<String>,
    pub(super) more_versions: usize,
    pub(super) traces: String,
    pub(super) why: String,
    pub(super) examples: Vec<Example>,
}

/// A trace with such an exception.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) href: String,
    pub(super) trace: String,
    pub(super) message: String,
}

pub(super) fn rows<'g>(
    groups: impl Iterator<Item = &'g ExceptionGroup>,
    times: &Times,
    window: &Window,
    visit: &Visit,
) -> Vec<Row> {
    let groups: Vec<&ExceptionGroup> = groups.collect();
    let palette = Palette::of(groups.iter().map(|group| group.service.as_str()));
    groups
        .into_iter()
        .map(|group| Row { colour: palette.colour(&group.service), ..row(group, times, window, visit) })
        .collect()
}

fn row(group: &ExceptionGroup, times: &Times, window: &Window, visit: &Visit) -> Row {
    let query = group_query(group);
    let link = |path: &str| href(path, [("q", query.as_str())].into_iter().chain(times.pairs()));
    let numbers: Vec<f64> = group.counts.iter().map(|count| *count as f64).collect();
    let range = window.range();
    let half = range.start + (range.end - range.start) / 2;
    let mut versions: Vec<&(String, u64)> = group.versions.iter().filter(|(version, _)| !version.is_empty()).collect();
    versions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let version = |(version, count): &&(String, u64)| {
        let share = format::percent(*count, group.count());
        format!("{} ({share})", format::shortened(version, 40))
    };
    let only = [("service", write_name(&group.service))];
    let only = only.iter().map(|(name, value)| (*name, value.as_str()));
    Row {
        kind: if group.kind.is_empty() { "(no type)".to_owned() } else { format::shortened(&group.kind, 120) },
        message: format::shortened(&group.template, MESSAGE),
        service: format::shortened(&shown_service(&group.service), 80),
        service_href: service_href(&group.service, times.pairs()),
        // Nobody follows an address that long.
        only_service: if group.service.len() > 1_000 {
            String::new()
        } else {
            href(EXCEPTIONS, only.chain(times.pairs()))
        },
        colour: 0,
        count: format::count(group.count()),
        spark: spark(&[], &numbers, &window.steps),
        first: time(group.seen.0, visit),
        last: time(group.seen.1, visit),
        is_new: group.seen.0 > half,
        more_versions: versions.len().saturating_sub(VERSIONS),
        versions: versions.iter().take(VERSIONS).map(version).collect(),
        traces: link("/search"),
        why: link("/why"),
        examples: group
            .examples
            .iter()
            .map(|own| {
                let (trace, span) = (own.trace_id.to_string(), own.span_id.to_string());
                Example {
                    href: href(&format!("/trace/{trace}"), [("span", span.as_str())]),
                    trace: trace.chars().take(8).collect(),
                    message: format::shortened(&own.message, MESSAGE),
                }
            })
            .collect(),
    }
}

/// `13:00:05` for a time of today, `29 Nov 13:00` for others of this year.
fn time(nanos: u64, visit: &Visit) -> String {
    let (day, today) = (format::day(nanos, &visit.zone), format::day(visit.now, &visit.zone));
    let time = format::time_of_day(nanos, &visit.zone);
    let year = today.rsplit(' ').next().unwrap_or_default();
    match day.strip_suffix(year) {
        _ if day == today => time.get(..8).unwrap_or(&time).to_owned(),
        Some(day) => format!("{}{}", day, time.get(..5).unwrap_or(&time)),
        None => day,
    }
}

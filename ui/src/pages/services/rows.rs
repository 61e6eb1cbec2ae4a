//! Services as rows.

use hoptrail_query::rollups::Cell;

use super::health::{Health, Lengths, Order};
use super::{Found, Window};
use crate::colour::Palette;
use crate::format;
use crate::pages::red::{
    RateUnit, Spark, Times, error_rate, percent, points, rate, relative, seconds_text, service_href, spark,
};
use crate::pages::search::shown_service;
use crate::url::href;

/// Longer names are cut on the page.
const NAME: usize = 80;
/// A p95 that is so many times yesterday's is shown as bad.
const SLOWER: f64 = 1.25;

/// A column that can be sorted by.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    /// `ascending`, `descending` or nothing.
    pub(crate) sorted: &'static str,
    pub(crate) class: &'static str,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Empty for a name that no address can hold.
    pub(crate) href: String,
    pub(crate) colour: usize,
    pub(crate) is_silent: bool,
    pub(crate) rate: String,
    pub(crate) spark: Spark,
    pub(crate) errors: String,
    pub(crate) has_errors: bool,
    /// The failed spans.
    pub(crate) failed: String,
    pub(crate) p50: String,
    pub(crate) p95: String,
    pub(crate) p99: String,
    pub(crate) yesterday: Option<Change>,
    pub(crate) last_week: Option<Change>,
}

/// How numbers changed since then.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) rate: String,
    pub(crate) errors: String,
    pub(crate) p95: String,
    /// Whether that is worse than chance explains.
    pub(crate) fails_more: bool,
    pub(crate) is_slower: bool,
}

pub(super) fn headers(sort: &str, link: impl Fn(&str) -> String) -> Vec<Header> {
    let (current, is_turned) = Order::read(sort).unwrap_or((Order::Wrong, false));
    let header = |(word, label, class): (&'static str, &'static str, &'static str)| {
        let is_current = Order::read(word).is_some_and(|(order, _)| order == current);
        let natural = if word == "name" { ["ascending", "descending"] } else { ["descending", "ascending"] };
        let again = if is_turned { word.to_owned() } else { format!("-{word}") };
        Header {
            label,
            href: link(if is_current { &again } else { word }),
            sorted: if !is_current {
                ""
            } else if is_turned {
                natural[1]
            } else {
                natural[0]
            },
            class,
        }
    };
    [
        ("name", "Service", ""),
        ("rate", "Rate", "num"),
        ("errors", "Errors", "num"),
        ("p50", "p50", "num"),
        ("p95", "p95", "num"),
        ("p99", "p99", "num"),
    ]
    .into_iter()
    .map(header)
    .collect()
}

pub(super) fn rows(healths: &[Health], found: &Found, times: &Times) -> Vec<Row> {
    let palette = Palette::of(healths.iter().map(|health| health.service.as_str()));
    let highest = healths.iter().map(|health| rate(health.now.count, found.lengths.now)).fold(0.0, f64::max);
    let unit = RateUnit::of(highest);
    healths.iter().map(|health| row(health, found, (&palette, unit, times))).collect()
}

fn row(health: &Health, found: &Found, (palette, unit, times): (&Palette, RateUnit, &Times)) -> Row {
    let Health { service, now, yesterday, last_week, .. } = health;
    let Lengths { now: seconds, .. } = found.lengths;
    let quantile = |q| seconds_text(now.durations.quantile(q));
    let of = |before: &Option<Cell>, length| {
        before.as_ref().map(|before| change(health, before, (seconds, length), found.lengths))
    };
    let page = service_href(service, times.pairs());
    let failed = [("service", crate::pages::search::form::write_name(service)), ("status", "error".to_owned())];
    let failed = failed.iter().map(|(name, value)| (*name, value.as_str())).chain(times.pairs());
    Row {
        name: format::shortened(&shown_service(service), NAME),
        failed: if page.is_empty() { String::new() } else { href("/search", failed) },
        href: page,
        colour: palette.colour(service),
        is_silent: health.is_silent(),
        rate: unit.text(rate(now.count, seconds)),
        spark: sparks(health, &found.window),
        errors: error_rate(now).map_or_else(|| "–".to_owned(), percent),
        has_errors: now.errors > 0,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        yesterday: of(yesterday, found.lengths.yesterday),
        last_week: of(last_week, found.lengths.last_week),
    }
}

pub(in crate::pages) fn change(
    health: &Health,
    before: &Cell,
    (seconds, length): (f64, f64),
    lengths: Lengths,
) -> Change {
    let now = &health.now;
    let both = error_rate(now).zip(error_rate(before));
    let slow = now.durations.quantile(0.95).zip(before.durations.quantile(0.95));
    let then = Health { yesterday: Some(before.clone()), ..health.clone() };
    Change {
        rate: relative(rate(now.count, seconds), rate(before.count, length)),
        errors: both.map_or_else(|| "–".to_owned(), |(now, before)| points(now, before)),
        p95: slow.map_or_else(|| "–".to_owned(), |(now, before)| relative(now, before)),
        fails_more: then.failure_rise(Lengths { yesterday: length, ..lengths }) > 0.0
            && both.is_some_and(|(now, before)| now > before),
        is_slower: slow.is_some_and(|(now, before)| now >= SLOWER * before),
    }
}

fn sparks(health: &Health, window: &Window) -> Spark {
    let count = window.steps.count;
    let mut rates: Vec<f64> =
        (0..count).map(|step| if window.seconds_of(step).is_some() { 0.0 } else { f64::NAN }).collect();
    let mut errors = vec![0.0; count];
    for (step, cell) in &health.steps {
        if let (Some(rate), Some(seconds)) = (rates.get_mut(*step), window.seconds_of(*step)) {
            *rate = cell.count as f64 / seconds;
        }
        if let Some(known) = errors.get_mut(*step) {
            *known = cell.errors as f64;
        }
    }
    spark(&rates, &errors, &window.steps)
}

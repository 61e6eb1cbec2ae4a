//! What is stored and what comes in, as facts and rows.

use std::collections::BTreeMap;
use std::time::Duration;

use hoptrail_query::TimeRange;
use hoptrail_query::rollups::{Cell, MINUTE, RollupKey, RollupSteps, Rollups};

use crate::format;
use crate::pages::red::{RateUnit, Times, percent, rate, service_href};
use crate::pages::search::shown_service;
use crate::system::{Attributes, Intake, Stored};

/// Most services listed.
const MOST: usize = 500;
/// Most attributes listed.
const MOST_ATTRIBUTES: usize = 30;
const NAME: usize = 80;
const SECONDS_OF_DAY: f64 = 86_400.0;

/// A number with its name.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// What to make of it; may be empty.
    pub(super) note: String,
}

fn fact(name: &'static str, value: String, note: String) -> Fact {
    Fact { name, value, note }
}

/// A service and what it sends.
#[derive(Debug)]
pub(super) struct ServiceRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) spans: String,
    pub(super) rate: String,
    pub(super) bytes: String,
    pub(super) each: String,
    pub(super) share: String,
    /// Width of the bar, percent.
    pub(super) width: String,
}

/// The steps of the last so many nanoseconds.
pub(super) fn last(now: u64, length: u64) -> RollupSteps {
    RollupSteps::whole(TimeRange { start: now.saturating_sub(length), end: now.div_ceil(MINUTE) * MINUTE })
}

pub(super) fn facts(stored: &Stored, today: &Rollups) -> Vec<Fact> {
    let Stored { spans, bytes, segments, in_memory, memory, rollups, disk, retention, retention_bytes } = *stored;
    let each = bytes as f64 / spans.max(1) as f64;
    let a_day: i64 = today.series.iter().map(|series| series.total().count).sum();
    let day_bytes = each * a_day as f64;
    let days = |bytes: u64| (day_bytes > 0.0).then(|| bytes as f64 / day_bytes);
    let mut facts = vec![
        fact("Spans", format::count(spans + in_memory), format!("{} of them in memory", format::count(in_memory))),
        fact(
            "On disk",
            size(bytes),
            format!("{:.0} bytes a span in {}", each, format::counted(segments as usize, "segment", "segments")),
        ),
        fact("In memory", size(memory), "spans of the last minutes".to_owned()),
        fact("Rollups", size(rollups), "the numbers of services, also of spans that are gone".to_owned()),
        fact(
            "Last 24 hours",
            format::count(a_day.unsigned_abs()),
            format!("spans, about {} on disk", size(day_bytes as u64)),
        ),
        fact("Kept for", kept(retention), "storage.retention".to_owned()),
    ];
    if retention_bytes > 0 {
        let note = days(retention_bytes).map_or_else(String::new, |days| format!("{} at today's rate", day_text(days)));
        facts.push(fact("At most", size(retention_bytes), note));
    }
    if let Some((free, least)) = disk {
        let room = free.saturating_sub(least);
        let lasts =
            days(room).map_or_else(String::new, |days| format!("; room for {} more at today's rate", day_text(days)));
        facts.push(fact("Free disk", size(free), format!("{} must stay free{lasts}", size(least))));
    }
    facts
}

pub(super) fn intake(intake: &Intake, running: Duration) -> Vec<Fact> {
    let since = format::duration(u64::try_from(running.as_nanos()).unwrap_or(u64::MAX));
    let refused: u64 = intake.refused.iter().map(|refused| refused.spans).sum();
    let requests: u64 = intake.refused.iter().map(|refused| refused.requests).sum();
    vec![
        fact("Running for", since, String::new()),
        fact("Stored since then", format::count(intake.spans), "spans".to_owned()),
        fact(
            "Refused",
            format::count(refused),
            format!("spans in {}", format::counted(requests as usize, "request", "requests")),
        ),
        fact("Repaired", format::count(intake.repaired), "spans with text that is not UTF-8 and the like".to_owned()),
        fact("On their way", size(intake.in_flight), "requests being received or written".to_owned()),
    ]
}

/// An attribute and what it takes on the disk.
#[derive(Debug)]
pub(super) struct AttributeRow {
    pub(super) name: String,
    pub(super) bytes: String,
    pub(super) each: String,
    pub(super) share: String,
    /// Width of the bar, percent.
    pub(super) width: String,
}

/// The attributes that take most, and a sentence about all.
pub(super) fn attributes(attributes: &Attributes) -> (Vec<AttributeRow>, String) {
    let Attributes { keys, bytes, spans } = attributes;
    let most = keys.iter().map(|(_, bytes)| *bytes).max().unwrap_or(1).max(1);
    let row = |(name, own): &(String, u64)| AttributeRow {
        name: format::shortened(name, NAME),
        bytes: size(*own),
        each: format!("{:.2}", *own as f64 / (*spans).max(1) as f64),
        share: percent(*own as f64 / (*bytes).max(1) as f64),
        width: format!("{:.1}", 100.0 * *own as f64 / most as f64),
    };
    let all: u64 = keys.iter().map(|(_, bytes)| bytes).sum();
    let about = format!(
        "On disk, with the filters that find values, in the newest {} spans. {} take {} of {}; the rest is ids, times and \
         names. Attributes of resources are stored once for many spans.",
        format::count(*spans),
        format::counted(keys.len(), "attribute", "attributes"),
        size(all),
        size(*bytes)
    );
    (keys.iter().take(MOST_ATTRIBUTES).map(row).collect(), about)
}

/// The services by the bytes that they sent, and how many are left out.
pub(super) fn services(rollups: &Rollups, times: &Times, seconds: f64) -> (Vec<ServiceRow>, usize) {
    let mut all: BTreeMap<&str, Cell> = BTreeMap::new();
    for series in &rollups.series {
        if let RollupKey::Service { service, .. } = &series.key {
            all.entry(service).or_default().add(&series.total());
        }
    }
    let total: i64 = all.values().map(|cell| cell.bytes).sum();
    let highest = all.values().map(|cell| rate(cell.count, seconds)).fold(0.0, f64::max);
    let most = all.values().map(|cell| cell.bytes).max().unwrap_or(1).max(1);
    let unit = RateUnit::of(highest);
    let mut sorted: Vec<(&str, Cell)> = all.into_iter().collect();
    sorted.sort_by_key(|(name, cell)| (-cell.bytes, (*name).to_owned()));
    let more = sorted.len().saturating_sub(MOST);
    let row = |(name, cell): (&str, Cell)| ServiceRow {
        name: format::shortened(&shown_service(name), NAME),
        href: service_href(name, times.pairs()),
        spans: format::count(cell.count.unsigned_abs()),
        rate: unit.text(rate(cell.count, seconds)),
        bytes: size(cell.bytes.unsigned_abs()),
        each: format!("{:.0}", cell.bytes as f64 / cell.count.max(1) as f64),
        share: percent(cell.bytes as f64 / total.max(1) as f64),
        width: format!("{:.1}", 100.0 * cell.bytes as f64 / most as f64),
    };
    (sorted.into_iter().take(MOST).map(row).collect(), more)
}

fn kept(retention: Duration) -> String {
    if retention.is_zero() { "ever".to_owned() } else { day_text(retention.as_secs_f64() / SECONDS_OF_DAY) }
}

/// `14 days`, `1.5 days`, `9 hours`
fn day_text(days: f64) -> String {
    match days {
        0.0..1.0 => format!("{:.0} hours", days * 24.0),
        1.0..10.0 => format!("{} days", (days * 10.0).round() / 10.0),
        1e5.. => "centuries".to_owned(),
        _ => format!("{days:.0} days"),
    }
}

/// Bytes with three digits: `48.2 MB`, of a thousand each.
fn size(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let bytes = bytes as f64;
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let value = bytes / unit;
            let places = if value < 9.95 { 2 } else { usize::from(value < 99.5) };
            format!("{value:.places$} {name}")
        }
        None => format!("{bytes:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_days_have_three_digits() {
        assert_eq!(
            [0, 999, 1_500, 48_240_000, 123_400_000_000].map(size),
            ["0 B", "999 B", "1.50 kB", "48.2 MB", "123 GB"]
        );
        assert_eq!([0.4, 1.46, 14.0, 1e9].map(day_text), ["10 hours", "1.5 days", "14 days", "centuries"]);
        assert_eq!(kept(Duration::ZERO), "ever");
    }

    #[test]
    fn the_disk_lasts_as_long_as_todays_rate_says() {
        let key = RollupKey::Service {
            service: "a".into(),
            kind: hoptrail_proto::model::SpanKind::Server,
            status: hoptrail_proto::model::StatusCode::Ok,
            entry: true,
        };
        let cells = vec![(0, Cell { count: 1_000_000, ..Cell::default() })];
        let today =
            Rollups { series: vec![hoptrail_query::rollups::RollupSeries { key, cells }], ..Rollups::default() };
        let stored = Stored { spans: 10, bytes: 400, disk: Some((2_400_000_000, 400_000_000)), ..Stored::default() };
        let facts = facts(&stored, &today);
        let found = facts.iter().find(|fact| fact.name == "Free disk").expect("a disk");
        assert_eq!(found.note, "400 MB must stay free; room for 50 days more at today's rate");
    }
}

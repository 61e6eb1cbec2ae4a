//! Which versions and instances of a service sent spans, and when a version came.

use std::collections::{BTreeMap, BTreeSet};

use hoptrail_query::rollups::{Cell, RollupKey, RollupSteps, Rollups};
use jiff::tz::TimeZone;

use crate::format::{self, Moment};
use crate::pages::red::{error_rate, percent};

/// Most instances listed.
const MOST: usize = 100;
/// For how many steps with spans a version must lead to have taken over.
const LASTS: usize = 5;
/// Longer names are cut on the page.
const NAME: usize = 80;

/// What was seen of each version and instance, by step.
pub(super) type Seen = BTreeMap<(String, String), BTreeMap<usize, Cell>>;

/// A version that came, or took over.
#[derive(Debug, PartialEq)]
pub(super) struct Release {
    pub(super) time: u64,
    pub(super) text: String,
    pub(super) moment: String,
    /// Whether it was there before.
    pub(super) takes_over: bool,
}

/// The spans of a version.
#[derive(Debug)]
pub(super) struct VersionRow {
    pub(super) version: String,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) instances: String,
    pub(super) share: String,
    pub(super) errors: String,
    pub(super) has_errors: bool,
}

/// The spans of an instance.
#[derive(Debug)]
pub(super) struct InstanceRow {
    pub(super) instance: String,
    pub(super) row: VersionRow,
}

pub(super) fn seen(instances: &Rollups, steps: &RollupSteps) -> Seen {
    let mut seen = Seen::new();
    for series in &instances.series {
        let RollupKey::Instance { version, instance, .. } = &series.key else { continue };
        let known = seen.entry((version.clone(), instance.clone())).or_default();
        for (step, cell) in series.cells.iter().filter(|(step, cell)| *step < steps.count && cell.count > 0) {
            known.entry(*step).or_default().add(cell);
        }
    }
    seen.retain(|_, cells| !cells.is_empty());
    seen
}

/// The versions with all their instances.
fn versions(seen: &Seen) -> BTreeMap<&str, BTreeMap<usize, Cell>> {
    let mut versions: BTreeMap<&str, BTreeMap<usize, Cell>> = BTreeMap::new();
    for ((version, _), cells) in seen {
        let known = versions.entry(version).or_default();
        cells.iter().for_each(|(step, cell)| known.entry(*step).or_default().add(cell));
    }
    versions
}

/// When versions came after the first ones, and when another one got most of the spans, and kept them for some steps.
pub(super) fn releases(seen: &Seen, steps: &RollupSteps, zone: &TimeZone) -> Vec<Release> {
    let versions = versions(seen);
    let all_steps: BTreeSet<usize> = versions.values().flat_map(|cells| cells.keys().copied()).collect();
    let (mut known, mut leader) = (BTreeSet::new(), None);
    let mut releases = Vec::new();
    for step in &all_steps {
        let is_first = known.is_empty();
        let here = versions.iter().filter(|(version, cells)| !version.is_empty() && cells.contains_key(step));
        let new: Vec<&str> = here.map(|(version, _)| *version).filter(|version| known.insert(*version)).collect();
        let last = all_steps.range(step..).take(LASTS).last().unwrap_or(step);
        let first = first_of(&versions, &known, *step..=*last, leader);
        let taken = (first != leader && !is_first).then_some(first).flatten();
        leader = first;
        if is_first {
            continue;
        }
        let time = steps.start_of(*step);
        let release = |version: &str, takes_over: bool| Release {
            time,
            text: format::shortened(version, NAME),
            moment: minute(time, zone),
            takes_over,
        };
        releases.extend(new.iter().map(|version| release(version, false)));
        releases.extend(taken.filter(|version| !new.contains(version)).map(|version| release(version, true)));
    }
    releases
}

/// The known version with most spans in some steps; of equals the one that had most before.
fn first_of<'v>(
    versions: &BTreeMap<&'v str, BTreeMap<usize, Cell>>,
    known: &BTreeSet<&str>,
    steps: std::ops::RangeInclusive<usize>,
    leader: Option<&'v str>,
) -> Option<&'v str> {
    let count = |cells: &BTreeMap<usize, Cell>| cells.range(steps.clone()).map(|(_, cell)| cell.count).sum::<i64>();
    let known = versions.iter().filter(|(version, _)| known.contains(*version));
    known.max_by_key(|(version, cells)| (count(cells), Some(**version) == leader)).map(|(version, _)| *version)
}

/// The newest first.
pub(super) fn version_rows(seen: &Seen, steps: &RollupSteps, zone: &TimeZone) -> Vec<VersionRow> {
    let versions = versions(seen);
    let total = total(seen);
    let mut sorted: Vec<(&str, BTreeMap<usize, Cell>)> = versions.into_iter().collect();
    sorted.sort_by_key(|(_, cells)| std::cmp::Reverse(cells.keys().next().copied()));
    let instances = |version: &str| seen.keys().filter(|(of, instance)| of == version && !instance.is_empty()).count();
    sorted
        .into_iter()
        .map(|(version, cells)| VersionRow {
            instances: format::count(instances(version) as u64),
            ..row(version, &cells, (total, steps, zone))
        })
        .collect()
}

/// Those with the most spans, and how many are left out.
pub(super) fn instance_rows(seen: &Seen, steps: &RollupSteps, zone: &TimeZone) -> (Vec<InstanceRow>, usize) {
    let total = total(seen);
    let mut sorted: Vec<_> = seen.iter().filter(|((_, instance), _)| !instance.is_empty()).collect();
    sorted.sort_by_key(|(_, cells)| -cells.values().map(|cell| cell.count).sum::<i64>());
    let rows = sorted.iter().take(MOST).map(|((version, instance), cells)| InstanceRow {
        instance: format::shortened(instance, NAME),
        row: row(version, cells, (total, steps, zone)),
    });
    (rows.collect(), sorted.len().saturating_sub(MOST))
}

fn total(seen: &Seen) -> i64 {
    seen.values().flat_map(BTreeMap::values).map(|cell| cell.count).sum()
}

fn row(
    version: &str,
    cells: &BTreeMap<usize, Cell>,
    (total, steps, zone): (i64, &RollupSteps, &TimeZone),
) -> VersionRow {
    let mut sum = Cell::default();
    cells.values().for_each(|cell| sum.add(cell));
    let time = |step: Option<&usize>| step.map_or_else(String::new, |step| minute(steps.start_of(*step), zone));
    VersionRow {
        version: if version.is_empty() { "not sent".to_owned() } else { format::shortened(version, NAME) },
        first: time(cells.keys().next()),
        last: time(cells.keys().next_back()),
        instances: String::new(),
        share: percent(sum.count as f64 / total.max(1) as f64),
        errors: error_rate(&sum).map_or_else(|| "–".to_owned(), percent),
        has_errors: sum.errors > 0,
    }
}

/// A moment to the minute, in this year or the last: `11-29 18:04`.
fn minute(time: u64, zone: &TimeZone) -> String {
    let text = Moment::new(time, zone).text;
    text.get(5..16).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use hoptrail_query::rollups::{MINUTE, RollupSeries};

    use super::*;

    fn found(series: &[(&str, &[(usize, i64)])]) -> Vec<(u64, String, bool)> {
        let series = series.iter().map(|(version, counts)| RollupSeries {
            key: RollupKey::Instance { service: "a".into(), version: (*version).into(), instance: "i".into() },
            cells: counts.iter().map(|(step, count)| (*step, Cell { count: *count, ..Cell::default() })).collect(),
        });
        let rollups = Rollups { series: series.collect(), resolution: MINUTE, folded: vec![] };
        let steps = RollupSteps { start: 0, step: MINUTE, count: 10 };
        let releases = releases(&seen(&rollups, &steps), &steps, &TimeZone::UTC);
        releases.into_iter().map(|release| (release.time / MINUTE, release.text, release.takes_over)).collect()
    }

    #[test]
    fn a_release_is_a_version_that_comes_or_takes_over() {
        let canary = found(&[("1", &[(0, 9), (1, 9), (2, 99), (3, 4)]), ("2", &[(2, 1), (3, 5), (4, 9)])]);
        assert_eq!(canary, [(2, "2".to_owned(), false), (3, "2".to_owned(), true)]);
        let mixed = found(&[("1", &[(0, 9), (1, 9), (3, 9)]), ("2", &[(2, 9), (4, 9), (5, 9)])]);
        assert_eq!(mixed, [(2, "2".to_owned(), false)]);
        let at_once = found(&[("1", &[(0, 9)]), ("2", &[(1, 9), (2, 9)]), ("", &[(1, 50)])]);
        assert_eq!(at_once, [(1, "2".to_owned(), false)]);
        let back = found(&[("1", &[(0, 9), (2, 9)]), ("2", &[(1, 99)])]);
        assert_eq!(back, [(1, "2".to_owned(), false), (2, "1".to_owned(), true)]);
        assert!(found(&[("1", &[(0, 9), (5, 1)]), ("2", &[(0, 9), (5, 1)])]).len() < 2 && found(&[]).is_empty());
    }
}

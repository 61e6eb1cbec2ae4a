//! Keeps rollups few and small: merges those of about one size, and drops levels that have become too old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::write::{NewRollup, read_page};
use crate::ReadError;
use crate::catalog::{RollupEntry, RollupList};
use crate::rollup::{DAY, Level, RollupPage};
use crate::segment::{About, PageSink, PageSource};

/// Rollups of about one size that are merged at once.
const RUN: usize = 8;
/// Bytes up to which rollups are merged.
const MOST_BYTES: u64 = 256 << 20;
/// Rollups are of about one size when their sizes have the same number of digits in this base.
const SIZES: u64 = 8;
/// Smaller rollups count as if they had so many bytes.
const LEAST_BYTES: u64 = 16 << 10;

/// How long minutes and hours are kept.
pub(in crate::store) const MINUTES_KEPT: u64 = 15 * DAY;
const HOURS_KEPT: u64 = 100 * DAY;

/// The rollups of one tenant that are worth merging, oldest first.
pub(in crate::store) fn next_run<'r>(
    rollups: impl Iterator<Item = &'r Arc<RollupEntry>>,
    unmergeable: &BTreeSet<u64>,
) -> Option<Vec<Arc<RollupEntry>>> {
    let mut by_size: BTreeMap<(&TenantId, u32), Vec<&Arc<RollupEntry>>> = BTreeMap::new();
    for rollup in rollups.filter(|rollup| !unmergeable.contains(&rollup.id) && rollup.bytes < MOST_BYTES) {
        by_size.entry((&rollup.tenant, rollup.bytes.max(LEAST_BYTES).ilog(SIZES))).or_default().push(rollup);
    }
    let mut run = by_size.into_values().find(|alike| alike.len() >= RUN)?;
    run.sort_by_key(|rollup| (rollup.received, rollup.id));
    Some(run.into_iter().take(RUN).cloned().collect())
}

/// For minutes, hours and days: rows before these times are not kept.
pub(in crate::store) fn kept_from(now: u64, retention: u64) -> [u64; 3] {
    let days = if retention == 0 { 0 } else { now.saturating_sub(retention) };
    let ages = [now.saturating_sub(MINUTES_KEPT), now.saturating_sub(HOURS_KEPT), days];
    let levels = [Level::Minute, Level::Hour, Level::Day];
    std::array::from_fn(|index| match (levels.get(index), ages.get(index)) {
        (Some(level), Some(age)) => level.page((*age).max(days)),
        _ => 0,
    })
}

/// A rollup of whose pages a quarter is too old, so that it is worth writing again without them.
pub(in crate::store) fn next_to_age<'r>(
    mut rollups: impl Iterator<Item = &'r Arc<RollupEntry>>,
    kept_from: [u64; 3],
) -> Option<Arc<RollupEntry>> {
    let is_worth_it = |rollup: &&Arc<RollupEntry>| {
        let old = rollup.list.pages.iter().filter(|page| !is_kept(page, kept_from)).count();
        old > 0 && old * 4 >= rollup.list.pages.len()
    };
    rollups.find(is_worth_it).cloned()
}

fn is_kept(page: &RollupPage, kept_from: [u64; 3]) -> bool {
    kept_from.get(page.level as usize).is_none_or(|from| page.start >= *from)
}

/// Writes one rollup of several, without pages that are too old. One page of each is in memory at a time, and the minutes of those
/// that were just sealed.
pub(in crate::store) fn write_merged<S: PageSink + ?Sized, E: From<S::Error> + From<ReadError>>(
    source: &dyn PageSource,
    run: &[Arc<RollupEntry>],
    (about, kept_from): (&About, [u64; 3]),
    out: &mut S,
) -> Result<RollupList, E> {
    let (coarse, fresh): (Vec<_>, Vec<_>) = run.iter().partition(|rollup| rollup.list.is_coarse);
    let mut new = NewRollup::default();
    fresh.into_iter().try_for_each(|rollup| new.add_fresh(source, rollup))?;
    new.coarsen();
    let all: BTreeSet<RollupPage> =
        coarse.iter().flat_map(|rollup| &rollup.list.pages).copied().chain(new.pages()).collect();
    let pages: Vec<RollupPage> = all.into_iter().filter(|page| is_kept(page, kept_from)).collect();
    for (index, page) in pages.iter().enumerate() {
        let mut rows = new.take(page);
        for rollup in &coarse {
            let Ok(at) = rollup.list.pages.binary_search(page) else { continue };
            read_page(source, rollup.id, (*page, at), |_| true, |key, cells| rows.add(key, cells))?;
        }
        rows.leave_out_nothings();
        NewRollup::put_page(out, *page, index, &rows)?;
    }
    let merged = run.iter().map(|rollup| rollup.id).collect();
    Ok(NewRollup::put_list(out, about, RollupList { pages, kept_from, merged, is_coarse: true })?)
}

/// The later of two times for each level.
pub(in crate::store) fn later(one: [u64; 3], other: [u64; 3]) -> [u64; 3] {
    let [minutes, hours, days] = one;
    let [other_minutes, other_hours, other_days] = other;
    [minutes.max(other_minutes), hours.max(other_hours), days.max(other_days)]
}

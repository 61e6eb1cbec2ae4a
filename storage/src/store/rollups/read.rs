//! Answers of rollups: of what was written, and of the head.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::count::Counting;
use super::write::read_page;
use crate::catalog::RollupEntry;
use crate::rollup::{Level, MINUTE, RollupKey, RollupRequest, RollupSeries, Rollups, Tally, fold};
use crate::store::lock;
use crate::store::readers::Readers;
use crate::{Cell, QueryContext, ReadError};

/// Memory of a cell, about.
const CELL_BYTES: usize = 512;
/// Cells that are counted at once.
const CELLS: usize = 1024;

/// The numbers that a request asks for.
pub(in crate::store) fn rollups(
    readers: &Readers,
    tenant: &TenantId,
    request: &RollupRequest,
    context: &QueryContext,
) -> Result<Rollups, ReadError> {
    let state = readers.read_state();
    let ((chunks, segments), written) = (state.snapshot(tenant), state.rollups_of(tenant));
    drop(state);
    let mut answer = Answer { request, series: BTreeMap::new(), resolution: MINUTE, cells: 0 };
    let mut memory = context.reserve(0)?;
    for rollup in &written {
        context.check()?;
        answer.add_written(readers, rollup, context)?;
        memory.grow(answer.take_cells() * CELL_BYTES)?;
    }
    let counting = Counting { readers, tenant, chunks: &chunks, segments: &segments, context };
    for (index, chunk) in chunks.iter().enumerate() {
        let mut rollup = lock(&chunk.rollup);
        counting.catch_up(index, &mut rollup)?;
        answer.add_counted(&rollup.tally);
        memory.grow(answer.take_cells() * CELL_BYTES)?;
    }
    Ok(answer.finish(readers.rollups.most_names))
}

struct Answer<'r> {
    request: &'r RollupRequest,
    series: BTreeMap<RollupKey, BTreeMap<usize, Cell>>,
    resolution: u64,
    /// New cells since they were counted last.
    cells: usize,
}

impl Answer<'_> {
    fn add_written(
        &mut self,
        readers: &Readers,
        rollup: &Arc<RollupEntry>,
        context: &QueryContext,
    ) -> Result<(), ReadError> {
        let (steps, table) = (self.request.steps, self.request.table);
        for (index, page) in rollup.list.pages.iter().enumerate() {
            if page.table != table || !rollup.may_answer(page.level, page.start, self.request) {
                continue;
            }
            let mut found = Vec::with_capacity(CELLS);
            let read = read_page(
                readers,
                rollup.id,
                (*page, index),
                |key| self.is_wanted(key),
                |key, time, cell| {
                    if rollup.level_at(time, self.request) == page.level
                        && let Some(step) = steps.of(time)
                    {
                        found.push((key.clone(), step, cell));
                    }
                },
            );
            match read {
                Err(ReadError::Corrupt { location, reason }) => {
                    readers.note_damage(&location, &reason);
                    context.leave_out(location);
                    found.clear();
                }
                read => read?,
            }
            if !found.is_empty() && page.level != Level::Ever && steps.step % page.level.length() != 0 {
                self.resolution = self.resolution.max(page.level.length());
            }
            found.into_iter().for_each(|(key, step, cell)| self.add(key, step, &cell));
        }
        Ok(())
    }

    /// Adds what was counted of a chunk. Minutes are summed up before keys are looked at.
    fn add_counted(&mut self, tally: &Tally) {
        let mut sums: HashMap<(u32, usize), Cell> = HashMap::new();
        tally.each(self.request.table, |code, time, cell| {
            if let Some(step) = self.request.steps.of(time) {
                sums.entry((code, step)).or_default().add(cell);
            }
        });
        for ((code, step), cell) in sums {
            let key = tally.key_of(code).filter(|key| self.is_wanted(key));
            key.into_iter().for_each(|key| self.add(key.clone(), step, &cell));
        }
    }

    fn is_wanted(&self, key: &RollupKey) -> bool {
        self.request.service.as_ref().is_none_or(|service| key.concerns(service))
    }

    fn add(&mut self, key: RollupKey, step: usize, cell: &Cell) {
        let known = self.series.entry(key).or_default().entry(step);
        self.cells += usize::from(matches!(known, std::collections::btree_map::Entry::Vacant(_)));
        known.or_default().add(cell);
    }

    fn take_cells(&mut self) -> usize {
        std::mem::take(&mut self.cells)
    }

    fn finish(mut self, most_names: usize) -> Rollups {
        // What was taken back whole was never there.
        self.series.values_mut().for_each(|cells| cells.retain(|_, cell| !cell.is_empty()));
        self.series.retain(|_, cells| !cells.is_empty());
        let folded = fold(&mut self.series, most_names);
        let of = |(key, cells): (_, BTreeMap<_, _>)| RollupSeries { key, cells: cells.into_iter().collect() };
        Rollups { series: self.series.into_iter().map(of).collect(), resolution: self.resolution, folded }
    }
}

impl RollupEntry {
    /// The level that answers for a time: the coarsest that fits, or else the finest that is kept.
    fn level_at(&self, time: u64, request: &RollupRequest) -> Level {
        if !self.list.is_coarse {
            return Level::Minute;
        }
        let level = request.steps.level_at(time);
        let is_kept =
            |level: &Level| self.list.kept_from.get(*level as usize).is_none_or(|from| level.row(time) >= *from);
        Level::ALL.into_iter().filter(|other| *other >= level).find(is_kept).unwrap_or(Level::Ever)
    }

    /// Whether a page of a level may have rows that answer.
    fn may_answer(&self, level: Level, page: u64, request: &RollupRequest) -> bool {
        if !self.list.is_coarse {
            let range = request.steps.range();
            return page < range.end && range.start < page.saturating_add(level.page_length());
        }
        request.steps.needs(level, page)
    }
}

//! Answers of rollups: of what was written, and of the head.

use std::collections::HashMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use hoptrail_proto::model::TenantId;

use super::count::Counting;
use super::write::read_page;
use crate::catalog::RollupEntry;
use crate::rollup::{Level, MINUTE, RollupKey, RollupRequest, Rollups, Series, Tally, push};
use crate::store::lock;
use crate::store::readers::Readers;
use crate::{Cell, QueryContext, ReadError};

/// Memory of a cell, about.
const CELL_BYTES: usize = 512;

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
    let mut answer = Answer { request, series: Series::new(), resolution: MINUTE, cells: 0 };
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
    Ok(Rollups::of(answer.series, answer.resolution, readers.rollups.most_names))
}

struct Answer<'r> {
    request: &'r RollupRequest,
    series: Series,
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
            let mut found: Vec<(RollupKey, Vec<(usize, Cell)>)> = Vec::new();
            let read = read_page(
                readers,
                rollup.id,
                (*page, index),
                |key| self.request.wants(key),
                |key, cells| {
                    let mut own = Vec::new();
                    for (time, cell) in cells.iter().filter(|(time, _)| rollup.answers(*time, page.level, self.request))
                    {
                        steps.of(*time).into_iter().for_each(|step| push(&mut own, step, cell));
                    }
                    found.extend((!own.is_empty()).then(|| (key.clone(), own)));
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
            found.into_iter().for_each(|(key, cells)| self.add(key, cells));
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
            let key = tally.key_of(code).filter(|key| self.request.wants(key));
            key.into_iter().for_each(|key| self.add(key.clone(), vec![(step, cell.clone())]));
        }
    }

    fn add(&mut self, key: RollupKey, cells: Vec<(usize, Cell)>) {
        let known = self.series.entry(key).or_default();
        let before = known.len();
        for (step, cell) in cells {
            match known.entry(step) {
                Entry::Vacant(entry) => _ = entry.insert(cell),
                Entry::Occupied(mut entry) => entry.get_mut().add(&cell),
            }
        }
        self.cells += known.len() - before;
    }

    fn take_cells(&mut self) -> usize {
        std::mem::take(&mut self.cells)
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

    /// Whether the rows of a level answer for a time.
    fn answers(&self, time: u64, level: Level, request: &RollupRequest) -> bool {
        self.level_at(time, request) == level
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

//! Rows that count as far as only their whole traces tell, and values that spans have of their traces. Traces are judged one by one.

use std::sync::{Mutex, PoisonError};

use hoptrail_proto::model::TraceId;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Metrics;
use crate::codec::bits::Bitmap;
use crate::judge::{Calc, calculate};
use crate::rows::TableKind;
use crate::scan::{Coded, RowGroup};
use crate::store::read::judge::{Judge, Judged};
use crate::store::read::newest::Possible;
use crate::store::read::rounds::Rounds;
use crate::store::read::scan_unit::{ScanUnit, UnitId};
use crate::store::read::too_few::TooFew;
use crate::store::read::trace_loader::TraceLoader;
use crate::{ReadError, Reserved};

/// Memory of a row, and of each of its values, about.
const ROW_BYTES: usize = 16;

/// The rows that count, by unit.
pub(super) struct WholeRows {
    by_unit: FxHashMap<UnitId, UnitRows>,
    _memory: Reserved,
}

/// Rows of one unit.
#[derive(Default)]
pub(super) struct UnitRows {
    /// Ascending, with the codes of their values.
    rows: Vec<(u32, Vec<u32>)>,
}

impl WholeRows {
    /// The rows of a unit, if any counts.
    pub(super) fn of(&self, unit: &ScanUnit) -> Option<&UnitRows> {
        self.by_unit.get(&unit.id())
    }
}

impl UnitRows {
    /// The rows of a group with so many.
    pub(super) fn among(&self, len: usize) -> Bitmap {
        let mut rows = Bitmap::none(len);
        self.rows.iter().for_each(|(row, _)| rows.insert(*row as usize));
        rows
    }

    /// The numbers of the values with this index, by row.
    pub(super) fn numbers(&self, value: usize) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(move |(_, own)| own.get(value).copied().unwrap_or_default())
    }
}

impl Metrics<'_, '_> {
    /// Judges all traces that may have rows that count.
    pub(super) fn judged(&self) -> Result<WholeRows, ReadError> {
        let TraceLoader { snapshot, context, .. } = self.loader;
        let range = self.request.steps.range();
        let mut judge = Judge::new(self.loader, &self.request.spans, Some(range))?;
        let calcs: Vec<Calc> = self.of_traces.iter().map(|expr| judge.program.calc(expr)).collect();
        let judge = &judge;
        let mut units = snapshot.view.units();
        units.retain(|unit| unit.overlaps(Some(range)));
        let (possible, rounds, too_few) = (Possible::new(judge), Rounds::new(snapshot, &units), TooFew::new(judge));
        let seen: Mutex<FxHashSet<TraceId>> = Mutex::default();
        let work = |(index, unit): &(usize, &ScanUnit)| {
            context.check()?;
            if !possible.holds(unit)? {
                return Ok(Vec::new());
            }
            rounds.fetch(*index)?;
            let all = |group: &dyn RowGroup| Bitmap::all(group.table(TableKind::Span).len());
            let traces = self.loader.on(unit, |group| judge.traces(unit, group, &all(group)))?;
            let mut found = Vec::new();
            for trace in too_few.others(unit, traces.unwrap_or_default())? {
                if seen.lock().unwrap_or_else(PoisonError::into_inner).insert(trace.id) {
                    self.add_trace(judge, &calcs, trace.id, &mut found)?;
                }
            }
            Ok(found)
        };
        let (mut by_unit, mut memory): (FxHashMap<UnitId, UnitRows>, _) = (FxHashMap::default(), context.reserve(0)?);
        let take = |_: &(usize, &ScanUnit), found: Result<Vec<(UnitId, u32, Vec<u32>)>, ReadError>| {
            let found = found?;
            memory.grow(found.len() * ROW_BYTES * (2 + calcs.len()))?;
            for (unit, row, values) in found {
                by_unit.entry(unit).or_default().rows.push((row, values));
            }
            Ok(())
        };
        snapshot.workers().in_order(&rounds.units(), crate::clock::instant(), |_| true, work, take)?;
        by_unit.values_mut().for_each(|own| own.rows.sort_unstable());
        Ok(WholeRows { by_unit, _memory: memory })
    }

    /// Adds the rows of a trace that count.
    fn add_trace(
        &self,
        judge: &Judge<'_, '_>,
        calcs: &[Calc],
        id: TraceId,
        found: &mut Vec<(UnitId, u32, Vec<u32>)>,
    ) -> Result<(), ReadError> {
        let Some(Judged { trace, spansets }) = judge.judge(id)? else { return Ok(()) };
        let mut rows: Vec<u32> = spansets.iter().flat_map(|spanset| &spanset.rows).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let values = calcs.iter().map(|calc| calculate(calc, &trace)).collect::<Result<Vec<_>, _>>()?;
        let mut groups = self.groups();
        for row in rows {
            let Some(((start, _), unit, own)) = trace.rows.get(row as usize) else { continue };
            if let Some(unit) = trace.units.get(*unit).filter(|_| self.request.steps.range().contains(*start)) {
                let numbers = values.iter().map(|all| groups.value(all.get(row as usize).unwrap_or(&None)));
                found.push((unit.id(), *own, numbers.collect::<Result<_, _>>()?));
            }
        }
        Ok(())
    }

    /// Values that rows have of their traces.
    pub(super) fn coded_of_traces(&self, rows: &UnitRows, value: usize) -> Coded {
        let groups = self.groups();
        let (mut places, mut values) = (FxHashMap::default(), Vec::new());
        let codes = rows.numbers(value).map(|number| {
            *places.entry(number).or_insert_with(|| {
                values.push(groups.value_of(number));
                crate::codec::len_u32(values.len() - 1)
            })
        });
        let codes = codes.collect();
        Coded { codes, values }
    }
}

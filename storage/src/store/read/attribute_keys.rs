//! The attribute keys of spans.

use hashbrown::{HashMap, HashSet};

use super::field_values::{each_unit, traces_with};
use super::judge::{Judge, Judged};
use super::rounds::Rounds;
use super::scan_unit::{ScanUnit, UnitId};
use super::trace_loader::TraceLoader;
use crate::codec::bits::Bitmap;
use crate::rows::TableKind;
use crate::scan::{Keys, RowGroup, add_all_keys, keys_of, matching};
use crate::search::AttributeKeysRequest;
use crate::{Filter, ReadError};

/// Memory of a row in a list, about.
const ROW_BYTES: usize = 8;

/// The keys of which spans, of which units.
pub(super) struct KeyQuestion<'s, 'a> {
    pub(super) loader: &'s TraceLoader<'s, 'a>,
    pub(super) units: Vec<ScanUnit>,
    pub(super) request: &'s AttributeKeysRequest,
}

impl KeyQuestion<'_, '_> {
    pub(super) fn answer(&self) -> Result<Keys, ReadError> {
        match &self.request.filter {
            Filter::True => self.of_all(),
            filter if filter.needs_trace() => self.of_traces(),
            _ => self.of_spans(),
        }
    }

    /// The keys that units know. No row is looked at.
    fn of_all(&self) -> Result<Keys, ReadError> {
        let (mut keys, mut seen) = (Keys::new(), HashSet::new());
        // All groups of a segment have the same keys.
        let is_first = |unit: &&ScanUnit| unit.segment().is_none_or(|segment| seen.insert(segment));
        let units: Vec<ScanUnit> = self.units.iter().filter(is_first).cloned().collect();
        let rounds = Rounds::new(self.loader.snapshot, &units);
        for (index, unit) in rounds.units() {
            self.loader.context.check()?;
            rounds.fetch(index)?;
            self.loader.on(unit, |group| {
                add_all_keys(group, &mut keys);
                Ok(())
            })?;
        }
        Ok(keys)
    }

    /// The keys of spans that match by themselves.
    fn of_spans(&self) -> Result<Keys, ReadError> {
        let AttributeKeysRequest { filter, range } = self.request;
        let ask = |unit: &ScanUnit, group: &dyn RowGroup| {
            // Where all spans are inside of the range, the start of none is looked at.
            let range = range.filter(|range| !range.covers(unit.starts()));
            keys_of(group, &matching(group, filter, range, self.loader.context)?)
        };
        let mut keys = Keys::new();
        each_unit(self.loader, &self.units, ask, |here| {
            keys.extend(here);
            Ok(())
        })?;
        Ok(keys)
    }

    /// The keys of spans that only their whole trace tells: the traces are judged one by one.
    fn of_traces(&self) -> Result<Keys, ReadError> {
        let AttributeKeysRequest { filter, range } = self.request;
        let spans = filter.clone().into();
        let judge = Judge::new(self.loader, &spans, None)?;
        let (mut by_unit, mut memory) =
            (HashMap::<UnitId, (ScanUnit, Vec<u32>)>::new(), self.loader.context.reserve(0)?);
        for id in traces_with(self.loader, &self.units, filter, *range)? {
            let Some(Judged { trace, spansets }) = judge.judge(id)? else { continue };
            for row in spansets.iter().flat_map(|spanset| &spanset.rows) {
                let Some(((start, _), unit, own)) = trace.rows.get(*row as usize) else { continue };
                if let Some(unit) = trace.units.get(*unit).filter(|_| range.is_none_or(|range| range.contains(*start)))
                {
                    by_unit.entry(unit.id()).or_insert_with(|| (unit.clone(), Vec::new())).1.push(*own);
                    memory.grow(ROW_BYTES)?;
                }
            }
        }
        let mut keys = Keys::new();
        for (unit, rows) in by_unit.into_values() {
            self.loader.context.check()?;
            self.loader.on(&unit, |group| {
                let mut own = Bitmap::none(group.table(TableKind::Span).len());
                rows.iter().for_each(|row| own.insert(*row as usize));
                keys.extend(keys_of(group, &own)?);
                Ok(())
            })?;
        }
        Ok(keys)
    }
}

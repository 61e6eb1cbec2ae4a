//! The traces of both sides. Nearly all are in one unit, which counts them by itself; those that may be in several have numbers.

use std::sync::{Mutex, PoisonError};

use hoptrail_proto::model::TraceId;
use rustc_hash::{FxHashMap, FxHashSet};

use super::marks::{Mark, Roots, rows_by_trace};
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::contrast::{ContrastRequest, Sides};
use crate::explain::Counted;
use crate::rows::TableKind;
use crate::scan::{FirstRoot, NO_CODE, RowGroup};
use crate::search::Inspected;
use crate::store::read::judge::Judge;
use crate::store::read::newest::Possible;
use crate::store::read::rounds::Rounds;
use crate::store::read::scan_unit::{ScanUnit, UnitId};
use crate::store::read::too_few::TooFew;
use crate::store::read::trace_loader::TraceLoader;
use crate::{ReadError, Reserved};

/// Memory of a trace that is known by its id, about.
const TRACE_BYTES: usize = 64;

/// A search that finds a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store::read) struct FoundBy {
    selected: bool,
    others: bool,
}

impl FoundBy {
    /// Whether the trace is in the selection; `None` when it is on neither side.
    pub(in crate::store::read) fn is_selected(self) -> Option<bool> {
        (self.selected || self.others).then_some(self.selected)
    }

    fn add(&mut self, other: Self) {
        self.selected |= other.selected;
        self.others |= other.others;
    }
}

/// The traces of both sides.
pub(in crate::store::read) struct SidedTraces {
    /// All units that have any.
    pub(in crate::store::read) units: Vec<(ScanUnit, UnitTraces)>,
    /// Whether those that may be in several units are in the selection, by number.
    pub(in crate::store::read) split: Vec<bool>,
    /// Their ids.
    pub(in crate::store::read) split_ids: Vec<TraceId>,
    /// Their roots: service and name.
    pub(in crate::store::read) split_roots: Vec<Option<(String, String)>>,
    pub(in crate::store::read) inspected: Inspected,
    /// Those that are in one unit.
    local: Sides,
    _memory: Reserved,
}

/// The traces of a unit.
pub(in crate::store::read) struct UnitTraces {
    /// The trace of each row that the unit had when the query began.
    pub(in crate::store::read) of_rows: Vec<u32>,
    /// The rows by trace; empty when they are in this order.
    pub(in crate::store::read) order: Vec<u32>,
    /// On which side each trace is.
    pub(in crate::store::read) marks: Vec<Mark>,
    pub(in crate::store::read) roots: Roots,
}

impl UnitTraces {
    /// Calls `visit` with each row of a trace that is on a side, trace by trace: row, trace and mark.
    #[inline]
    pub(in crate::store::read) fn each_row(&self, mut visit: impl FnMut(usize, u32, Mark)) {
        let mut give = |row: usize, trace: u32| {
            let mark = self.marks.get(trace as usize).copied().unwrap_or_default();
            if mark.is_on_a_side() {
                visit(row, trace, mark);
            }
        };
        if self.order.is_empty() {
            self.of_rows.iter().enumerate().for_each(|(row, trace)| give(row, *trace));
        } else {
            let traces = self.order.iter().map(|row| (*row as usize, self.of_rows.get(*row as usize)));
            traces.for_each(|(row, trace)| give(row, trace.copied().unwrap_or_default()));
        }
    }

    /// Calls `visit` with each code that is one, in the same order: code, trace and mark.
    #[inline]
    pub(in crate::store::read) fn each_code(&self, codes: &[u32], mut visit: impl FnMut(u32, u32, Mark)) {
        if !self.order.is_empty() {
            let code = |row: usize| codes.get(row).copied().unwrap_or(NO_CODE);
            return self.each_row(|row, trace, mark| visit(code(row), trace, mark));
        }
        for (code, trace) in codes.iter().zip(&self.of_rows).filter(|(code, _)| **code != NO_CODE) {
            let mark = self.marks.get(*trace as usize).copied().unwrap_or_default();
            if mark.is_on_a_side() {
                visit(*code, *trace, mark);
            }
        }
    }

    /// The trace of a row that counts.
    pub(in crate::store::read) fn trace_of(&self, row: usize) -> Option<(u32, Mark)> {
        let trace = *self.of_rows.get(row)?;
        self.marks.get(trace as usize).filter(|mark| mark.is_on_a_side()).map(|mark| (trace, *mark))
    }

    fn bytes(&self) -> usize {
        (self.of_rows.len() + self.order.len()) * size_of::<u32>() + self.marks.len() * size_of::<(Mark, u64)>()
    }
}

/// How a search finds traces.
enum Finding<'j, 's, 'a> {
    /// By its rows.
    Rows(&'j Judge<'s, 'a>),
    /// As whole traces; these are all.
    Traces(FxHashSet<TraceId>),
}

/// What a unit knows.
struct Marked {
    traces: UnitTraces,
    /// Of traces that are on a side: index and id, and whether no other group can have it.
    found: Vec<(u32, TraceId, FoundBy, bool)>,
}

impl SidedTraces {
    pub(in crate::store::read) fn of(
        loader: &TraceLoader<'_, '_>,
        request: &ContrastRequest,
    ) -> Result<Self, ReadError> {
        let begun = crate::clock::instant();
        let judge = |pipeline| Judge::new(loader, pipeline, request.range);
        let (selected, others) = (judge(&request.selected)?, judge(&request.others)?);
        let mut memory = loader.context.reserve(0)?;
        let findings = [finding(&selected, &mut memory)?, finding(&others, &mut memory)?];
        let mut made = Making::new(loader, memory);
        made.add_units([&selected, &others], &findings)?;
        loader.context.ended("the traces of both sides", begun);
        let begun = crate::clock::instant();
        made.add_split()?;
        loader.context.ended("the traces that may be in several units", begun);
        let Making { units, split, split_found, split_roots, inspected, local, memory, .. } = made;
        let split_ids = split_found.into_iter().map(|(id, _)| id).collect();
        Ok(Self { units, split, split_ids, split_roots, inspected, local, _memory: memory })
    }

    /// How many there are.
    pub(in crate::store::read) fn all(&self) -> Sides {
        let mut all = self.local;
        let selected = self.split.iter().filter(|selected| **selected).count() as u64;
        all.add(Sides { selected, others: self.split.len() as u64 - selected });
        all
    }
}

/// The traces that a search finds, unless rows tell.
fn finding<'j, 's, 'a>(judge: &'j Judge<'s, 'a>, memory: &mut Reserved) -> Result<Finding<'j, 's, 'a>, ReadError> {
    if judge.is_plain {
        return Ok(Finding::Rows(judge));
    }
    let TraceLoader { snapshot, context, .. } = judge.loader;
    let units = judge.units();
    let (possible, rounds, too_few) = (Possible::new(judge), Rounds::new(snapshot, &units), TooFew::new(judge));
    let seen: Mutex<FxHashSet<TraceId>> = Mutex::default();
    let work = |(index, unit): &(usize, &ScanUnit)| {
        context.check()?;
        if !possible.holds(unit)? {
            return Ok(Vec::new());
        }
        rounds.fetch(*index)?;
        let all = |group: &dyn RowGroup| Bitmap::all(group.table(TableKind::Span).len());
        let traces = judge.loader.on(unit, |group| judge.traces(unit, group, &all(group)))?;
        let mut found = Vec::new();
        for trace in too_few.others(unit, traces.unwrap_or_default())? {
            let is_new = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(trace.id);
            if is_new && judge.judge(trace.id)?.is_some() {
                found.push(trace.id);
            }
        }
        Ok(found)
    };
    let mut all = FxHashSet::default();
    let take = |_: &(usize, &ScanUnit), found: Result<Vec<TraceId>, ReadError>| {
        let found = found?;
        memory.grow(found.len() * TRACE_BYTES)?;
        all.extend(found);
        Ok(())
    };
    snapshot.workers().in_order(&rounds.units(), crate::clock::instant(), |_| true, work, take)?;
    Ok(Finding::Traces(all))
}

struct Making<'m, 's, 'a> {
    loader: &'m TraceLoader<'s, 'a>,
    units: Vec<(ScanUnit, UnitTraces)>,
    places: FxHashMap<UnitId, usize>,
    numbers: FxHashMap<TraceId, u32>,
    split_found: Vec<(TraceId, FoundBy)>,
    split: Vec<bool>,
    split_roots: Vec<Option<(String, String)>>,
    local: Sides,
    inspected: Inspected,
    memory: Reserved,
}

impl<'m, 's, 'a> Making<'m, 's, 'a> {
    fn new(loader: &'m TraceLoader<'s, 'a>, memory: Reserved) -> Self {
        Self {
            loader,
            units: Vec::new(),
            places: FxHashMap::default(),
            numbers: FxHashMap::default(),
            split_found: Vec::new(),
            split: Vec::new(),
            split_roots: Vec::new(),
            local: Sides::default(),
            inspected: Inspected::default(),
            memory,
        }
    }

    /// Finds the traces of each unit.
    fn add_units(&mut self, judges: [&Judge<'_, '_>; 2], findings: &[Finding<'_, '_, '_>; 2]) -> Result<(), ReadError> {
        let TraceLoader { snapshot, context, .. } = self.loader;
        let [selected, others] = judges;
        let mut units = snapshot.view.units();
        let all = units.len();
        units.retain(|unit| unit.runs_in(selected.range));
        context.count(Counted::Units, all);
        context.count(Counted::OutsideRange, all - units.len());
        let (of_selected, of_others) = (Possible::new(selected), Possible::new(others));
        let rounds = Rounds::new(snapshot, &units);
        let loader = self.loader;
        let work = |(index, unit): &(usize, &ScanUnit)| {
            context.check()?;
            if !of_selected.holds(unit)? && !of_others.holds(unit)? {
                context.count(Counted::RuledOut, 1);
                return Ok(None);
            }
            rounds.fetch(*index)?;
            let marked = loader.on(unit, |group| mark(unit, group, findings))?;
            let is_alone = |(_, id, _, is_alone): &(u32, TraceId, FoundBy, bool)| {
                *is_alone && !snapshot.view.is_elsewhere(*id, unit)
            };
            Ok(marked.map(|mut marked| {
                for own in &mut marked.found {
                    own.3 = is_alone(own);
                }
                marked
            }))
        };
        let take = |(_, unit): &(usize, &ScanUnit), marked: Result<Option<Marked>, ReadError>| {
            let Some(marked) = marked? else { return Ok(()) };
            context.count(Counted::Scanned, 1);
            self.add(unit, marked)
        };
        snapshot.workers().in_order(&rounds.units(), crate::clock::instant(), |_| true, work, take)
    }

    fn add(&mut self, unit: &ScanUnit, Marked { mut traces, found }: Marked) -> Result<(), ReadError> {
        self.inspected.segments += 1;
        self.inspected.spans += traces.of_rows.len() as u64;
        if found.is_empty() {
            return Ok(());
        }
        self.memory.grow(traces.bytes())?;
        for (index, id, by, is_local) in found {
            let Some(is_selected) = by.is_selected() else { continue };
            if !is_local {
                self.memory.grow(TRACE_BYTES)?;
                let next = len_u32(self.split_found.len());
                let number = *self.numbers.entry(id).or_insert(next);
                if number == next {
                    self.split_found.push((id, by));
                } else if let Some((_, known)) = self.split_found.get_mut(number as usize) {
                    known.add(by);
                }
                continue;
            }
            self.local.add(Sides { selected: u64::from(is_selected), others: u64::from(!is_selected) });
            if let Some(mark) = traces.marks.get_mut(index as usize) {
                *mark = Mark::local(is_selected);
            }
        }
        self.places.insert(unit.id(), self.units.len());
        self.units.push((unit.clone(), traces));
        Ok(())
    }

    /// Marks the traces that may be in several units, in all units that may have them.
    fn add_split(&mut self) -> Result<(), ReadError> {
        let mut by_unit: FxHashMap<UnitId, (ScanUnit, Vec<(TraceId, u32)>)> = FxHashMap::default();
        for (number, (id, by)) in (0u32..).zip(&self.split_found) {
            self.loader.context.check()?;
            let holders = self.loader.snapshot.view.holders(*id);
            self.memory.grow(holders.len() * size_of::<(TraceId, u64)>())?;
            for unit in &holders {
                by_unit.entry(unit.id()).or_insert_with(|| (unit.clone(), Vec::new())).1.push((*id, number));
            }
            self.split.push(by.selected);
            self.loader.snapshot.fetch(&holders)?;
            self.split_roots.push(self.loader.summary(*id, &holders)?.and_then(|summary| summary.root));
        }
        self.inspected.traces = self.local.selected + self.local.others + self.split_found.len() as u64;
        for (unit, traces) in by_unit.into_values() {
            self.loader.context.check()?;
            let place = self.places.get(&unit.id()).copied();
            let loader = self.loader;
            match place.and_then(|place| self.units.get_mut(place)) {
                Some((_, own)) => {
                    loader.on(&unit, |group| mark_split(group, own, &traces))?;
                }
                None => {
                    loader.snapshot.fetch([&unit])?;
                    let own = loader.on(&unit, |group| {
                        let mut own = unmarked(group)?.0;
                        mark_split(group, &mut own, &traces)?;
                        Ok(own)
                    })?;
                    if let Some(own) = own {
                        self.memory.grow(own.bytes())?;
                        self.units.push((unit, own));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The traces of a group, none of which is on a side yet.
fn unmarked(group: &dyn RowGroup) -> Result<(UnitTraces, Vec<FirstRoot>), ReadError> {
    let (of_rows, firsts) = group.first_roots(&Bitmap::all(group.table(TableKind::Span).len()))?;
    let order = rows_by_trace(&of_rows);
    let roots = Roots::of(group, &firsts)?;
    Ok((UnitTraces { of_rows, order, marks: vec![Mark::default(); firsts.len()], roots }, firsts))
}

/// Finds the traces of a unit.
fn mark(unit: &ScanUnit, group: &dyn RowGroup, findings: &[Finding<'_, '_, '_>; 2]) -> Result<Marked, ReadError> {
    let (traces, firsts) = unmarked(group)?;
    let mut by = vec![FoundBy::default(); firsts.len()];
    for (finding, of) in
        findings.iter().zip([FoundBy { selected: true, others: false }, FoundBy { selected: false, others: true }])
    {
        match finding {
            Finding::Rows(judge) => {
                let all = Bitmap::all(group.table(TableKind::Span).len());
                for row in judge.candidates(unit, group, &all)?.iter() {
                    let trace = traces.of_rows.get(row).and_then(|trace| by.get_mut(*trace as usize));
                    trace.into_iter().for_each(|by| by.add(of));
                }
            }
            Finding::Traces(found) => {
                let own = by.iter_mut().zip(&firsts).filter(|(_, first)| found.contains(&first.id));
                own.for_each(|(by, _)| by.add(of));
            }
        }
    }
    let found = (0u32..).zip(firsts.iter().zip(by)).filter(|(_, (_, by))| by.is_selected().is_some());
    let found = found.map(|(index, (first, by))| (index, first.id, by, first.is_alone)).collect();
    Ok(Marked { traces, found })
}

/// Marks traces of a group by their numbers.
fn mark_split(group: &dyn RowGroup, own: &mut UnitTraces, traces: &[(TraceId, u32)]) -> Result<(), ReadError> {
    for (id, number) in traces {
        for row in group.rows_of(*id)? {
            let trace = own.of_rows.get(row as usize).and_then(|trace| own.marks.get_mut(*trace as usize));
            if let Some(mark) = trace {
                *mark = Mark::split(*number);
                break;
            }
        }
    }
    Ok(())
}

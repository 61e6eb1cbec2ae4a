//! The rows of one trace, wherever they are, as a program judges them.

use std::cell::{OnceCell, RefCell};

use hashbrown::HashSet;
use hoptrail_proto::model::{SpanId, SpanKind, TraceId, TraceSpan};

use super::Judge;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::judge::{Calc, Subject, Tree, calculate};
use crate::matcher::TraceIntrinsics;
use crate::rows::TableKind;
use crate::scan::{
    Link, ParentRow, Projection, RowGroup, SpanIdentity, SpanKey, computed, decide, matching_among, values,
};
use crate::store::read::scan_unit::ScanUnit;
use crate::store::read::trace_loader::KeyedRow;
use crate::store::read::trace_summary::TraceSummary;
use crate::{Expr, Field, ReadError, Reserved, TimeRange, Value};

/// Memory of a row and of what is decided of it, about.
const ROW_BYTES: usize = 96;
/// Memory of a value of a row, about.
const VALUE_BYTES: usize = 64;

/// The rows of one trace in the order of start, id and content, without exact copies.
pub(in crate::store::read) struct TraceRows<'j, 's, 'a> {
    judge: &'j Judge<'s, 'a>,
    pub(in crate::store::read) id: TraceId,
    /// The units that may hold it.
    pub(in crate::store::read) units: Vec<ScanUnit>,
    /// Each with its key, the index of its unit, and its row there.
    pub(in crate::store::read) rows: Vec<KeyedRow>,
    /// For each unit its rows, ascending, and their indexes among all.
    by_unit: Vec<Vec<(u32, u32)>>,
    /// Whether spans share start and id. Then only their contents tell which comes first, and units do not know these.
    shares_keys: bool,
    satisfied: Vec<OnceCell<Vec<bool>>>,
    values: Vec<OnceCell<Vec<Option<Value>>>>,
    tree: OnceCell<Tree>,
    summary: OnceCell<TraceSummary>,
    whole: OnceCell<TraceIntrinsics>,
    memory: RefCell<Reserved>,
}

impl<'j, 's, 'a> TraceRows<'j, 's, 'a> {
    pub(in crate::store::read) fn of(judge: &'j Judge<'s, 'a>, id: TraceId) -> Result<Self, ReadError> {
        let loader = judge.loader;
        let (units, mut memory) = (loader.holders(id)?, loader.context.reserve(0)?);
        let mut rows = loader.keys(id, &units, &mut memory)?;
        let shares_keys = rows.windows(2).any(|pair| matches!(pair, [one, other] if one.0 == other.0));
        if shares_keys {
            let _one_at_a_time = loader.one_at_a_time();
            let duplicates = loader.duplicates(id, &units, &rows, &mut memory)?;
            let copies = duplicates.copied_rows();
            rows.retain(|(_, unit, row)| !copies.contains(&(*unit, *row)));
            rows.sort_by_key(|(key, unit, row)| (*key, duplicates.content(*unit, *row)));
        }
        memory.grow(rows.len() * ROW_BYTES)?;
        let mut by_unit = vec![Vec::new(); units.len()];
        for (index, (_, unit, row)) in (0u32..).zip(&rows) {
            by_unit.get_mut(*unit).into_iter().for_each(|own: &mut Vec<(u32, u32)>| own.push((*row, index)));
        }
        by_unit.iter_mut().for_each(|own| own.sort_unstable());
        let cells = |count: usize| (0..count).map(|_| OnceCell::new());
        Ok(Self {
            judge,
            id,
            shares_keys,
            units,
            rows,
            by_unit,
            satisfied: cells(judge.program.filters.len()).collect(),
            values: (0..judge.program.values.len()).map(|_| OnceCell::new()).collect(),
            tree: OnceCell::new(),
            summary: OnceCell::new(),
            whole: OnceCell::new(),
            memory: RefCell::new(memory),
        })
    }

    /// The units that have rows of it: each with its rows, as a set and with their indexes among all.
    fn each_unit(
        &self,
        mut visit: impl FnMut(&ScanUnit, &dyn RowGroup, &Bitmap, &[(u32, u32)]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for (unit, own) in self.units.iter().zip(&self.by_unit).filter(|(_, own)| !own.is_empty()) {
            self.judge.loader.context.check()?;
            self.judge.loader.on(unit, |group| {
                let mut rows = Bitmap::none(group.table(TableKind::Span).len());
                own.iter().for_each(|(row, _)| rows.insert(*row as usize));
                visit(unit, group, &rows, own)
            })?;
        }
        Ok(())
    }

    /// For each row the value that `find` gives in its unit, for the rows there in ascending order.
    fn gather<T: Clone>(
        &self,
        missing: T,
        find: impl Fn(&dyn RowGroup, &Bitmap) -> Result<Vec<T>, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut all = vec![missing; self.rows.len()];
        self.each_unit(|_, group, rows, own| {
            for ((_, index), value) in own.iter().zip(find(group, rows)?) {
                all.get_mut(*index as usize).into_iter().for_each(|known| *known = value.clone());
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn find_satisfied(&self, leaf: usize) -> Result<Vec<bool>, ReadError> {
        let mut all = vec![false; self.rows.len()];
        let Judge { loader, program, leaves, .. } = self.judge;
        let Some(filter) = program.filters.get(leaf) else { return Ok(all) };
        self.each_unit(|unit, group, rows, own| {
            let known = leaves.of(unit);
            let here = match known.as_ref().and_then(|known| known.get(leaf)) {
                Some(known) => known,
                None => &matching_among(group, filter, None, rows.clone(), loader.context)?,
            };
            for (row, index) in own {
                all.get_mut(*index as usize).into_iter().for_each(|holds| *holds = here.contains(*row as usize));
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// The value of an expression that one span decides, for each row.
    pub(in crate::store::read) fn computed(&self, expr: &Expr) -> Result<Vec<Option<Value>>, ReadError> {
        self.memory.borrow_mut().grow(self.rows.len() * VALUE_BYTES)?;
        let context = self.judge.loader.context;
        self.gather(None, |group, rows| computed(group, expr, rows, context))
    }

    /// For each row whether its span runs in the range.
    pub(in crate::store::read) fn runs_in(&self, range: TimeRange) -> Result<Vec<bool>, ReadError> {
        let starts: Vec<u64> = self.rows.iter().map(|((start, _), ..)| *start).collect();
        if starts.iter().all(|start| range.contains(*start)) {
            return Ok(vec![true; starts.len()]);
        }
        let ends = starts.iter().zip(self.durations()?).map(|(start, nanos)| start.saturating_add(nanos));
        Ok(starts.iter().zip(ends).map(|(start, end)| range.is_met(*start, end)).collect())
    }

    fn durations(&self) -> Result<Vec<u64>, ReadError> {
        self.gather(0, |group, rows| {
            let mut nanos = Vec::with_capacity(rows.count());
            group.each_duration(rows, &mut |_, duration| nanos.push(duration))?;
            Ok(nanos)
        })
    }

    fn find_tree(&self) -> Result<Tree, ReadError> {
        let mut with_rows = self.units.iter().zip(&self.by_unit).filter(|(_, own)| !own.is_empty());
        let parents = match (with_rows.next(), with_rows.next()) {
            (Some((unit, own)), None) if !self.shares_keys => self.parents_in(unit, own)?,
            _ => self.parents_across()?,
        };
        Ok(Tree::new(parents))
    }

    /// The parents, when one unit has all rows.
    fn parents_in(&self, unit: &ScanUnit, own: &[(u32, u32)]) -> Result<Vec<ParentRow>, ReadError> {
        let found = self.judge.loader.on(unit, |group| Ok((group.rows_of(self.id)?, group.parents_of(self.id)?)))?;
        let (rows, parents) = found.unwrap_or_default();
        let index_of = |row: u32| own.binary_search_by_key(&row, |(known, _)| *known).ok().and_then(|at| own.get(at));
        let mut all = vec![ParentRow::Outside; self.rows.len()];
        for (row, parent) in rows.into_iter().zip(parents) {
            let parent = match parent {
                ParentRow::Row(parent) => index_of(parent).map_or(ParentRow::Outside, |(_, at)| ParentRow::Row(*at)),
                other => other,
            };
            let place = index_of(row).and_then(|(_, at)| all.get_mut(*at as usize));
            place.into_iter().for_each(|known| *known = parent);
        }
        Ok(all)
    }

    fn parents_across(&self) -> Result<Vec<ParentRow>, ReadError> {
        let named =
            self.gather(SpanId::default(), |group, rows| rows.iter().map(|row| group.parent_id(row)).collect())?;
        let link = |parent: SpanId| if parent == SpanId::default() { Link::None } else { Link::Id(parent) };
        let spans: Vec<(SpanId, Link)> =
            self.rows.iter().zip(named).map(|(((_, id), ..), parent)| (*id, link(parent))).collect();
        // Only shared ids and circles need more.
        let read: Vec<OnceCell<Option<TraceSpan>>> = self.rows.iter().map(|_| OnceCell::new()).collect();
        decide(&spans, &|index| {
            let Some(cell) = read.get(index) else { return Ok(NOBODY) };
            Ok(fill(cell, || self.read(index))?.as_ref().map_or(NOBODY, identity))
        })
    }

    /// A span without its attributes; `None` when it cannot be read.
    fn read(&self, index: usize) -> Result<Option<TraceSpan>, ReadError> {
        let place = self.rows.get(index).and_then(|(_, unit, row)| Some((self.units.get(*unit)?, *row)));
        let Some((unit, row)) = place else { return Ok(None) };
        let bare = Projection::Only { names: &[], children: false };
        let read = self.judge.loader.on(unit, |group| group.spans(self.id, &[row], bare))?;
        Ok(read.and_then(|mut spans| spans.pop()))
    }

    /// What the trace is by all its spans; `None` when it has none.
    pub(in crate::store::read) fn summary(&self) -> Result<Option<&TraceSummary>, ReadError> {
        if self.summary.get().is_none() {
            match self.judge.loader.summary(self.id, &self.units)? {
                None => return Ok(None),
                Some(summary) => _ = self.summary.set(summary),
            }
        }
        Ok(self.summary.get())
    }

    /// Calls `visit` with each value of a field on these rows; equal values may come only once. `calc` is the field as the program has it.
    pub(in crate::store::read) fn each_value(
        &self,
        field: &Field,
        calc: &Calc,
        rows: &[u32],
        visit: &mut dyn FnMut(Value),
    ) -> Result<(), ReadError> {
        match field {
            Field::Parent(field) if !field.is_of_trace() => {
                let tree = self.tree()?;
                let parents = rows.iter().filter_map(|row| tree.parent(*row as usize)).map(len_u32);
                self.each_own_value(field, &parents.collect(), visit)
            }
            field if field.is_of_trace() => {
                let values = calculate(calc, self)?;
                rows.iter().filter_map(|row| values.get(*row as usize).cloned().flatten()).for_each(visit);
                Ok(())
            }
            field => self.each_own_value(field, &rows.iter().copied().collect(), visit),
        }
    }

    fn each_own_value(
        &self,
        field: &Field,
        wanted: &HashSet<u32>,
        visit: &mut dyn FnMut(Value),
    ) -> Result<(), ReadError> {
        let context = self.judge.loader.context;
        self.each_unit(|_, group, rows, own| {
            let mut here = Bitmap::none(rows.len());
            own.iter().filter(|(_, index)| wanted.contains(index)).for_each(|(row, _)| here.insert(*row as usize));
            values(group, field, &here, context, visit)
        })
    }

    /// The key of a row.
    pub(in crate::store::read) fn key(&self, row: u32) -> Option<SpanKey> {
        self.rows.get(row as usize).map(|(key, ..)| *key)
    }
}

const NOBODY: SpanIdentity<'_> =
    SpanIdentity { start: 0, span_id: SpanId([0; 8]), end: 0, kind: SpanKind::Unspecified, name: &[], service: "" };

fn identity(span: &TraceSpan) -> SpanIdentity<'_> {
    SpanIdentity {
        start: span.span.start_unix_nano,
        span_id: span.span.span_id,
        end: span.span.end_unix_nano,
        kind: span.span.kind,
        name: span.span.name.as_bytes(),
        service: span.resource.service_name(),
    }
}

/// Keeps the first value of a cell.
fn fill<T>(cell: &OnceCell<T>, find: impl FnOnce() -> Result<T, ReadError>) -> Result<&T, ReadError> {
    match cell.get() {
        Some(known) => Ok(known),
        None => {
            let found = find()?;
            Ok(cell.get_or_init(|| found))
        }
    }
}

impl Subject for TraceRows<'_, '_, '_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn satisfies(&self, leaf: usize) -> Result<&[bool], ReadError> {
        let Some(cell) = self.satisfied.get(leaf) else { return Ok(&[]) };
        fill(cell, || self.find_satisfied(leaf)).map(Vec::as_slice)
    }

    fn values(&self, leaf: usize) -> Result<&[Option<Value>], ReadError> {
        let known = self.values.get(leaf).zip(self.judge.program.values.get(leaf));
        let Some((cell, expr)) = known else { return Ok(&[]) };
        fill(cell, || self.computed(expr)).map(Vec::as_slice)
    }

    fn tree(&self) -> Result<&Tree, ReadError> {
        fill(&self.tree, || self.find_tree())
    }

    fn whole(&self) -> Result<&TraceIntrinsics, ReadError> {
        fill(&self.whole, || {
            let summary = self.summary()?;
            Ok(summary.map(TraceSummary::intrinsics).unwrap_or_default())
        })
    }
}

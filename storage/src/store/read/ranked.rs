//! Traces or spans in any order: all units are read, and only the first answers are kept.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use hoptrail_proto::model::{AnyValue, TraceId};
use rustc_hash::FxHashSet;

use super::judge::{Judge, Judged};
use super::newest::Possible;
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::too_few::TooFew;
use crate::codec::bits::Bitmap;
use crate::explain::Counted;
use crate::judge::{Calc, Spanset, calculate};
use crate::matcher::order;
use crate::rows::TableKind;
use crate::scan::{RowGroup, computed};
use crate::search::{Inspected, SearchRequest};
use crate::{Expr, Order, Place, ReadError, Reserved, Rows, Value};

/// How answers are ordered.
pub(super) struct Rank {
    /// By what; the start of the span when nothing.
    value: Option<(Expr, Calc)>,
    descending: bool,
}

impl Rank {
    /// The order of a request; the value becomes a leaf of the judge's program.
    pub(super) fn new(order: &Order, judge: &mut Judge<'_, '_>) -> Self {
        match order {
            Order::Newest => Self { value: None, descending: true },
            Order::By { value, descending } => {
                Self { value: Some((value.clone(), judge.program.calc(value))), descending: *descending }
            }
        }
    }

    /// Whether the value needs more than its span.
    fn needs_trace(&self) -> bool {
        self.value.as_ref().is_some_and(|(value, _)| value.needs_trace())
    }

    /// The order of two places: the first answer is the least.
    pub(super) fn compare(&self, one: &Place, other: &Place) -> Ordering {
        let rest = |place: &Place| (place.start, place.trace_id, place.span_id);
        self.compare_values(one, other).then_with(|| rest(other).cmp(&rest(one)))
    }

    fn compare_values(&self, one: &Place, other: &Place) -> Ordering {
        match (&one.value, &other.value) {
            (None, None) => Ordering::Equal,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) if self.descending => by_value(b, a),
            (Some(a), Some(b)) => by_value(a, b),
        }
    }

    /// Whether a place, of which the ids are not known yet, comes after another one.
    fn is_later(&self, place: &Place, worst: &Place) -> bool {
        self.compare_values(worst, place).then_with(|| place.start.cmp(&worst.start)).is_lt()
    }
}

/// The order of values that count: numbers, booleans, texts.
fn by_value(one: &Value, other: &Value) -> Ordering {
    order(one, other).unwrap_or_else(|| type_rank(one).cmp(&type_rank(other)))
}

fn type_rank(value: &Value) -> Option<u8> {
    match value {
        Value::Any(AnyValue::Double(number)) if number.is_nan() => None,
        Value::Any(AnyValue::Int(_) | AnyValue::Double(_)) | Value::Duration(_) => Some(0),
        Value::Any(AnyValue::Bool(_)) => Some(1),
        Value::Any(AnyValue::String(_)) => Some(2),
        _ => None,
    }
}

/// The value, if it counts in an order.
fn counted(value: Option<&Value>) -> Option<Value> {
    value.filter(|value| type_rank(value).is_some()).cloned()
}

/// A search in an order that is not that of the newest traces.
pub(super) struct RankedSearch<'j, 's, 'a> {
    pub(super) judge: &'j Judge<'s, 'a>,
    pub(super) request: &'j SearchRequest,
    pub(super) rank: &'j Rank,
}

/// The first places, and what it took to find them.
pub(super) struct Ranked {
    /// In their order, one more than asked for.
    pub(super) places: Vec<Place>,
    pub(super) inspected: Inspected,
}

/// What a search read of a unit.
struct Scanned {
    spans: usize,
    /// Of traces without their start.
    places: Vec<Place>,
    damage: Vec<ReadError>,
}

/// What the threads of a search know together.
struct Progress<'j, 's, 'a> {
    possible: Possible<'s, 'a>,
    too_few: TooFew<'j, 's, 'a>,
    rounds: Rounds<'j, 'a>,
    /// Traces that were judged.
    seen: Mutex<FxHashSet<TraceId>>,
    /// Answers with a worse value come too late.
    worst: Mutex<Option<Place>>,
}

impl RankedSearch<'_, '_, '_> {
    pub(super) fn run(&self) -> Result<Ranked, ReadError> {
        match &self.request.traces {
            Some(traces) => self.run_on(traces),
            None => self.run_on_all(),
        }
    }

    /// The places of these traces; no others are read.
    fn run_on(&self, traces: &[TraceId]) -> Result<Ranked, ReadError> {
        let context = self.judge.loader.context;
        let mut best = Best::new(self, context.reserve(0)?);
        for id in traces.iter().collect::<BTreeSet<_>>() {
            context.check()?;
            best.add(self.places_of_trace(*id)?)?;
        }
        let inspected = Inspected { traces: traces.len() as u64, ..Inspected::default() };
        Ok(Ranked { places: best.finish()?, inspected })
    }

    fn run_on_all(&self) -> Result<Ranked, ReadError> {
        let (snapshot, context) = (self.judge.loader.snapshot, self.judge.loader.context);
        let units = self.judge.units();
        let progress = Progress {
            possible: Possible::new(self.judge),
            too_few: TooFew::new(self.judge),
            rounds: Rounds::new(snapshot, &units),
            seen: Mutex::default(),
            worst: Mutex::default(),
        };
        let mut inspected = Inspected::default();
        let mut best = Best::new(self, context.reserve(0)?);
        let work = |(index, unit): &(usize, &ScanUnit)| self.scan(*index, unit, &progress);
        let take = |_: &(usize, &ScanUnit), scanned: Result<Option<Scanned>, ReadError>| {
            let Some(Scanned { spans, places, damage }) = scanned? else { return Ok(()) };
            snapshot.leave_out(&damage, context);
            inspected.segments += 1;
            context.count(Counted::Scanned, 1);
            inspected.spans += spans as u64;
            inspected.traces += places.len() as u64;
            if let Some(worst) = best.add(places)? {
                *lock(&progress.worst) = Some(worst);
            }
            Ok(())
        };
        snapshot.workers().in_order(&progress.rounds.units(), crate::clock::instant(), |_| true, work, take)?;
        Ok(Ranked { places: best.finish()?, inspected })
    }

    fn scan(
        &self,
        index: usize,
        unit: &ScanUnit,
        progress: &Progress<'_, '_, '_>,
    ) -> Result<Option<Scanned>, ReadError> {
        let loader = self.judge.loader;
        loader.context.check()?;
        if !progress.possible.holds(unit)? {
            self.judge.rule_out(unit);
            return Ok(None);
        }
        progress.rounds.fetch(index)?;
        let is_by_rows = self.judge.is_plain && !self.rank.needs_trace();
        let worst = lock(&progress.worst).clone();
        let (found, damage) = loader.snapshot.ask(unit, |group| {
            let all = Bitmap::all(group.table(TableKind::Span).len());
            if is_by_rows {
                let rows = self.judge.candidates(unit, group, &all)?;
                return Ok((rows.len(), self.places_of_rows(group, &rows, worst.as_ref())?, Vec::new()));
            }
            Ok((all.len(), Vec::new(), self.judge.traces(unit, group, &all)?))
        });
        let (spans, mut places, traces) = found?.unwrap_or_default();
        for trace in progress.too_few.others(unit, traces)? {
            if lock(&progress.seen).insert(trace.id) {
                places.extend(self.places_of_trace(trace.id)?);
            }
        }
        Ok(Some(Scanned { spans, places, damage }))
    }

    /// The places of rows that are in the answer, except those that come too late.
    fn places_of_rows(
        &self,
        group: &dyn RowGroup,
        rows: &Bitmap,
        worst: Option<&Place>,
    ) -> Result<Vec<Place>, ReadError> {
        let values = match &self.rank.value {
            Some((value, _)) => computed(group, value, rows, self.judge.loader.context)?,
            None => vec![None; rows.count()],
        };
        let (starts, is_of_span) = (group.starts()?, self.request.rows == Rows::Spans);
        let mut places = Vec::new();
        for (row, value) in rows.iter().zip(values) {
            let mut place = Place {
                value: counted(value.as_ref()),
                start: if is_of_span { starts.get(row).copied().unwrap_or_default() } else { 0 },
                trace_id: TraceId::default(),
                span_id: None,
            };
            if worst.is_some_and(|worst| self.rank.is_later(&place, worst)) {
                continue;
            }
            place.trace_id = group.trace_id(row)?;
            place.span_id = if is_of_span { Some(group.span_id(row)?) } else { None };
            places.push(place);
        }
        Ok(places)
    }

    /// The places of a trace's spans that are in the answer, or that of the trace by the best of them.
    fn places_of_trace(&self, id: TraceId) -> Result<Vec<Place>, ReadError> {
        let Some(judged) = self.judge.judge(id)? else { return Ok(Vec::new()) };
        let mut places: Vec<Place> = self.spans_of(&judged)?.into_iter().map(|(place, _)| place).collect();
        if self.request.rows == Rows::Traces {
            places.iter_mut().for_each(|place| (place.start, place.span_id) = (0, None));
            places.sort_by(|one, other| self.rank.compare(one, other));
            places.truncate(1);
        }
        Ok(places)
    }

    /// The spans of a trace that are in the answer and run in the range, each with its place and as a spanset of its own.
    pub(super) fn spans_of(
        &self,
        Judged { trace, spansets }: &Judged<'_, '_, '_>,
    ) -> Result<Vec<(Place, Spanset)>, ReadError> {
        let runs = self.request.range.map(|range| trace.runs_in(range)).transpose()?;
        let values = self.rank.value.as_ref().map(|(_, calc)| calculate(calc, trace)).transpose()?;
        let is_inside = |row: u32| runs.as_ref().is_none_or(|runs| runs.get(row as usize).copied().unwrap_or(false));
        let mut spans = Vec::new();
        for Spanset { rows, attributes } in spansets {
            for row in rows.iter().copied().filter(|row| is_inside(*row)) {
                let Some((start, span_id)) = trace.key(row) else { continue };
                let value = values.as_ref().and_then(|values| counted(values.get(row as usize)?.as_ref()));
                let place = Place { value, start, trace_id: trace.id, span_id: Some(span_id) };
                spans.push((place, Spanset { rows: vec![row], attributes: attributes.clone() }));
            }
        }
        Ok(spans)
    }

    /// Whether a place is one of the answers that were asked for: it comes after the page before.
    pub(super) fn is_after(&self, place: &Place) -> bool {
        self.request.after.as_ref().is_none_or(|after| self.rank.compare(after, place).is_lt())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of a place, about.
const PLACE_BYTES: usize = 160;
/// So many places more than asked for are kept before those that come too late are dropped.
const SPARE: usize = 4096;

/// The first places that were found so far.
struct Best<'b, 'j, 's, 'a> {
    search: &'b RankedSearch<'j, 's, 'a>,
    /// Each trace by its best value. Not used for spans.
    traces: HashMap<TraceId, Place>,
    spans: Vec<Place>,
    /// So many are kept before some are dropped.
    most: usize,
    memory: Reserved,
}

impl<'b, 'j, 's, 'a> Best<'b, 'j, 's, 'a> {
    fn new(search: &'b RankedSearch<'j, 's, 'a>, memory: Reserved) -> Self {
        let most = search.request.limit.saturating_mul(2).saturating_add(SPARE);
        Self { search, traces: HashMap::new(), spans: Vec::new(), most, memory }
    }

    /// One more than asked for.
    fn wanted(&self) -> usize {
        self.search.request.limit.saturating_add(1)
    }

    /// Adds places. When some were dropped, whatever comes after the returned one is too late.
    fn add(&mut self, places: Vec<Place>) -> Result<Option<Place>, ReadError> {
        let before = self.traces.len() + self.spans.len();
        for place in places {
            if self.search.request.rows == Rows::Traces {
                self.add_trace(place);
            } else if self.search.is_after(&place) {
                self.spans.push(place);
            }
        }
        self.memory.grow((self.traces.len() + self.spans.len() - before) * PLACE_BYTES)?;
        if self.traces.len().max(self.spans.len()) < self.most {
            return Ok(None);
        }
        let worst = match (self.search.request.rows, &self.search.request.after) {
            (Rows::Spans, _) => self.drop_spans(),
            (Rows::Traces, None) => self.drop_traces(),
            // A trace of an earlier page may be known only by a later value so far: none can be dropped before all is read.
            (Rows::Traces, Some(_)) => None,
        };
        let kept = self.traces.len() + self.spans.len();
        self.memory.shrink(usize::MAX);
        self.memory.grow(kept * PLACE_BYTES)?;
        self.most = self.most.max(kept.saturating_mul(2));
        Ok(worst)
    }

    fn add_trace(&mut self, place: Place) {
        let rank = self.search.rank;
        let known = self.traces.entry(place.trace_id).or_insert_with(|| place.clone());
        if rank.compare(&place, known).is_lt() {
            *known = place;
        }
    }

    /// Drops traces whose value comes too late.
    fn drop_traces(&mut self) -> Option<Place> {
        let rank = self.search.rank;
        let after = self.search.request.after.as_ref();
        self.traces.retain(|_, place| after.is_none_or(|after| !rank.compare_values(place, after).is_lt()));
        // Some of those that share the value of `after` are on earlier pages.
        let is_shared = |place: &&Place| after.is_some_and(|after| rank.compare_values(place, after).is_eq());
        let index = self.search.request.limit.saturating_add(self.traces.values().filter(is_shared).count());
        let mut left: Vec<&Place> = self.traces.values().collect();
        if left.len() <= index {
            return None;
        }
        let (_, worst, _) = left.select_nth_unstable_by(index, |one, other| rank.compare_values(one, other));
        let worst = (*worst).clone();
        self.traces.retain(|_, place| !rank.compare_values(&worst, place).is_lt());
        Some(worst)
    }

    fn drop_spans(&mut self) -> Option<Place> {
        self.sort_spans();
        self.spans.truncate(self.wanted());
        self.spans.last().filter(|_| self.spans.len() == self.wanted()).cloned()
    }

    fn sort_spans(&mut self) {
        let rank = self.search.rank;
        self.spans.sort_by(|one, other| rank.compare(one, other));
        self.spans.dedup();
    }

    /// The first places, one more than asked for.
    fn finish(mut self) -> Result<Vec<Place>, ReadError> {
        if self.search.request.rows == Rows::Spans {
            self.sort_spans();
            self.spans.truncate(self.wanted());
            return Ok(self.spans);
        }
        self.drop_traces();
        let loader = self.search.judge.loader;
        let mut places = Vec::with_capacity(self.traces.len());
        for (id, place) in self.traces.drain() {
            loader.context.check()?;
            let start = loader.order_start(id, u64::MAX, 0)?.unwrap_or_default();
            places.push(Place { start, ..place });
        }
        places.retain(|place| self.search.is_after(place));
        places.sort_by(|one, other| self.search.rank.compare(one, other));
        places.truncate(self.search.request.limit.saturating_add(1));
        Ok(places)
    }
}

//! Answers questions from head and segments, newest first, reading no more than the answer needs.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, SpanId, TenantId, Trace, TraceId, TraceSpan};
use rustc_hash::{FxHashMap, FxHashSet};

use super::state::Part;
use super::{Shared, Store};
use crate::catalog::SegmentEntry;
use crate::codec::bits::Bitmap;
use crate::codec::fuse;
use crate::matcher::Candidate;
use crate::memory::{distinct, facts, hit};
use crate::rows::{Owner, TableKind};
use crate::scan::{HeadGroup, Projection, RowGroup, matching, values};
use crate::search::{FieldValuesRequest, Inspected, QueryContext, SearchAnswer, SearchRequest, TimeRange};
use crate::segment::{SegmentGroup, possible_groups};
use crate::traits::TraceReader;
use crate::{AttributeScope, Field, Filter, Intrinsic, ReadError, Value};

/// What a span takes in memory, about, when it is read whole.
const SPAN_BYTES: usize = 2 << 10;

/// A part of the head or a group of a segment.
#[derive(Clone)]
enum Unit {
    Part(Arc<Part>),
    Group(Arc<SegmentEntry>, u16),
}

/// What a query sees: the store as it was when the query began.
struct Snapshot<'a> {
    shared: &'a Shared,
    parts: Vec<Arc<Part>>,
    segments: Vec<Arc<SegmentEntry>>,
    /// The groups used last, with what was decoded of them: scanning, ordering and gathering ask the same ones.
    opened: RefCell<Vec<Opened<'a>>>,
}

/// An open group of a segment.
struct Opened<'a> {
    place: (u64, u16),
    group: Rc<SegmentGroup<'a>>,
}

/// Groups kept open; each holds up to about 0.4 MB of decoded columns.
const OPENED: usize = 32;

impl<'a> Snapshot<'a> {
    fn take(shared: &'a Shared, tenant: &TenantId) -> Self {
        let (parts, segments) = shared.read_state().snapshot(tenant);
        Self { shared, parts, segments, opened: RefCell::default() }
    }

    /// Head first, then groups by their latest trace, newest first.
    fn units(&self) -> Vec<Unit> {
        let mut groups: Vec<(u64, Unit)> = Vec::new();
        for segment in &self.segments {
            for (number, group) in (0u16..).zip(&segment.groups) {
                groups.push((group.latest_trace, Unit::Group(Arc::clone(segment), number)));
            }
        }
        groups.sort_by_key(|(latest, _)| std::cmp::Reverse(*latest));
        let parts = self.parts.iter().rev().cloned().map(Unit::Part);
        parts.chain(groups.into_iter().map(|(_, unit)| unit)).collect()
    }

    /// Runs `ask` on a unit. `None` when the unit is damaged where `ask` reads it: the answer is then without it, and says so.
    fn on<T>(
        &self,
        unit: &Unit,
        context: &QueryContext,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let (segment, number) = match unit {
            Unit::Part(part) => return ask(&HeadGroup::new(&part.read())).map(Some),
            Unit::Group(segment, number) => (segment.id, *number),
        };
        let mut left_out = Vec::new();
        let answer = self.open(segment, number).and_then(|group| {
            let answer = ask(&*group);
            left_out = group.take_left_out();
            answer
        });
        let answer = match answer {
            Err(error @ ReadError::Corrupt { .. }) => {
                left_out.push(error);
                None
            }
            answer => Some(answer?),
        };
        left_out.iter().for_each(|error| self.leave_out(error, context));
        Ok(answer)
    }

    fn leave_out(&self, error: &ReadError, context: &QueryContext) {
        if let ReadError::Corrupt { place, reason } = error {
            self.shared.note_damage(place, reason);
            context.leave_out(place.clone());
        }
    }

    /// The group, from those used last or opened anew.
    fn open(&self, segment: u64, number: u16) -> Result<Rc<SegmentGroup<'a>>, ReadError> {
        let mut opened = self.opened.borrow_mut();
        let known = opened.iter().position(|known| known.place == (segment, number)).map(|place| opened.remove(place));
        let used = match known {
            Some(known) => known,
            None => {
                let meta = self.shared.meta(segment)?;
                let group = SegmentGroup::open(&self.shared.db, segment, meta, number)?;
                Opened { place: (segment, number), group: Rc::new(group) }
            }
        };
        if opened.len() == OPENED {
            opened.remove(0);
        }
        let group = Rc::clone(&used.group);
        opened.push(used);
        Ok(group)
    }

    /// The units that may hold the trace.
    fn holders(&self, id: TraceId) -> Vec<Unit> {
        let hash = fuse::hash(&id.0);
        let parts = self.parts.iter().filter(|part| part.read().trace_rows(id).next().is_some());
        let parts = parts.cloned().map(Unit::Part);
        let groups = self
            .segments
            .iter()
            .flat_map(|segment| segment.groups_of(hash).map(|number| Unit::Group(Arc::clone(segment), number)));
        parts.chain(groups).collect()
    }

    /// All spans of a trace without exact duplicates.
    fn spans(
        &self,
        id: TraceId,
        projection: Projection<'_>,
        context: &QueryContext,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let mut all = Vec::new();
        for unit in &self.holders(id) {
            context.check()?;
            let spans = self.on(unit, context, |group| {
                let rows = group.rows_of(id)?;
                context.check_memory((all.len() + rows.len()) * SPAN_BYTES)?;
                group.spans(&rows, projection)
            })?;
            all.extend(spans.unwrap_or_default());
        }
        if let Projection::Only { .. } = projection
            && has_repeated_id(&all)
        {
            // Only whole spans tell whether two are the same.
            return self.spans(id, Projection::Whole, context);
        }
        Ok(without_duplicates(all))
    }

    /// Earliest start of all spans of a trace.
    fn start_of(&self, id: TraceId, context: &QueryContext) -> Result<Option<u64>, ReadError> {
        let mut earliest = None;
        for unit in &self.holders(id) {
            let start = self.on(unit, context, |group| {
                let rows = group.rows_of(id)?;
                let Some(first) = rows.first() else { return Ok(None) };
                let mut only = Bitmap::none(group.table(TableKind::Span).len());
                only.insert(*first as usize);
                Ok(group.traces_of(&only)?.first().map(|(_, start)| *start))
            })?;
            earliest = earliest.into_iter().chain(start.flatten()).min();
        }
        Ok(earliest)
    }
}

fn has_repeated_id(spans: &[TraceSpan]) -> bool {
    let mut seen = FxHashSet::default();
    spans.iter().any(|span| !seen.insert(span.span.span_id))
}

fn without_duplicates(spans: Vec<TraceSpan>) -> Vec<TraceSpan> {
    let mut by_id: FxHashMap<SpanId, Vec<usize>> = FxHashMap::default();
    let mut out: Vec<TraceSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        let known = by_id.entry(span.span.span_id).or_default();
        if !known.iter().any(|place| out.get(*place) == Some(&span)) {
            known.push(out.len());
            out.push(span);
        }
    }
    out
}

/// The columns that a filter and a selection read.
struct Wanted {
    names: Vec<Vec<u8>>,
    children: bool,
}

impl Wanted {
    fn of(request: &SearchRequest) -> Self {
        let mut wanted = Self { names: Vec::new(), children: false };
        wanted.add_filter(&request.filter);
        request.select.iter().for_each(|field| wanted.add(field));
        wanted.names.sort();
        wanted.names.dedup();
        wanted
    }

    fn projection(&self) -> Projection<'_> {
        Projection::Only { names: &self.names, children: self.children }
    }

    fn add_filter(&mut self, filter: &Filter) {
        match filter {
            Filter::True => {}
            Filter::And(parts) | Filter::Or(parts) => parts.iter().for_each(|part| self.add_filter(part)),
            Filter::Not(inner) => self.add_filter(inner),
            Filter::Event(inner) | Filter::Link(inner) => {
                self.children = true;
                self.add_filter(inner);
            }
            Filter::Compare { field, .. } | Filter::Matches { field, .. } | Filter::Exists { field, .. } => {
                self.add(field)
            }
        }
    }

    fn add(&mut self, field: &Field) {
        match field {
            Field::Attribute { scope, key } => {
                self.children |= matches!(scope, AttributeScope::Any | AttributeScope::Event | AttributeScope::Link);
                self.names.push(key.clone().into_bytes());
            }
            Field::Intrinsic(Intrinsic::StatusMessage) => self.names.push(b"status_message".to_vec()),
            Field::Intrinsic(
                Intrinsic::EventName | Intrinsic::EventTimeSinceStart | Intrinsic::LinkTraceId | Intrinsic::LinkSpanId,
            ) => self.children = true,
            Field::Intrinsic(_) => {}
        }
    }
}

/// The newest traces found so far, newest first.
struct Newest {
    limit: usize,
    found: Vec<(u64, TraceId)>,
}

impl Newest {
    fn add(&mut self, start: u64, id: TraceId) {
        let place = self.found.partition_point(|known| *known > (start, id));
        if place < self.limit {
            self.found.insert(place, (start, id));
            self.found.truncate(self.limit);
        }
    }

    /// Whether a trace that starts at `start` or earlier is too old.
    fn rules_out(&self, start: u64) -> bool {
        self.found.len() >= self.limit && self.found.last().is_none_or(|(oldest, _)| start < *oldest)
    }
}

impl TraceReader for Store {
    fn trace(&self, tenant: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        context.check()?;
        let spans = Snapshot::take(&self.shared, tenant).spans(id, Projection::Whole, context)?;
        Ok((!spans.is_empty()).then_some(Trace { id, spans }))
    }

    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        let snapshot = Snapshot::take(&self.shared, tenant);
        let mut inspected = Inspected::default();
        let newest = newest(&snapshot, request, context, &mut inspected)?;
        let wanted = Wanted::of(request);
        let mut hits = Vec::with_capacity(newest.len());
        for (_, id) in newest {
            context.check()?;
            let spans = snapshot.spans(id, wanted.projection(), context)?;
            hits.extend(hit(id, &spans, request));
            context.check_memory(hits.len() * (1 + request.spans_per_trace) * SPAN_BYTES / 4)?;
        }
        Ok(SearchAnswer { hits, inspected })
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<TimeRange>,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let snapshot = Snapshot::take(&self.shared, tenant);
        let mut keys = BTreeSet::new();
        let mut seen = HashSet::new();
        for unit in snapshot.units().iter().filter(|unit| unit.overlaps(range)) {
            context.check()?;
            if let Unit::Group(segment, _) = unit
                && !seen.insert(segment.id)
            {
                continue;
            }
            snapshot.on(unit, context, |group| {
                add_keys(group, &mut keys);
                Ok(())
            })?;
        }
        Ok(keys.into_iter().collect())
    }

    fn field_values(
        &self,
        tenant: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError> {
        let snapshot = Snapshot::take(&self.shared, tenant);
        let whole = request.filter.needs_trace() || request.field.is_of_trace();
        let mut found = Vec::new();
        let mut traces = HashSet::new();
        for unit in snapshot.units().iter().filter(|unit| unit.overlaps(request.range)) {
            snapshot.on(unit, context, |group| {
                let rows = matching(group, &request.filter, request.range, context)?;
                if whole {
                    traces.extend(group.traces_of(&rows)?.into_iter().map(|(id, _)| id));
                    return Ok(());
                }
                values(group, &request.field, &rows, &mut |value| found.push(value))
            })?;
            found = distinct(found, usize::MAX);
            context.check_memory(found.len() * 64)?;
        }
        for id in traces {
            context.check()?;
            values_of_trace(&snapshot.spans(id, Projection::Whole, context)?, request, &mut found);
        }
        Ok(distinct(found, request.limit))
    }
}

impl Unit {
    fn overlaps(&self, range: Option<TimeRange>) -> bool {
        match self {
            Self::Part(_) => true,
            Self::Group(segment, number) => {
                segment.groups.get(usize::from(*number)).is_some_and(|group| group.overlaps(range))
            }
        }
    }

    /// No trace in it starts later.
    fn latest(&self) -> u64 {
        match self {
            Self::Part(_) => u64::MAX,
            Self::Group(segment, number) => {
                segment.groups.get(usize::from(*number)).map_or(0, |group| group.latest_trace)
            }
        }
    }
}

/// Which units a search must look into, as far as filters over values know.
struct Possible<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    filter: &'s Filter,
    /// By segment, for each of its groups.
    known: HashMap<u64, Vec<bool>>,
}

impl Possible<'_, '_> {
    /// A damaged filter rules nothing out.
    fn holds(&mut self, unit: &Unit) -> Result<bool, ReadError> {
        let Unit::Group(segment, number) = unit else { return Ok(true) };
        let groups = match self.known.entry(segment.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let shared = self.snapshot.shared;
                let meta = shared.meta(segment.id);
                match meta.and_then(|meta| possible_groups(&shared.db, segment.id, &meta, self.filter)) {
                    Err(ReadError::Corrupt { place, reason }) => {
                        shared.note_damage(&place, &reason);
                        new.insert(Vec::new())
                    }
                    groups => new.insert(groups?),
                }
            }
        };
        Ok(groups.get(usize::from(*number)).copied().unwrap_or(true))
    }
}

/// The newest traces with a span that matches. A trace counts by its earliest span anywhere; what one unit says of it is a bound.
fn newest(
    snapshot: &Snapshot<'_>,
    request: &SearchRequest,
    context: &QueryContext,
    inspected: &mut Inspected,
) -> Result<Vec<(u64, TraceId)>, ReadError> {
    let whole = request.filter.needs_trace();
    let wanted = Wanted::of(request);
    let mut newest = Newest { limit: request.limit, found: Vec::new() };
    let mut seen = HashSet::new();
    let mut possible = Possible { snapshot, filter: &request.filter, known: HashMap::new() };
    for unit in snapshot.units().iter().filter(|unit| unit.overlaps(request.range)) {
        if newest.rules_out(unit.latest()) {
            break;
        }
        context.check()?;
        if !possible.holds(unit)? {
            continue;
        }
        let candidates = snapshot.on(unit, context, |group| {
            inspected.spans += group.table(TableKind::Span).len() as u64;
            inspected.segments += 1;
            group.traces_of(&matching(group, &request.filter, request.range, context)?)
        })?;
        let mut candidates = candidates.unwrap_or_default();
        inspected.traces += candidates.len() as u64;
        candidates.sort_unstable_by_key(|(id, start)| std::cmp::Reverse((*start, *id)));
        for (id, bound) in candidates {
            if newest.rules_out(bound) {
                break;
            }
            if !seen.insert(id) {
                continue;
            }
            context.check()?;
            if whole && hit(id, &snapshot.spans(id, wanted.projection(), context)?, request).is_none() {
                continue;
            }
            newest.add(snapshot.start_of(id, context)?.unwrap_or(bound), id);
        }
    }
    Ok(newest.found)
}

fn add_keys(group: &dyn RowGroup, keys: &mut BTreeSet<(AttributeScope, String)>) {
    let tables = [
        (AttributeScope::Span, TableKind::Span),
        (AttributeScope::Event, TableKind::Event),
        (AttributeScope::Link, TableKind::Link),
    ];
    for (scope, kind) in tables {
        let table = group.table(kind);
        let attributes = table.keys().filter(|key| key.owner == Owner::Attribute);
        keys.extend(attributes.map(|key| (scope, crate::rows::text(&key.name))));
    }
    let resources = group.resources().iter().flat_map(|resource| &resource.attributes);
    keys.extend(resources.map(|attribute| (AttributeScope::Resource, attribute.key.clone())));
    let scopes = group.scopes().iter().flat_map(|scope| &scope.attributes);
    keys.extend(scopes.map(|attribute| (AttributeScope::Instrumentation, attribute.key.clone())));
}

fn values_of_trace(spans: &[TraceSpan], request: &FieldValuesRequest, found: &mut Vec<Value>) {
    let facts = facts(spans);
    for span in spans {
        let candidate = Candidate::new(span, &facts);
        let inside = request.range.is_none_or(|range| range.contains(span.span.start_unix_nano));
        if inside && candidate.satisfies(&request.filter) {
            candidate.each_value(&request.field, &mut |value| {
                if value != Value::Any(AnyValue::Empty) {
                    found.push(value);
                }
            });
        }
    }
}

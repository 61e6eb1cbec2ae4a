//! What a search tells of a trace that it found, counted by columns: of a trace of 100,000 spans only those are read whole that
//! the answer shows.

use std::collections::BTreeMap;

use hoptrail_proto::model::{SpanId, StatusCode, TraceId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::snapshot::{Snapshot, Unit};
use super::wanted::Wanted;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::matcher::TraceFacts;
use crate::memory::{hit, span_hit};
use crate::rows::TableKind;
use crate::scan::{Outline, RowGroup};
use crate::search::{QueryContext, SearchRequest, ServiceStats, SpanHit, TraceHit};

/// Bytes that each row of a trace takes meanwhile, about.
const ROW_BYTES: usize = 64;

/// The rows that match. Every unit that has some of a trace that was found is among them: the search ends where no unit left begins
/// a trace so late, and a unit outside of the time range has no row that matches.
#[derive(Default)]
pub(super) struct Matched(FxHashMap<(u64, usize), Bitmap>);

impl Matched {
    pub(super) fn insert(&mut self, unit: &Unit, rows: Bitmap) {
        if !rows.is_empty() {
            self.0.insert(unit.place(), rows);
        }
    }
}

/// Makes hits of traces.
pub(super) struct Hits<'s, 'a> {
    pub(super) snapshot: &'s Snapshot<'a>,
    pub(super) request: &'s SearchRequest,
    pub(super) wanted: &'s Wanted,
    pub(super) context: &'s QueryContext,
    pub(super) matched: Matched,
}

/// A span as it is put in order.
type Key = (u64, SpanId);

/// What one unit knows of a trace.
#[derive(Default)]
struct Share {
    ids: Vec<SpanId>,
    /// Earliest start and latest end.
    times: Option<(u64, u64)>,
    /// The earliest span without a parent, its service and its name.
    root: Option<(Key, String, String)>,
    /// Spans and errors.
    services: BTreeMap<String, (u32, u32)>,
    /// Spans that match, each with its row.
    matched: Vec<(Key, u32)>,
}

impl Hits<'_, '_> {
    /// The hit that a trace is, when any of its spans matches.
    pub(super) fn of(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        if self.request.filter.needs_trace() {
            return self.by_spans(id);
        }
        let (mut shares, mut rows) = (Vec::new(), 0);
        for unit in self.snapshot.holders(id) {
            self.context.check()?;
            let share = self.snapshot.on(&unit, self.context, |group| self.share(&unit, group, id))?;
            if let Some(share) = share {
                rows += share.ids.len();
                self.context.check_memory(rows * ROW_BYTES)?;
                shares.push((unit, share));
            }
        }
        let mut seen = FxHashSet::with_capacity_and_hasher(rows, Default::default());
        // Only whole spans tell whether two of one id are the same.
        let unique = shares.iter().flat_map(|(_, share)| &share.ids).all(|id| seen.insert(*id));
        if unique { self.by_columns(id, &shares) } else { self.by_spans(id) }
    }

    fn by_spans(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        let spans = self.snapshot.spans(id, self.wanted.projection(), self.context)?;
        Ok(hit(id, &spans, self.request))
    }

    fn by_columns(&self, trace_id: TraceId, shares: &[(Unit, Share)]) -> Result<Option<TraceHit>, ReadError> {
        let mut whole = Share::default();
        let mut matched = Vec::new();
        for (place, (_, share)) in shares.iter().enumerate() {
            whole.add_times(share.times);
            whole.add_root(share.root.clone());
            for (service, (spans, errors)) in &share.services {
                whole.add_service(service, *spans, *errors);
            }
            matched.extend(share.matched.iter().map(|(key, row)| (*key, place, *row)));
        }
        let (Some((start, end)), false) = (whole.times, matched.is_empty()) else { return Ok(None) };
        let root = whole.root.map(|(_, service, name)| (service, name));
        let facts = TraceFacts { duration_nanos: end.saturating_sub(start), root };
        let count = matched.len() as u64;
        let spans = self.shown(trace_id, shares, matched, &facts)?;
        let stats = |(service, (spans, errors))| ServiceStats { service, spans, errors };
        Ok(Some(TraceHit {
            trace_id,
            start_unix_nano: start,
            duration_nanos: facts.duration_nanos,
            services: whole.services.into_iter().map(stats).collect(),
            matched: count,
            spans,
            root: facts.root,
        }))
    }

    /// The earliest of the spans that match, as many as asked for, each with the place of its share and its row.
    fn shown(
        &self,
        id: TraceId,
        shares: &[(Unit, Share)],
        mut matched: Vec<(Key, usize, u32)>,
        facts: &TraceFacts,
    ) -> Result<Vec<SpanHit>, ReadError> {
        let shown = self.request.spans_per_trace;
        if shown > 0 && shown < matched.len() {
            matched.select_nth_unstable(shown - 1);
        }
        matched.truncate(shown);
        matched.sort_unstable();
        let mut hits = Vec::with_capacity(matched.len());
        for (_, place, row) in matched {
            let Some((unit, _)) = shares.get(place) else { continue };
            let read = |group: &dyn RowGroup| group.spans(id, &[row], self.wanted.projection());
            let read = self.snapshot.on(unit, self.context, read)?;
            hits.extend(read.iter().flatten().map(|span| span_hit(span, facts, self.request)));
        }
        Ok(hits)
    }

    /// What a unit knows of the trace.
    fn share(&self, unit: &Unit, group: &dyn RowGroup, id: TraceId) -> Result<Share, ReadError> {
        let spans = group.outlines(id)?;
        self.context.check_memory(spans.len() * ROW_BYTES)?;
        let mut share = Share::default();
        share.count(group, &spans)?;
        let matched = self.matched.0.get(&unit.place());
        let matches = |span: &&Outline| matched.is_some_and(|matched| matched.contains(span.row as usize));
        share.matched = spans.iter().filter(matches).map(|span| ((span.start, span.id), span.row)).collect();
        Ok(share)
    }
}

impl Share {
    fn count(&mut self, group: &dyn RowGroup, spans: &[Outline]) -> Result<(), ReadError> {
        let table = group.table(TableKind::Span);
        let shapes = table.shapes()?;
        let mut by_shape: FxHashMap<u32, u32> = FxHashMap::default();
        self.ids.reserve_exact(spans.len());
        for Outline { row, shape, start, end, id } in spans.iter().copied() {
            self.ids.push(id);
            self.add_times(Some((start, end)));
            *by_shape.entry(shape).or_default() += 1;
            let is_earlier = self.root.as_ref().is_none_or(|(known, ..)| (start, id) < *known);
            if is_earlier && group.parent(row as usize)? == SpanId::default() {
                let shape = shapes.get(shape);
                let service = shape.and_then(|shape| group.resources().get(shape.resource as usize));
                let service = service.map_or("", |resource| resource.service_name()).to_owned();
                let name = shape.map(|shape| crate::rows::text(table.name(shape.name))).unwrap_or_default();
                self.root = Some(((start, id), service, name));
            }
        }
        for (shape, spans) in by_shape {
            let Some(shape) = shapes.get(shape) else { continue };
            let service = group.resources().get(shape.resource as usize).map_or("", |own| own.service_name());
            let failed = StatusCode::from_otlp(i32::from(shape.status)) == StatusCode::Error;
            self.add_service(service, spans, if failed { spans } else { 0 });
        }
        Ok(())
    }

    fn add_times(&mut self, times: Option<(u64, u64)>) {
        let Some((start, end)) = times else { return };
        let (earliest, latest) = self.times.unwrap_or((start, end));
        self.times = Some((earliest.min(start), latest.max(end)));
    }

    fn add_root(&mut self, root: Option<(Key, String, String)>) {
        let Some(new) = root else { return };
        if self.root.as_ref().is_none_or(|(known, ..)| new.0 < *known) {
            self.root = Some(new);
        }
    }

    fn add_service(&mut self, service: &str, spans: u32, errors: u32) {
        let counts = match self.services.get_mut(service) {
            Some(counts) => counts,
            None => self.services.entry(service.to_owned()).or_default(),
        };
        *counts = (counts.0 + spans, counts.1 + errors);
    }
}

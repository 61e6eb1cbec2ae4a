//! What a search tells of a trace that it found, counted by columns: of a trace of 100,000 spans only those are read whole that
//! the answer shows.

use std::collections::BTreeMap;

use hoptrail_proto::model::{StatusCode, TraceId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::snapshot::{Snapshot, Unit};
use super::wanted::Wanted;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::matcher::TraceFacts;
use crate::memory::{hit, span_hit};
use crate::rows::{Shape, TableKind};
use crate::scan::{Outline, RowGroup, SpanKey};
use crate::search::{QueryContext, SearchRequest, ServiceStats, SpanHit, TraceHit};

/// Bytes that each row of a trace takes meanwhile, about.
const ROW_BYTES: usize = 32;

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

/// What all units together know of a trace.
#[derive(Default)]
struct Sum {
    /// Earliest start and latest end.
    times: Option<(u64, u64)>,
    /// The earliest span without a parent, its service and its name.
    root: Option<(SpanKey, String, String)>,
    /// Spans and errors.
    services: BTreeMap<String, (u32, u32)>,
}

impl Hits<'_, '_> {
    /// The hit that a trace is, when any of its spans matches.
    pub(super) fn of(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        if self.request.filter.needs_trace() {
            return self.by_spans(id);
        }
        let (mut sum, mut outlines) = (Sum::default(), Vec::new());
        for unit in self.snapshot.holders(id) {
            self.context.check()?;
            let outline = self.snapshot.on(&unit, self.context, |group| self.outline(&unit, group, id, &mut sum))?;
            outlines.extend(outline.flatten().map(|outline| (unit, outline)));
        }
        // Only whole spans tell whether two of one id are the same.
        let repeated = may_repeat(&outlines) && self.has_repeated_id(id, &outlines)?;
        if repeated { self.by_spans(id) } else { self.by_columns(id, sum, &outlines) }
    }

    fn by_spans(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        let spans = self.snapshot.spans(id, self.wanted.projection(), self.context)?;
        Ok(hit(id, &spans, self.request))
    }

    fn by_columns(&self, id: TraceId, sum: Sum, outlines: &[(Unit, Outline)]) -> Result<Option<TraceHit>, ReadError> {
        let mut matched = Vec::new();
        for (place, (_, outline)) in outlines.iter().enumerate() {
            matched.extend(outline.matched.iter().map(|(key, row)| (*key, place, *row)));
        }
        let (Some((start, end)), false) = (sum.times, matched.is_empty()) else { return Ok(None) };
        let root = sum.root.map(|(_, service, name)| (service, name));
        let facts = TraceFacts { duration_nanos: end.saturating_sub(start), root };
        let count = matched.len() as u64;
        let spans = self.shown(id, outlines, matched, &facts)?;
        let stats = |(service, (spans, errors))| ServiceStats { service, spans, errors };
        Ok(Some(TraceHit {
            trace_id: id,
            start_unix_nano: start,
            duration_nanos: facts.duration_nanos,
            services: sum.services.into_iter().map(stats).collect(),
            matched: count,
            spans,
            root: facts.root,
        }))
    }

    /// The earliest of the spans that match, as many as asked for, each with the place of its unit and its row.
    fn shown(
        &self,
        id: TraceId,
        outlines: &[(Unit, Outline)],
        mut matched: Vec<(SpanKey, usize, u32)>,
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
            let Some((unit, _)) = outlines.get(place) else { continue };
            let read = |group: &dyn RowGroup| group.spans(id, &[row], self.wanted.projection());
            let read = self.snapshot.on(unit, self.context, read)?;
            hits.extend(read.iter().flatten().map(|span| span_hit(span, facts, self.request)));
        }
        Ok(hits)
    }

    /// What a unit knows of the trace; it is added to the sum.
    fn outline(
        &self,
        unit: &Unit,
        group: &dyn RowGroup,
        id: TraceId,
        sum: &mut Sum,
    ) -> Result<Option<Outline>, ReadError> {
        let outline = group.outline(id, self.matched.0.get(&unit.place()))?;
        if let Some(outline) = &outline {
            self.context.check_memory(outline.matched.len() * ROW_BYTES)?;
            sum.add(group, outline)?;
        }
        Ok(outline)
    }

    fn has_repeated_id(&self, id: TraceId, outlines: &[(Unit, Outline)]) -> Result<bool, ReadError> {
        let spans = outlines.iter().map(|(_, outline)| outline.spans()).sum();
        self.context.check_memory(spans * ROW_BYTES)?;
        let mut seen = FxHashSet::with_capacity_and_hasher(spans, Default::default());
        for (unit, _) in outlines {
            let repeated = self.snapshot.on(unit, self.context, |group| {
                group
                    .rows_of(id)?
                    .into_iter()
                    .try_fold(false, |any, row| Ok(!seen.insert(group.span_id(row as usize)?) || any))
            })?;
            if repeated == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a span may be there twice, both times with the same start.
fn may_repeat(outlines: &[(Unit, Outline)]) -> bool {
    let mut starts: Vec<(u64, u64)> = outlines.iter().map(|(_, outline)| outline.starts).collect();
    starts.sort_unstable();
    let overlap = starts.windows(2).any(|pair| matches!(pair, [earlier, later] if later.0 <= earlier.1));
    overlap || outlines.iter().any(|(_, outline)| outline.repeats)
}

impl Sum {
    fn add(&mut self, group: &dyn RowGroup, outline: &Outline) -> Result<(), ReadError> {
        let table = group.table(TableKind::Span);
        let shapes = table.shapes()?;
        let service =
            |shape: &Shape| group.resources().get(shape.resource as usize).map_or("", |own| own.service_name());
        let (start, end) = self.times.unwrap_or((outline.starts.0, outline.latest_end));
        self.times = Some((start.min(outline.starts.0), end.max(outline.latest_end)));
        if let Some((key, number)) = outline.root
            && self.root.as_ref().is_none_or(|(known, ..)| key < *known)
        {
            let shape = shapes.get(number);
            let name = shape.map(|shape| crate::rows::text(table.name(shape.name))).unwrap_or_default();
            self.root = Some((key, shape.map_or("", service).to_owned(), name));
        }
        for (number, spans) in &outline.shapes {
            let Some(shape) = shapes.get(*number) else { continue };
            let failed = StatusCode::from_otlp(i32::from(shape.status)) == StatusCode::Error;
            self.add_service(service(shape), *spans, if failed { *spans } else { 0 });
        }
        Ok(())
    }

    fn add_service(&mut self, service: &str, spans: u32, errors: u32) {
        let counts = match self.services.get_mut(service) {
            Some(counts) => counts,
            None => self.services.entry(service.to_owned()).or_default(),
        };
        *counts = (counts.0 + spans, counts.1 + errors);
    }
}

//! What a search tells of a trace that it found. Of a trace of 100,000 spans only those are read whole that the answer shows.

use hoptrail_proto::model::TraceId;
use rustc_hash::FxHashMap;

use super::snapshot::{Snapshot, Unit};
use super::summary::Summary;
use super::wanted::Wanted;
use crate::codec::bits::Bitmap;
use crate::matcher::TraceFacts;
use crate::memory::span_hit;
use crate::scan::{RowGroup, SpanKey};
use crate::search::{SearchRequest, SpanHit, TraceHit};
use crate::{QueryContext, ReadError, Reserved};

/// Bytes that each row that matches takes meanwhile, about.
const ROW_BYTES: usize = 32;

/// The rows that match, of traces that may be found. Of a trace that was found no row is missing: the search passes only over rows
/// of traces that begin there before the oldest that it found, and a unit outside of the time range has no row that matches.
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

/// A span that matches: its key, the place of its unit, and its row there.
type Found = (SpanKey, usize, u32);

impl Hits<'_, '_> {
    /// The hit of a trace, when any of its spans matches.
    pub(super) fn of(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        if self.request.filter.needs_trace() {
            return self.by_spans(id);
        }
        let units: Vec<Unit> = self.snapshot.holders(id).collect();
        match self.snapshot.summary(id, &units, self.context)? {
            None => Ok(None),
            Some(summary) if summary.repeats => self.by_spans(id),
            Some(summary) => self.by_columns(id, &summary, &units),
        }
    }

    fn by_spans(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        self.snapshot.hit(id, self.request, self.wanted, self.context)
    }

    fn by_columns(&self, id: TraceId, summary: &Summary, units: &[Unit]) -> Result<Option<TraceHit>, ReadError> {
        let mut memory = self.context.reserve(0)?;
        let (matched, found) = self.found(id, units, &mut memory)?;
        if matched == 0 {
            return Ok(None);
        }
        let facts = TraceFacts { duration_nanos: summary.extent.nanos(), root: summary.root.clone() };
        let spans = self.shown(id, units, found, &facts)?;
        Ok(Some(TraceHit {
            trace_id: id,
            start_unix_nano: summary.extent.start,
            duration_nanos: facts.duration_nanos,
            services: summary.services.clone(),
            matched: matched as u64,
            spans,
            root: facts.root,
        }))
    }

    /// How many spans match, and the earliest of each unit.
    fn found(&self, id: TraceId, units: &[Unit], memory: &mut Reserved) -> Result<(usize, Vec<Found>), ReadError> {
        let (mut matched, mut found) = (0, Vec::new());
        let shown = self.request.spans_per_trace;
        for (place, unit) in units.iter().enumerate() {
            let Some(rows) = self.matched.0.get(&unit.place()) else { continue };
            self.context.check()?;
            let own = self.snapshot.on(unit, self.context, |group| group.among(id, rows, shown))?.unwrap_or_default();
            memory.grow(own.earliest.len() * ROW_BYTES)?;
            matched += own.count;
            found.extend(own.earliest.into_iter().map(|(key, row)| (key, place, row)));
        }
        Ok((matched, found))
    }

    /// The earliest of these spans that match, as many as asked for.
    fn shown(
        &self,
        id: TraceId,
        units: &[Unit],
        mut found: Vec<Found>,
        facts: &TraceFacts,
    ) -> Result<Vec<SpanHit>, ReadError> {
        let shown = self.request.spans_per_trace;
        if shown > 0 && shown < found.len() {
            found.select_nth_unstable(shown - 1);
        }
        found.truncate(shown);
        found.sort_unstable();
        let mut hits = Vec::with_capacity(found.len());
        for (_, place, row) in found {
            let Some(unit) = units.get(place) else { continue };
            let read = |group: &dyn RowGroup| group.spans(id, &[row], self.wanted.projection());
            let read = self.snapshot.on(unit, self.context, read)?;
            hits.extend(read.iter().flatten().map(|span| span_hit(span, facts, self.request)));
        }
        Ok(hits)
    }
}

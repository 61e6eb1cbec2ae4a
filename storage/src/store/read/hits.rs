//! What a search tells of a trace that it found. Of a trace of 100,000 spans only those are read whole that the answer shows.

use hoptrail_proto::model::TraceId;
use rustc_hash::FxHashMap;

use super::duplicates::Duplicates;
use super::needed_columns::NeededColumns;
use super::scan_unit::{ScanUnit, UnitId};
use super::trace_loader::TraceLoader;
use super::trace_summary::TraceSummary;
use crate::codec::bits::Bitmap;
use crate::copies::ContentHash;
use crate::matcher::TraceIntrinsics;
use crate::scan::{RowGroup, SpanKey};
use crate::search::{SearchRequest, SetHit, SpanHit, TraceHit};
use crate::whole_trace::span_hit;
use crate::{ReadError, Reserved};

/// Bytes that each row that matches takes meanwhile, about.
const ROW_BYTES: usize = 64;

/// The rows that match, of traces that may be found. Of a trace that was found no row is missing: the search passes only over rows
/// of traces that begin there before the oldest that it found, and a unit outside of the time range has no row that matches.
#[derive(Default)]
pub(super) struct Matched(FxHashMap<UnitId, Bitmap>);

impl Matched {
    pub(super) fn insert(&mut self, unit: &ScanUnit, rows: Bitmap) {
        if !rows.is_empty() {
            self.0.insert(unit.id(), rows);
        }
    }
}

/// A span that matches, in the order in which spans are shown.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MatchedSpan {
    key: SpanKey,
    content: ContentHash,
    /// The index of its unit.
    unit: usize,
    row: u32,
}

/// Makes hits of traces.
pub(super) struct Hits<'s, 'a> {
    pub(super) loader: &'s TraceLoader<'s, 'a>,
    pub(super) request: &'s SearchRequest,
    pub(super) needed: &'s NeededColumns,
    pub(super) matched: Matched,
}

impl Hits<'_, '_> {
    /// The hit of a trace, when any of its spans matches.
    pub(super) fn of(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        if self.request.filter().needs_trace() {
            return self.by_spans(id);
        }
        let units = self.loader.holders(id)?;
        let Some(summary) = self.loader.summary(id, &units)? else { return Ok(None) };
        self.by_columns(id, summary, &units)
    }

    fn by_spans(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        self.loader.hit(id, self.request, self.needed)
    }

    fn by_columns(
        &self,
        id: TraceId,
        summary: TraceSummary,
        units: &[ScanUnit],
    ) -> Result<Option<TraceHit>, ReadError> {
        let TraceSummary { extent, root, services, duplicates } = summary;
        let mut memory = self.loader.context.reserve(0)?;
        let (matched, found) = self.found(id, units, &duplicates, &mut memory)?;
        if matched == 0 {
            return Ok(None);
        }
        let intrinsics = TraceIntrinsics { duration_nanos: extent.nanos(), root };
        let spans = self.shown(id, units, found, &intrinsics)?;
        Ok(Some(TraceHit {
            trace_id: id,
            start_unix_nano: extent.start,
            duration_nanos: intrinsics.duration_nanos,
            services,
            sets: vec![SetHit { attributes: Vec::new(), matched: matched as u64, spans }],
            root: intrinsics.root,
        }))
    }

    /// How many spans match, and of each unit so many of the earliest that those to be shown are among them.
    fn found(
        &self,
        id: TraceId,
        units: &[ScanUnit],
        duplicates: &Duplicates,
        memory: &mut Reserved,
    ) -> Result<(usize, Vec<MatchedSpan>), ReadError> {
        let (mut matched, mut found) = (0, Vec::new());
        // Of spans of one key a unit does not know which comes first.
        let shown = self.request.spans_per_set.saturating_add(duplicates.distinct());
        for (index, unit) in units.iter().enumerate() {
            let Some(rows) = self.matched.0.get(&unit.id()) else { continue };
            self.loader.context.check()?;
            let rows = duplicates.without_copies(index, rows);
            let own = self.loader.on(unit, |group| group.among(id, &rows, shown))?.unwrap_or_default();
            memory.grow(own.earliest.len() * ROW_BYTES)?;
            matched += own.count;
            found.extend(own.earliest.into_iter().map(|(key, row)| MatchedSpan {
                key,
                content: duplicates.content(index, row),
                unit: index,
                row,
            }));
        }
        Ok((matched, found))
    }

    /// The earliest of these spans that match, as many as asked for.
    fn shown(
        &self,
        id: TraceId,
        units: &[ScanUnit],
        mut found: Vec<MatchedSpan>,
        intrinsics: &TraceIntrinsics,
    ) -> Result<Vec<SpanHit>, ReadError> {
        let shown = self.request.spans_per_set;
        if shown > 0 && shown < found.len() {
            found.select_nth_unstable(shown - 1);
        }
        found.truncate(shown);
        found.sort_unstable();
        let mut hits = Vec::with_capacity(found.len());
        for MatchedSpan { unit, row, .. } in found {
            let Some(unit) = units.get(unit) else { continue };
            let read = |group: &dyn RowGroup| group.spans(id, &[row], self.needed.projection());
            let read = self.loader.on(unit, read)?;
            hits.extend(read.iter().flatten().map(|span| span_hit(span, intrinsics, self.request)));
        }
        Ok(hits)
    }
}

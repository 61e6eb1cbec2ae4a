//! What a search tells of a trace that it found. Of a trace of 100,000 spans only those are read whole that the answer shows.

use std::borrow::Cow;

use hoptrail_proto::model::TraceId;

use super::duplicates::Duplicates;
use super::judge::{Judge, Judged, TraceRows};
use super::needed_columns::NeededColumns;
use super::scan_unit::ScanUnit;
use super::trace_summary::TraceSummary;
use crate::codec::bits::Bitmap;
use crate::copies::ContentHash;
use crate::judge::{Calc, Spanset, calculate};
use crate::matcher::{Candidate, TraceIntrinsics};
use crate::rows::TableKind;
use crate::scan::{RowGroup, SpanKey, matching_among};
use crate::search::{SearchRequest, SetHit, SpanHit, TraceHit};
use crate::{Field, Filter, ReadError, Reserved, Value};

/// Bytes that each row that matches takes meanwhile, about.
const ROW_BYTES: usize = 64;

/// For each field of a request its values on the rows of a trace, when only the tree tells.
type TreeFields<'t> = Vec<Option<Cow<'t, [Option<Value>]>>>;

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
pub(super) struct Hits<'j, 's, 'a> {
    pub(super) judge: &'j Judge<'s, 'a>,
    pub(super) request: &'j SearchRequest,
    pub(super) needed: &'j NeededColumns,
    /// For each field of the request how to find it, when only the tree tells.
    pub(super) of_tree: Vec<Option<Calc>>,
}

impl<'s, 'a> Hits<'_, 's, 'a> {
    /// The hit of a trace, when any of its spans is in the answer.
    pub(super) fn of(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        if self.judge.is_plain && self.of_tree.iter().all(Option::is_none) {
            return self.by_columns(id);
        }
        self.judge.judge(id)?.map_or(Ok(None), |judged| self.of_judged(&judged))
    }

    /// The hit of a trace whose spansets are known.
    fn of_judged(&self, Judged { trace, spansets }: &Judged<'_, 's, 'a>) -> Result<Option<TraceHit>, ReadError> {
        let Some(summary) = trace.summary()? else { return Ok(None) };
        let intrinsics = summary.intrinsics();
        let fields = self.fields_of_tree(trace)?;
        let shown = self.request.spans_per_set;
        let sets = spansets.iter().map(|spanset| self.set(trace, spanset, shown, &intrinsics, &fields));
        Ok(Some(hit(trace.id, summary, sets.collect::<Result<_, _>>()?)))
    }

    /// A hit for each of these spans of a trace. Each has what stages say of the spanset that it is in.
    pub(super) fn of_spans(
        &self,
        trace: &TraceRows<'_, 's, 'a>,
        spans: &[Spanset],
    ) -> Result<Vec<TraceHit>, ReadError> {
        let Some(summary) = trace.summary()? else { return Ok(Vec::new()) };
        let intrinsics = summary.intrinsics();
        let fields = self.fields_of_tree(trace)?;
        let of = |span| Ok(hit(trace.id, summary, vec![self.set(trace, span, 1, &intrinsics, &fields)?]));
        spans.iter().map(of).collect()
    }

    fn fields_of_tree<'t>(&self, trace: &'t TraceRows<'_, 's, 'a>) -> Result<TreeFields<'t>, ReadError> {
        self.of_tree.iter().map(|calc| calc.as_ref().map(|calc| calculate(calc, trace)).transpose()).collect()
    }

    fn set(
        &self,
        trace: &TraceRows<'_, 's, 'a>,
        spanset: &Spanset,
        shown: usize,
        intrinsics: &TraceIntrinsics,
        fields: &TreeFields<'_>,
    ) -> Result<SetHit, ReadError> {
        let mut spans = Vec::new();
        for row in spanset.rows.iter().take(shown) {
            let Some((_, unit, row_there)) = trace.rows.get(*row as usize) else { continue };
            let Some(unit) = trace.units.get(*unit) else { continue };
            spans.extend(self.read(trace.id, unit, *row_there, intrinsics, |field| {
                fields.get(field)?.as_ref()?.get(*row as usize).cloned()?
            })?);
        }
        let (attributes, matched) = (spanset.attributes.clone(), spanset.rows.len() as u64);
        Ok(SetHit { attributes, matched, spans })
    }

    /// Reads a span. `of_tree` gives the value of a field of the request that only the tree tells.
    fn read(
        &self,
        id: TraceId,
        unit: &ScanUnit,
        row: u32,
        intrinsics: &TraceIntrinsics,
        of_tree: impl Fn(usize) -> Option<Value>,
    ) -> Result<Option<SpanHit>, ReadError> {
        let read = |group: &dyn RowGroup| group.spans(id, &[row], self.needed.projection());
        let Some(span) = self.judge.loader.on(unit, read)?.and_then(|mut spans| spans.pop()) else { return Ok(None) };
        let candidate = Candidate::new(&span, intrinsics);
        let value = |(index, field): (usize, &Field)| {
            let is_of_tree = self.of_tree.get(index).is_some_and(Option::is_some);
            let value = if is_of_tree { of_tree(index) } else { candidate.first(field) };
            value.map(|value| (field.clone(), value))
        };
        Ok(Some(SpanHit {
            span_id: span.span.span_id,
            name: span.span.name.clone(),
            start_unix_nano: span.span.start_unix_nano,
            duration_nanos: span.span.duration_nanos(),
            fields: self.request.select.iter().enumerate().filter_map(value).collect(),
        }))
    }

    /// The hit of a trace, by the rows of each unit that satisfy the only leaf.
    fn by_columns(&self, id: TraceId) -> Result<Option<TraceHit>, ReadError> {
        let loader = self.judge.loader;
        let units = loader.holders(id)?;
        let Some(summary) = loader.summary(id, &units)? else { return Ok(None) };
        let mut memory = loader.context.reserve(0)?;
        let (matched, found) = self.found(id, &units, &summary.duplicates, &mut memory)?;
        if matched == 0 {
            return Ok(None);
        }
        let spans = self.shown(id, &units, found, &summary.intrinsics())?;
        Ok(Some(hit(id, &summary, vec![SetHit { attributes: Vec::new(), matched: matched as u64, spans }])))
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
            self.judge.loader.context.check()?;
            let own = self.judge.loader.on(unit, |group| {
                let rows = self.rows_that_match(id, unit, group)?;
                group.among(id, &duplicates.without_copies(index, &rows), shown)
            })?;
            let own = own.unwrap_or_default();
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

    /// The rows of a trace in one unit that satisfy the only leaf, and maybe rows of others.
    fn rows_that_match(&self, id: TraceId, unit: &ScanUnit, group: &dyn RowGroup) -> Result<Bitmap, ReadError> {
        let (filter, spans) = (self.request.filter(), group.table(TableKind::Span).len());
        if *filter == Filter::True {
            return Ok(Bitmap::all(spans));
        }
        // The order may have leaves of its own, which come after that of the spans.
        if let Some(known) = self.judge.leaves.of(unit) {
            return Ok(known.first().cloned().unwrap_or_else(|| Bitmap::none(spans)));
        }
        let mut rows = Bitmap::none(spans);
        group.rows_of(id)?.into_iter().for_each(|row| rows.insert(row as usize));
        matching_among(group, filter, None, rows, self.judge.loader.context)
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
            hits.extend(self.read(id, unit, row, intrinsics, |_| None)?);
        }
        Ok(hits)
    }
}

fn hit(trace_id: TraceId, summary: &TraceSummary, sets: Vec<SetHit>) -> TraceHit {
    TraceHit {
        trace_id,
        root: summary.root.clone(),
        start_unix_nano: summary.extent.start,
        duration_nanos: summary.extent.nanos(),
        services: summary.services.clone(),
        sets,
    }
}

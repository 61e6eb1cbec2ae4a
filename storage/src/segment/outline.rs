//! What the spans of a trace in a group come to. A trace may have 100,000 of them, so each column is read once, in pieces.

use std::cmp::Reverse;
use std::ops::Range;

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::ints::{Ints, of_len};
use crate::rows::TableKind;
use crate::scan::{Outline, RowGroup, SpanKey, tally};

/// Rows that are decoded at once: a block of integers, whose bounds are known without.
const PIECE: usize = 256;

impl SegmentGroup<'_> {
    /// Of the trace that starts at `trace_start` and has these rows, which are in the order of their keys.
    pub(super) fn outline_of(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        root: Option<SpanKey>,
    ) -> Result<Outline, ReadError> {
        let shapes = self.shape_page(TableKind::Span)?;
        let shape = |row| Ok(shapes.get(row).map_err(self.corrupt(pages::SPAN_SHAPES))? as u32);
        // The group that has a trace's start nearly always has its root: the others need not read parents.
        let roots = root.is_none_or(|(start, _)| trace_start <= start).then_some(rows.clone());
        let root = roots.map_or(Ok(None), |rows| self.first_root(rows))?;
        let root = root.map(|row| Ok((self.key(trace_start, row)?, shape(row)?)));
        Ok(Outline {
            starts: (trace_start, self.start(trace_start, rows.end - 1)?),
            latest_end: self.latest_end(trace_start, rows.clone())?,
            repeats: self.repeats(rows.clone())?,
            root: root.transpose()?,
            shapes: self.tally_shapes(&shapes, rows)?,
        })
    }

    /// The key of a span of the trace that starts at `trace_start`.
    pub(super) fn key(&self, trace_start: u64, row: usize) -> Result<SpanKey, ReadError> {
        Ok((self.start(trace_start, row)?, self.span_id(row)?))
    }

    fn start(&self, trace_start: u64, row: usize) -> Result<u64, ReadError> {
        let offset = self.span_ints(pages::STARTS)?.get(row).map_err(self.corrupt(pages::STARTS))?;
        Ok(trace_start.wrapping_add(offset))
    }

    /// The latest end of these spans. Pieces that may end last are decoded first, and few others.
    fn latest_end(&self, trace_start: u64, rows: Range<usize>) -> Result<u64, ReadError> {
        let (starts, durations) = (self.span_ints(pages::STARTS)?, self.span_ints(pages::DURATIONS)?);
        let bound = |rows: Range<usize>| -> Result<u64, ReadError> {
            let start = starts.bound_of(rows.clone()).map_err(self.corrupt(pages::STARTS))?;
            let duration = durations.bound_of(rows).map_err(self.corrupt(pages::DURATIONS))?;
            Ok(trace_start.saturating_add(start).saturating_add(duration))
        };
        let bounded = pieces(rows).map(|rows| Ok((bound(rows.clone())?, rows)));
        let mut bounded = bounded.collect::<Result<Vec<_>, ReadError>>()?;
        bounded.sort_unstable_by_key(|(bound, _)| Reverse(*bound));
        let mut latest_end = 0;
        for (bound, rows) in bounded {
            if bound <= latest_end {
                break;
            }
            let durations = self.some_ints(pages::DURATIONS, rows.clone())?;
            for (start, duration) in self.some_ints(pages::STARTS, rows)?.into_iter().zip(durations) {
                latest_end = latest_end.max(trace_start.wrapping_add(start).wrapping_add(duration));
            }
        }
        Ok(latest_end)
    }

    /// Whether two of these spans, which are in the order of their keys, have one key.
    fn repeats(&self, rows: Range<usize>) -> Result<bool, ReadError> {
        // Most traces of a group have few spans here, many a single one.
        if rows.len() < 2 {
            return Ok(false);
        }
        for rows in pieces(rows.start + 1..rows.end) {
            let starts = self.some_ints(pages::STARTS, rows.start - 1..rows.end)?;
            for (row, pair) in rows.zip(starts.windows(2)) {
                if matches!(pair, [one, other] if one == other) && self.span_id(row)? == self.span_id(row - 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The keys of those of these spans that start between `from` and `to`.
    pub(super) fn keys_of(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        from: u64,
        to: u64,
    ) -> Result<Vec<SpanKey>, ReadError> {
        let corrupt = self.corrupt(pages::STARTS);
        let starts = self.span_ints(pages::STARTS)?;
        let start = |offset| trace_start.wrapping_add(offset);
        let first = starts.partition_point(rows.clone(), |offset| start(offset) < from).map_err(&corrupt)?;
        let end = starts.partition_point(first..rows.end, |offset| start(offset) <= to).map_err(&corrupt)?;
        let starts = starts.range(first..end, start).map_err(corrupt)?;
        starts.into_iter().zip(first..end).map(|(start, row)| Ok((start, self.span_id(row)?))).collect()
    }

    /// How many of these rows have each shape.
    fn tally_shapes(&self, numbers: &Ints<'_>, rows: Range<usize>) -> Result<Vec<(u32, u32)>, ReadError> {
        let corrupt = self.corrupt(pages::SPAN_SHAPES);
        if rows.len() < PIECE {
            return Ok(tally(numbers.range(rows, |number| number as u32).map_err(corrupt)?));
        }
        let mut counts = vec![0u32; self.shapes(TableKind::Span)?.shapes.len()];
        let count = |number: u64| {
            if let Some(count) = counts.get_mut(number as usize) {
                *count += 1;
            }
        };
        numbers.each(rows.start, rows.end, count).map_err(corrupt)?;
        Ok((0..).zip(counts).filter(|(_, count)| *count > 0).collect())
    }

    /// The first of these rows that has no parent.
    fn first_root(&self, rows: Range<usize>) -> Result<Option<usize>, ReadError> {
        let corrupt = self.corrupt(pages::PARENTS);
        let [steps, ..] = self.parent_parts()?;
        let steps = of_len(steps, self.rows(TableKind::Span)).map_err(&corrupt)?;
        for rows in pieces(rows) {
            if !steps.may_be_zero(rows.clone()).map_err(&corrupt)? {
                continue;
            }
            let steps = steps.range(rows.clone(), |step| step).map_err(&corrupt)?;
            if let Some(place) = steps.iter().position(|step| *step == 0) {
                return Ok(Some(rows.start + place));
            }
        }
        Ok(None)
    }
}

/// The rows of each piece; all but the first begin at a multiple of [`PIECE`].
fn pieces(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let piece = move |piece: usize| rows.start.max(piece * PIECE)..rows.end.min((piece + 1) * PIECE);
    (rows.start / PIECE..rows.end.div_ceil(PIECE)).map(piece)
}

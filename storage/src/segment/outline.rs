//! What the spans of a trace in a group come to. A trace may have 100,000 of them, so each column is read once, in pieces.

use std::ops::Range;

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::ints::{Ints, of_len};
use crate::rows::TableKind;
use crate::scan::{Outline, RowGroup, tally};

/// Rows that are decoded at once.
const PIECE: usize = 1024;

impl SegmentGroup<'_> {
    /// Of the trace that starts at `trace_start` and has these rows, which are in the order of their keys.
    pub(super) fn outline_of(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        matched: Option<&Bitmap>,
    ) -> Result<Outline, ReadError> {
        let (starts, shapes) = (self.span_ints(pages::STARTS)?, self.span_ints(pages::SPAN_SHAPES)?);
        let start = |row| Ok(trace_start.wrapping_add(starts.get(row).map_err(self.corrupt(pages::STARTS))?));
        let key = |row| Ok((start(row)?, self.span_id(row)?));
        let shape = |row| Ok(shapes.get(row).map_err(self.corrupt(pages::SPAN_SHAPES))? as u32);
        let root = self.first_root(rows.clone())?.map(|row| Ok((key(row)?, shape(row)?))).transpose()?;
        let matched = matched.into_iter().flat_map(|matched| matched.iter());
        let matched = matched.skip_while(|row| *row < rows.start).take_while(|row| *row < rows.end);
        let matched = matched.map(|row| Ok((key(row)?, row as u32))).collect::<Result<_, ReadError>>()?;
        let starts = (trace_start, start(rows.end - 1)?);
        let (latest_end, repeats) = self.end_and_repeats(trace_start, rows.clone())?;
        Ok(Outline { starts, latest_end, shapes: self.tally_shapes(&shapes, rows)?, root, matched, repeats })
    }

    /// The latest end of these spans, and whether two that follow each other have one start and one id.
    fn end_and_repeats(&self, trace_start: u64, rows: Range<usize>) -> Result<(u64, bool), ReadError> {
        let (mut latest_end, mut repeats, mut before) = (0, false, None);
        for rows in pieces(rows) {
            let durations = self.some_ints(pages::DURATIONS, rows.clone())?;
            let starts = self.some_ints(pages::STARTS, rows.clone())?;
            for ((row, start), duration) in rows.zip(starts).zip(durations) {
                let start = trace_start.wrapping_add(start);
                latest_end = latest_end.max(start.wrapping_add(duration));
                if before.replace(start) == Some(start) {
                    repeats |= self.span_id(row)? == self.span_id(row - 1)?;
                }
            }
        }
        Ok((latest_end, repeats))
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
            let steps = steps.range(rows.clone(), |step| step).map_err(&corrupt)?;
            if let Some(place) = steps.iter().position(|step| *step == 0) {
                return Ok(Some(rows.start + place));
            }
        }
        Ok(None)
    }
}

fn pieces(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(PIECE).map(move |first| first..rows.end.min(first + PIECE))
}

//! What the spans of a trace in a group come to. A trace may have 100,000 of them, so each column is read once, in pieces.

use std::cmp::Reverse;
use std::ops::Range;

use hoptrail_proto::model::{Extent, SpanId};

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::ints::{Ints, of_len};
use crate::rows::TableKind;
use crate::scan::{Outline, RootKey, RowGroup, SpanKey, tally};

/// Rows that are decoded at once: a block of integers, whose bounds are known without.
const PIECE: usize = 256;
/// Rows that are read one by one. Most traces have few in a group.
const FEW: usize = 32;
const NO_ROWS: Damaged = Damaged("trace without rows");

impl SegmentGroup<'_> {
    /// Of the trace that starts at `trace_start` and has these rows, which are in the order of their keys.
    pub(super) fn outline_of(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        root: Option<RootKey>,
    ) -> Result<Outline, ReadError> {
        let (first, last) = (self.start(trace_start, rows.start)?, self.start(trace_start, rows.end - 1)?);
        if rows.len() <= FEW || !Extent::are_real(first, last) {
            return self.outline_by_rows(trace_start, rows, root);
        }
        let shapes = self.shape_page(TableKind::Span)?;
        let shape = |row| Ok(shapes.get(row).map_err(self.corrupt(pages::SPAN_SHAPES))? as u32);
        // The group that has a trace's start nearly always has its root, and the others need not read parents.
        let may_be_first = root.is_none_or(|(place, _)| first <= place);
        let root = if may_be_first { self.first_root(rows.clone())? } else { None };
        let root = root.map(|row| {
            let key = self.key(trace_start, row)?;
            Ok(((key.0, key), shape(row)?))
        });
        Ok(Outline {
            starts: (first, last),
            extent: Extent { is_real: true, start: first, end: self.latest_end(trace_start, rows.clone())? },
            repeats: self.repeats(rows.clone())?,
            root: root.transpose()?,
            shapes: self.tally_shapes(&shapes, rows)?,
        })
    }

    /// The same, row by row: bounds and pieces of columns cost more than few rows, and do not know times that cannot be real.
    fn outline_by_rows(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        root: Option<RootKey>,
    ) -> Result<Outline, ReadError> {
        let durations = self.span_ints(pages::DURATIONS)?;
        let shapes = self.shape_page(TableKind::Span)?;
        let (mut all, mut first_root, mut repeats) = (None, None, false);
        let mut keys: Option<(SpanKey, SpanKey)> = None;
        let mut numbers = Vec::with_capacity(rows.len());
        for row in rows {
            let key = self.key(trace_start, row)?;
            let duration = durations.get(row).map_err(self.corrupt(pages::DURATIONS))?;
            let shape = shapes.get(row).map_err(self.corrupt(pages::SPAN_SHAPES))? as u32;
            let extent = Extent::of(key.0, key.0.wrapping_add(duration));
            let root_key = (extent.place(), key);
            let is_first = [root, first_root.map(|(key, _)| key)].into_iter().flatten().all(|known| root_key < known);
            if is_first && self.parent(row)? == SpanId::default() {
                first_root = Some((root_key, shape));
            }
            all = Extent::of_all(all.into_iter().chain([extent]));
            repeats |= keys.is_some_and(|(_, before)| before == key);
            keys = Some((keys.map_or(key, |(first, _)| first), key));
            numbers.push(shape);
        }
        let (extent, (first, last)) = all.zip(keys).ok_or_else(|| self.corrupt(pages::TRACES)(NO_ROWS))?;
        Ok(Outline { starts: (first.0, last.0), extent, shapes: tally(numbers), root: first_root, repeats })
    }

    /// The order key of a trace by its spans here, for which the trace table has a hint. `starts` is the page of starts.
    pub(super) fn order_start(&self, starts: &Ints<'_>, hint: u64, rows: Range<usize>) -> Result<u64, ReadError> {
        let start = |row| Ok(hint.wrapping_add(starts.get(row).map_err(self.corrupt(pages::STARTS))?));
        let first = start(rows.start)?;
        if Extent::are_real(first, first) {
            // Spans are in the order of their starts, and one whose time cannot be real counts as later than any that can.
            return Ok(first);
        }
        let durations = self.span_ints(pages::DURATIONS)?;
        let mut earliest = u64::MAX;
        for row in rows {
            let (start, duration) = (start(row)?, durations.get(row).map_err(self.corrupt(pages::DURATIONS))?);
            earliest = earliest.min(Extent::of(start, start.wrapping_add(duration)).place());
        }
        Ok(earliest)
    }

    /// The key of a span of the trace that starts at `trace_start`.
    pub(super) fn key(&self, trace_start: u64, row: usize) -> Result<SpanKey, ReadError> {
        Ok((self.start(trace_start, row)?, self.span_id(row)?))
    }

    fn start(&self, trace_start: u64, row: usize) -> Result<u64, ReadError> {
        let offset = self.span_ints(pages::STARTS)?.get(row).map_err(self.corrupt(pages::STARTS))?;
        Ok(trace_start.wrapping_add(offset))
    }

    /// The latest end of these spans, whose starts can be real. Pieces that may end last are decoded first, and few others.
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
                let start = trace_start.wrapping_add(start);
                latest_end = latest_end.max(Extent::of(start, start.wrapping_add(duration)).end);
            }
        }
        Ok(latest_end)
    }

    /// Whether two of these spans, which are in the order of their keys, have one key.
    fn repeats(&self, rows: Range<usize>) -> Result<bool, ReadError> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Span, SpanId, TraceId, TraceSpan};
    use xxhash_rust::xxh3::xxh3_64;

    use super::super::group::tests::InMemory;
    use super::super::{META, Meta, PageSource, encode};
    use super::*;
    use crate::rows::Rows;
    use crate::scan::HeadGroup;
    use crate::test_spans::encode as request;

    const SPANS: u64 = 6 * PIECE as u64;
    const T0: u64 = 1_700_000_000_000_000_000;

    /// Spans of one trace, of which one in the middle has no parent. The third piece may end last, as far as its bounds tell, and
    /// the last span does. From a seed of 3 on some times cannot be real.
    fn spans(seed: u64, repeats: bool) -> Vec<TraceSpan> {
        let chance = |n: u64, of: u64| xxh3_64(&[seed.to_le_bytes(), n.to_le_bytes()].concat()) % of;
        let span = |n: u64| {
            let start = T0 + n * 100;
            let duration = match n {
                512 => 130_000,
                _ if n + 1 == SPANS => 30_000,
                _ => chance(n + 10_000, 1_000),
            };
            let span_id = SpanId((if repeats && n == 1_500 { 1_499 } else { n } + 1).to_be_bytes());
            let start = if repeats && n == 1_500 { start - 100 } else { start };
            let (start, end) = match n {
                700 if seed >= 3 => (start, u64::MAX),
                1_140 if seed >= 40 => (0, start + 500),
                1_200 if seed >= 40 => (u64::MAX - 7, 9),
                _ => (start, start + duration),
            };
            Span {
                trace_id: TraceId([7; 16]),
                span_id,
                parent_span_id: (n != 1_100 + seed).then_some(SpanId([9; 8])),
                name: format!("work {}", chance(n, 5)),
                start_unix_nano: start,
                end_unix_nano: end,
                ..Span::default()
            }
        };
        (0..SPANS).map(|n| TraceSpan { span: span(n), resource: Arc::default(), scope: Arc::default() }).collect()
    }

    #[test]
    fn a_segment_tells_of_a_large_trace_what_the_head_tells() {
        for (seed, repeats) in [(0, false), (1, false), (2, true), (3, false), (40, false), (41, true)] {
            let mut rows = Rows::default();
            rows.append_request(&request(&spans(seed, repeats))).unwrap();
            let source = InMemory(encode(&[&rows]).expect("fits").pages);
            let meta = Arc::new(Meta::decode(&source.page(0, META).unwrap()).unwrap());
            let group = SegmentGroup::open(&source, 0, meta, 0).unwrap();
            let told = |group: &dyn RowGroup, root| {
                let outline = group.outline(TraceId([7; 16]), root).unwrap().unwrap();
                let spans: u32 = outline.shapes.iter().map(|(_, spans)| spans).sum();
                (outline.starts, outline.extent, outline.root.map(|(key, _)| key), outline.repeats, spans)
            };
            let (from_segment, from_head) = (told(&group, None), told(&HeadGroup::new(&rows), None));
            assert_eq!(from_segment, from_head, "seed {seed}");
            assert_eq!((from_segment.3, from_segment.4), (repeats, SPANS as u32));
            let keys = |group: &dyn RowGroup| {
                let mut keys = group.keys(TraceId([7; 16]), T0 + 5_050, T0 + 120_000).unwrap();
                keys.sort_unstable();
                keys
            };
            assert_eq!(keys(&group), keys(&HeadGroup::new(&rows)));
            assert_eq!(told(&group, Some((0, (0, SpanId::default())))).2, None);
        }
    }
}

//! The summary of a trace by its spans in a group. A trace may have 100,000 spans, so each column is read only once, in pieces.

use std::ops::Range;

use hoptrail_proto::model::Extent;

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::ints::of_len;
use crate::codec::{Damaged, to_usize};
use crate::rows::TableKind;
use crate::scan::{PartialSummary, RootKey, SpanColumns, SpanKey, tally};

/// Rows that are decoded at once: a block of integers.
const PIECE: usize = 256;
const NO_ROWS: Damaged = Damaged("trace without rows");

/// The summary after some of the rows of a trace.
#[derive(Default)]
struct Sum {
    extent: Option<Extent>,
    /// Start of the first row and of the last.
    starts: Option<(u64, u64)>,
    /// The earliest span without a parent, and its row.
    root: Option<(RootKey, usize)>,
    repeats: bool,
}

impl SegmentGroup<'_> {
    /// The summary of the trace that starts at `trace_start` and has these rows. Rows are in the order of their keys.
    pub(super) fn summary_of(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        root: Option<RootKey>,
    ) -> Result<PartialSummary, ReadError> {
        let mut sum = Sum::default();
        for piece in pieces(rows.clone()) {
            let extent = self.add_times(trace_start, piece.clone(), &mut sum)?;
            sum.extent = Extent::of_all(sum.extent.into_iter().chain(extent));
            // Nearly always the first piece of a trace has its root. Then no parents of the other pieces are read.
            let earliest = [root, sum.root.map(|(key, _)| key)].into_iter().flatten().min();
            let may_have_root = earliest.is_none_or(|(start, _)| extent.is_some_and(|own| own.order_start() <= start));
            if may_have_root {
                self.add_roots(trace_start, piece, earliest, &mut sum)?;
            }
        }
        let root = sum.root.map(|(key, row)| Ok((key, self.shape_code(TableKind::Span, row)?)));

        let no_rows = || self.corrupt(pages::TRACES)(NO_ROWS);
        Ok(PartialSummary {
            starts: sum.starts.ok_or_else(no_rows)?,
            extent: sum.extent.ok_or_else(no_rows)?,
            shapes: self.tally_shapes(rows)?,
            root: root.transpose()?,
            repeats: sum.repeats,
        })
    }

    /// Adds starts and ends. Answers the extent of these rows.
    fn add_times(&self, trace_start: u64, rows: Range<usize>, sum: &mut Sum) -> Result<Option<Extent>, ReadError> {
        let starts = self.some_ints(pages::STARTS, rows.clone())?;
        let durations = self.some_ints(pages::DURATIONS, rows.clone())?;
        let mut extent: Option<Extent> = None;
        for (row, (start, duration)) in rows.zip(starts.into_iter().zip(durations)) {
            let start = trace_start.wrapping_add(start);
            let own = Extent::of(start, start.wrapping_add(duration));
            extent = Some(extent.map_or(own, |extent| extent.and(own)));
            let before = sum.starts;
            sum.starts = Some(before.map_or((start, start), |(first, _)| (first, start)));
            // Rows are in the order of their keys, so two rows with one key are neighbours.
            if before.is_some_and(|(_, before)| before == start) && self.span_id(row)? == self.span_id(row - 1)? {
                sum.repeats = true;
            }
        }
        Ok(extent)
    }

    /// Adds the first of these rows that has no parent and comes before `earliest`.
    fn add_roots(
        &self,
        trace_start: u64,
        rows: Range<usize>,
        mut earliest: Option<RootKey>,
        sum: &mut Sum,
    ) -> Result<(), ReadError> {
        let corrupt = self.corrupt(pages::PARENTS);
        let [steps, ..] = self.parent_parts()?;
        let steps = of_len(steps, self.len()).map_err(&corrupt)?;
        if !steps.may_be_zero(rows.clone()).map_err(&corrupt)? {
            return Ok(());
        }
        let steps = steps.range(rows.clone(), |step| step).map_err(&corrupt)?;
        for (row, _) in rows.zip(steps).filter(|(_, step)| *step == 0) {
            let key = self.key(trace_start, row)?;
            let nanos = self.span_ints(pages::DURATIONS)?.get(row).map_err(self.corrupt(pages::DURATIONS))?;
            let root = (Extent::of(key.0, key.0.wrapping_add(nanos)).order_start(), key);
            if earliest.is_none_or(|earliest| root < earliest) {
                earliest = Some(root);
                sum.root = Some((root, row));
            }
        }
        Ok(())
    }

    /// The key of a span of the trace that starts at `trace_start`.
    pub(super) fn key(&self, trace_start: u64, row: usize) -> Result<SpanKey, ReadError> {
        Ok((self.start(trace_start, row)?, self.span_id(row)?))
    }

    fn start(&self, trace_start: u64, row: usize) -> Result<u64, ReadError> {
        let offset = self.span_ints(pages::STARTS)?.get(row).map_err(self.corrupt(pages::STARTS))?;
        Ok(trace_start.wrapping_add(offset))
    }

    /// The keys of these spans that start between `from` and `to`.
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
    fn tally_shapes(&self, rows: Range<usize>) -> Result<Vec<(u32, u32)>, ReadError> {
        // A list of counts for all shapes would cost more: there may be ten thousand shapes.
        if rows.len() < PIECE {
            return Ok(tally(self.shapes_of(TableKind::Span, rows)?));
        }
        let mut counts = vec![0u32; self.shapes(TableKind::Span)?.shapes.len()];
        let codes = self.shape_page(TableKind::Span)?;
        let count = codes.each(rows.start, rows.end, |code| {
            if let Some(count) = counts.get_mut(to_usize(code)) {
                *count += 1;
            }
        });
        count.map_err(self.corrupt(pages::SPAN_SHAPES))?;
        Ok((0..).zip(counts).filter(|(_, count)| *count > 0).collect())
    }
}

/// The rows of each piece. All pieces but the first begin at a multiple of [`PIECE`].
fn pieces(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    (rows.start / PIECE..rows.end.div_ceil(PIECE))
        .map(move |piece| rows.start.max(piece * PIECE)..rows.end.min((piece + 1) * PIECE))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Span, SpanId, TraceId, TraceSpan};
    use xxhash_rust::xxh3::xxh3_64;

    use super::super::group::tests::InMemory;
    use super::super::{Metadata, PageSource, encode, tail};
    use super::*;
    use crate::rows::Rows;
    use crate::scan::{HeadGroup, RowGroup};
    use crate::test_spans::encode as request;

    const SPANS: u64 = 6 * PIECE as u64;
    const T0: u64 = 1_700_000_000_000_000_000;

    /// Spans of one trace, of which one in the middle has no parent. The third piece may end last, as far as its bounds say, and
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
    fn a_segment_and_the_head_summarize_a_large_trace_alike() {
        for (seed, repeats) in [(0, false), (1, false), (2, true), (3, false), (40, false), (41, true)] {
            let mut rows = Rows::default();
            rows.append_request(&request(&spans(seed, repeats))).unwrap();
            let source = InMemory(encode(&[&rows]).expect("fits").0);
            let meta = Arc::new(Metadata::decode(&source.page(0, tail::METADATA).unwrap()).unwrap());
            let group = SegmentGroup::open(&source, 0, meta, 0).unwrap();
            let told = |group: &dyn RowGroup, root| {
                let summary = group.partial_summary(TraceId([7; 16]), root).unwrap().unwrap();
                let spans: u32 = summary.shapes.iter().map(|(_, spans)| spans).sum();
                (summary.starts, summary.extent, summary.root.map(|(key, _)| key), summary.repeats, spans)
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

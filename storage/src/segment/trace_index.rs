//! The traces of a group of a segment: those in a row are together, in the order of their keys.

use std::ops::Range;

use hoptrail_proto::model::{Extent, SpanKind, TraceId};

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::ints::Ints;
use crate::codec::len_u32;
use crate::rows::TableKind;
use crate::scan::{
    Among, FirstRoot, HintHorizon, ParentRow, PartialSummary, RootKey, SpanColumns, SpanIdentity, SpanKey, TraceIndex,
    TraceStart, decide, first_of_roots,
};

impl TraceIndex for SegmentGroup<'_> {
    fn rows_from(&self, start: u64, horizon: HintHorizon) -> Result<Bitmap, ReadError> {
        if start == 0 {
            return Ok(Bitmap::all(self.len()));
        }
        let (traces, starts) = (self.traces()?, self.span_ints(pages::STARTS)?);
        let (late, before) = traces.split_at(start, horizon).map_err(self.corrupt(pages::TRACES))?;
        let mut from = Bitmap::from(late, self.len());
        // What is left of such a trace may begin later than the table says: the earlier spans may have gone.
        for (hint, of_trace) in before {
            if self.order_start(&starts, hint, of_trace.clone())? >= start {
                of_trace.for_each(|row| from.insert(row));
            }
        }
        Ok(from)
    }

    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (traces, starts) = (self.traces()?, self.span_ints(pages::STARTS)?);
        let (mut out, mut end): (Vec<TraceStart>, _) = (Vec::new(), 0);
        for row in rows.iter() {
            if row < end {
                out.last_mut().into_iter().for_each(|trace| trace.rows += 1);
            } else {
                let trace = traces.of_row(row);
                let trace = trace.and_then(|trace| Ok((traces.id(trace)?, traces.start(trace)?, traces.rows(trace)?)));
                let (id, hint, of_trace) = trace.map_err(self.corrupt(pages::TRACES))?;
                end = of_trace.end;
                out.push(TraceStart { id, start: self.order_start(&starts, hint, of_trace)?, hint, rows: 1 });
            }
        }
        Ok(out)
    }

    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError> {
        let Some((hint, rows)) = self.find(id)?.filter(|(_, rows)| !rows.is_empty()) else { return Ok(None) };
        self.order_start(&self.span_ints(pages::STARTS)?, hint, rows).map(Some)
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        let rows = self.find(id)?.map(|(_, rows)| rows).unwrap_or_default();
        rows.map(|row| self.row_u32(row)).collect()
    }

    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError> {
        let found = self.find(id)?;
        found.map_or(Ok(Vec::new()), |(start, rows)| self.keys_of(start, rows, from, to))
    }

    fn among(&self, id: TraceId, rows: &Bitmap, shown: usize) -> Result<Among, ReadError> {
        let Some((start, own)) = self.find(id)? else { return Ok(Among::default()) };
        // A trace's rows are in the order of their keys.
        let earliest = rows.iter_among(own.clone()).take(shown);
        let earliest = earliest.map(|row| Ok((self.key(start, row)?, self.row_u32(row)?)));
        Ok(Among { earliest: earliest.collect::<Result<_, ReadError>>()?, count: rows.iter_among(own).count() })
    }

    fn partial_summary(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<PartialSummary>, ReadError> {
        let found = self.find(id)?.filter(|(_, rows)| !rows.is_empty());
        found.map(|(start, rows)| self.summary_of(start, rows, root)).transpose()
    }

    fn first_roots(&self, of: &Bitmap) -> Result<(Vec<u32>, Vec<FirstRoot>), ReadError> {
        let (starts, is_root) = (self.starts()?, self.rows_without_parent()?);
        let (durations, shapes) = (self.span_ints(pages::DURATIONS)?, self.shape_codes(TableKind::Span)?);
        let (mut of_rows, mut roots) = (Vec::with_capacity(of.count()), Vec::new());
        let mut wanted = of.iter().peekable();
        for (id, _, rows) in self.trace_table()? {
            let before = of_rows.len();
            while wanted.next_if(|row| *row < rows.end).is_some() {
                of_rows.push(len_u32(roots.len()));
            }
            if of_rows.len() == before {
                continue;
            }
            let own = is_root.iter_among(rows.clone()).map(|row| {
                let start = starts.get(row).copied().unwrap_or_default();
                let nanos = durations.get(row).map_err(self.corrupt(pages::DURATIONS))?;
                let root = Extent::of(start, start.wrapping_add(nanos)).order_start();
                Ok(((root, (start, self.span_id(row)?)), shapes.get(row).copied().unwrap_or_default()))
            });
            let (shape, is_alone) = first_of_roots(own.collect::<Result<Vec<_>, ReadError>>()?.into_iter());
            // The rows of a trace are together, in one group or in several that follow one another.
            let is_inside = self.meta.groups.len() == 1 || (rows.start > 0 && rows.end < self.len());
            roots.push(FirstRoot { id, shape, is_alone: is_alone && is_inside });
        }
        Ok((of_rows, roots))
    }

    fn parents_of(&self, id: TraceId) -> Result<Vec<ParentRow>, ReadError> {
        let Some((start, rows)) = self.find(id)? else { return Ok(Vec::new()) };
        let first = self.row_u32(rows.start)?;
        let decided = decide(&self.links(rows.clone())?, &|index| self.identity(start, rows.start + index))?;
        Ok(decided.into_iter().map(|parent| parent.after(first)).collect())
    }
}

impl SegmentGroup<'_> {
    /// The order start of a trace by its spans here, for which the trace table has a hint. `starts` is the page of starts.
    pub(super) fn order_start(&self, starts: &Ints<'_>, hint: u64, rows: Range<usize>) -> Result<u64, ReadError> {
        let first = self.start_at(starts, hint, rows.start)?;
        if Extent::are_real(first, first) {
            // Spans are in the order of their starts, and one whose time cannot be real counts as later than any that can.
            return Ok(first);
        }
        let durations = self.span_ints(pages::DURATIONS)?;
        let mut earliest = u64::MAX;
        for row in rows {
            let start = self.start_at(starts, hint, row)?;
            let duration = durations.get(row).map_err(self.corrupt(pages::DURATIONS))?;
            earliest = earliest.min(Extent::of(start, start.wrapping_add(duration)).order_start());
        }
        Ok(earliest)
    }

    /// The start of a span of a trace with this start in the table.
    fn start_at(&self, starts: &Ints<'_>, hint: u64, row: usize) -> Result<u64, ReadError> {
        Ok(hint.wrapping_add(starts.get(row).map_err(self.corrupt(pages::STARTS))?))
    }

    /// A row as others name it. A group has fewer than 2^28.
    fn row_u32(&self, row: usize) -> Result<u32, ReadError> {
        u32::try_from(row).map_err(|_| self.corrupt(pages::TRACES)(Damaged("row outside of its group")))
    }

    /// The identity of a span of the trace that starts at `trace_start`.
    fn identity(&self, trace_start: u64, row: usize) -> Result<SpanIdentity<'_>, ReadError> {
        let (start, span_id) = self.key(trace_start, row)?;
        let nanos = self.span_ints(pages::DURATIONS)?.get(row).map_err(self.corrupt(pages::DURATIONS))?;
        let shape = self.shape_at(TableKind::Span, row)?;
        let name = self.table_meta(TableKind::Span).names.get(shape.name as usize);
        let resource = self.meta.resources.get(shape.resource as usize);
        Ok(SpanIdentity {
            start,
            span_id,
            end: start.wrapping_add(nanos),
            kind: SpanKind::from_otlp(i32::from(shape.kind)),
            name: name.map_or(&[], |name| name),
            service: resource.map_or("", |resource| resource.service_name()),
        })
    }
}

//! What a search asks of a group of a segment.

use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId, TraceSpan};

use super::group::{SegmentGroup, fill};
use super::pages;
use super::view::View;
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::bytes::Input;
use crate::codec::ints::Ints;
use crate::rows::TableKind;
use crate::scan::{Among, Outline, Projection, RootKey, RowGroup, SpanKey, TableView, TraceStart};

impl RowGroup for SegmentGroup<'_> {
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_> {
        Box::new(View { group: self, kind })
    }

    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        let Some(cell) = (kind as usize).checked_sub(1).and_then(|place| self.owners.get(place)) else {
            return Ok(&[]);
        };
        let owners = fill(cell, || self.child_ints(kind, 0, |owner| u32::try_from(owner).unwrap_or(u32::MAX)));
        owners.map(Vec::as_slice)
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.meta.resources
    }

    fn scopes(&self) -> &[Arc<InstrumentationScope>] {
        &self.meta.scopes
    }

    fn starts(&self) -> Result<&[u64], ReadError> {
        let starts = fill(&self.starts, || {
            let mut starts = self.ints(pages::STARTS, self.group().spans as usize)?;
            for (_, base, rows) in self.trace_table()? {
                let starts = starts.get_mut(rows).unwrap_or_default();
                starts.iter_mut().for_each(|start| *start = start.wrapping_add(base));
            }
            Ok(starts)
        });
        starts.map(Vec::as_slice)
    }

    fn each_duration(&self, rows: &Bitmap, visit: &mut dyn FnMut(usize, u64)) -> Result<(), ReadError> {
        let corrupt = self.corrupt(pages::DURATIONS);
        let durations = self.span_ints(pages::DURATIONS)?;
        // A span that ends before it starts has a number that leads past the end of time.
        let all_end_later = self.is_time_left(durations.bound().map_err(&corrupt)?)?;
        let starts = if all_end_later { None } else { Some(self.starts()?) };
        let mut visit = |row: usize, nanos: u64| {
            let start = starts.and_then(|starts| starts.get(row)).copied().unwrap_or_default();
            visit(row, start.wrapping_add(nanos).saturating_sub(start));
        };
        if rows.is_sparse() {
            for row in rows.iter() {
                visit(row, durations.get(row).map_err(&corrupt)?);
            }
            return Ok(());
        }
        let mut row = 0;
        let each = durations.each(0, durations.len(), |nanos| {
            if rows.contains(row) {
                visit(row, nanos);
            }
            row = row.wrapping_add(1);
        });
        each.map_err(corrupt)
    }

    fn event_times(&self) -> Result<&[u64], ReadError> {
        let times = fill(&self.event_times, || {
            let mut times = self.raw_event_times()?;
            let starts = self.starts()?;
            for (time, owner) in times.iter_mut().zip(self.owners(TableKind::Event)?) {
                *time = time.wrapping_add(starts.get(*owner as usize).copied().unwrap_or_default());
            }
            Ok(times)
        });
        times.map(Vec::as_slice)
    }

    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError> {
        let ids = fill(&self.link_ids, || {
            let mut input = Input(self.child_parts(TableKind::Link)?[2]);
            let mut take = || Ok((TraceId(input.array()?), SpanId(input.array()?)));
            (0..self.group().links).map(|_| take()).collect::<Result<_, _>>().map_err(self.corrupt(pages::LINKS))
        });
        ids.map(Vec::as_slice)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        let traces = self.traces()?;
        traces.of_row(row).and_then(|trace| traces.id(trace)).map_err(self.corrupt(pages::TRACES))
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        let page = self.page(pages::SPAN_IDS)?;
        let bytes = page.get(row * 8..row * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(SpanId).ok_or_else(|| self.corrupt(pages::SPAN_IDS)(Damaged("row outside of its page")))
    }

    fn parent(&self, row: usize) -> Result<SpanId, ReadError> {
        let corrupt = self.corrupt(pages::PARENTS);
        let [steps, strangers, ids] = self.parent_parts()?;
        match Ints::parse(steps).and_then(|steps| steps.get(row)).map_err(&corrupt)? {
            0 => Ok(SpanId::default()),
            1 => stranger(strangers, ids, row).map_err(&corrupt),
            step => {
                let parent = (row as u64 + 1).checked_sub(step).ok_or(Damaged("parent before its group"));
                self.span_id(parent.map_err(&corrupt)? as usize)
            }
        }
    }

    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (traces, starts) = (self.traces()?, self.span_ints(pages::STARTS)?);
        let of_row = |row: usize| {
            let trace = traces.of_row(row)?;
            Ok((traces.id(trace)?, traces.start(trace)?, traces.rows(trace)?))
        };
        let (mut out, mut end) = (Vec::new(), 0);
        for row in rows.iter() {
            if row >= end {
                let (id, hint, of_trace) = of_row(row).map_err(self.corrupt(pages::TRACES))?;
                end = of_trace.end;
                out.push(TraceStart { id, start: self.order_start(&starts, hint, of_trace)?, hint });
            }
        }
        Ok(out)
    }

    fn rows_from(&self, start: u64) -> Result<Bitmap, ReadError> {
        let rows = self.rows(TableKind::Span);
        if start == 0 {
            return Ok(Bitmap::all(rows));
        }
        let (traces, starts) = (self.traces()?, self.span_ints(pages::STARTS)?);
        let (late, before) = traces.split_at(start).map_err(self.corrupt(pages::TRACES))?;
        let mut from = Bitmap::from(late, rows);
        // What is left of a trace may begin later than the table says, where others knew of earlier spans.
        for (hint, of_trace) in before {
            if self.order_start(&starts, hint, of_trace.clone())? >= start {
                of_trace.for_each(|row| from.insert(row));
            }
        }
        Ok(from)
    }

    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError> {
        let Some((hint, rows)) = self.find(id)?.filter(|(_, rows)| !rows.is_empty()) else { return Ok(None) };
        self.order_start(&self.span_ints(pages::STARTS)?, hint, rows).map(Some)
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        let rows = self.find(id)?.map(|(_, rows)| rows).unwrap_or_default();
        Ok((rows.start as u32..rows.end as u32).collect())
    }

    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError> {
        let found = self.find(id)?;
        found.map_or(Ok(Vec::new()), |(start, rows)| self.keys_of(start, rows, from, to))
    }

    fn among(&self, id: TraceId, rows: &Bitmap, shown: usize) -> Result<Among, ReadError> {
        let Some((start, own)) = self.find(id)? else { return Ok(Among::default()) };
        // A trace's rows are in the order of their keys.
        let earliest = rows.iter_among(own.clone()).take(shown).map(|row| Ok((self.key(start, row)?, row as u32)));
        Ok(Among { earliest: earliest.collect::<Result<_, ReadError>>()?, count: rows.iter_among(own).count() })
    }

    fn outline(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<Outline>, ReadError> {
        let found = self.find(id)?.filter(|(_, rows)| !rows.is_empty());
        found.map(|(start, rows)| self.outline_of(start, rows, root)).transpose()
    }

    fn spans(&self, id: TraceId, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let Some((start, _)) = self.find(id)? else { return Ok(Vec::new()) };
        self.run(*first as usize..*last as usize + 1, id, start, projection)
    }
}

impl SegmentGroup<'_> {
    /// Whether no span starts so late that it would end after the end of time if it lasted so long.
    fn is_time_left(&self, nanos: u64) -> Result<bool, ReadError> {
        let offset = self.span_ints(pages::STARTS)?.bound().map_err(self.corrupt(pages::STARTS))?;
        let trace = self.traces()?.latest_start().map_err(self.corrupt(pages::TRACES))?;
        Ok(trace.checked_add(offset).and_then(|start| start.checked_add(nanos)).is_some())
    }
}

/// The id of a parent that is not in the trace's rows before.
fn stranger(rows: &[u8], ids: &[u8], row: usize) -> Result<SpanId, Damaged> {
    let rows = Ints::parse(rows)?;
    let low = rows.partition_point(0..rows.len(), |known| known < row as u64)?;
    let id = ids.get(low * 8..low * 8 + 8).and_then(|bytes| bytes.try_into().ok());
    id.map(SpanId).ok_or(Damaged("parent outside of its page"))
}

//! The columns of a group of a segment.

use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId};

use super::group::{SegmentGroup, fill};
use super::pages;
use super::view::View;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::bytes::Input;
use crate::codec::{Damaged, to_u32};
use crate::rows::TableKind;
use crate::scan::{SpanColumns, TableView};

impl SpanColumns for SegmentGroup<'_> {
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_> {
        Box::new(View { group: self, kind })
    }

    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        if kind == TableKind::Span {
            return Ok(&[]);
        }
        fill(&self.owners[kind], || self.child_ints(kind, 0, to_u32)).map(Vec::as_slice)
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.meta.resources
    }

    fn scopes(&self) -> &[Arc<InstrumentationScope>] {
        &self.meta.scopes
    }

    fn starts(&self) -> Result<&[u64], ReadError> {
        let starts = fill(&self.starts, || {
            let mut starts = self.ints(pages::STARTS, self.len())?;
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
        // A span that ends before it starts has a duration that wraps: start plus duration passes 2^64.
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
            let [_, _, ids] = self.child_parts(TableKind::Link)?;
            let mut input = Input(ids);
            let ids = (0..self.group().links).map(|_| take_link(&mut input)).collect::<Result<_, _>>();
            ids.map_err(self.corrupt(pages::LINKS))
        });
        ids.map(Vec::as_slice)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        let traces = self.traces()?;
        traces.of_row(row).and_then(|trace| traces.id(trace)).map_err(self.corrupt(pages::TRACES))
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        let id = self.span_ids()?.get(row).copied().map(SpanId);
        id.ok_or_else(|| self.corrupt(pages::SPAN_IDS)(Damaged("row outside of its page")))
    }

    fn parent_id(&self, row: usize) -> Result<SpanId, ReadError> {
        self.parent_of(row)
    }
}

fn take_link(input: &mut Input<'_>) -> Result<(TraceId, SpanId), Damaged> {
    Ok((TraceId(input.array()?), SpanId(input.array()?)))
}

impl SegmentGroup<'_> {
    /// The ids of all spans.
    pub(super) fn span_ids(&self) -> Result<&[[u8; 8]], ReadError> {
        Ok(self.page(pages::SPAN_IDS)?.as_chunks().0)
    }

    /// Whether every span of this duration would end before time overflows, however late it starts.
    fn is_time_left(&self, nanos: u64) -> Result<bool, ReadError> {
        let offset = self.span_ints(pages::STARTS)?.bound().map_err(self.corrupt(pages::STARTS))?;
        let trace = self.traces()?.latest_start().map_err(self.corrupt(pages::TRACES))?;
        Ok(trace.checked_add(offset).and_then(|start| start.checked_add(nanos)).is_some())
    }
}

//! The traces of the head. A row knows the row before of its trace.

use hashbrown::HashMap;
use hoptrail_proto::model::{Extent, SpanId, SpanKind, TraceId};

use super::HeadGroup;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::rows::SpanRow;
use crate::scan::{
    Among, FirstRoot, HintHorizon, Link, ParentRow, PartialSummary, RootKey, SpanIdentity, SpanKey, TraceIndex,
    TraceStart, decide, first_of_roots, tally,
};

impl HeadGroup<'_> {
    /// The rows of a trace with their spans, latest first.
    fn spans_of(&self, id: TraceId) -> impl Iterator<Item = (u32, &SpanRow)> {
        self.rows.trace_rows(id).filter_map(|row| Some((row, self.rows.spans.get(row as usize)?)))
    }

    fn identity(&self, row: u32) -> Result<SpanIdentity<'_>, ReadError> {
        let (span, table) = (self.row(row as usize)?, &self.rows.span_table);
        let shape = table.shape(table.shape_of(row as usize)).copied().unwrap_or_default();
        let resource = self.rows.resources.decoded.get(shape.resource as usize);
        Ok(SpanIdentity {
            start: span.start,
            span_id: span.span_id,
            end: span.end,
            kind: SpanKind::from_otlp(i32::from(shape.kind)),
            name: table.names.get(shape.name),
            service: resource.map_or("", |resource| resource.service_name()),
        })
    }
}

fn link(span: &SpanRow) -> Link {
    if span.parent == SpanId::default() { Link::None } else { Link::Id(span.parent) }
}

fn key(span: &SpanRow) -> SpanKey {
    (span.start, span.span_id)
}

fn root_key(span: &SpanRow) -> RootKey {
    (span.extent().order_start(), key(span))
}

impl TraceIndex for HeadGroup<'_> {
    fn rows_from(&self, _: u64, _: HintHorizon) -> Result<Bitmap, ReadError> {
        Ok(Bitmap::all(self.rows.len()))
    }

    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError> {
        let mut seen: HashMap<TraceId, usize> = HashMap::new();
        let mut out: Vec<TraceStart> = Vec::new();
        for row in rows.iter() {
            let id = self.row(row)?.trace_id;
            if let Some(trace) = seen.get(&id).and_then(|index| out.get_mut(*index)) {
                trace.rows += 1;
                continue;
            }
            let start = self.start_of(id)?.unwrap_or_default();
            seen.insert(id, out.len());
            out.push(TraceStart { id, start, hint: start, rows: 1 });
        }
        Ok(out)
    }

    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError> {
        Ok(self.spans_of(id).map(|(_, span)| span.extent().order_start()).min())
    }

    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError> {
        Ok(self.rows.trace_rows(id).collect())
    }

    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError> {
        let keys = self.spans_of(id).map(|(_, span)| key(span));
        Ok(keys.filter(|(start, _)| (from..=to).contains(start)).collect())
    }

    fn among(&self, id: TraceId, rows: &Bitmap, _: usize) -> Result<Among, ReadError> {
        let own = self.spans_of(id).filter(|(row, _)| rows.contains(*row as usize));
        let all: Vec<_> = own.map(|(row, span)| (key(span), row)).collect();
        Ok(Among { count: all.len(), earliest: all })
    }

    fn partial_summary(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<PartialSummary>, ReadError> {
        let mut keys = self.keys(id, 0, u64::MAX)?;
        keys.sort_unstable();
        let (Some((earliest, _)), Some((latest, _))) = (keys.first(), keys.last()) else { return Ok(None) };
        let Some(extent) = Extent::of_all(self.spans_of(id).map(|(_, span)| span.extent())) else { return Ok(None) };
        let shape = |row: u32| self.rows.span_table.shape_of(row as usize);
        let roots = self.spans_of(id).filter(|(_, span)| span.parent == SpanId::default());
        let roots = roots.map(|(row, span)| (root_key(span), shape(row)));
        Ok(Some(PartialSummary {
            starts: (*earliest, *latest),
            extent,
            shapes: tally(self.rows.trace_rows(id).map(shape).collect()),
            root: roots.filter(|(key, _)| root.is_none_or(|root| *key < root)).min(),
            repeats: keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other)),
        }))
    }

    fn first_roots(&self, of: &Bitmap) -> Result<(Vec<u32>, Vec<FirstRoot>), ReadError> {
        let (mut known, mut roots) = (HashMap::new(), Vec::new());
        let of_rows = of.iter().map(|row| {
            let id = self.row(row)?.trace_id;
            Ok(*known.entry(id).or_insert_with(|| {
                let shape = |row: u32| self.rows.span_table.shape_of(row as usize);
                let all = self.spans_of(id).filter(|(_, span)| span.parent == SpanId::default());
                let (shape, is_alone) = first_of_roots(all.map(|(row, span)| (root_key(span), shape(row))));
                roots.push(FirstRoot { id, shape, is_alone });
                len_u32(roots.len() - 1)
            }))
        });
        Ok((of_rows.collect::<Result<_, ReadError>>()?, roots))
    }

    fn parents_of(&self, id: TraceId) -> Result<Vec<ParentRow>, ReadError> {
        // Among spans that nothing else tells apart, the one that came first is first.
        let rows: Vec<u32> = self.rows_of(id)?.into_iter().rev().collect();
        let spans = rows.iter().map(|row| self.row(*row as usize).map(|span| (span.span_id, link(span))));
        let spans = spans.collect::<Result<Vec<_>, _>>()?;
        let row_at = |index: usize| rows.get(index).copied().unwrap_or(u32::MAX);
        let decided = decide(&spans, &|index| self.identity(row_at(index)))?;
        let to_row = |parent| match parent {
            ParentRow::Row(index) => ParentRow::Row(row_at(index as usize)),
            other => other,
        };
        Ok(decided.into_iter().rev().map(to_row).collect())
    }
}

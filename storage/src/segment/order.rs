//! In which order rows go into a segment: traces by their earliest start, and inside a trace spans by their start.

use hashbrown::HashMap;
use hoptrail_proto::model::TraceId;
use rustc_hash::FxBuildHasher;

use crate::rows::{Rows, SpanRow};

/// A row of one of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRef {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// A trace's rows in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceRun {
    pub(crate) id: TraceId,
    pub(crate) start: u64,
    pub(crate) rows: std::ops::Range<usize>,
}

/// All rows in order, and where each trace is. Exact duplicates, which retries bring, are left out.
pub(crate) fn order(parts: &[&Rows]) -> (Vec<TraceRun>, Vec<RowRef>) {
    let mut numbers: HashMap<TraceId, u32, FxBuildHasher> = HashMap::default();
    let mut traces: Vec<(u64, TraceId, u32)> = Vec::new();
    let mut keyed: Vec<(u32, RowRef)> = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for (part, rows) in parts.iter().enumerate() {
        for (row, span) in rows.spans.iter().enumerate() {
            let number = *numbers.entry(span.trace_id).or_insert_with(|| {
                traces.push((span.start, span.trace_id, 0));
                traces.len() as u32 - 1
            });
            if let Some(trace) = traces.get_mut(number as usize) {
                trace.0 = trace.0.min(span.start);
                trace.2 += 1;
            }
            keyed.push((number, RowRef { part: part as u32, row: row as u32 }));
        }
    }
    arrange(parts, &traces, &keyed)
}

/// Counting sort by trace, then each trace by start.
fn arrange(parts: &[&Rows], traces: &[(u64, TraceId, u32)], keyed: &[(u32, RowRef)]) -> (Vec<TraceRun>, Vec<RowRef>) {
    let mut by_start: Vec<usize> = (0..traces.len()).collect();
    by_start.sort_unstable_by_key(|number| (traces[*number].0, traces[*number].1));
    let mut places = vec![0usize; traces.len()];
    let mut next = 0;
    for number in &by_start {
        places[*number] = next;
        next += traces[*number].2 as usize;
    }
    let mut sorted = vec![RowRef { part: 0, row: 0 }; keyed.len()];
    let mut fill = places.clone();
    for (number, row) in keyed {
        sorted[fill[*number as usize]] = *row;
        fill[*number as usize] += 1;
    }
    let mut runs = Vec::with_capacity(traces.len());
    let mut out = Vec::with_capacity(sorted.len());
    for number in by_start {
        let rows = &mut sorted[places[number]..fill[number]];
        let first = out.len();
        sort_trace(parts, rows, &mut out);
        runs.push(TraceRun { id: traces[number].1, start: traces[number].0, rows: first..out.len() });
    }
    (runs, out)
}

fn span<'a>(parts: &[&'a Rows], at: RowRef) -> &'a SpanRow {
    &parts[at.part as usize].spans[at.row as usize]
}

/// Sorts the rows of one trace by start and appends them without exact duplicates.
fn sort_trace(parts: &[&Rows], rows: &mut [RowRef], out: &mut Vec<RowRef>) {
    let key = |row: &RowRef| {
        let span = span(parts, *row);
        (span.start, span.span_id, row.part, row.row)
    };
    rows.sort_unstable_by_key(key);
    let first = out.len();
    for row in rows {
        let scalars = span(parts, *row);
        let same_id = |known: &&RowRef| {
            let known = span(parts, **known);
            known.span_id == scalars.span_id && known.start == scalars.start
        };
        let mut alike = out[first..].iter().rev().take_while(same_id);
        let content = |at: &RowRef| parts[at.part as usize].span(at.row);
        if !alike.any(|known| content(known) == content(row)) {
            out.push(*row);
        }
    }
}

//! In which order rows go into a segment: traces by their start, and inside a trace spans by their start.

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::TraceId;

use crate::copies::Contents;
use crate::rows::{Rows, SpanRow};

/// A row of one of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRef {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// Starts of traces that have spans elsewhere, too.
pub(crate) type KnownStarts = HashMap<TraceId, u64>;

/// A trace's rows in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceRun {
    pub(crate) id: TraceId,
    /// The place of its start: of its spans here, or earlier when it is known to have begun elsewhere.
    pub(crate) start: u64,
    pub(crate) rows: std::ops::Range<usize>,
}

/// All rows in order, and where each trace is. Exact duplicates, which retries bring, are left out.
pub(crate) fn order(parts: &[&Rows], known: &KnownStarts) -> (Vec<TraceRun>, Vec<RowRef>) {
    let mut runs = Vec::new();
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    let (mut rows, mut contents) = (Vec::new(), Contents::default());
    let pieces = pieces(parts);
    for (start, id, pieces) in by_start(parts, &pieces, known) {
        rows.clear();
        pieces.iter().for_each(|piece| rows.extend(piece.rows(parts)));
        let first = out.len();
        sort_trace(parts, &mut rows, &mut contents, &mut out);
        runs.push(TraceRun { id, start, rows: first..out.len() });
    }
    (runs, out)
}

/// What one part has of a trace. A part knows its traces, so that finding all rows of a trace costs a look-up for each part and not
/// for each span.
struct Piece {
    id: TraceId,
    part: u32,
    /// Its last row in the part.
    last: u32,
}

impl Piece {
    fn rows<'a>(&self, parts: &[&'a Rows]) -> impl Iterator<Item = RowRef> + use<'a> {
        let (part, last) = (self.part, self.last);
        parts[part as usize].rows_before(last).map(move |row| RowRef { part, row })
    }
}

/// The pieces of all parts, those of a trace together.
fn pieces(parts: &[&Rows]) -> Vec<Piece> {
    let of_part = |(part, rows): (usize, &&Rows)| {
        let part = part as u32;
        rows.traces().map(|(id, last)| Piece { id, part, last }).collect::<Vec<_>>()
    };
    let mut pieces: Vec<Piece> = parts.iter().enumerate().flat_map(of_part).collect();
    pieces.sort_unstable_by_key(|piece| (piece.id, piece.part));
    pieces
}

/// The traces by the places of their starts, then by id.
fn by_start<'p>(parts: &[&Rows], pieces: &'p [Piece], known: &KnownStarts) -> Vec<(u64, TraceId, &'p [Piece])> {
    let start = |piece: &Piece| piece.rows(parts).map(|row| span(parts, row).extent().order_start()).min();
    let trace = |pieces: &'p [Piece]| {
        let first = pieces.first()?;
        let start = pieces.iter().filter_map(start).chain(known.get(&first.id).copied()).min()?;
        Some((start, first.id, pieces))
    };
    let mut traces: Vec<_> = pieces.chunk_by(|a, b| a.id == b.id).filter_map(trace).collect();
    traces.sort_unstable_by_key(|(start, id, _)| (*start, *id));
    traces
}

fn span<'a>(parts: &[&'a Rows], at: RowRef) -> &'a SpanRow {
    &parts[at.part as usize].spans[at.row as usize]
}

/// Sorts the rows of one trace by start and appends them without exact copies.
fn sort_trace(parts: &[&Rows], rows: &mut [RowRef], contents: &mut Contents, out: &mut Vec<RowRef>) {
    let key = |row: &RowRef| {
        let span = span(parts, *row);
        (span.start, span.span_id)
    };
    rows.sort_unstable_by_key(|row| (key(row), row.part, row.row));
    for alike in rows.chunk_by(|one, other| key(one) == key(other)) {
        if let [row] = alike {
            out.push(*row);
            continue;
        }
        let mut seen = HashSet::new();
        let hash = |row: &RowRef| Some(contents.hash(&parts[row.part as usize].span(row.row)?));
        out.extend(
            alike.iter().zip(alike.iter().map(hash)).filter_map(|(row, hash)| seen.insert(hash).then_some(*row)),
        );
    }
}

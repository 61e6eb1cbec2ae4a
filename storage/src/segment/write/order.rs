//! The order of rows in a segment: traces by their start, and inside of a trace spans by their start.

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::{SpanId, TraceId};

use crate::copies::Contents;
use crate::rows::{Rows, SpanRow};

/// A row of one of several sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRef {
    pub(crate) source: u32,
    pub(crate) row: u32,
}

/// Start hints: when traces with spans elsewhere began, at the latest.
pub(crate) type StartHints = HashMap<TraceId, u64>;

/// The rows of a trace in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceRun {
    pub(crate) id: TraceId,
    /// The start by which it is ordered: the order start of its spans here, or an earlier start hint.
    pub(crate) start: u64,
    pub(crate) rows: std::ops::Range<usize>,
}

impl TraceRun {
    /// The same run, moved back by so many rows.
    pub(super) fn moved_back(&self, rows: usize) -> Self {
        Self { rows: self.rows.start - rows..self.rows.end - rows, ..self.clone() }
    }
}

/// All rows in order, and where each trace is. Exact copies, which retries bring, are left out.
pub(super) fn in_order(sources: &[&Rows], hints: &StartHints) -> (Vec<TraceRun>, Vec<RowRef>) {
    let mut runs = Vec::new();
    let mut out = Vec::with_capacity(sources.iter().map(|rows| rows.len()).sum());
    let (mut rows, mut contents) = (Vec::new(), Contents::default());
    let pieces = pieces(sources);
    for (start, id, pieces) in by_start(sources, &pieces, hints) {
        rows.clear();
        pieces.iter().for_each(|piece| rows.extend(piece.rows(sources)));
        let first = out.len();
        sort_trace(sources, &mut rows, &mut contents, &mut out);
        runs.push(TraceRun { id, start, rows: first..out.len() });
    }
    (runs, out)
}

/// The rows of a trace in one source. A source knows its traces, so finding all rows of a trace costs a look-up for each source and not for
/// each span.
struct Piece {
    id: TraceId,
    source: u32,
    /// Its last row there.
    last: u32,
}

impl Piece {
    #[expect(clippy::indexing_slicing, reason = "a piece is of one of these sources")]
    fn rows<'a>(&self, sources: &[&'a Rows]) -> impl Iterator<Item = RowRef> + use<'a> {
        let (source, last) = (self.source, self.last);
        sources[source as usize].rows_before(last).map(move |row| RowRef { source, row })
    }
}

/// The pieces of all sources, those of a trace together.
fn pieces(sources: &[&Rows]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (source, rows) in (0..).zip(sources) {
        pieces.extend(rows.traces().map(|(id, last)| Piece { id, source, last }));
    }
    pieces.sort_unstable_by_key(|piece| (piece.id, piece.source));
    pieces
}

/// The traces by their starts, then by id.
fn by_start<'p>(sources: &[&Rows], pieces: &'p [Piece], hints: &StartHints) -> Vec<(u64, TraceId, &'p [Piece])> {
    let mut traces = Vec::new();
    for pieces in pieces.chunk_by(|one, other| one.id == other.id) {
        let Some(first) = pieces.first() else { continue };
        let rows = pieces.iter().flat_map(|piece| piece.rows(sources));
        let starts = rows.map(|row| span(sources, row).extent().order_start());
        if let Some(start) = starts.chain(hints.get(&first.id).copied()).min() {
            traces.push((start, first.id, pieces));
        }
    }
    traces.sort_unstable_by_key(|(start, id, _)| (*start, *id));
    traces
}

#[expect(clippy::indexing_slicing, reason = "a `RowRef` names a row of these sources")]
fn span<'a>(sources: &[&'a Rows], at: RowRef) -> &'a SpanRow {
    &sources[at.source as usize].spans[at.row as usize]
}

/// The key by which the spans of a trace are sorted.
fn key(sources: &[&Rows], at: RowRef) -> (u64, SpanId) {
    let span = span(sources, at);
    (span.start, span.span_id)
}

/// Sorts the rows of one trace by start and appends them without exact copies.
pub(crate) fn sort_trace(sources: &[&Rows], rows: &mut [RowRef], contents: &mut Contents, out: &mut Vec<RowRef>) {
    rows.sort_unstable_by_key(|row| (key(sources, *row), row.source, row.row));
    for alike in rows.chunk_by(|one, other| key(sources, *one) == key(sources, *other)) {
        match alike {
            [row] => out.push(*row),
            _ => push_distinct(sources, alike, contents, out),
        }
    }
}

/// Appends rows that have one key, without exact copies.
#[expect(clippy::indexing_slicing, reason = "a `RowRef` names a row of these sources")]
fn push_distinct(sources: &[&Rows], alike: &[RowRef], contents: &mut Contents, out: &mut Vec<RowRef>) {
    let mut seen = HashSet::new();
    for row in alike {
        let span = sources[row.source as usize].span(row.row);
        if seen.insert(span.map(|span| contents.hash(&span))) {
            out.push(*row);
        }
    }
}

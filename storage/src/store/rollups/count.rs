//! Counts what the spans of a chunk add to those before it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use hoptrail_proto::model::{TenantId, TraceId, TraceSpan};

use super::counted::ChunkRollup;
use super::earlier::Earlier;
use crate::catalog::SegmentEntry;
use crate::codec::len_u32;
use crate::copies::Contents;
use crate::rollup::{Counted, Hop, HopSpan, Hops, RowReader, RowSpan, Tally, hop_span, linked, linked_from};
use crate::scan::{HeadGroup, Materialize, Projection};
use crate::store::chunk::Chunk;
use crate::store::lock;
use crate::store::readers::Readers;
use crate::{QueryContext, ReadError};

/// Where a span is: sealed, in one of the chunks before, or in the chunk that is counted.
const SEALED: u32 = 0;

/// What chunks of a tenant add, one after the other.
pub(in crate::store) struct Counting<'c> {
    pub(in crate::store) readers: &'c Readers,
    pub(in crate::store) tenant: &'c TenantId,
    /// All chunks of the head up to the last that is counted, in the order in which they grew.
    pub(in crate::store) chunks: &'c [Arc<Chunk>],
    /// What was sealed before them.
    pub(in crate::store) segments: &'c [Arc<SegmentEntry>],
    pub(in crate::store) context: &'c QueryContext,
}

/// A trace with new spans.
struct Touched {
    id: TraceId,
    /// Its rows in the chunk, among those of all traces.
    rows: Range<usize>,
    /// All its spans, when these rows are not all or not all of them count; else empty.
    whole: Vec<RowSpan>,
    /// The sealed spans among them, by the rows of their places.
    sealed: Vec<TraceSpan>,
}

/// What is new in a chunk.
struct News {
    traces: Vec<Touched>,
    /// The rows of the traces in the chunk, those of one trace after those of another.
    spans: Vec<RowSpan>,
    rows: usize,
    links: usize,
    linked: HashSet<(TraceId, u64)>,
}

impl Counting<'_> {
    /// Counts what has come to the chunk of this index since it was counted last. After an error nothing is.
    pub(in crate::store) fn catch_up(&self, index: usize, rollup: &mut ChunkRollup) -> Result<(), ReadError> {
        let Some(chunk) = self.chunks.get(index) else { return Ok(()) };
        let News { mut traces, mut spans, rows, links, linked } = self.news(chunk, len_u32(index + 1), rollup);
        if traces.is_empty() {
            return Ok(());
        }
        let before = self.chunks.get(..index).unwrap_or_default();
        (1..).zip(before).for_each(|(at, earlier)| add_rows(at, earlier, &mut traces, &mut rollup.tally));
        let mut sealed = Earlier::new(self.readers, self.segments, self.context);
        for trace in &mut traces {
            let own = spans.get_mut(trace.rows.clone()).unwrap_or_default();
            trace.add_sealed(own, &mut sealed, &mut rollup.tally)?;
            let has_alike = order(if trace.whole.is_empty() { own } else { trace.add(own) });
            if has_alike {
                self.leave_out_copies(trace, own)?;
            }
        }
        // Nothing fails from here on: what is counted once would be counted again by the next attempt.
        let mut memory = (Hops::default(), Vec::new());
        for trace in &traces {
            let own = spans.get(trace.rows.clone()).unwrap_or_default();
            let all = if trace.whole.is_empty() { own } else { &trace.whole };
            self.count((trace, all), (index, &linked), &mut memory, rollup);
        }
        rollup.rows = rows;
        rollup.links = links;
        rollup.linked.extend(linked);
        Ok(())
    }

    /// The traces of a chunk that have new rows, each with all its rows in the chunk. This holds the chunk, so it does no more.
    fn news(&self, chunk: &Chunk, at: u32, rollup: &mut ChunkRollup) -> News {
        let names = self.readers.rollups.names(self.tenant);
        let (mut names, rows) = (lock(&names), chunk.read());
        let ChunkRollup { tally, reader, rows: done, links, .. } = rollup;
        let mut news = News {
            rows: rows.len(),
            links: rows.link_ids.len(),
            linked: linked_from(&rows, *links),
            spans: Vec::new(),
            traces: Vec::new(),
        };
        let dimensions = &self.readers.rollups.dimensions;
        let order = rows.by_trace(*done);
        news.spans.reserve_exact(order.len());
        for (row, is_first) in order {
            let mut read = || {
                let hop = reader.read(&rows, row, tally)?;
                let is_new = row as usize >= *done;
                let place = is_new.then(|| reader.place(&rows, row, dimensions, (tally, &mut names))).flatten();
                let span = rows.spans.get(row as usize)?;
                Some((span.trace_id, RowSpan { hop, bytes: span.bytes, place, at: (at, row) }))
            };
            let Some((id, span)) = read() else { continue };
            let end = news.spans.len();
            if is_first {
                news.traces.push(Touched { id, rows: end..end, whole: Vec::new(), sealed: Vec::new() });
            }
            news.spans.push(span);
            news.traces.last_mut().into_iter().for_each(|trace| trace.rows.end = end + 1);
        }
        news
    }

    /// Leaves exact copies out. Spans that differ, though start and id are the same, are ordered by their contents: the hops of the same
    /// spans are always the same.
    fn leave_out_copies(&self, trace: &mut Touched, own: &[RowSpan]) -> Result<(), ReadError> {
        if trace.whole.is_empty() {
            trace.whole = own.to_vec();
        }
        let (mut contents, mut copies, mut order) = (Contents::default(), HashSet::new(), HashMap::new());
        for alike in trace.whole.chunk_by(|one, other| key(one) == key(other)).filter(|alike| alike.len() > 1) {
            let mut seen = HashSet::new();
            for span in alike {
                self.context.check()?;
                let Some(content) = self.content(trace, span.at, &mut contents)? else { continue };
                order.insert(span.at, content);
                copies.extend((!seen.insert(content)).then_some(span.at));
            }
        }
        trace.whole.retain(|span| !copies.contains(&span.at));
        trace.whole.sort_by_key(|span| (key(span), order.get(&span.at).copied().unwrap_or_default()));
        Ok(())
    }

    /// A hash of everything that a span says.
    fn content(
        &self,
        trace: &Touched,
        (at, row): (u32, u32),
        contents: &mut Contents,
    ) -> Result<Option<u128>, ReadError> {
        let Some(chunk) = at.checked_sub(1) else {
            return Ok(trace.sealed.get(row as usize).map(|sealed| contents.hash(sealed)));
        };
        let Some(chunk) = self.chunks.get(chunk as usize) else { return Ok(None) };
        let rows = chunk.read();
        let whole = HeadGroup::new(&rows).spans(trace.id, &[row], Projection::Whole)?.pop();
        Ok(whole.map(|whole| contents.hash(&whole)))
    }

    /// Counts the new spans of a trace, and what the hops of all its spans are more than those of its earlier ones.
    fn count(
        &self,
        (trace, spans): (&Touched, &[RowSpan]),
        (index, new_links): (usize, &HashSet<(TraceId, u64)>),
        (hops, found): &mut (Hops, Vec<(Hop, i64)>),
        rollup: &mut ChunkRollup,
    ) {
        let ChunkRollup { tally, linked: own_links, .. } = rollup;
        let user = tally.user();
        let (before, sealed) = (self.chunks.get(..index).unwrap_or_default(), linked(trace.sealed.iter()));
        // Only producers are asked for.
        let was_linked = |span: u64| {
            let key = (trace.id, span);
            let in_chunk = |chunk: &Arc<Chunk>| lock(&chunk.rollup).linked.contains(&key);
            own_links.contains(&key) || sealed.contains(&span) || before.iter().any(in_chunk)
        };
        found.clear();
        if spans.iter().any(|span| span.place.is_none()) {
            let earlier: Vec<HopSpan> = spans.iter().filter(|span| span.place.is_none()).map(|span| span.hop).collect();
            hops.of(&earlier, user, was_linked, |hop| found.push((*hop, -1)));
        }
        let is_linked = |span: u64| new_links.contains(&(trace.id, span)) || was_linked(span);
        hops.of(spans, user, is_linked, |hop| found.push((*hop, 1)));
        found.iter().for_each(|(hop, times)| tally.add_hop(hop, *times));
        for RowSpan { hop, bytes, place, .. } in spans {
            let Some(place) = place else { continue };
            let HopSpan { start, duration, failed, weight, .. } = *hop;
            let counted = Counted { start, duration, failed, weight, bytes: *bytes };
            tally.add(place.span, &counted);
            tally.add_to_instance(place.instance, &counted);
        }
    }
}

fn key(span: &RowSpan) -> (u64, u64) {
    (span.hop.start, span.hop.id)
}

/// Orders spans by their starts and ids. Answers whether some have both in common.
fn order(spans: &mut [RowSpan]) -> bool {
    spans.sort_unstable_by_key(|span| (key(span), span.at));
    spans.windows(2).any(|pair| matches!(pair, [one, other] if key(one) == key(other)))
}

/// Adds the rows of the traces in a chunk before.
fn add_rows(at: u32, chunk: &Chunk, traces: &mut [Touched], tally: &mut Tally) {
    let (rows, mut reader) = (chunk.read(), RowReader::default());
    for trace in traces {
        for row in rows.trace_rows(trace.id) {
            let hop = reader.read(&rows, row, tally);
            trace.whole.extend(hop.map(|hop| RowSpan { hop, bytes: 0, place: None, at: (at, row) }));
        }
    }
}

impl Touched {
    /// Adds its own rows to those from elsewhere.
    fn add(&mut self, own: &[RowSpan]) -> &mut [RowSpan] {
        self.whole.extend_from_slice(own);
        &mut self.whole
    }

    fn add_sealed(&mut self, own: &[RowSpan], sealed: &mut Earlier<'_>, tally: &mut Tally) -> Result<(), ReadError> {
        let ends = || self.whole.iter().chain(own).map(|span| span.hop.start.saturating_add(span.hop.duration));
        let first = self.whole.iter().chain(own).map(|span| span.hop.start).min().unwrap_or_default();
        self.sealed = sealed.spans(self.id, (first, ends().max().unwrap_or(u64::MAX)))?;
        let mut services = HashMap::new();
        for (span, row) in self.sealed.iter().zip(0_u32..) {
            let hop = hop_span(span, tally, &mut services);
            self.whole.push(RowSpan { hop, bytes: 0, place: None, at: (SEALED, row) });
        }
        Ok(())
    }
}

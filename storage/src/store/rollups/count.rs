//! Counts what the spans of a chunk add to those before it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hoptrail_proto::model::{SpanKind, TenantId, TraceId, TraceSpan};

use super::counted::ChunkRollup;
use super::earlier::Earlier;
use crate::catalog::SegmentEntry;
use crate::copies::Contents;
use crate::rollup::{Counted, HopSpan, Hops, RowReader, RowSpan, Tally, hop_span, linked, linked_from};
use crate::scan::{HeadGroup, Materialize, Projection};
use crate::store::chunk::Chunk;
use crate::store::lock;
use crate::store::readers::Readers;
use crate::{QueryContext, ReadError};

/// Where a span is: sealed, in one of the chunks before, or in the chunk that is counted.
const SEALED: usize = 0;

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
    spans: Vec<RowSpan>,
    /// The sealed spans among them, by the rows of their places.
    sealed: Vec<TraceSpan>,
}

/// What is new in a chunk.
#[derive(Default)]
struct News {
    traces: Vec<Touched>,
    rows: usize,
    links: usize,
    linked: HashSet<(TraceId, u64)>,
}

impl Counting<'_> {
    /// Counts what has come to the chunk of this index since it was counted last. After an error nothing is.
    pub(in crate::store) fn catch_up(&self, index: usize, rollup: &mut ChunkRollup) -> Result<(), ReadError> {
        let Some(chunk) = self.chunks.get(index) else { return Ok(()) };
        let mut news = self.news(chunk, index + 1, rollup);
        if news.traces.is_empty() {
            return Ok(());
        }
        let before = self.chunks.get(..index).unwrap_or_default();
        (1..).zip(before).for_each(|(at, earlier)| add_rows(at, earlier, &mut news.traces, &mut rollup.tally));
        let mut sealed = Earlier::new(self.readers, self.segments, self.context);
        for trace in &mut news.traces {
            trace.add_sealed(&mut sealed, &mut rollup.tally)?;
        }
        news.traces.iter_mut().try_for_each(|trace| self.leave_out_copies(trace))?;
        // Nothing fails from here on: what is counted once would be counted again by the next attempt.
        let mut hops = Hops::default();
        news.traces.iter().for_each(|trace| self.count(trace, &news.linked, &mut hops, rollup));
        rollup.rows = news.rows;
        rollup.links = news.links;
        rollup.linked.extend(news.linked);
        Ok(())
    }

    /// The traces of a chunk that have new rows, each with all its rows in the chunk. This holds the chunk, so it does no more.
    fn news(&self, chunk: &Chunk, at: usize, rollup: &mut ChunkRollup) -> News {
        let names = self.readers.rollups.names(self.tenant);
        let (mut names, rows) = (lock(&names), chunk.read());
        let ChunkRollup { tally, reader, rows: done, links, .. } = rollup;
        let mut news = News {
            rows: rows.len(),
            links: rows.link_ids.len(),
            linked: linked_from(&rows, *links),
            traces: Vec::new(),
        };
        if news.rows == *done {
            return news;
        }
        let dimensions = &self.readers.rollups.dimensions;
        for (id, last) in rows.traces().filter(|(_, last)| *last as usize >= *done) {
            let read = |row: u32| {
                let hop = reader.read(&rows, row, tally)?;
                let is_new = row as usize >= *done;
                let place = is_new.then(|| reader.place(&rows, row, dimensions, (tally, &mut names))).flatten();
                let bytes = rows.spans.get(row as usize)?.bytes;
                Some(RowSpan { hop, bytes, place, at: (at, row) })
            };
            let spans = rows.rows_before(last).filter_map(read).collect();
            news.traces.push(Touched { id, spans, sealed: Vec::new() });
        }
        news
    }

    /// Leaves exact copies out. The others are in the order of their starts and ids, or else of their contents: the hops of the same spans
    /// are always the same.
    fn leave_out_copies(&self, trace: &mut Touched) -> Result<(), ReadError> {
        let key = |span: &RowSpan| (span.hop.start, span.hop.id);
        trace.spans.sort_unstable_by_key(|span| (key(span), span.at));
        if trace.spans.windows(2).all(|pair| matches!(pair, [one, other] if key(one) != key(other))) {
            return Ok(());
        }
        let (mut contents, mut copies, mut order) = (Contents::default(), HashSet::new(), HashMap::new());
        for alike in trace.spans.chunk_by(|one, other| key(one) == key(other)).filter(|alike| alike.len() > 1) {
            let mut seen = HashSet::new();
            for span in alike {
                self.context.check()?;
                let Some(content) = self.whole(trace, span.at)?.map(|whole| contents.hash(&whole)) else { continue };
                order.insert(span.at, content);
                copies.extend((!seen.insert(content)).then_some(span.at));
            }
        }
        trace.spans.retain(|span| !copies.contains(&span.at));
        trace.spans.sort_by_key(|span| (key(span), order.get(&span.at).copied().unwrap_or_default()));
        Ok(())
    }

    fn whole(&self, trace: &Touched, (at, row): (usize, u32)) -> Result<Option<TraceSpan>, ReadError> {
        let Some(chunk) = at.checked_sub(1) else { return Ok(trace.sealed.get(row as usize).cloned()) };
        let Some(chunk) = self.chunks.get(chunk) else { return Ok(None) };
        let rows = chunk.read();
        Ok(HeadGroup::new(&rows).spans(trace.id, &[row], Projection::Whole)?.pop())
    }

    /// Counts the new spans of a trace, and what the hops of all its spans are more than those of its earlier ones.
    fn count(&self, trace: &Touched, new_links: &HashSet<(TraceId, u64)>, hops: &mut Hops, rollup: &mut ChunkRollup) {
        let ChunkRollup { tally, linked, .. } = rollup;
        let earlier: Vec<HopSpan> =
            trace.spans.iter().filter(|span| span.place.is_none()).map(|span| span.hop).collect();
        let all: Vec<HopSpan> = trace.spans.iter().map(|span| span.hop).collect();
        let (user, mut found) = (tally.user(), Vec::new());
        let mut links = self.earlier_links(trace, linked);
        if !earlier.is_empty() {
            hops.of(&earlier, user, &links, |hop| found.push((*hop, -1)));
        }
        links.extend(new_links.iter().filter(|(id, _)| *id == trace.id).map(|(_, span)| *span));
        hops.of(&all, user, &links, |hop| found.push((*hop, 1)));
        found.iter().for_each(|(hop, times)| tally.add_hop(hop, *times));
        for span in &trace.spans {
            let Some(place) = span.place else { continue };
            let HopSpan { start, duration, failed, weight, .. } = span.hop;
            let counted = Counted { start, duration, failed, weight, bytes: span.bytes };
            tally.add(place.span, &counted);
            tally.add_to_instance(place.instance, &counted);
        }
    }

    /// The spans of a trace that its earlier spans link to. Only a producer is asked for.
    fn earlier_links(&self, trace: &Touched, own: &HashSet<(TraceId, u64)>) -> HashSet<u64> {
        let produced = trace.spans.iter().filter(|span| span.hop.kind == SpanKind::Producer);
        let own_index = trace.spans.iter().map(|span| span.at.0).max().unwrap_or(SEALED);
        let mut links = linked(trace.sealed.iter());
        for id in produced.map(|span| span.hop.id) {
            let key = (trace.id, id);
            let before = self.chunks.iter().take(own_index.saturating_sub(1));
            let is_linked =
                own.contains(&key) || before.into_iter().any(|chunk| lock(&chunk.rollup).linked.contains(&key));
            links.extend(is_linked.then_some(id));
        }
        links
    }
}

/// Adds the rows of the traces in a chunk before.
fn add_rows(at: usize, chunk: &Chunk, traces: &mut [Touched], tally: &mut Tally) {
    let (rows, mut reader) = (chunk.read(), RowReader::default());
    for trace in traces {
        for row in rows.trace_rows(trace.id) {
            let hop = reader.read(&rows, row, tally);
            trace.spans.extend(hop.map(|hop| RowSpan { hop, bytes: 0, place: None, at: (at, row) }));
        }
    }
}

impl Touched {
    fn add_sealed(&mut self, sealed: &mut Earlier<'_>, tally: &mut Tally) -> Result<(), ReadError> {
        let first = self.spans.iter().map(|span| span.hop.start).min().unwrap_or_default();
        let last = self.spans.iter().map(|span| span.hop.start.saturating_add(span.hop.duration)).max();
        self.sealed = sealed.spans(self.id, (first, last.unwrap_or(u64::MAX)))?;
        let mut services = HashMap::new();
        for (span, row) in self.sealed.iter().zip(0_u32..) {
            let hop = hop_span(span, tally, &mut services);
            self.spans.push(RowSpan { hop, bytes: 0, place: None, at: (SEALED, row) });
        }
        Ok(())
    }
}

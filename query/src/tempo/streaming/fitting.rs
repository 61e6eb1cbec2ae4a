//! Answers in messages that every client takes.

use hoptrail_proto::tempo::{SearchMetrics, SearchTagsV2Scope, TimeSeries, TraceSearchMetadata};
use prost::Message;

/// Most bytes of the list in a message. Clients refuse messages above 4 MB, and Tempo's have at most 1 MiB.
pub(super) const MOST: usize = 1_000_000;

/// Bytes of the head of a field, at most: its number and its length.
const HEAD: usize = 6;

/// The list in pieces, each small enough for a message. There is at least one.
pub(super) fn pieces<T>(list: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut pieces, mut piece, mut room) = (Vec::new(), Vec::new(), MOST);
    for item in list {
        let size = size(&item) + HEAD;
        if size > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            room = MOST;
        }
        room = room.saturating_sub(size);
        piece.push(item);
    }
    pieces.push(piece);
    pieces
}

/// The keys of each scope, in scopes that are small enough for a message.
pub(super) fn scopes(scopes: Vec<SearchTagsV2Scope>) -> Vec<SearchTagsV2Scope> {
    let split = |SearchTagsV2Scope { name, tags }| {
        let pieces = pieces(tags, String::len);
        pieces.into_iter().map(move |tags| SearchTagsV2Scope { name: name.clone(), tags })
    };
    scopes.into_iter().flat_map(split).collect()
}

/// The trace without the spansets, and without the spans of a spanset, for which a message has no room. How many match is still said.
pub(super) fn trace(mut trace: TraceSearchMetadata) -> TraceSearchMetadata {
    if trace.encoded_len() <= MOST {
        return trace;
    }
    let sets = std::mem::take(&mut trace.span_sets);
    trace.span_set = None;
    let mut room = MOST.saturating_sub(trace.encoded_len());
    for mut set in sets {
        // The first one is there twice.
        let copies = if trace.span_sets.is_empty() { 2 } else { 1 };
        let mut takes = |size: usize| {
            let left = room.checked_sub(copies * (size + HEAD));
            room = left.unwrap_or(room);
            left.is_some()
        };
        let spans = std::mem::take(&mut set.spans);
        if !takes(set.encoded_len()) {
            break;
        }
        set.spans = spans.into_iter().take_while(|span| takes(span.encoded_len())).collect();
        trace.span_sets.push(set);
    }
    trace.span_set = trace.span_sets.first().cloned();
    trace
}

/// The series without the exemplars for which a message has no room.
pub(super) fn series(mut series: TimeSeries) -> TimeSeries {
    let exemplars = std::mem::take(&mut series.exemplars);
    let mut room = MOST.saturating_sub(series.encoded_len());
    let mut fits = |size: usize| {
        let left = room.checked_sub(size + HEAD);
        room = left.unwrap_or_default();
        left.is_some()
    };
    series.exemplars = exemplars.into_iter().take_while(|exemplar| fits(exemplar.encoded_len())).collect();
    series
}

/// The metrics with so many pieces of the work done, of all.
pub(super) fn with_jobs(metrics: SearchMetrics, done: usize, all: usize) -> SearchMetrics {
    let count = |jobs: usize| u32::try_from(jobs).unwrap_or(u32::MAX);
    SearchMetrics { completed_jobs: count(done), total_jobs: count(all), ..metrics }
}

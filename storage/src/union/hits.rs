//! One page of what several tenants' searches found, newest first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hoptrail_proto::model::{Extent, SpanId, TraceId};

use super::both;
use crate::{Inspected, Place, Rows, SearchAnswer, SearchRequest, ServiceStats, SetHit, TraceHit};

/// By which hits are ordered, the greatest first: order key of the trace or start of the span, trace, span.
type Key = (u64, TraceId, Option<SpanId>);

pub(super) struct Page<'a> {
    request: &'a SearchRequest,
    hits: Vec<TraceHit>,
    inspected: Inspected,
    has_more: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(request: &'a SearchRequest) -> Self {
        Self { request, hits: Vec::new(), inspected: Inspected::default(), has_more: false }
    }

    /// Takes one tenant's page, and keeps no more than one page in all.
    pub(super) fn add(&mut self, answer: SearchAnswer) {
        self.inspected = both(self.inspected, answer.inspected);
        self.has_more |= answer.next.is_some();
        self.hits.extend(answer.hits);
        let rows = self.request.rows;
        self.hits.sort_by_key(|hit| Reverse(key(rows, hit)));
        // What has the same key cannot be told apart by a place, so it is on one page.
        let last = self.request.limit.checked_sub(1).and_then(|last| self.hits.get(last)).map(|hit| key(rows, hit));
        let kept = match last {
            Some(last) => self.hits.partition_point(|hit| key(rows, hit) >= last),
            None => self.hits.len().min(self.request.limit),
        };
        self.has_more |= kept < self.hits.len();
        self.hits.truncate(kept);
    }

    pub(super) fn finish(self) -> SearchAnswer {
        let rows = self.request.rows;
        let next = self.hits.last().filter(|_| self.has_more).map(|hit| {
            let (start, trace_id, span_id) = key(rows, hit);
            Place { value: None, start, trace_id, span_id }
        });
        let hits = match rows {
            Rows::Traces => {
                let mut hits = united(self.hits, self.request.spans_per_set);
                // A trace of several tenants may begin earlier than the first part of it.
                hits.sort_by_key(|hit| Reverse(key(rows, hit)));
                hits
            }
            Rows::Spans => self.hits,
        };
        SearchAnswer { hits, inspected: self.inspected, next }
    }
}

fn key(rows: Rows, hit: &TraceHit) -> Key {
    let span = hit.spans().next().filter(|_| rows == Rows::Spans);
    match span {
        Some(span) => (span.start_unix_nano, hit.trace_id, Some(span.span_id)),
        None => (Extent::order_start_of(hit.start_unix_nano), hit.trace_id, None),
    }
}

/// The hits, those of one trace as one.
fn united(hits: Vec<TraceHit>, spans_per_set: usize) -> Vec<TraceHit> {
    let mut all: Vec<TraceHit> = Vec::with_capacity(hits.len());
    let mut known = HashMap::new();
    for hit in hits {
        match known.entry(hit.trace_id) {
            Entry::Vacant(entry) => {
                entry.insert(all.len());
                all.push(hit);
            }
            Entry::Occupied(entry) => {
                if let Some(first) = all.get_mut(*entry.get()) {
                    unite(first, hit, spans_per_set);
                }
            }
        }
    }
    all
}

fn unite(first: &mut TraceHit, other: TraceHit, spans_per_set: usize) {
    let end = |hit: &TraceHit| hit.start_unix_nano.saturating_add(hit.duration_nanos);
    let last_end = end(first).max(end(&other));
    if other.root.is_some() && (first.root.is_none() || other.start_unix_nano < first.start_unix_nano) {
        first.root = other.root;
    }
    first.start_unix_nano = first.start_unix_nano.min(other.start_unix_nano);
    first.duration_nanos = last_end - first.start_unix_nano;
    other.services.into_iter().for_each(|stats| add_service(&mut first.services, stats));
    other.sets.into_iter().for_each(|set| add_set(&mut first.sets, set, spans_per_set));
}

fn add_service(services: &mut Vec<ServiceStats>, stats: ServiceStats) {
    match services.binary_search_by(|known| known.service.cmp(&stats.service)) {
        Ok(index) => {
            if let Some(known) = services.get_mut(index) {
                known.spans = known.spans.saturating_add(stats.spans);
                known.errors = known.errors.saturating_add(stats.errors);
            }
        }
        Err(index) => services.insert(index, stats),
    }
}

/// Sets without attributes are one set. What stages computed of a set cannot be computed again, so sets with attributes stay apart.
fn add_set(sets: &mut Vec<SetHit>, set: SetHit, spans_per_set: usize) {
    let same = sets.iter_mut().find(|known| known.attributes.is_empty() && set.attributes.is_empty());
    let Some(known) = same else { return sets.push(set) };
    known.matched += set.matched;
    known.spans.extend(set.spans);
    known.spans.sort_by_key(|span| (span.start_unix_nano, span.span_id));
    known.spans.truncate(spans_per_set);
}

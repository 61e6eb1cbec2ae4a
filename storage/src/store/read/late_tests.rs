//! Traces whose spans come over a long time, into many groups: searched in the store and in a plain list of spans.

use std::path::Path;
use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, Status, StatusCode, TenantId, TraceId, TraceSpan};
use xxhash_rust::xxh3::xxh3_64;

use crate::conformance::write;
use crate::memory::MemoryStore;
use crate::store::tests::open_with;
use crate::{
    AttributeScope, CompareOp, Config, FakeClock, Field, Filter, Intrinsic, Pattern, QueryContext, SearchPart,
    SearchRequest, Store, Task, TraceHit, TraceReader, Value,
};

const TRACES: u64 = 120;
const SPANS_OF_A_TRACE: u64 = 8;
/// A time that can be real: start hints of other times are never believed.
const T0: u64 = 1_767_225_600_000_000_000;

fn chance(seed: u64, of: u64) -> u64 {
    xxh3_64(&seed.to_le_bytes()) % of
}

/// Trace `trace` begins at ten times its number; its spans come over a time in which half of the other traces begin.
fn span(trace: u64, number: u64) -> TraceSpan {
    let seed = trace * SPANS_OF_A_TRACE + number;
    let start = T0 + trace * 10 + if number == 0 { 0 } else { chance(seed, TRACES * 5) };
    let service =
        Resource { attributes: vec![Attribute::new("service.name", format!("s{}", seed % 3))], ..Resource::default() };
    let code = if chance(seed + 1, 9) == 0 { StatusCode::Error } else { StatusCode::Unset };
    let span = Span {
        // Many ids end with the same bytes.
        trace_id: TraceId((u128::from(trace + 1) << (8 * (trace % 3))).to_be_bytes()),
        span_id: SpanId((seed + 1).to_be_bytes()),
        parent_span_id: (number > 0).then(|| SpanId((seed + 1 - number).to_be_bytes())),
        name: format!("work {}", seed % 4),
        start_unix_nano: start,
        end_unix_nano: start + chance(seed + 2, 1_000),
        status: Status { code, message: String::new() },
        attributes: vec![Attribute::new("path", format!("/orders/{}/{}", chance(seed + 3, 5_000), seed % 7))],
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::new(service), scope: Arc::default() }
}

fn filters() -> Vec<Filter> {
    let attribute = |scope, key: &str| Field::attribute(scope, key);
    let path = |pattern: &str, negated| Filter::Matches {
        field: attribute(AttributeScope::Span, "path"),
        pattern: Pattern::new(pattern).expect("a pattern"),
        negated,
    };
    let compare = |field, op, value| Filter::Compare { field, op, value };
    let service = |name: &str| compare(Field::service(), CompareOp::Eq, Value::string(name));
    let failed = || compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error));
    let slow = compare(Field::Intrinsic(Intrinsic::Duration), CompareOp::Gt, Value::Duration(700));
    let named = compare(Field::Intrinsic(Intrinsic::Name), CompareOp::Ne, Value::string("work 1"));
    vec![
        Filter::True,
        path("/orders/.*[05]/3", false),
        path("/orders/[1-3].*", true),
        Filter::Or(vec![path(".*77.*", false), Filter::And(vec![failed(), service("s1")])]),
        Filter::And(vec![service("s2"), failed()]),
        Filter::And(vec![named, slow, Filter::Not(Box::new(service("s0")))]),
        Filter::Not(Box::new(Filter::Or(vec![service("s0"), failed(), path(".*[1-9]/.", false)]))),
    ]
}

fn open(folder: &Path, merge_spans: usize) -> Arc<Store> {
    let config = Config { merge_spans, ..Config::default() };
    open_with(folder, &config, &Arc::new(FakeClock::at(1 << 60)))
}

fn request(filter: Filter, limit: usize) -> SearchRequest {
    SearchRequest { spans: filter.into(), limit, spans_per_set: 2, ..SearchRequest::default() }
}

fn hits(store: &dyn TraceReader, request: &SearchRequest) -> Vec<TraceHit> {
    store.search(&TenantId::single(), request, &QueryContext::unbounded()).expect("searched").hits
}

/// The same hits, of which those come first that are certain; and whether some came before the search had ended.
fn hits_in_parts(store: &dyn TraceReader, request: &SearchRequest) -> (Vec<TraceHit>, bool) {
    let (mut hits, mut is_early) = (Vec::new(), false);
    let mut take = |part: SearchPart| {
        is_early |= !part.hits.is_empty() && part.done < part.all;
        hits.extend(part.hits);
        Ok(())
    };
    let answer = store.search_in_parts(&TenantId::single(), request, &QueryContext::unbounded(), &mut take);
    hits.extend(answer.expect("searched").hits);
    (hits, is_early)
}

/// Spans before the first ones of their traces, at any time: they are the only reason why other segments have hints.
fn early_spans() -> Vec<TraceSpan> {
    let early = |trace| {
        let mut span = span(trace, 0);
        span.span.span_id = SpanId((1 << 40 | trace).to_be_bytes());
        span.span.start_unix_nano = T0 - 10_000 + chance(trace, 10_000 + trace * 10);
        span.span.end_unix_nano = span.span.start_unix_nano + 1;
        span
    };
    (0..TRACES).filter(|trace| trace % 3 > 0).map(early).collect()
}

fn check(store: &dyn TraceReader, plain: &dyn TraceReader, seed: u64) {
    for filter in filters() {
        for limit in [1, 2, 5, 20, 1000] {
            let request = request(filter.clone(), limit);
            assert_eq!(hits(store, &request), hits(plain, &request), "seed {seed}, {request:?}");
            assert_eq!(hits_in_parts(store, &request).0, hits(plain, &request), "seed {seed}, {request:?}");
        }
    }
}

#[test]
fn start_hints_that_are_out_of_date_change_no_answer() {
    let mut spans: Vec<TraceSpan> =
        (0..TRACES).flat_map(|trace| (0..SPANS_OF_A_TRACE).map(move |number| span(trace, number))).collect();
    spans.sort_by_key(|span| span.span.start_unix_nano);
    let batches: Vec<Vec<TraceSpan>> = [early_spans()].into_iter().chain(spans.chunks(70).map(<[_]>::to_vec)).collect();
    for seed in 0..4 {
        let (folder, tenant) = (tempfile::tempdir().expect("a folder"), TenantId::single());
        // Nothing is merged: each batch is a segment.
        let (store, plain) = (open(folder.path(), 1), MemoryStore::default());
        let mut dropped = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            write(&*store, &tenant, batch);
            let is_dropped = number == 0 || chance(seed * 100 + number as u64, 3) == 0;
            // The last one stays in the head.
            if number + 1 == batches.len() {
                write(&plain, &tenant, batch);
                continue;
            }
            store.settle().expect("settled");
            let newest = *store.readers.read_state().segments.keys().next_back().expect("a segment");
            if is_dropped {
                dropped.push(newest);
            } else {
                write(&plain, &tenant, batch);
            }
        }
        store.maintenance.swap(Task::Drop, None, &dropped).expect("dropped");
        check(&*store, &plain, seed);
        drop(store);
        check(&*open(folder.path(), 1), &plain, seed);
    }
}

#[test]
fn late_spans_are_found_with_their_traces() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, plain) = (open(folder.path(), 100), MemoryStore::default());
    let tenant = TenantId::single();
    let each = |trace| (0..SPANS_OF_A_TRACE).map(move |number| span(trace, number));
    let mut spans: Vec<TraceSpan> = (0..TRACES).flat_map(each).collect();
    spans.sort_by_key(|span| span.span.start_unix_nano);
    for (number, batch) in spans.chunks(40).enumerate() {
        write(&*store, &tenant, batch);
        write(&plain, &tenant, batch);
        store.settle().expect("settled");
        if number % 5 == 2 {
            // Sent again after it was sealed: the same spans are in two segments.
            write(&*store, &tenant, &batch[..3]);
        }
    }
    assert!(store.sizes().segments > 5, "{:?}", store.sizes());
    // The newest begin in the last of the segments, and most of the others are not looked into.
    let inspected =
        store.search(&tenant, &request(Filter::True, 3), &QueryContext::unbounded()).expect("searched").inspected;
    assert!(inspected.spans < TRACES * SPANS_OF_A_TRACE / 2, "{inspected:?}");
    for filter in filters() {
        for limit in [1, 3, 10, 1000] {
            let request = request(filter.clone(), limit);
            let found = hits(&*store, &request);
            assert_eq!(found, hits(&plain, &request), "{request:?}");
            assert!(limit > 10 || found.len() == limit, "{request:?}: {} hits", found.len());
            let (parts, is_early) = hits_in_parts(&*store, &request);
            assert_eq!(parts, found, "{request:?}");
            assert!(is_early || limit < 1000, "{request:?}: nothing came early");
        }
    }
}

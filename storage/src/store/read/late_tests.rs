//! Traces whose spans come over a long time, into many groups: searched in the store and in a plain list of spans.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, Status, StatusCode, TenantId, TraceId, TraceSpan};
use xxhash_rust::xxh3::xxh3_64;

use crate::conformance::write;
use crate::memory::MemoryStore;
use crate::store::tests::open_with;
use crate::{
    AttributeScope, CompareOp, Config, FakeClock, Field, Filter, Intrinsic, Pattern, QueryContext, SearchRequest,
    TraceReader, Value,
};

const TRACES: u64 = 120;
const SPANS_OF_A_TRACE: u64 = 8;

fn chance(seed: u64, of: u64) -> u64 {
    xxh3_64(&seed.to_le_bytes()) % of
}

/// Trace `trace` begins at ten times its number; its spans come over a time in which half of the other traces begin.
fn span(trace: u64, number: u64) -> TraceSpan {
    let seed = trace * SPANS_OF_A_TRACE + number;
    let start = 10_000 + trace * 10 + if number == 0 { 0 } else { chance(seed, TRACES * 5) };
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

#[test]
fn late_spans_are_found_with_their_traces() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { merge_spans: 100, ..Config::default() };
    let store = open_with(folder.path(), &config, &Arc::new(FakeClock::at(1 << 60)));
    let plain = MemoryStore::default();
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
    // Each segment knows when its traces began: the newest begin in the last of them, and few of the others are looked into.
    let newest = SearchRequest { filter: Filter::True, range: None, limit: 3, spans_per_trace: 1, select: Vec::new() };
    let inspected = store.search(&tenant, &newest, &QueryContext::unbounded()).expect("searched").inspected;
    assert!(inspected.spans < TRACES * SPANS_OF_A_TRACE / 20, "{inspected:?}");
    for filter in filters() {
        for limit in [1, 3, 10, 1000] {
            let request =
                SearchRequest { filter: filter.clone(), range: None, limit, spans_per_trace: 2, select: Vec::new() };
            // Summaries are kept the first time and used the second.
            for _ in 0..2 {
                let ask = |store: &dyn TraceReader| store.search(&tenant, &request, &QueryContext::unbounded());
                let (hits, expected) = (ask(&*store).expect("searched").hits, ask(&plain).expect("searched").hits);
                assert_eq!(hits, expected, "{request:?}");
                assert!(limit > 10 || hits.len() == limit, "{request:?}: {} hits", hits.len());
            }
        }
    }
}

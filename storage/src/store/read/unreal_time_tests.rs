//! Spans whose times cannot be real: their traces stand where their other spans are, wherever these lie.

use std::sync::Arc;

use hoptrail_proto::model::{Span, SpanId, TenantId, TraceId, TraceSpan};

use crate::conformance::{open, write};
use crate::memory::MemoryStore;
use crate::{CompareOp, Field, Filter, Intrinsic, QueryContext, SearchRequest, TraceReader, Value};

const SECOND: u64 = 1_000_000_000;
/// 2026.
const T0: u64 = 1_767_225_600 * SECOND;
const TRACES: u64 = 40;

fn span(trace: u64, id: u64, name: &str, (start, end): (u64, u64)) -> TraceSpan {
    let span = Span {
        trace_id: TraceId(u128::from(trace).to_be_bytes()),
        span_id: SpanId(id.to_be_bytes()),
        parent_span_id: (id > 1).then_some(SpanId(1u64.to_be_bytes())),
        name: name.to_owned(),
        start_unix_nano: start,
        end_unix_nano: end,
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
}

/// A good span that takes as many seconds as the trace's number, and times that cannot be.
fn trace(number: u64) -> [TraceSpan; 2] {
    let start = T0 + number * 10 * SECOND;
    let odd =
        [(0, 0), (0, start + SECOND), (u64::MAX, u64::MAX), (start / 1_000, start / 1_000 + 1), (start, u64::MAX)];
    [
        span(number, 1, "good", (start, start + number * SECOND)),
        span(number, 2, "odd", odd[number as usize % odd.len()]),
    ]
}

#[test]
fn a_trace_with_a_time_that_cannot_be_stands_where_its_other_spans_are() {
    let tenant = TenantId::single();
    let context = QueryContext::unbounded();
    // Which spans come first, and whether these are sealed when the others come.
    for (first, sealed) in [(0, false), (0, true), (1, false), (1, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, plain) = (open(folder.path()), MemoryStore::default());
        for batch in [first, 1 - first] {
            for number in 1..=TRACES {
                let one = [trace(number)[batch].clone()];
                write(&*store, &tenant, &one);
                write(&plain, &tenant, &one);
            }
            if sealed {
                store.settle().expect("settled");
            }
        }
        for name in ["good", "odd"] {
            let named = Filter::compare(Field::Intrinsic(Intrinsic::Name), CompareOp::Eq, Value::string(name));
            let request = SearchRequest { spans: named.into(), limit: 7, spans_per_set: 1, ..SearchRequest::default() };
            let hits = store.search(&tenant, &request, &context).expect("found").hits;
            assert_eq!(hits, plain.search(&tenant, &request, &context).expect("found").hits);
            let told = hits.iter().map(|hit| (hit.start_unix_nano, hit.duration_nanos)).collect::<Vec<_>>();
            let newest = (1..=TRACES).rev().take(7).map(|n| (T0 + n * 10 * SECOND, n * SECOND));
            assert_eq!(told, newest.collect::<Vec<_>>(), "{name}, {first} first, sealed: {sealed}");
        }
    }
}

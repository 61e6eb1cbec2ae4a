//! Units in which filters find no value of an answer, and of which an order needs other spans nevertheless.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Span, SpanId, Status, StatusCode, TenantId, TraceId, TraceSpan};

use crate::conformance::write;
use crate::memory::MemoryStore;
use crate::store::tests::open_with;
use crate::{
    AttributeScope, CompareOp, Config, Expr, FakeClock, Field, Filter, Intrinsic, Order, QueryContext, SearchRequest,
    TraceReader, Value,
};

const T0: u64 = 1_767_225_600_000_000_000;
const RARE: &str = "/orders/of/nobody";

/// The span `number` of a trace; 0 is the parent of the others.
fn span(trace: u8, number: u8, path: &str, code: StatusCode) -> TraceSpan {
    let start = T0 + u64::from(trace) * 1_000 + u64::from(number);
    let span = Span {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([trace, number, 1, 1, 1, 1, 1, 1]),
        parent_span_id: (number > 0).then_some(SpanId([trace, 0, 1, 1, 1, 1, 1, 1])),
        start_unix_nano: start,
        end_unix_nano: start + 500,
        status: Status { code, message: String::new() },
        attributes: vec![Attribute::new("path", path)],
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
}

/// Spans of one trace whose paths are so many that a segment has a filter of them.
fn others(trace: u8) -> impl Iterator<Item = TraceSpan> {
    (1..=200).map(move |number| span(trace, number, &format!("/carts/{number}/items"), StatusCode::Unset))
}

#[test]
fn an_order_by_parents_knows_those_in_units_that_filters_rule_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = TenantId::single();
    // Nothing is merged: each batch is a segment.
    let config = Config { merge_spans: 1, ..Config::default() };
    let store = open_with(folder.path(), &config, &Arc::new(FakeClock::at(1 << 60)));
    let plain = MemoryStore::default();
    let children = (1..=4).map(|trace| span(trace, 1, RARE, StatusCode::Unset)).chain(others(9)).collect::<Vec<_>>();
    let code = |trace: u8| if trace.is_multiple_of(2) { StatusCode::Error } else { StatusCode::Unset };
    let parents = (1..=4).map(|trace| span(trace, 0, "/", code(trace))).chain(others(8)).collect::<Vec<_>>();
    // Whichever segment is read first.
    for batch in [&parents[..2], &children, &parents[2..]] {
        write(&*store, &tenant, batch);
        write(&plain, &tenant, batch);
        store.settle().expect("settled");
    }
    assert_eq!(store.sizes().segments, 3);
    let path = Field::attribute(AttributeScope::Span, "path");
    let of_parent = Field::Parent(Box::new(Field::Intrinsic(Intrinsic::Status)));
    let failed = Filter::Compare { field: of_parent, op: CompareOp::Eq, value: Value::Status(StatusCode::Error) };
    for descending in [false, true] {
        let request = SearchRequest {
            spans: Filter::Compare { field: path.clone(), op: CompareOp::Eq, value: Value::string(RARE) }.into(),
            order: Order::By { value: Expr::Condition(Box::new(failed.clone())), descending },
            limit: 10,
            ..SearchRequest::default()
        };
        let [found, expected] = [&*store as &dyn TraceReader, &plain].map(|store| {
            let hits = store.search(&tenant, &request, &QueryContext::unbounded()).expect("searched").hits;
            hits.iter().map(|hit| hit.trace_id.0[0]).collect::<Vec<u8>>()
        });
        assert_eq!(found, expected, "descending: {descending}");
        assert_eq!(expected[0] % 2 == 0, descending);
    }
}

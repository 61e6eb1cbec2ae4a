//! Answers that were worked out by hand.

use std::sync::Arc;

use hoptrail_proto::model::{Resource, Span, SpanKind};

use super::*;
use crate::conformance::write;
use crate::series::{MetricsFunction, SeriesPart};
use crate::*;

/// 2026, so that times are real.
const EPOCH: u64 = 1_767_225_600_000_000_000;

/// A span of trace 1 that starts so many nanoseconds after the epoch and lasts 10.
fn span(id: u8, parent: u8, start: u64, attributes: Vec<Attribute>) -> TraceSpan {
    let span = Span {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: (parent != 0).then_some(SpanId([parent; 8])),
        name: format!("span {id}"),
        start_unix_nano: EPOCH + start,
        end_unix_nano: EPOCH + start + 10,
        attributes,
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::new(Resource::default()), scope: Arc::default() }
}

fn of_kind(kind: SpanKind, mut span: TraceSpan) -> TraceSpan {
    span.span.kind = kind;
    span
}

fn store(spans: &[TraceSpan]) -> MemoryStore {
    let store = MemoryStore::default();
    write(&store, &TenantId::single(), spans);
    store
}

fn search(spans: &[TraceSpan], request: &SearchRequest) -> SearchAnswer {
    store(spans).search(&TenantId::single(), request, &QueryContext::unbounded()).expect("an answer")
}

fn metrics(spans: &[TraceSpan], request: &MetricsRequest) -> MetricsAnswer {
    store(spans).metrics(&TenantId::single(), request, &QueryContext::unbounded()).expect("an answer")
}

fn x(value: impl Into<hoptrail_proto::model::AnyValue>) -> Vec<Attribute> {
    vec![Attribute::new("x", value)]
}

fn field_x() -> Expr {
    Expr::Field(Field::attribute(AttributeScope::Span, "x"))
}

/// For each span by its start: the numbers of nestedSetLeft, nestedSetRight, nestedSetParent and childCount.
fn numbers(spans: &[TraceSpan]) -> Vec<[i64; 4]> {
    let fields =
        [Intrinsic::NestedSetLeft, Intrinsic::NestedSetRight, Intrinsic::NestedSetParent, Intrinsic::ChildCount];
    let select = fields.map(Field::Intrinsic).to_vec();
    let answer = search(spans, &SearchRequest { select, spans_per_set: 100, ..SearchRequest::default() });
    let number = |(_, value): &(Field, Value)| match value {
        Value::Any(hoptrail_proto::model::AnyValue::Int(number)) => *number,
        other => panic!("{other:?}"),
    };
    let of_span = |span: &SpanHit| span.fields.iter().map(number).collect::<Vec<_>>().try_into().expect("four");
    answer.hits.iter().flat_map(TraceHit::spans).map(of_span).collect()
}

#[test]
fn a_tree_is_numbered_in_the_order_of_starts() {
    // 1 has the children 3 and 2, in this order; 4 is an orphan, 5 its child.
    let spans =
        [(1, 0, 0), (3, 1, 1), (2, 1, 2), (4, 99, 3), (5, 4, 4)].map(|(id, parent, at)| span(id, parent, at, vec![]));
    let expected = [[1, 6, -1, 2], [2, 3, 1, 0], [4, 5, 1, 0], [7, 10, 0, 1], [8, 9, 7, 0]];
    assert_eq!(numbers(&spans), expected);
}

#[test]
fn a_circle_is_cut_at_its_first_span() {
    // 2 and 3 are parents of each other; 1 hangs below 3 and is earlier than both, but not in the circle. 4 is its own parent.
    let spans = [(1, 3, 0), (2, 3, 1), (3, 2, 2), (4, 4, 3)].map(|(id, parent, at)| span(id, parent, at, vec![]));
    assert_eq!(numbers(&spans), [[3, 4, 2, 0], [1, 6, -1, 1], [2, 5, 1, 1], [7, 8, -1, 0]]);
}

#[test]
fn the_client_of_a_shared_id_is_the_parent_of_its_server() {
    let client = of_kind(SpanKind::Client, span(2, 1, 1, vec![]));
    let server = of_kind(SpanKind::Server, span(2, 1, 2, vec![]));
    // A child of the shared id belongs to the server.
    let spans = [span(1, 0, 0, vec![]), client, server, span(3, 2, 3, vec![])];
    assert_eq!(numbers(&spans), [[1, 8, -1, 1], [2, 7, 1, 1], [3, 6, 2, 1], [4, 5, 3, 0]]);
}

#[test]
fn groups_tell_types_apart() {
    let values = [x(1i64), x(1.0), x("1"), x(f64::NAN), x(f64::NAN), x(1i64), vec![]];
    let spans: Vec<TraceSpan> = (1..).zip(values).map(|(n, value)| span(n, 0, u64::from(n), value)).collect();
    let mut request = SearchRequest::default();
    request.spans.stages = vec![Stage::By { value: field_x(), label: "by(span.x)".into() }];
    let sets = search(&spans, &request).hits.remove(0).sets;
    let any = |value: hoptrail_proto::model::AnyValue| Value::Any(value);
    let found: Vec<_> = sets.into_iter().map(|set| (set.attributes[0].1.clone(), set.matched)).collect();
    let expected = [
        (any(1i64.into()), 2),
        (any(1.0.into()), 1),
        (any("1".into()), 1),
        (any(f64::NAN.into()), 2),
        (any("nil".into()), 1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn pages_follow_one_another() {
    // Two spans share start and id, so they stay on one page.
    let spans: Vec<TraceSpan> = [(1, 1, 5), (2, 2, 7), (3, 2, 5), (3, 2, 6), (4, 4, 9)]
        .map(|(id, at, value): (u8, u64, i64)| span(id, 0, at, x(value)))
        .into();
    for (order, expected) in [
        (Order::Newest, vec![vec![4], vec![3, 3], vec![2], vec![1]]),
        (Order::By { value: field_x(), descending: false }, vec![vec![3], vec![1], vec![3], vec![2], vec![4]]),
        (Order::By { value: field_x(), descending: true }, vec![vec![4], vec![2], vec![3], vec![3], vec![1]]),
    ] {
        let mut request = SearchRequest { order, rows: Rows::Spans, limit: 1, ..SearchRequest::default() };
        let mut pages = Vec::new();
        loop {
            let SearchAnswer { hits, next, .. } = search(&spans, &request);
            pages.push(hits.iter().flat_map(TraceHit::spans).map(|span| span.span_id.0[0]).collect::<Vec<_>>());
            request.after = next;
            if request.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, expected, "{:?}", request.order);
    }
}

#[test]
fn functions_of_an_interval() {
    let values = [x(4i64), x(1i64), x(2.5), x("no number"), vec![], x(f64::NAN)];
    let spans: Vec<TraceSpan> = (1..).zip(values).map(|(n, value)| span(n, 0, u64::from(n), value)).collect();
    let mut request = MetricsRequest {
        spans: Pipeline::default(),
        function: MetricsFunction::Count,
        by: Vec::new(),
        steps: Steps { start: EPOCH, step: 100, count: 2 },
        exemplars: 0,
        weighted: false,
    };
    let values = |request: &MetricsRequest| -> Vec<(SeriesPart, f64)> {
        metrics(&spans, request).series.into_iter().map(|series| (series.part, series.values[0])).collect()
    };
    let whole = |value: f64| vec![(SeriesPart::Whole, value)];
    assert_eq!(values(&request), whole(6.0));
    for (function, expected) in [
        (MetricsFunction::Min(field_x()), whole(1.0)),
        (MetricsFunction::Max(field_x()), whole(4.0)),
        (MetricsFunction::Sum(field_x()), whole(7.5)),
        (MetricsFunction::Avg(field_x()), whole(2.5)),
        (
            MetricsFunction::Quantiles(field_x(), vec![0.0, 0.5, 1.0]),
            [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0)].map(|(q, value)| (SeriesPart::Quantile(q), value)).into(),
        ),
        (
            MetricsFunction::Histogram(field_x()),
            [(1.0, 1.0), (4.0, 2.0)].map(|(end, count)| (SeriesPart::Bucket(end), count)).into(),
        ),
        (MetricsFunction::Max(Expr::Field(Field::Intrinsic(Intrinsic::Duration))), whole(1e-8)),
    ] {
        request.function = function;
        assert_eq!(values(&request), expected, "{:?}", request.function);
    }
}

#[test]
fn weights_count_where_they_should() {
    let mut spans = [span(1, 0, 1, x(1i64)), span(2, 0, 2, x(5i64)), span(3, 0, 3, x(9i64))];
    // It stands for four; the trace id would contradict it.
    spans[0].span.trace_state = "ot=th:c;rv:ffffffffffffff".to_owned();
    spans[1].span.trace_state = "ot=th:0".to_owned();
    let mut request = MetricsRequest {
        spans: Pipeline::default(),
        function: MetricsFunction::Count,
        by: Vec::new(),
        steps: Steps { start: EPOCH, step: 100, count: 1 },
        exemplars: 0,
        weighted: true,
    };
    for (function, expected) in [
        (MetricsFunction::Count, 6.0),
        (MetricsFunction::Sum(field_x()), 18.0),
        (MetricsFunction::Avg(field_x()), 3.0),
        (MetricsFunction::Max(field_x()), 9.0),
        (MetricsFunction::Quantiles(field_x(), vec![0.6]), 1.0),
        (MetricsFunction::Quantiles(field_x(), vec![0.8]), 5.0),
    ] {
        request.function = function;
        let answer = metrics(&spans, &request);
        assert_eq!((answer.series[0].values[0], answer.unweighted), (expected, 1), "{:?}", request.function);
    }
}

#[test]
fn a_comparison_keeps_frequent_values_of_both_sides() {
    // Selected: a a b; others: c c b d. The most frequent of each side are a and c.
    let values = [("a", 1), ("a", 1), ("b", 1), ("c", 2), ("c", 2), ("b", 2), ("d", 2)];
    let side = |value, side: i64| vec![Attribute::new("x", value), Attribute::new("side", side)];
    let spans: Vec<TraceSpan> =
        (1..).zip(values).map(|(n, (value, of))| span(n, 0, u64::from(n), side(value, of))).collect();
    let selection = Filter::compare(
        Field::attribute(AttributeScope::Span, "side"),
        CompareOp::Eq,
        Value::Any(hoptrail_proto::model::AnyValue::Int(1)),
    );
    let request = MetricsRequest {
        spans: Pipeline::default(),
        function: MetricsFunction::Compare { selection, top: 1, range: None },
        by: Vec::new(),
        steps: Steps { start: EPOCH, step: 100, count: 1 },
        exemplars: 10,
        weighted: false,
    };
    let answer = metrics(&spans, &request);
    let of_x = answer.series.iter().filter_map(|series| match &series.part {
        SeriesPart::Value { selected, field: Field::Attribute { key, .. }, value } if key == "x" => {
            Some((*selected, format!("{value:?}"), series.values[0]))
        }
        SeriesPart::Total { selected, field: Field::Attribute { key, .. } } if key == "x" => {
            Some((*selected, String::new(), series.values[0]))
        }
        _ => None,
    });
    let mut of_x: Vec<_> = of_x.collect();
    of_x.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let text = |value: &str| format!("{:?}", Value::string(value));
    let expected =
        [(false, String::new(), 4.0), (false, text("c"), 2.0), (true, String::new(), 3.0), (true, text("a"), 2.0)];
    assert_eq!(of_x, expected);
    assert!(answer.series.iter().all(|series| series.exemplars.is_empty()));
}

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Span, SpanId, Tenancy};
use hoptrail_proto::otlp;

use super::*;
use crate::{Expr, Field, MemoryStore, MetricsFunction, Rows, Series, SeriesPart, SpanBatch, SpanWriter, Steps};

const T0: u64 = 1_700_000_000_000_000_000;

fn span(trace: u8, id: u8, start: u64, service: &str) -> TraceSpan {
    let span = Span {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([id; 8]),
        start_unix_nano: T0 + start,
        end_unix_nano: T0 + start + 10,
        attributes: vec![Attribute::new("n", i64::from(id))],
        ..Span::default()
    };
    let attributes = vec![Attribute::new("service.name", service)];
    let resource = hoptrail_proto::model::Resource { attributes, ..Default::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn store(of_tenants: &[(&str, &[TraceSpan])]) -> MemoryStore {
    let store = MemoryStore::default();
    for (tenant, spans) in of_tenants {
        let tenant = TenantId::new(tenant).expect("a name");
        drop(store.write(SpanBatch { tenant, body: otlp::encode(spans).into(), spans: 1 }));
    }
    store
}

fn tenants(names: &str) -> Tenants {
    Tenancy::Multi.tenants([names.as_bytes()]).expect("names")
}

fn nobody() -> TenantId {
    TenantId::new("nobody").expect("a name")
}

#[test]
fn a_trace_has_the_spans_of_all_and_copies_once() {
    let (shared, own) = (span(1, 1, 0, "s"), span(1, 1, 5, "s"));
    let store = store(&[
        ("a", std::slice::from_ref(&shared)),
        ("b", &[shared.clone(), own.clone()]),
        ("c", &[span(1, 9, 0, "s")]),
    ]);
    let context = QueryContext::unbounded();
    let both = tenants("a|b");
    let union = Union::new(&store, &both);
    let found = union.trace(&nobody(), TraceId([1; 16]), &context).expect("an answer");
    assert_eq!(found.map(|trace| trace.spans), Some(vec![shared, own]));
    assert_eq!(union.trace(&nobody(), TraceId([2; 16]), &context).expect("an answer"), None);
}

#[test]
fn many_spans_with_one_id_are_told_apart_by_their_hashes() {
    let mut spans = DistinctSpans::default();
    for round in 0..2 {
        (0..20_000).for_each(|start| spans.add(span(1, 1, start, "s")));
        assert_eq!(spans.spans.len(), 20_000, "{round}");
    }
}

#[test]
fn traces_come_newest_first_and_one_trace_comes_once() {
    let store = store(&[
        ("a", &[span(1, 1, 100, "s"), span(2, 2, 300, "s"), span(3, 3, 500, "s")]),
        ("b", &[span(4, 4, 200, "t"), span(2, 5, 290, "t"), span(5, 6, 600, "t")]),
    ]);
    let both = tenants("b|a");
    let union = Union::new(&store, &both);
    let found = |limit| {
        let request = SearchRequest { limit, ..SearchRequest::default() };
        union.search(&nobody(), &request, &QueryContext::unbounded()).expect("an answer")
    };
    let ids = |answer: &SearchAnswer| answer.hits.iter().map(|hit| hit.trace_id.0[0]).collect::<Vec<_>>();
    let all = found(20);
    assert_eq!((ids(&all), all.next.clone(), all.inspected.traces), (vec![5, 3, 2, 4, 1], None, 6));
    let shared = &all.hits[2];
    let services: Vec<_> = shared.services.iter().map(|stats| (stats.service.as_str(), stats.spans)).collect();
    assert_eq!((shared.start_unix_nano - T0, shared.duration_nanos), (290, 20));
    assert_eq!(services, [("s", 1), ("t", 1)]);
    assert_eq!((shared.sets.len(), shared.matched()), (1, 2));
    assert!(shared.spans().map(|span| span.span_id.0[0]).eq([5, 2]), "by start");
    let page = found(2);
    let next = page.next.clone().expect("there is more");
    assert_eq!((ids(&page), next.start, next.trace_id), (vec![5, 3], T0 + 500, TraceId([3; 16])));
}

#[test]
fn keys_and_values_are_those_of_all_in_order() {
    let store = store(&[("a", &[span(1, 3, 0, "s")]), ("b", &[span(1, 2, 0, "s"), span(2, 3, 0, "s")])]);
    let both = tenants("a|b");
    let union = Union::new(&store, &both);
    let context = QueryContext::unbounded();
    let keys = union
        .attribute_keys(&nobody(), &AttributeKeysRequest { filter: crate::Filter::True, range: None }, &context)
        .expect("an answer");
    assert_eq!(keys.len(), 2, "{keys:?}");
    let field = Field::attribute(AttributeScope::Span, "n");
    let values = |limit| {
        let request = FieldValuesRequest { field: field.clone(), filter: crate::Filter::True, range: None, limit };
        union.field_values(&nobody(), &request, &context).expect("an answer")
    };
    let int = |value: i64| Value::Any(AnyValue::Int(value));
    assert_eq!(values(9), [int(2), int(3)]);
    assert_eq!(values(1), [int(2)]);
}

/// A store with a series for each tenant, which has two spans in the first interval and none in the second.
#[derive(Debug)]
struct Canned;

impl TraceReader for Canned {
    fn trace(&self, _: &TenantId, _: TraceId, _: &QueryContext) -> Result<Option<Trace>, ReadError> {
        Ok(None)
    }

    fn search(&self, _: &TenantId, _: &SearchRequest, _: &QueryContext) -> Result<SearchAnswer, ReadError> {
        Ok(SearchAnswer::default())
    }

    fn metrics(
        &self,
        tenant: &TenantId,
        request: &MetricsRequest,
        _: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError> {
        // The values 1 and 3, or 8 alone.
        let is_first = tenant.as_str() == "a";
        let series =
            |part, values: [f64; 2]| Series { group: Vec::new(), part, values: values.into(), exemplars: Vec::new() };
        let pick = |one: f64, other: f64| if is_first { one } else { other };
        let whole = |one, other| vec![series(SeriesPart::Whole, [pick(one, other), f64::NAN])];
        let bucket = |end, count| series(SeriesPart::Bucket(end), [count, 0.0]);
        let series = match request.function {
            MetricsFunction::Count => vec![series(SeriesPart::Whole, [pick(2.0, 1.0), 0.0])],
            MetricsFunction::Min(_) => whole(1.0, 8.0),
            MetricsFunction::Max(_) => whole(3.0, 8.0),
            MetricsFunction::Sum(_) => whole(4.0, 8.0),
            MetricsFunction::Histogram(_) if is_first => vec![bucket(1.0, 1.0), bucket(4.0, 1.0)],
            MetricsFunction::Histogram(_) => vec![bucket(8.0, 1.0)],
            _ => Vec::new(),
        };
        Ok(MetricsAnswer { series, unweighted: 1, ..MetricsAnswer::default() })
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        _: &AttributeKeysRequest,
        _: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        Ok(Vec::new())
    }

    fn field_values(&self, _: &TenantId, _: &FieldValuesRequest, _: &QueryContext) -> Result<Vec<Value>, ReadError> {
        Ok(Vec::new())
    }
}

#[test]
fn numbers_are_those_of_all_spans_together() {
    let both = tenants("a|b");
    let union = Union::new(&Canned, &both);
    let ask = |function| {
        let request = MetricsRequest {
            spans: crate::Pipeline::default(),
            function,
            by: Vec::new(),
            steps: Steps { start: 0, step: 1, count: 2 },
            exemplars: 0,
            weighted: false,
        };
        union.metrics(&nobody(), &request, &QueryContext::unbounded())
    };
    let value = || Expr::Field(Field::attribute(AttributeScope::Span, "n"));
    let first = |function| {
        let answer = ask(function).expect("an answer");
        assert_eq!((answer.series.len(), answer.unweighted), (1, 2));
        answer.series[0].values.clone()
    };
    assert_eq!(first(MetricsFunction::Count), [3.0, 0.0]);
    for (function, expected) in [
        (MetricsFunction::Min(value()), 1.0),
        (MetricsFunction::Max(value()), 8.0),
        (MetricsFunction::Sum(value()), 12.0),
        (MetricsFunction::Avg(value()), 4.0),
    ] {
        let found = first(function.clone());
        assert!(found[0] == expected && found[1].is_nan(), "{function:?}: {found:?}");
    }
    let buckets = ask(MetricsFunction::Histogram(value())).expect("an answer").series;
    assert_eq!(buckets.len(), 3);
    let refused = ask(MetricsFunction::Quantiles(value(), vec![0.5])).expect_err("not put together");
    assert_eq!(refused.to_string(), "quantile_over_time() reads one tenant at a time");
}

#[test]
fn an_order_by_a_value_is_refused() {
    let both = tenants("a|b");
    let store = MemoryStore::default();
    let order = Order::By { value: Expr::Field(Field::attribute(AttributeScope::Span, "n")), descending: true };
    let request = SearchRequest { order, rows: Rows::Spans, ..SearchRequest::default() };
    let found = Union::new(&store, &both).search(&nobody(), &request, &QueryContext::unbounded());
    assert!(matches!(found, Err(ReadError::Unsupported(_))));
}

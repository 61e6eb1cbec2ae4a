//! A key that a span has several times is found by each of its values, in memory and in segments.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Resource, Span, SpanEvent, SpanId, TenantId, TraceId, TraceSpan};

use crate::conformance::{open, write};
use crate::matcher::MOST_VALUES;
use crate::{
    AttributeScope, CompareOp, Field, FieldValuesRequest, Filter, Pattern, QueryContext, SearchRequest, TraceReader,
    Value,
};

fn span(number: u8, attributes: Vec<Attribute>) -> TraceSpan {
    let twice = vec![Attribute::new("twice", "one"), Attribute::new("twice", format!("two {number}"))];
    let span = Span {
        trace_id: TraceId([number + 1; 16]),
        span_id: SpanId([1; 8]),
        start_unix_nano: 1_767_225_600_000_000_000 + u64::from(number),
        attributes,
        events: vec![SpanEvent { attributes: twice.clone(), ..SpanEvent::default() }],
        ..Span::default()
    };
    let resource = Resource { attributes: twice, ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

#[test]
fn every_value_of_a_repeated_key_is_found() {
    let many = (0..50).map(|n| Attribute::new("many", format!("value {n:02}"))).collect();
    let mixed = vec![Attribute::new("k", 7i64), Attribute::new("k", "first"), Attribute::new("k", "second")];
    let spans = [span(0, mixed), span(1, vec![Attribute::new("k", "first")]), span(2, many)];
    let (folder, tenant, context) =
        (tempfile::tempdir().expect("a folder"), TenantId::single(), QueryContext::unbounded());
    let store = open(folder.path());
    write(&*store, &tenant, &spans);
    let traces = |filter: Filter| -> Vec<u8> {
        let request = SearchRequest { spans: filter.into(), limit: 9, spans_per_set: 1, ..SearchRequest::default() };
        let hits = store.search(&tenant, &request, &context).expect("found").hits;
        hits.iter().map(|hit| hit.trace_id.0[0] - 1).collect()
    };
    let is = |scope, key: &str, value: &str| {
        traces(Filter::compare(Field::attribute(scope, key), CompareOp::Eq, Value::string(value)))
    };
    for sealed in [false, true] {
        if sealed {
            store.settle().expect("settled");
        }
        use AttributeScope::{Any, Event, Resource, Span};
        assert_eq!((is(Span, "k", "first"), is(Span, "k", "second")), (vec![1, 0], vec![0]), "sealed: {sealed}");
        assert_eq!((is(Any, "k", "second"), is(Span, "k", "third")), (vec![0], vec![]));
        assert_eq!((is(Resource, "twice", "two 1"), is(Event, "twice", "two 2")), (vec![1], vec![2]));
        let seven = Filter::compare(Field::attribute(Span, "k"), CompareOp::Eq, Value::Any(AnyValue::Int(7)));
        assert_eq!(traces(seven), [0]);
        let pattern = Pattern::new("sec.*").expect("sound");
        let matches = Filter::Matches { field: Field::attribute(Span, "k"), pattern, negated: false };
        assert_eq!(traces(matches), [0]);
        // Only so many are searched: a sender that repeats a key without end must not make each search as long.
        let found = (0..50).filter(|n| is(Span, "many", &format!("value {n:02}")) == [2]).count();
        assert_eq!(found, MOST_VALUES as usize);
        let request =
            FieldValuesRequest { field: Field::attribute(Span, "k"), filter: Filter::True, range: None, limit: 9 };
        let values = store.field_values(&tenant, &request, &context).expect("found");
        assert_eq!(values, [Value::string("first"), Value::string("second"), Value::Any(AnyValue::Int(7))]);
    }
}

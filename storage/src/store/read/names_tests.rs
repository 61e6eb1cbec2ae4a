//! Services and span names are the same whether segments list them or the spans are looked at.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Resource, Span, SpanId, TenantId, TraceId, TraceSpan};

use crate::conformance::{open, write};
use crate::memory::MemoryStore;
use crate::{CompareOp, Field, FieldValuesRequest, Filter, Intrinsic, QueryContext, TimeRange, TraceReader, Value};

const T0: u64 = 1_767_225_600_000_000_000;

/// A span of a service; one without an attribute for it has none.
fn span(number: u64, service: Option<AnyValue>, name: &str) -> TraceSpan {
    let attributes = service.map(|value| Attribute { key: "service.name".to_owned(), value });
    let resource = Resource { attributes: attributes.into_iter().collect(), ..Resource::default() };
    let span = Span {
        trace_id: TraceId(u128::from(number + 1).to_be_bytes()),
        span_id: SpanId((number + 1).to_be_bytes()),
        name: name.to_owned(),
        start_unix_nano: T0 + number,
        end_unix_nano: T0 + number + 5,
        ..Span::default()
    };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue::String(value.to_owned()))
}

fn request(field: Field, service: Option<&str>, range: Option<TimeRange>) -> FieldValuesRequest {
    let of = |service| Filter::compare(Field::service(), CompareOp::Eq, Value::string(service));
    FieldValuesRequest { field, filter: service.map_or(Filter::True, of), range, limit: 10_000 }
}

#[test]
fn names_are_the_same_however_they_are_known() {
    let many = (0..5_000).map(|number| span(number, text("many"), &format!("GET /{number}")));
    let batches: [Vec<TraceSpan>; 5] = [
        vec![
            span(1, text("shop"), "buy"),
            span(2, text("shop"), "sell"),
            span(3, None, "lost"),
            span(4, text("shop"), ""),
        ],
        vec![span(10, text("bank"), "buy"), span(11, text(""), "pay"), span(12, text("shop"), "late")],
        vec![span(20, Some(AnyValue::Int(7)), "odd"), span(21, text("shop"), "odd")],
        many.collect(),
        vec![span(9_000, text("head"), "head"), span(9_001, text("shop"), "new")],
    ];
    // All but the last in segments; or the first ones, those that the catalog does not list, or none.
    for sealed in [&[0, 1, 2, 3][..], &[0, 1], &[2, 3], &[]] {
        compare(&batches, sealed);
    }
}

fn compare(batches: &[Vec<TraceSpan>], sealed: &[usize]) {
    let (folder, tenant, context) =
        (tempfile::tempdir().expect("a folder"), TenantId::single(), QueryContext::unbounded());
    let (store, plain) = (open(folder.path()), MemoryStore::default());
    for number in sealed.iter().copied().chain((0..batches.len()).filter(|number| !sealed.contains(number))) {
        let batch = &batches[number];
        write(&*store, &tenant, batch);
        write(&plain, &tenant, batch);
        if sealed.contains(&number) {
            store.settle().expect("settled");
        }
    }
    let until = |end: u64| Some(TimeRange { start: T0, end: T0 + end });
    for range in [None, until(u64::MAX - T0), until(3), until(11), until(13), until(2_000)] {
        let name = Field::Intrinsic(Intrinsic::Name);
        let asked = [
            (Field::service(), None),
            (name.clone(), None),
            (name.clone(), Some("shop")),
            (name.clone(), Some("")),
            (name.clone(), Some("many")),
            (name, Some("nobody")),
        ];
        for (field, service) in asked {
            let request = request(field, service, range);
            let found = store.field_values(&tenant, &request, &context).expect("found");
            assert_eq!(found, plain.field_values(&tenant, &request, &context).expect("found"), "{request:?}");
            assert!(service == Some("nobody") || range.is_some() || !found.is_empty());
        }
    }
}

#[test]
fn what_a_segment_lists_costs_no_look_into_its_groups() {
    let (folder, tenant) = (tempfile::tempdir().expect("a folder"), TenantId::single());
    let store = open(folder.path());
    write(&*store, &tenant, &[span(1, text("shop"), "buy"), span(2, text("bank"), "pay")]);
    store.settle().expect("settled");
    // The list is in memory since the segment was written; the pages of the groups are gone.
    let segment = *store.readers.read_state().segments.keys().next().expect("a segment");
    store.readers.backend.delete(segment).expect("dropped");
    let ask = |field, service| {
        store.field_values(&tenant, &request(field, service, None), &QueryContext::unbounded()).expect("listed")
    };
    assert_eq!(ask(Field::service(), None), vec![Value::string("bank"), Value::string("shop")]);
    assert_eq!(ask(Field::Intrinsic(Intrinsic::Name), Some("shop")), vec![Value::string("buy")]);
    assert_eq!(ask(Field::Intrinsic(Intrinsic::Name), None), vec![Value::string("buy"), Value::string("pay")]);
}

//! One suite for every store: whatever is written and asked, the answer is the plain store's.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode, TenantId, TraceId, TraceSpan};
use proptest::prelude::*;

use crate::test_spans::{any_batch, encode};
use crate::*;

/// Runs a future that waits for another thread only.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
}

pub(crate) fn write(writer: &dyn SpanWriter, tenant: &TenantId, spans: &[TraceSpan]) {
    let batch = SpanBatch { tenant: tenant.clone(), body: encode(spans).into(), spans: spans.len() as u32 };
    wait(writer.write(batch)).expect("written");
}

fn constant() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-c0-3/. é]{0,3}".prop_map(|text| Value::Any(AnyValue::String(text))),
        (0i64..5).prop_map(|number| Value::Any(AnyValue::Int(number))),
        Just(Value::Any(AnyValue::Double(0.5))),
        any::<bool>().prop_map(|value| Value::Any(AnyValue::Bool(value))),
        "[n-pe-gs-v]".prop_map(|text| Value::Any(AnyValue::String(text))),
        (0u64..20_000).prop_map(Value::Duration),
        (0i32..3).prop_map(|code| Value::Status(StatusCode::from_otlp(code))),
        (0i32..6).prop_map(|kind| Value::Kind(SpanKind::from_otlp(kind))),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    use AttributeScope::{Any, Event, Instrumentation, Link, Resource, Span};
    let scopes = prop::sample::select(vec![Any, Resource, Span, Span, Event, Link, Instrumentation]);
    let intrinsics = prop::sample::select(vec![
        Intrinsic::Name,
        Intrinsic::Duration,
        Intrinsic::Kind,
        Intrinsic::Status,
        Intrinsic::StatusMessage,
        Intrinsic::SpanId,
        Intrinsic::ParentId,
        Intrinsic::TraceDuration,
        Intrinsic::RootName,
        Intrinsic::RootService,
        Intrinsic::EventName,
        Intrinsic::LinkSpanId,
        Intrinsic::ScopeName,
        Intrinsic::ScopeVersion,
    ]);
    prop_oneof![
        (scopes, "[a-d]{1,2}").prop_map(|(scope, key)| Field::attribute(scope, key)),
        intrinsics.prop_map(Field::Intrinsic),
        Just(Field::service()),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let ops = prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let leaf = prop_oneof![
        4 => (field(), ops, constant()).prop_map(|(field, op, value)| Filter::compare(field, op, value)),
        1 => (field(), "[a-c0-3]{0,2}[.]?[*]?", any::<bool>()).prop_filter_map("regex", |(field, source, negated)| {
            Some(Filter::Matches { field, pattern: Pattern::new(&source).ok()?, negated })
        }),
        1 => (field(), any::<bool>()).prop_map(|(field, present)| Filter::Exists { field, present }),
        1 => Just(Filter::True),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::Or),
            inner.clone().prop_map(|inner| Filter::Not(Box::new(inner))),
            inner.clone().prop_filter("nested", nests_nothing).prop_map(|inner| Filter::Event(Box::new(inner))),
            inner.prop_filter("nested", nests_nothing).prop_map(|inner| Filter::Link(Box::new(inner))),
        ]
    })
}

/// Whether nothing in it is about one event or one link.
fn nests_nothing(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(nests_nothing),
        Filter::Not(inner) => nests_nothing(inner),
        Filter::Event(_) | Filter::Link(_) => false,
        _ => true,
    }
}

fn request() -> impl Strategy<Value = SearchRequest> {
    let range =
        prop::option::of((any::<u64>(), any::<u64>()).prop_map(|(a, b)| TimeRange { start: a.min(b), end: a.max(b) }));
    (filter(), range, 0usize..4, 0usize..4, prop::collection::vec(field(), 0..3)).prop_map(
        |(filter, range, limit, spans_per_trace, select)| SearchRequest {
            filter,
            range,
            limit,
            spans_per_trace,
            select,
        },
    )
}

fn sorted(trace: Option<Trace>) -> Option<Vec<String>> {
    trace.map(|trace| {
        let mut spans: Vec<String> = trace.spans.iter().map(|span| format!("{span:?}")).collect();
        spans.sort();
        spans
    })
}

use hoptrail_proto::model::Trace;

/// Every question has the same answer in both stores.
fn same_answers(store: &dyn TraceReader, plain: &dyn TraceReader, requests: &[SearchRequest], tenant: &TenantId) {
    let context = QueryContext::unbounded();
    for id in (0..5).map(|id| TraceId([id; 16])) {
        let answers = [store, plain].map(|store| sorted(store.trace(tenant, id, &context).expect("trace")));
        assert_eq!(answers[0], answers[1]);
        let mut spans = Vec::new();
        let mut take = |batch: Vec<TraceSpan>| {
            spans.extend(batch);
            Ok(())
        };
        store.each_span(tenant, id, &context, &mut take).expect("spans");
        assert_eq!(sorted((!spans.is_empty()).then_some(Trace { id, spans })), answers[1]);
    }
    for request in requests {
        let answers = [store, plain].map(|store| store.search(tenant, request, &context).expect("search").hits);
        assert_eq!(answers[0], answers[1], "{request:?}");
        for field in &request.select {
            let values = FieldValuesRequest {
                field: field.clone(),
                filter: request.filter.clone(),
                range: request.range,
                limit: 1 + request.limit,
            };
            let answers = [store, plain].map(|store| store.field_values(tenant, &values, &context).expect("values"));
            assert_eq!(format!("{:?}", answers[0]), format!("{:?}", answers[1]), "{values:?}");
        }
    }
    let keys = [store, plain].map(|store| store.attribute_keys(tenant, None, &context).expect("keys"));
    assert_eq!(keys[0], keys[1]);
}

/// A small store whose head is sealed by hand.
pub(crate) fn open(folder: &std::path::Path) -> Arc<Store> {
    let config = Config { cache_size: 8 << 20, ..Config::default() };
    let clock = Arc::new(FakeClock::at(1 << 60));
    Store::open(folder, &config, clock, &mut prometheus_client::registry::Registry::default()).expect("opens")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_like_the_plain_one(
        batches in prop::collection::vec(any_batch(), 1..6),
        requests in prop::collection::vec(request(), 12),
    ) {
        let folder = tempfile::tempdir().expect("folder");
        let tenants = [TenantId::single(), TenantId::new("other").expect("tenant")];
        let plain = MemoryStore::default();
        let mut store = open(folder.path());
        for (number, batch) in batches.iter().enumerate() {
            let tenant = &tenants[number % 2];
            write(&*store, tenant, batch);
            write(&plain, tenant, batch);
            match number % 4 {
                // Sent again, as a client does whose answer got lost.
                0 => write(&*store, tenant, batch),
                1 => store.settle().expect("settled"),
                2 => {
                    drop(store);
                    store = open(folder.path());
                }
                _ => {}
            }
        }
        tenants.iter().for_each(|tenant| same_answers(&*store, &plain, &requests, tenant));
        store.settle().expect("settled");
        tenants.iter().for_each(|tenant| same_answers(&*store, &plain, &requests, tenant));
        drop(store);
        let store = open(folder.path());
        tenants.iter().for_each(|tenant| same_answers(&*store, &plain, &requests, tenant));
    }
}

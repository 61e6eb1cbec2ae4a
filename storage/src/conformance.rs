//! One suite for every store: whatever is written and asked, the answer equals that of the plain store
//! ([`MemoryStore`](crate::MemoryStore)).

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode, TenantId, TraceId, TraceSpan};
use proptest::prelude::*;

use crate::backend::{Backend, MemoryBackend};
use crate::store::{Setup, Tuning};
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

/// Whether the filter has no part that is about one event or one link.
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
        |(filter, range, limit, spans_per_set, select)| SearchRequest {
            spans: filter.into(),
            range,
            limit,
            spans_per_set,
            select,
            ..SearchRequest::default()
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
                filter: request.filter().clone(),
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

/// A small store over a data folder, whose head is sealed by hand.
pub(crate) fn open(folder: &std::path::Path) -> Arc<Store> {
    over(crate::backend::open(folder, 8 << 20).expect("opens"))
}

/// The same over any back end.
fn over(backend: Arc<dyn Backend>) -> Arc<Store> {
    let config = Config { cache_size: 8 << 20, ..Config::default() };
    let setup = Setup { tuning: Tuning::small(), ..Setup::new(&config, Arc::new(FakeClock::at(1 << 60))) };
    Store::over(backend, &setup, &mut prometheus_client::registry::Registry::default()).expect("opens")
}

/// Writes and asks, and settles and reopens the store in between. The answers equal those of the plain store.
fn check_against_plain(open: &dyn Fn() -> Arc<Store>, steps: &[Step], requests: &[SearchRequest]) {
    let tenants = [TenantId::single(), TenantId::new("other").expect("tenant")];
    let plain = MemoryStore::default();
    let mut store = open();
    for (number, Step { batch, again, then }) in steps.iter().enumerate() {
        let tenant = &tenants[number % 2];
        for stored in [&*store as &dyn SpanWriter, &plain] {
            write(stored, tenant, batch);
            again.iter().for_each(|again| write(stored, tenant, &again.spans(steps, number)));
        }
        match then {
            Then::Nothing => {}
            Then::Ask => same_answers(&*store, &plain, &requests[..2], tenant),
            Then::Settle => store.settle().expect("settled"),
            Then::Reopen => {
                drop(store);
                store = open();
            }
        }
    }
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, requests, tenant));
    store.settle().expect("settled");
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, requests, tenant));
    drop(store);
    let store = open();
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, requests, tenant));
}

/// What is written, and what happens then.
#[derive(Debug)]
struct Step {
    batch: Vec<TraceSpan>,
    again: Vec<Again>,
    then: Then,
}

/// Spans that are sent again, as a client does whose answer got lost. They may be in the head, in a segment, or in several.
#[derive(Debug)]
struct Again {
    step: prop::sample::Index,
    from: prop::sample::Index,
}

#[derive(Debug, Clone)]
enum Then {
    Nothing,
    Ask,
    Settle,
    Reopen,
}

impl Again {
    /// Some of the spans of a step of the same tenant.
    fn spans(&self, steps: &[Step], now: usize) -> Vec<TraceSpan> {
        let step = self.step.index(now / 2 + 1) * 2 + now % 2;
        let batch = &steps[step].batch;
        batch[self.from.index(batch.len())..].to_vec()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let again = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let again = prop::collection::vec(again.prop_map(|(step, from)| Again { step, from }), 0..3);
    let then = prop::sample::select(vec![Then::Nothing, Then::Ask, Then::Settle, Then::Settle, Then::Reopen]);
    (any_batch(), again, then).prop_map(|(batch, again, then)| Step { batch, again, then })
}

/// The number of cases that proptest runs by default.
const DEFAULT_CASES: u32 = 256;

/// Few cases, because each opens stores several times. `PROPTEST_CASES` can ask for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() };
    let cases = if config.cases == DEFAULT_CASES { 24 } else { config.cases };
    ProptestConfig { cases, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_store_on_disk_answers_like_the_plain_one(
        steps in prop::collection::vec(step(), 1..8),
        requests in prop::collection::vec(request(), 12),
    ) {
        let folder = tempfile::tempdir().expect("folder");
        check_against_plain(&|| open(folder.path()), &steps, &requests);
    }

    #[test]
    fn a_store_in_memory_answers_like_the_plain_one(
        steps in prop::collection::vec(step(), 1..8),
        requests in prop::collection::vec(request(), 12),
    ) {
        let backend = Arc::<MemoryBackend>::default();
        check_against_plain(&|| over(backend.clone()), &steps, &requests);
    }
}

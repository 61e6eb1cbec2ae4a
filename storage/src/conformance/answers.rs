//! Questions to two stores, whose answers must be equal.

use hoptrail_proto::model::{AnyValue, TenantId, Trace, TraceId, TraceSpan};

use crate::*;

/// What is asked.
#[derive(Debug)]
pub(super) struct Questions {
    pub(super) searches: Vec<SearchRequest>,
    pub(super) values: Vec<FieldValuesRequest>,
    pub(super) metrics: Vec<MetricsRequest>,
    pub(super) contrasts: Vec<ContrastRequest>,
}

/// Pages that are asked for one after the other.
const MOST_PAGES: usize = 30;

/// Every question has the same answer in both stores.
/// Compares every table of rollups.
fn same_rollups(store: &dyn TraceReader, plain: &dyn TraceReader, tenant: &TenantId) {
    for table in RollupTable::ALL {
        let range = TimeRange { start: 0, end: u64::MAX };
        let minutes = RollupSteps { start: super::traces::EPOCH - 2 * MINUTE, step: MINUTE, count: 100 };
        for steps in [RollupSteps::whole(range), minutes] {
            for service in [None, Some("s".to_owned())] {
                let request = RollupRequest { table, steps, service };
                let ask = |reader: &dyn TraceReader| {
                    let answer = reader.rollups(tenant, &request, &QueryContext::unbounded()).expect("answered");
                    answer.series.into_iter().map(without_bounds).collect::<Vec<_>>()
                };
                assert_eq!(ask(store), ask(plain), "{request:?}");
            }
        }
    }
}

/// The bounds of durations on edges may still have what was taken back.
fn without_bounds(mut series: RollupSeries) -> RollupSeries {
    if matches!(series.key, RollupKey::Edge { .. }) {
        for (_, cell) in &mut series.cells {
            for durations in [&mut cell.durations, &mut cell.caller] {
                durations.bounds = None;
                durations.buckets.retain(|(_, times)| *times != 0);
            }
        }
    }
    series
}

pub(super) fn same_answers(store: &dyn TraceReader, plain: &dyn TraceReader, asked: &Questions, tenant: &TenantId) {
    let (context, both) = (QueryContext::unbounded(), [store, plain]);
    same_traces(store, plain, tenant);
    same_rollups(store, plain, tenant);
    for request in &asked.searches {
        let [found, expected] = both.map(|store| pages(store, tenant, request));
        assert_eq!(found.len(), expected.len(), "{request:?}");
        for ((found, next), (expected, next_expected)) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{request:?}");
            found.iter().zip(expected).for_each(|(one, other)| assert_eq!(one, other, "{request:?}"));
            assert_eq!(next.as_ref().map(comparable), next_expected.as_ref().map(comparable), "{request:?}");
        }
    }
    for request in &asked.values {
        let [found, expected] = both.map(|store| store.field_values(tenant, request, &context).expect("values"));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{request:?}");
    }
    for request in &asked.metrics {
        let [found, expected] = both.map(|store| store.metrics(tenant, request, &context).expect("metrics"));
        assert_eq!(found.unweighted, expected.unweighted, "{request:?}");
        assert!(found.series.iter().map(|series| series.exemplars.len()).sum::<usize>() <= request.exemplars);
        same_numbers(found, expected, request);
        let MetricsRequest { spans, steps, exemplars, .. } = request.clone();
        let request = ExceptionsRequest { spans, steps, examples: exemplars };
        let groups = |store: &dyn TraceReader| store.exceptions(tenant, &request, &context).expect("exceptions").groups;
        assert_eq!(groups(store), groups(plain), "{request:?}");
    }
    for request in &asked.contrasts {
        let [found, expected] = both.map(|store| store.contrast(tenant, request, &context).expect("contrast"));
        assert_eq!(found.traces, expected.traces, "{request:?}");
        assert_eq!(format!("{:#?}", found.values), format!("{:#?}", expected.values), "{request:?}");
        assert_eq!(format!("{:#?}", found.pairs), format!("{:#?}", expected.pairs), "{request:?}");
        let ContrastRequest { selected, others, range, .. } = request.clone();
        let request = PathsRequest { selected, others: Some(others).filter(|_| !request.ignored.is_empty()), range };
        let [found, expected] = both.map(|store| store.call_paths(tenant, &request, &context).expect("paths"));
        assert_eq!(found.traces, expected.traces, "{request:?}");
        assert_eq!(format!("{:#?}", found.paths), format!("{:#?}", expected.paths), "{request:?}");
        assert_eq!((found.left_out, found.critical), (expected.left_out, expected.critical), "{request:?}");
    }
    let filters = asked.values.iter().map(|request| (request.filter.clone(), request.range));
    // Without a filter keys of spans outside of the range may be named.
    let filters = filters.filter(|(filter, _)| *filter != Filter::True).chain([(Filter::True, None)]);
    for request in filters.map(|(filter, range)| AttributeKeysRequest { filter, range }) {
        let [found, expected] = both.map(|store| store.attribute_keys(tenant, &request, &context).expect("keys"));
        assert_eq!(found, expected, "{request:?}");
    }
}

fn same_traces(store: &dyn TraceReader, plain: &dyn TraceReader, tenant: &TenantId) {
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
}

fn sorted(trace: Option<Trace>) -> Option<Vec<String>> {
    trace.map(|trace| {
        let mut spans: Vec<String> = trace.spans.iter().map(|span| format!("{span:?}")).collect();
        spans.sort();
        spans
    })
}

/// The pages of an answer, each with where the next one begins.
pub(super) fn pages(
    store: &dyn TraceReader,
    tenant: &TenantId,
    request: &SearchRequest,
) -> Vec<(Vec<TraceHit>, Option<Place>)> {
    let (mut request, mut pages) = (request.clone(), Vec::new());
    while pages.len() < MOST_PAGES {
        let answer = store.search(tenant, &request, &QueryContext::unbounded()).expect("search");
        request.after.clone_from(&answer.next);
        pages.push((answer.hits, answer.next));
        if request.after.is_none() {
            break;
        }
    }
    pages
}

/// The place with its number as a double: 1 and 1.0 are one place.
fn comparable(place: &Place) -> Place {
    let number = match &place.value {
        Some(Value::Any(AnyValue::Int(number))) => Some(*number as f64),
        Some(Value::Any(AnyValue::Double(number))) => Some(*number),
        Some(Value::Duration(nanos)) => Some(*nanos as f64),
        _ => None,
    };
    // 0 and -0 are one place as well.
    let value = number.map(|number| Value::Any(AnyValue::Double(number + 0.0))).or_else(|| place.value.clone());
    Place { value, ..place.clone() }
}

/// What tells a series apart.
fn key(series: &Series) -> String {
    format!("{:?} {:?}", series.group, series.part)
}

fn same_numbers(mut found: MetricsAnswer, mut expected: MetricsAnswer, request: &MetricsRequest) {
    for answer in [&mut found, &mut expected] {
        answer.series.sort_by_cached_key(key);
    }
    let keys = |answer: &MetricsAnswer| answer.series.iter().map(key).collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&expected), "{request:?}");
    // Stores may add doubles in any order.
    let off = found.quantile_error + 1e-9;
    for (one, other) in found.series.iter().zip(&expected.series) {
        let same = |(one, other): (&f64, &f64)| {
            one == other || one.is_nan() && other.is_nan() || (one - other).abs() <= off * other.abs()
        };
        let same = one.values.len() == other.values.len() && one.values.iter().zip(&other.values).all(same);
        assert!(same, "{request:?}\n{}: {:?}, expected {:?}", key(one), one.values, other.values);
        let [found, expected] = [one, other].map(|series| format!("{:?}", series.exemplars));
        assert_eq!(found, expected, "{request:?}\n{}", key(one));
    }
}

//! Answers of the store beside those that are counted span by span.

use std::collections::BTreeMap;
use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, SpanKind, TenantId, TraceId, TraceSpan};

use crate::conformance::{open, write};
use crate::*;

const T0: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// Spans of three services, two minutes long, a few in each trace.
fn span(number: u64) -> TraceSpan {
    let mut trace_id = [1; 16];
    trace_id[8..].copy_from_slice(&(number / 5).to_be_bytes());
    let start = T0 + number * SECOND / 10;
    let service = Attribute::new("service.name", format!("s{}", number % 3));
    let span = Span {
        trace_id: TraceId(trace_id),
        span_id: SpanId((number + 1).to_be_bytes()),
        name: format!("n{}", number % 7),
        kind: if number.is_multiple_of(4) { SpanKind::Server } else { SpanKind::Client },
        start_unix_nano: start,
        end_unix_nano: start + number * 1_000,
        attributes: if number.is_multiple_of(2) { vec![Attribute::new("size", number as i64)] } else { Vec::new() },
        ..Span::default()
    };
    let resource = Resource { attributes: vec![service], ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn request(function: MetricsFunction, by: Vec<Expr>) -> MetricsRequest {
    let steps = Steps { start: T0 - 1, step: 10 * SECOND, count: 12 };
    let spans = Filter::compare(Field::Intrinsic(Intrinsic::Kind), CompareOp::Eq, Value::Kind(SpanKind::Client));
    MetricsRequest { spans: spans.into(), function, by, steps, exemplars: 30, weighted: false }
}

/// The numbers of each series, by group and part.
fn numbers(store: &dyn TraceReader, request: &MetricsRequest) -> BTreeMap<String, Vec<f64>> {
    let answer = store.metrics(&TenantId::single(), request, &QueryContext::unbounded()).expect("answer");
    let exemplars: usize = answer.series.iter().map(|series| series.exemplars.len()).sum();
    assert!(exemplars > 0 && exemplars <= request.exemplars, "{exemplars}");
    answer.series.into_iter().map(|series| (format!("{:?} {:?}", series.group, series.part), series.values)).collect()
}

fn expected(
    key: impl Fn(u64) -> String,
    count: u64,
    add: impl Fn(&mut f64, u64),
    first: f64,
) -> BTreeMap<String, Vec<f64>> {
    let mut all = BTreeMap::new();
    for number in (0..count).filter(|number| !number.is_multiple_of(4)) {
        let values = all.entry(key(number)).or_insert_with(|| vec![first; 12]);
        if let Some(value) = values.get_mut(number as usize / 100) {
            add(value, number);
        }
    }
    all
}

#[test]
fn spans_in_head_and_segments_are_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, tenant) = (open(folder.path()), TenantId::single());
    let spans: Vec<TraceSpan> = (0..1_200).map(span).collect();
    let by_service = request(MetricsFunction::Count, vec![Expr::Field(Field::service())]);
    let service = |number: u64| format!("{:?} Whole", [Some(Value::string(format!("s{}", number % 3)))]);
    for round in 0..4 {
        // Parts of each round were sent before, to the head and to segments.
        for part in spans[..300 * (round + 1)].chunks(70) {
            write(&*store, &tenant, part);
        }
        write(&*store, &tenant, &spans[100 * round..300 * round + 50]);
        let counted = expected(service, 300 * (round as u64 + 1), |value, _| *value += 1.0, 0.0);
        assert_eq!(numbers(&*store, &by_service), counted, "round {round}");
        if round < 3 {
            store.settle().expect("settled");
        }
    }
}

#[test]
fn numbers_that_are_kept_are_those_of_the_intervals_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, tenant) = (open(folder.path()), TenantId::single());
    for first in [0, 600] {
        let spans: Vec<TraceSpan> = (first..first + 700).map(span).collect();
        write(&*store, &tenant, &spans);
        store.settle().expect("settled");
    }
    let duration = || Expr::Field(Field::Intrinsic(Intrinsic::Duration));
    let by_service = || vec![Expr::Field(Field::service())];
    let functions = [
        MetricsFunction::Count,
        MetricsFunction::Max(duration()),
        MetricsFunction::Quantiles(duration(), vec![0.5, 0.9]),
        MetricsFunction::Histogram(duration()),
    ];
    for function in functions {
        let kept = |request: &MetricsRequest| {
            let explanation = Explanation::default();
            let context = QueryContext::unbounded().explained(explanation.clone());
            store.metrics(&tenant, request, &context).expect("answer");
            explanation.count(Counted::Kept)
        };
        let mut whole = request(function.clone(), by_service());
        // One interval of the question has nothing, so that all spans are within.
        whole.steps.count = 14;
        let first = numbers(&*store, &whole);
        assert_eq!(format!("{:?}", numbers(&*store, &whole)), format!("{first:?}"), "{function:?}");
        assert!(kept(&whole) > 0, "{function:?}");
        let mut later = whole.clone();
        later.steps = Steps { start: whole.steps.start - 3 * whole.steps.step, count: 17, ..whole.steps };
        let shifted = |(key, values): (String, Vec<f64>)| (key, values[3..].to_vec());
        let numbers_later: BTreeMap<String, Vec<f64>> = numbers(&*store, &later).into_iter().map(shifted).collect();
        assert_eq!(format!("{numbers_later:?}"), format!("{first:?}"), "{function:?}");
        assert!(kept(&later) > 0, "{function:?}");
        later.steps.start += 1;
        assert_eq!(kept(&later), 0, "other intervals");
        let fewer = MetricsRequest { spans: Filter::True.into(), ..whole.clone() };
        assert_eq!(kept(&fewer), 0, "other spans");

        // One interval: groups that lie in it answer for any other that they lie in.
        let one = |start: u64, step: u64| MetricsRequest { steps: Steps { start, step, count: 1 }, ..whole.clone() };
        let all = one(T0 - 1, 140 * SECOND);
        let first = numbers(&*store, &all);
        let other = one(T0 - 77, 150 * SECOND);
        assert!(kept(&other) > 0, "{function:?}");
        assert_eq!(format!("{:?}", numbers(&*store, &other)), format!("{first:?}"), "{function:?}");
        let part = numbers(&*store, &one(T0 - 1, 50 * SECOND));
        assert_ne!(format!("{part:?}"), format!("{first:?}"), "{function:?}: a part of a group is counted anew");
    }
}

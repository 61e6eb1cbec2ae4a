//! One client repeats something 50,000 times. No repetition may cost the square of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanEvent, SpanId, SpanLink, TraceId, TraceSpan};

use super::tests::{NOW, noise, open, small, tenant};
use super::*;
use crate::conformance::write;
use crate::{
    AttributeScope, Done, FakeClock, Field, FieldValuesRequest, Filter, QueryContext, ReadError, SearchRequest, Step,
    Task, TraceReader,
};

const TIMES: u64 = 50_000;
const ID: TraceId = TraceId([7; 16]);

fn id(number: u64) -> SpanId {
    SpanId((number + 1).to_be_bytes())
}

fn span(number: u64) -> Span {
    Span {
        trace_id: ID,
        span_id: id(number),
        name: "work".to_owned(),
        start_unix_nano: NOW,
        end_unix_nano: NOW + 1000,
        ..Span::default()
    }
}

fn trace_id(number: u64) -> TraceId {
    TraceId([number.to_be_bytes(), [9; 8]].concat().try_into().expect("16 bytes"))
}

/// A name, and the span of each number.
type Case = (&'static str, fn(u64) -> Span);

const CASES: [Case; 14] = [
    ("one span id with other names and attributes", |number| Span {
        span_id: id(0),
        name: format!("work {}", number % 100),
        attributes: vec![Attribute::new("number", number as i64)],
        ..span(number)
    }),
    ("exact copies of one span", |_| span(0)),
    ("span ids of one trace", span),
    ("children of one parent", |number| Span { parent_span_id: (number > 0).then_some(id(0)), ..span(number) }),
    ("a chain of parents", |number| Span { parent_span_id: number.checked_sub(1).map(id), ..span(number) }),
    ("a chain of parents from its end", |number| Span { parent_span_id: Some(id(number + 1)), ..span(number) }),
    ("orphans", |number| Span { parent_span_id: Some(id(number + 2 * TIMES)), ..span(number) }),
    ("roots", |number| Span { start_unix_nano: NOW + number, ..span(number) }),
    ("span names", |number| Span { name: format!("work {number}"), ..span(number) }),
    ("attribute keys", |number| Span { attributes: vec![Attribute::new(format!("k{number}"), 1)], ..span(number) }),
    ("values of one key on one span", |number| Span {
        attributes: (0..if number == 0 { TIMES } else { 0 }).map(|n| Attribute::new("key", n as i64)).collect(),
        ..span(number % 10)
    }),
    ("events and links of one span", |number| Span {
        events: (0..if number == 0 { TIMES } else { 0 })
            .map(|n| SpanEvent { time_unix_nano: n, name: "event".to_owned(), ..SpanEvent::default() })
            .collect(),
        links: (0..if number == 0 { TIMES } else { 0 })
            .map(|n| SpanLink { trace_id: ID, span_id: id(n), ..SpanLink::default() })
            .collect(),
        ..span(number % 10)
    }),
    ("flags", |number| Span { flags: (number as u32).wrapping_mul(65_537), ..span(number) }),
    ("traces of one start", |number| Span { trace_id: trace_id(number), ..span(number) }),
];

fn resource(pod: u64) -> Arc<Resource> {
    let attributes = vec![Attribute::new("service.name", "shop"), Attribute::new("pod", pod as i64)];
    Arc::new(Resource { attributes, ..Resource::default() })
}

/// How many distinct spans a case has in the end.
fn distinct(name: &str) -> u64 {
    match name {
        "exact copies of one span" => 1,
        "values of one key on one span" | "events and links of one span" => 11,
        _ => TIMES,
    }
}

fn search() -> SearchRequest {
    SearchRequest { limit: 20, spans_per_set: 3, ..SearchRequest::default() }
}

/// Asks for everything that is stored. Answers how long the slowest answer took.
fn ask(store: &Store, name: &str, expected: u64) -> Duration {
    let context = QueryContext::unbounded();
    let begun = crate::clock::instant();
    let hits = store.search(&tenant(), &search(), &context).expect("an answer").hits;
    assert!(!hits.is_empty(), "{name}");
    let searched = begun.elapsed();
    if name == "traces of one start" {
        return searched;
    }
    assert_eq!(hits.iter().map(|hit| hit.matched()).sum::<u64>(), expected, "{name}: spans that match");
    let begun = crate::clock::instant();
    let trace = store.trace(&tenant(), ID, &context).expect("an answer").expect("the trace");
    assert_eq!(trace.spans.len() as u64, expected, "{name}: spans of the trace");
    searched.max(begun.elapsed())
}

#[test]
fn nothing_that_is_repeated_costs_its_square() {
    for (name, make) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let pods: Vec<_> = (0..10).map(resource).collect();
        let spans = (0..TIMES).map(|number| TraceSpan {
            span: make(number),
            resource: Arc::clone(&pods[if distinct(name) == TIMES { number as usize % 10 } else { 0 }]),
            scope: Arc::default(),
        });
        let begun = crate::clock::instant();
        write(&*store, &tenant(), &spans.collect::<Vec<_>>());
        let written = begun.elapsed();
        let asked = ask(&store, name, distinct(name));
        let begun = crate::clock::instant();
        store.settle().expect("settled");
        let sealed = begun.elapsed();
        let asked_again = ask(&store, name, distinct(name));
        println!("{name}: written {written:?}, asked {asked:?}, sealed {sealed:?}, asked again {asked_again:?}");
        assert!(written.as_secs() < 5 && sealed.as_secs() < 5, "{name}: {written:?}, {sealed:?}");
        assert!(asked.max(asked_again).as_secs() < 3, "{name}: {asked:?}, {asked_again:?}");
    }
}

#[test]
fn resources_and_services_that_are_all_different_cost_no_square() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let make = |number| TraceSpan { span: span(number), resource: resource(number), scope: Arc::default() };
    let begun = crate::clock::instant();
    write(&*store, &tenant(), &(0..TIMES).map(make).collect::<Vec<_>>());
    store.settle().expect("settled");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let asked = ask(&store, "resources", TIMES);
    assert!(asked.as_secs() < 3, "{asked:?}");
}

#[test]
fn a_query_that_may_not_hold_what_it_asks_for_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let large = |number| Span { attributes: vec![Attribute::new("text", noise(10_000, number))], ..span(number) };
    let make = |number| TraceSpan { span: large(number), resource: resource(0), scope: Arc::default() };
    write(&*store, &tenant(), &(0..100).map(make).collect::<Vec<_>>());
    let few = QueryContext::new(Duration::from_secs(60), 100_000, Arc::default());
    let values = FieldValuesRequest {
        field: Field::attribute(AttributeScope::Span, "text"),
        filter: Filter::True,
        range: None,
        limit: 1000,
    };
    assert!(matches!(store.field_values(&tenant(), &values, &few), Err(ReadError::Memory { .. })));
    assert_eq!(few.memory_left(), 100_000, "what was taken is given back");
    let first = FieldValuesRequest { limit: 2, ..values };
    assert_eq!(store.field_values(&tenant(), &first, &few).expect("room for two").len(), 2);
    let part = store.trace(&tenant(), ID, &few).expect("a part").expect("known").spans.len();
    assert!((3..10).contains(&part) && few.cut_to() == Some((part, 100)), "{part} spans, {:?}", few.cut_to());
    let none = QueryContext::new(Duration::from_secs(60), 8_000, Arc::default());
    assert!(matches!(store.trace(&tenant(), ID, &none), Err(ReadError::Memory { .. })));
}

/// Panics the first time that a step is reached.
#[derive(Debug)]
struct PanicOnce(Step, AtomicBool);

impl Watch for PanicOnce {
    fn reached(&self, step: Step) {
        assert!(step != self.0 || self.1.swap(true, Ordering::SeqCst), "for this test");
    }
}

#[test]
fn a_panic_of_a_thread_ends_neither_commits_nor_sealing() {
    for step in [Step(Task::Commit, Done::Logged), Step(Task::Seal, Done::Begun)] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let watch = Arc::new(PanicOnce(step, AtomicBool::new(false)));
        let config = Config { seal_after: Duration::ZERO, ..small() };
        let registry = &mut Registry::default();
        let store = Store::open_watched(folder.path(), &config, clock, watch, registry).expect("opens");
        let make = |number| TraceSpan { span: span(number), resource: resource(0), scope: Arc::default() };
        let body = crate::test_spans::encode(&[make(0)]);
        let batch = SpanBatch { tenant: tenant(), body: body.into(), spans: 1 };
        let answered = crate::conformance::wait(store.write(batch));
        assert_eq!(answered.is_ok(), step.0 == Task::Seal, "{answered:?}");
        write(&*store, &tenant(), &[make(1)]);
        let sealed = || store.sizes().segment_spans > 0 && store.sizes().head_spans == 0;
        let begun = crate::clock::instant();
        while !sealed() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(sealed(), "{step}: {:?}", store.sizes());
    }
}

//! From requests to segments, and questions to a segment.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use hoptrail_bench::{Kind, requests};
use hoptrail_proto::model::TraceId;
use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::view::{Origin, SpanView, each_span, key_value};
use hoptrail_proto::otlp::{Limits, validate};
use hoptrail_storage::internals::{Head, Segment};
use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};
use prost::Message;

const SPANS: u64 = 60_000;

/// Looking at every attribute of every span in place; the check before the log; and the decode unit to compare them with.
pub(crate) fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk");
    for (name, kind) in [("shop", Kind::Shop), ("wide", Kind::Wide)] {
        let requests = requests(kind, SPANS);
        group.throughput(Throughput::Elements(requests.iter().map(|request| count(request).0).sum()));
        group.bench_function(format!("{name}: every attribute"), |bench| {
            bench.iter(|| requests.iter().map(|request| count(black_box(request)).1).sum::<u64>());
        });
        group.bench_function(format!("{name}: validate"), |bench| {
            let requests: Vec<Bytes> = requests.iter().cloned().map(Bytes::from).collect();
            bench.iter(|| requests.iter().filter(|request| validate_one(black_box(request))).count());
        });
        group.bench_function(format!("{name}: decode with prost (the unit)"), |bench| {
            bench.iter(|| {
                for request in &requests {
                    drop(black_box(ExportTraceServiceRequest::decode(request.as_slice())));
                }
            });
        });
    }
    group.finish();
}

fn validate_one(request: &Bytes) -> bool {
    validate(request.clone(), &Limits::default()).is_ok()
}

/// Spans, and attributes.
fn count(request: &[u8]) -> (u64, u64) {
    let (mut spans, mut attributes) = (0, 0);
    let origin = |_: &Origin<'_>, _: &Origin<'_>| ();
    let visit = |(), span: &SpanView<'_>| {
        spans += 1;
        attributes += span.attributes.iter().filter(|attribute| key_value(attribute).is_ok()).count() as u64;
    };
    each_span(request, origin, visit).expect("the requests are valid");
    (spans, attributes)
}

fn head(requests: &[Vec<u8>]) -> Head {
    let mut head = Head::default();
    requests.iter().for_each(|request| head.append(request).expect("the requests are valid"));
    head
}

/// Requests to rows in memory.
pub(crate) fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append to rows");
    for (name, kind) in [("shop", Kind::Shop), ("wide", Kind::Wide)] {
        let requests = requests(kind, SPANS);
        group.throughput(Throughput::Elements(head(&requests).spans() as u64));
        group.bench_function(name, |bench| bench.iter_batched(|| (), |()| head(&requests), BatchSize::PerIteration));
    }
    group.finish();
}

/// Rows to a segment, and its description read back.
pub(crate) fn segment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment");
    for (name, kind) in [("shop", Kind::Shop), ("wide", Kind::Wide)] {
        let head = head(&requests(kind, SPANS));
        group.throughput(Throughput::Elements(head.spans() as u64));
        group.bench_function(format!("{name}: encode"), |bench| bench.iter(|| Segment::encode(&[&head])));
        let segment = Segment::encode(&[&head]).expect("encoded");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}: read its description"), |bench| bench.iter(|| segment.describe()));
    }
    group.finish();
}

/// Questions to one segment, whose pages are in memory.
pub(crate) fn scan(criterion: &mut Criterion) {
    let requests = requests(Kind::Shop, SPANS);
    let head = head(&requests);
    let segment = Segment::encode(&[&head]).expect("encoded");
    let mut group = criterion.benchmark_group("scan");
    let known = first_trace(&requests);
    group.bench_function("filter probe: a trace", |bench| bench.iter(|| segment.may_hold(black_box(known))));
    let unknown = TraceId([7; 16]);
    group.bench_function("filter probe: an unknown trace", |bench| bench.iter(|| segment.may_hold(black_box(unknown))));
    assert!(segment.trace(known).is_ok_and(|spans| spans > 0), "the trace is in the segment");
    group.bench_function("spans of a trace", |bench| bench.iter(|| segment.trace(black_box(known))));
    group.throughput(Throughput::Elements(head.spans() as u64));
    for (name, filter) in filters() {
        assert!(segment.count(&filter).is_ok_and(|spans| spans > 0) || name.contains("nobody"), "{name} finds nothing");
        group.bench_function(name, |bench| bench.iter(|| segment.count(black_box(&filter))));
    }
    group.finish();
}

fn first_trace(requests: &[Vec<u8>]) -> TraceId {
    let mut found = None;
    let origin = |_: &Origin<'_>, _: &Origin<'_>| ();
    let visit = |(), span: &SpanView<'_>| {
        found = found.or_else(|| span.trace_id.try_into().ok().map(TraceId));
    };
    each_span(&requests[0], origin, visit).expect("the requests are valid");
    found.expect("a span")
}

fn filters() -> [(&'static str, Filter); 6] {
    let pattern = Pattern::new(".*/123[0-9](/[a-z]+)?").expect("an expression");
    let long = Value::Duration(100_000_000);
    [
        ("equality, dictionary column", equals(span("http.request.method"), "GET")),
        ("equality, template column", equals(span("url.path"), "/api/cart/items/10018/details")),
        ("equality, template column, nobody", equals(span("user.id"), "nobody-000001")),
        ("regex, template column", Filter::Matches { field: span("url.path"), pattern, negated: false }),
        ("order, integer column", Filter::compare(span("http.response.status_code"), CompareOp::Ge, int(500))),
        ("duration", Filter::compare(Field::Intrinsic(Intrinsic::Duration), CompareOp::Gt, long)),
    ]
}

fn span(key: &str) -> Field {
    Field::attribute(AttributeScope::Span, key)
}

fn equals(field: Field, text: &str) -> Filter {
    Filter::compare(field, CompareOp::Eq, Value::string(text))
}

fn int(value: i64) -> Value {
    Value::Any(hoptrail_proto::model::AnyValue::Int(value))
}

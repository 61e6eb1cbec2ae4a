//! Values as deep as they are taken come back from memory, from segments and after a restart.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanLink, TraceId, TraceSpan,
};
use hoptrail_proto::otlp::MAX_VALUE_DEPTH;

use super::tests::{NOW, open, tenant};
use crate::conformance::write;
use crate::{MemoryStore, QueryContext, TraceReader};

const ID: TraceId = TraceId([7; 16]);

fn deep(key: &str) -> Vec<Attribute> {
    let list = |inner: AnyValue| AnyValue::KvList(vec![Attribute::new("k", inner)]);
    let array = |inner: AnyValue| AnyValue::Array(vec![inner]);
    let value =
        |wrap: &dyn Fn(AnyValue) -> AnyValue| (1..MAX_VALUE_DEPTH).fold(AnyValue::Int(1), |inner, _| wrap(inner));
    vec![Attribute::new(key, value(&list)), Attribute::new("array", value(&array))]
}

fn span() -> TraceSpan {
    let span = Span {
        trace_id: ID,
        span_id: SpanId([1; 8]),
        start_unix_nano: NOW,
        end_unix_nano: NOW + 1,
        attributes: deep("span"),
        events: vec![SpanEvent { time_unix_nano: NOW, attributes: deep("event"), ..SpanEvent::default() }],
        links: vec![SpanLink { trace_id: ID, attributes: deep("link"), ..SpanLink::default() }],
        ..Span::default()
    };
    let resource = Resource { attributes: deep("resource"), ..Resource::default() };
    let scope = InstrumentationScope { attributes: deep("scope"), ..InstrumentationScope::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(scope) }
}

fn kept(store: &dyn TraceReader) -> Vec<TraceSpan> {
    store.trace(&tenant(), ID, &QueryContext::unbounded()).expect("an answer").map_or(Vec::new(), |trace| trace.spans)
}

#[test]
fn values_of_64_levels_come_back_whole() {
    let plain = MemoryStore::default();
    write(&plain, &tenant(), &[span()]);
    assert_eq!(kept(&plain), [span()]);

    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span()]);
    assert_eq!(kept(&*store), [span()], "in memory");
    store.settle().expect("settled");
    assert_eq!(kept(&*store), [span()], "in a segment");
    drop(store);
    assert_eq!(kept(&*open(folder.path())), [span()], "after a restart");
}

//! What a query says of its work.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Span, SpanId, StatusCode, TenantId, TraceId, TraceSpan};

use crate::conformance::{open, write};
use crate::{
    CompareOp, Counted, Explanation, Field, Filter, Intrinsic, MetricsFunction, MetricsRequest, Pipeline, QueryContext,
    Scalar, SearchRequest, Stage, Steps, TimeRange, TraceReader, Value,
};

const T0: u64 = 1_767_225_600_000_000_000;

fn span(number: u64) -> TraceSpan {
    let mut span = Span {
        trace_id: TraceId(u128::from(number / 4 + 1).to_be_bytes()),
        span_id: SpanId((number + 1).to_be_bytes()),
        start_unix_nano: T0 + number * 1_000,
        end_unix_nano: T0 + number * 1_000 + 500,
        attributes: vec![Attribute::new("user", format!("user {number}"))],
        ..Span::default()
    };
    span.status.code = if number.is_multiple_of(3) { StatusCode::Error } else { StatusCode::Unset };
    TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
}

#[test]
fn a_search_tells_its_plan_and_counts_its_work() {
    let (folder, tenant) = (tempfile::tempdir().expect("a folder"), TenantId::single());
    let store = open(folder.path());
    write(&*store, &tenant, &(0..400).map(span).collect::<Vec<_>>());
    store.settle().expect("settled");
    let failed = Filter::compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error));
    let mut pipeline = Pipeline::from(failed);
    let two = Scalar::Constant(Value::Any(AnyValue::Int(2)));
    pipeline.stages.push(Stage::Keep { left: Scalar::count("count()"), op: CompareOp::Ge, right: two });
    let asked = |request: &SearchRequest| {
        let explanation = Explanation::default();
        let context = QueryContext::unbounded().explained(explanation.clone());
        store.search(&tenant, request, &context).expect("searched");
        explanation
    };
    let whole = asked(&SearchRequest { spans: pipeline, ..SearchRequest::default() });
    assert!(whole.plan().iter().any(|line| line.contains("{ status = error } | count() >= 2")), "{whole}");
    assert!(whole.count(Counted::Scanned) >= 1 && whole.count(Counted::Judged) > 0, "{whole}");
    assert!(whole.count(Counted::Pages) > 0 && whole.count(Counted::Bytes) > 0, "{whole}");
    assert!(!whole.steps().is_empty() && whole.to_string().contains(" ms  "), "{whole}");

    let user = Field::attribute(crate::AttributeScope::Span, "user");
    let absent = Filter::compare(user, CompareOp::Eq, Value::string("nobody"));
    let ruled_out = asked(&SearchRequest { spans: absent.into(), ..SearchRequest::default() });
    let seen = ruled_out.count(Counted::RuledOut) + ruled_out.count(Counted::Scanned);
    assert_eq!(seen, ruled_out.count(Counted::Units), "{ruled_out}");

    let range = Some(TimeRange { start: 1, end: 2 });
    let outside = asked(&SearchRequest { range, ..SearchRequest::default() });
    assert!(outside.count(Counted::Units) > 0, "{outside}");
    assert_eq!(outside.count(Counted::OutsideRange), outside.count(Counted::Units), "{outside}");

    let explanation = Explanation::default();
    let request = MetricsRequest {
        spans: Pipeline::default(),
        function: MetricsFunction::Count,
        by: Vec::new(),
        steps: Steps { start: T0 - 1, step: 1_000_000, count: 2 },
        exemplars: 0,
        weighted: false,
    };
    store.metrics(&tenant, &request, &QueryContext::unbounded().explained(explanation.clone())).expect("counted");
    assert_eq!(explanation.count(Counted::Rows), 400, "{explanation}");
    assert!(explanation.plan().iter().any(|line| line.contains("count in 2 intervals of 1 ms")), "{explanation}");
}

use hoptrail_proto::model::StatusCode;
use hoptrail_storage::{CompareOp, Expr, Field, Filter, Intrinsic, MetricsFunction, TimeRange, Value};

use crate::traceql::ast::{BinaryOp, Rank};
use crate::traceql::{
    CompiledMetrics, MetricsCall, SeriesExpr, compile, compile_metrics, is_metrics, parse_field, render_errors,
};

fn compiled(q: &str) -> CompiledMetrics {
    compile_metrics(q).unwrap_or_else(|errors| panic!("{}", render_errors(q, &errors)))
}

fn call(q: &str) -> Box<MetricsCall> {
    match compiled(q).series {
        SeriesExpr::Call(call) => call,
        other => panic!("{q}: {other:?}"),
    }
}

fn value(text: &str) -> Expr {
    Expr::Field(parse_field(text).expect("a field"))
}

#[test]
fn functions_are_asked_of_the_store() {
    let duration = || value("duration");
    for (q, name, function) in [
        ("rate()", "rate", MetricsFunction::Count),
        ("count_over_time()", "count_over_time", MetricsFunction::Count),
        ("min_over_time(duration)", "min_over_time", MetricsFunction::Min(duration())),
        ("max_over_time(.a)", "max_over_time", MetricsFunction::Max(value(".a"))),
        ("avg_over_time(span.a)", "avg_over_time", MetricsFunction::Avg(value("span.a"))),
        ("sum_over_time(duration)", "sum_over_time", MetricsFunction::Sum(duration())),
        ("histogram_over_time(duration)", "histogram_over_time", MetricsFunction::Histogram(duration())),
        (
            "quantile_over_time(duration, 0, .9, 1)",
            "quantile_over_time",
            MetricsFunction::Quantiles(duration(), vec![0.0, 0.9, 1.0]),
        ),
        ("compare({ status = error })", "compare", compare(10, None)),
        ("compare({ status = error }, 5)", "compare", compare(5, None)),
        ("compare({ status = error }, 5, 7, 9)", "compare", compare(5, Some(TimeRange { start: 7, end: 9 }))),
    ] {
        let found = call(&format!("{{ .a }} | {q}"));
        assert_eq!((found.name, found.per_second), (name, name == "rate"), "{q}");
        assert_eq!((found.function, found.by), (function, Vec::new()), "{q}");
        assert_eq!(found.spans, compile("{ .a }").expect("sound").spans);
    }
}

fn compare(top: usize, range: Option<TimeRange>) -> MetricsFunction {
    let status = Field::Intrinsic(Intrinsic::Status);
    let selection = Filter::compare(status, CompareOp::Eq, Value::Status(StatusCode::Error));
    MetricsFunction::Compare { selection, top, range }
}

#[test]
fn groups_have_their_labels_as_written() {
    let by = call("{ .a } >> { } | by(.x) | rate() by (resource.service.name,.b,  span:name)").by;
    let labels: Vec<&str> = by.iter().map(|(_, label)| label.as_str()).collect();
    assert_eq!(labels, ["resource.service.name", ".b", "span:name"]);
    assert_eq!(by[2].0, value("name"));
}

#[test]
fn series_are_computed_further() {
    let rate = || Box::new(SeriesExpr::Call(call("{ } | rate()")));
    let keep = |op, value, series| SeriesExpr::Keep { op, value, series };
    let rank = |rank, count, series| SeriesExpr::Rank { rank, count, series };
    let binary = |op, left, right| SeriesExpr::Binary { op, left, right };
    let number = |value| Box::new(SeriesExpr::Constant(value));
    for (q, expected) in [
        ("{ } | rate() > 5", keep(CompareOp::Gt, 5.0, rate())),
        ("{ } | 500ms <= rate()", keep(CompareOp::Ge, 0.5, rate())),
        ("{ } | rate() | topk(3)", rank(Rank::Top, 3, rate())),
        ("{ } | rate() | bottomk(3) != 2 | topk(1)", {
            rank(Rank::Top, 1, Box::new(keep(CompareOp::Ne, 2.0, Box::new(rank(Rank::Bottom, 3, rate())))))
        }),
        ("({ } | rate()) / ({ } | rate()) * 100", {
            binary(BinaryOp::Mul, Box::new(binary(BinaryOp::Div, rate(), rate())), number(100.0))
        }),
        ("1 / 2 + ({ } | rate())", binary(BinaryOp::Add, number(0.0), rate())),
        ("-({ } | rate())", binary(BinaryOp::Sub, number(0.0), rate())),
        ("({ } | rate() | topk(2)) - ({ } | rate()) > 1", {
            let left = Box::new(rank(Rank::Top, 2, rate()));
            keep(CompareOp::Gt, 1.0, Box::new(binary(BinaryOp::Sub, left, rate())))
        }),
    ] {
        assert!(is_metrics(q), "{q}");
        assert_eq!(compiled(q).series, expected, "{q}");
    }
    let SeriesExpr::Binary { left, .. } = compiled("{ .a } | ({ .b } | rate()) * 2").series else {
        panic!("a product")
    };
    assert_eq!(*left, SeriesExpr::Call(call("{ .a } | { .b } | rate()")), "brackets see the spans before them");
}

#[test]
fn hints_are_heard() {
    for (hints, weighted, exemplars, notices) in [
        ("", false, None, 0),
        ("with(extrapolate=true)", true, None, 0),
        ("with(extrapolate=true, extrapolate=false)", false, None, 0),
        ("with(exemplars=false)", false, Some(0), 0),
        ("with(exemplars=true, sample=0.1, most_recent=false)", false, None, 0),
        ("with(exemplars=7, foo=nil)", false, Some(7), 1),
    ] {
        let q = format!("{{ }} | rate() {hints}");
        let found = compiled(&q);
        assert_eq!((found.weighted, found.exemplars, found.notices.len()), (weighted, exemplars, notices), "{q}");
    }
    let notices = compile("{ } with(foo=1)").expect("sound").notices;
    assert_eq!(notices, ["the hint foo is unknown and has no effect"]);
}

#[test]
fn searches_and_metrics_are_told_apart() {
    for q in ["{ } | count() > 1", "{ }", "{ } | by(.a)", "foo", "", "{ .a = "] {
        assert!(!is_metrics(q), "{q}");
    }
    assert!(is_metrics("{ .a = } | rate()"), "also when it is at fault");
    let search = compile_metrics("{ .a }").expect_err("no metrics");
    assert!(search[0].message.contains("no metrics query"), "{search:?}");
    let metrics = compile("{ .a } | rate()").expect_err("metrics");
    assert!(metrics[0].message.contains("this is a metrics query"), "{metrics:?}");
}

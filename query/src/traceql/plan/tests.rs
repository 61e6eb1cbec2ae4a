use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};
use hoptrail_storage::{AttributeScope as Scope, CompareOp as Op, Filter, Intrinsic, Pattern, Value};

use super::*;
use crate::traceql::compile;

fn filter(q: &str) -> Filter {
    let compiled = compile(q).unwrap_or_else(|errors| panic!("{}", crate::traceql::render_errors(q, &errors)));
    compiled.spans.as_filter().expect("one filter").clone()
}

fn field(scope: Scope, key: &str) -> Field {
    Field::attribute(scope, key)
}

fn int(value: i64) -> Value {
    Value::Any(AnyValue::Int(value))
}

fn compare(scope: Scope, key: &str, op: Op, value: Value) -> Filter {
    Filter::compare(field(scope, key), op, value)
}

fn intrinsic(name: Intrinsic, op: Op, value: Value) -> Filter {
    Filter::compare(Field::Intrinsic(name), op, value)
}

#[test]
fn comparisons_become_filters() {
    let text = |text: &str| Value::string(text);
    for (q, expected) in [
        ("{ }", Filter::True),
        ("{ .a = 1 }", compare(Scope::Any, "a", Op::Eq, int(1))),
        ("{ span.a != \"x\" }", compare(Scope::Span, "a", Op::Ne, text("x"))),
        ("{ 5 < resource.a }", compare(Scope::Resource, "a", Op::Gt, int(5))),
        ("{ 5 >= .a }", compare(Scope::Any, "a", Op::Le, int(5))),
        ("{ instrumentation.a = 1.5 }", compare(Scope::Instrumentation, "a", Op::Eq, Value::Any(1.5.into()))),
        ("{ .a }", compare(Scope::Any, "a", Op::Eq, Value::Any(true.into()))),
        ("{ !.a }", compare(Scope::Any, "a", Op::Eq, Value::Any(false.into()))),
        ("{ !(.a = 1) }", Filter::Not(Box::new(compare(Scope::Any, "a", Op::Eq, int(1))))),
        ("{ !!(.a = 1) }", compare(Scope::Any, "a", Op::Eq, int(1))),
        ("{ (.a = 1) = false }", Filter::Not(Box::new(compare(Scope::Any, "a", Op::Eq, int(1))))),
        ("{ true != (.a = 1) }", Filter::Not(Box::new(compare(Scope::Any, "a", Op::Eq, int(1))))),
        ("{ duration > 1.5s }", intrinsic(Intrinsic::Duration, Op::Gt, Value::Duration(1_500_000_000))),
        ("{ span:duration > 5 }", intrinsic(Intrinsic::Duration, Op::Gt, int(5))),
        ("{ duration > -1s }", intrinsic(Intrinsic::Duration, Op::Gt, int(-1_000_000_000))),
        ("{ status = error }", intrinsic(Intrinsic::Status, Op::Eq, Value::Status(StatusCode::Error))),
        ("{ kind != server }", intrinsic(Intrinsic::Kind, Op::Ne, Value::Kind(SpanKind::Server))),
        ("{ name = \"x\" }", intrinsic(Intrinsic::Name, Op::Eq, text("x"))),
        ("{ rootServiceName = \"x\" }", intrinsic(Intrinsic::RootService, Op::Eq, text("x"))),
        ("{ trace:rootName = \"x\" }", intrinsic(Intrinsic::RootName, Op::Eq, text("x"))),
        (
            "{ event:timeSinceStart < 1ms }",
            intrinsic(Intrinsic::EventTimeSinceStart, Op::Lt, Value::Duration(1_000_000)),
        ),
        ("{ instrumentation:version = \"1\" }", intrinsic(Intrinsic::ScopeVersion, Op::Eq, text("1"))),
        ("{ .a = nil }", Filter::Exists { field: field(Scope::Any, "a"), present: false }),
        ("{ nil != span.a }", Filter::Exists { field: field(Scope::Span, "a"), present: true }),
        (
            "{ .a = 1 || .b = 2 }",
            Filter::Or(vec![compare(Scope::Any, "a", Op::Eq, int(1)), compare(Scope::Any, "b", Op::Eq, int(2))]),
        ),
        (
            "{ .a = 1 } | { .b = 2 }",
            Filter::And(vec![compare(Scope::Any, "a", Op::Eq, int(1)), compare(Scope::Any, "b", Op::Eq, int(2))]),
        ),
    ] {
        assert_eq!(filter(q), expected, "{q}");
    }
}

#[test]
fn constants_are_computed_before() {
    for (q, value) in [
        ("{ .a = 2 ^ 3 }", int(8)),
        ("{ .a = 2 ^ 3 ^ 2 }", int(512)),
        ("{ .a = 2 ^ -1 }", Value::Any(0.5.into())),
        ("{ .a = 7 / 2 }", int(3)),
        ("{ .a = 7 / 2.0 }", Value::Any(3.5.into())),
        ("{ .a = 7 % 4 - 10 }", int(-7)),
        ("{ .a = 2 * 1.5s }", Value::Duration(3_000_000_000)),
        ("{ .a = 1.5 * 1s }", Value::Duration(1_500_000_000)),
        ("{ .a = 1m / 1s }", int(60)),
        ("{ .a = -(5) }", int(-5)),
        ("{ .a = minInt }", int(i64::MIN)),
        ("{ .a = (1 < 2 && \"ab\" =~ \"a.\") }", Value::Any(true.into())),
    ] {
        assert_eq!(filter(q), compare(Scope::Any, "a", Op::Eq, value), "{q}");
    }
    let never = Filter::Not(Box::new(Filter::True));
    for (q, expected) in [
        ("{ true }", &Filter::True),
        ("{ 1 = 1.0 && 1s = 1000ms }", &Filter::True),
        ("{ 1 > 2 }", &never),
        ("{ true || .a = 1 }", &Filter::True),
        ("{ \"b\" > \"a\" && !false }", &Filter::True),
    ] {
        assert_eq!(filter(q), *expected, "{q}");
    }
    assert_eq!(filter("{ true && .a = 1 }"), compare(Scope::Any, "a", Op::Eq, int(1)));
}

#[test]
fn ids_are_padded_as_the_store_writes_them() {
    for (q, name, id) in [
        ("{ trace:id = \"ABC\" }", Intrinsic::TraceId, "00000000000000000000000000000abc"),
        ("{ trace:id = \"000abc\" }", Intrinsic::TraceId, "00000000000000000000000000000abc"),
        ("{ span:id = \"1f\" }", Intrinsic::SpanId, "000000000000001f"),
        ("{ span:parentID = \"1f\" }", Intrinsic::ParentId, "000000000000001f"),
        ("{ link:traceID = \"1f\" }", Intrinsic::LinkTraceId, "0000000000000000000000000000001f"),
        ("{ link:spanID = \"00000000000000000000001f\" }", Intrinsic::LinkSpanId, "000000000000001f"),
        ("{ span:id = \"xyz\" }", Intrinsic::SpanId, "xyz"),
    ] {
        assert_eq!(filter(q), intrinsic(name, Op::Eq, Value::string(id)), "{q}");
    }
}

#[test]
fn conditions_on_events_and_links_meet_in_one_of_them_when_only_and_joins() {
    let (a, b) = (compare(Scope::Event, "a", Op::Eq, int(1)), compare(Scope::Event, "b", Op::Eq, int(2)));
    let (l, m) = (compare(Scope::Link, "l", Op::Eq, int(3)), compare(Scope::Link, "m", Op::Eq, int(4)));
    let s = compare(Scope::Span, "s", Op::Eq, int(5));
    let event = Filter::Event(Box::new(Filter::And(vec![a.clone(), b.clone()])));
    let link = Filter::Link(Box::new(Filter::And(vec![l, m])));
    for (q, expected) in [
        ("{ event.a = 1 }", a.clone()),
        ("{ event.a = 1 && event.b = 2 }", event.clone()),
        ("{ event.a = 1 && (event.b = 2) }", event.clone()),
        ("{ event.a = 1 && span.s = 5 && event.b = 2 }", Filter::And(vec![event.clone(), s.clone()])),
        (
            "{ span.s = 5 && event.a = 1 && link.l = 3 && event.b = 2 && link.m = 4 }",
            Filter::And(vec![s.clone(), event.clone(), link]),
        ),
        ("{ event.a = 1 || event.b = 2 }", Filter::Or(vec![a.clone(), b.clone()])),
        (
            "{ event.a = 1 && event.b = 2 || span.s = 5 }",
            Filter::Or(vec![Filter::And(vec![a.clone(), b.clone()]), s.clone()]),
        ),
        (
            "{ event.a = 1 && event.b = 2 && !(span.s = 5) }",
            Filter::And(vec![a.clone(), b.clone(), Filter::Not(Box::new(s.clone()))]),
        ),
        ("{ event.a = 1 } | { event.b = 2 }", Filter::And(vec![a, b])),
        ("{ event.a = 1 && event.b = 2 } | { span.s = 5 }", Filter::And(vec![event, s])),
    ] {
        assert_eq!(filter(q), expected, "{q}");
    }
}

#[test]
fn a_condition_that_empty_text_satisfies_holds_where_the_store_has_none() {
    let field = Field::Intrinsic(Intrinsic::StatusMessage);
    let missing = || Filter::Exists { field: field.clone(), present: false };
    let ne = intrinsic(Intrinsic::StatusMessage, Op::Ne, Value::string("x"));
    assert_eq!(filter("{ statusMessage != \"x\" }"), Filter::Or(vec![ne, missing()]));
    let eq = intrinsic(Intrinsic::StatusMessage, Op::Eq, Value::string(""));
    assert_eq!(filter("{ statusMessage = \"\" }"), Filter::Or(vec![eq, missing()]));
    let pattern = Pattern::new(".*").expect("sound");
    let matches = Filter::Matches { field: field.clone(), pattern, negated: false };
    assert_eq!(filter("{ statusMessage =~ \".*\" }"), Filter::Or(vec![matches, missing()]));
    assert_eq!(filter("{ statusMessage = \"x\" }"), intrinsic(Intrinsic::StatusMessage, Op::Eq, Value::string("x")));
}

#[test]
fn named_fields_are_selected_once() {
    let q = "{ span.a = 1 && .b > 2 && span.a < 5 && name = \"x\" && status = error && duration > 1s && trace:id = \"1\" } \
             | select(resource.service.name, .b, kind, rootName)";
    let select = compile(q).expect("sound").select;
    assert_eq!(
        select,
        [
            field(Scope::Span, "a"),
            field(Scope::Any, "b"),
            Field::Intrinsic(Intrinsic::Status),
            Field::service(),
            Field::Intrinsic(Intrinsic::Kind),
        ]
    );
}

#[test]
fn what_cannot_be_computed_is_an_error_with_its_bytes() {
    for (q, faults) in [
        ("{ .a = 1 / 0 }", vec![(7..12, "division by zero")]),
        ("{ .a = 9 ^ 99 }", vec![(7..13, "too large")]),
        ("{ .a =~ \"x{1000}{1000}\" }", vec![(2..23, "not a regular expression: Compiled regex exceeds size limit")]),
        ("{ .a + 1 / 0 > 2 ^ 99 || .b }", vec![(7..12, "division by zero"), (15..21, "too large")]),
        ("{ } | count() > 1 / 0", vec![(16..21, "division by zero")]),
        ("{ .a = 1 / 0 } >> { } | avg(.x + 1 / 0) > 1", vec![(7..12, "division"), (33..38, "division")]),
    ] {
        let errors = compile(q).expect_err(q);
        let found: Vec<_> = errors.iter().map(|error| error.range.clone()).collect();
        let expected: Vec<_> = faults.iter().map(|(range, _)| range.clone()).collect();
        assert_eq!(found, expected, "{q}: {errors:?}");
        for (error, (_, message)) in errors.iter().zip(&faults) {
            assert!(error.message.contains(message), "{q}: {error}");
        }
    }
}

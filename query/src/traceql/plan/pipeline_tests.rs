use hoptrail_proto::model::AnyValue;
use hoptrail_storage::{
    Aggregate, ArithmeticOp, AttributeScope, CompareOp, Expr, Field, Filter, Intrinsic, Order, Pipeline, Relation,
    Rows, Scalar, SetExpr, Stage, StructuralMode, Value,
};

use crate::traceql::{compile, render_errors};

fn spans(q: &str) -> Pipeline {
    compile(q).unwrap_or_else(|errors| panic!("{}", render_errors(q, &errors))).spans
}

fn stages(q: &str) -> Vec<Stage> {
    spans(q).stages
}

fn int(value: i64) -> Value {
    Value::Any(AnyValue::Int(value))
}

fn attribute(key: &str) -> Field {
    Field::attribute(AttributeScope::Any, key)
}

fn value(key: &str) -> Box<Expr> {
    Box::new(Expr::Field(attribute(key)))
}

fn is_true(key: &str) -> Filter {
    Filter::compare(attribute(key), CompareOp::Eq, Value::Any(AnyValue::Bool(true)))
}

fn set(key: &str) -> SetExpr {
    SetExpr::Filter(is_true(key))
}

fn structural(relation: Relation, mode: StructuralMode, left: SetExpr, right: SetExpr) -> SetExpr {
    SetExpr::Structural { relation, mode, left: Box::new(left), right: Box::new(right) }
}

fn by(key: &str) -> Stage {
    Stage::By { value: Expr::Field(attribute(key)), label: format!("by(.{key})") }
}

fn constant(value: i64) -> Scalar {
    Scalar::Constant(int(value))
}

#[test]
fn filters_that_follow_one_another_are_one() {
    assert_eq!(spans("{ } | { } | select(.x)"), Pipeline::default());
    assert_eq!(spans("{ .a } | { .b } | { }"), Filter::And(vec![is_true("a"), is_true("b")]).into());
    assert_eq!(spans("({ .a } | { .b }) | { .c }").as_filter(), spans("{ .a } | { .b } | { .c }").as_filter());
    let several = stages("{ .a } | by(.x) | { .b } | coalesce() | { .c } | { .d }");
    let last = SetExpr::Filter(Filter::And(vec![is_true("c"), is_true("d")]));
    assert_eq!(several, [Stage::Sets(set("a")), by("x"), Stage::Sets(set("b")), Stage::Coalesce, Stage::Sets(last)]);
}

#[test]
fn sets_of_spans_are_joined() {
    use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
    use StructuralMode::{Negated, Plain, Union};
    for (symbol, relation, mode) in [
        (">", Child, Plain),
        (">>", Descendant, Plain),
        ("<", Parent, Plain),
        ("<<", Ancestor, Plain),
        ("~", Sibling, Plain),
        ("!>", Child, Negated),
        ("!>>", Descendant, Negated),
        ("!<", Parent, Negated),
        ("!<<", Ancestor, Negated),
        ("!~", Sibling, Negated),
        ("&>", Child, Union),
        ("&>>", Descendant, Union),
        ("&<", Parent, Union),
        ("&<<", Ancestor, Union),
        ("&~", Sibling, Union),
    ] {
        let q = format!("{{ .a }} {symbol} {{ .b }}");
        assert_eq!(stages(&q), [Stage::Sets(structural(relation, mode, set("a"), set("b")))], "{q}");
    }
    let first = structural(Descendant, Plain, set("a"), set("b"));
    let whole = SetExpr::All(vec![structural(Descendant, Plain, first, set("c")), set("d")]);
    assert_eq!(stages("{ .a } >> { .b } >> { .c } && { .d }"), [Stage::Sets(whole)]);
    let either = SetExpr::Any(vec![set("a"), SetExpr::Filter(Filter::True)]);
    assert_eq!(stages("{ .a } || { }"), [Stage::Sets(either)], "{{ }} is every span");
}

#[test]
fn pipelines_in_brackets_are_sets() {
    let both = SetExpr::Filter(Filter::And(vec![is_true("a"), is_true("b")]));
    let q = "({ .a } | { .b } | select(.x)) > { .c }";
    assert_eq!(stages(q), [Stage::Sets(structural(Relation::Child, StructuralMode::Plain, both, set("c")))]);
    let many = Stage::Keep { left: Scalar::count("count()"), op: CompareOp::Gt, right: constant(2) };
    let left = SetExpr::Pipeline(Pipeline { stages: vec![Stage::Sets(set("a")), by("x"), many.clone()] });
    assert_eq!(stages("({ .a } | by(.x) | count() > 2) && { .b }"), [Stage::Sets(SetExpr::All(vec![left, set("b")]))]);
    let alone = SetExpr::Pipeline(Pipeline { stages: vec![many] });
    assert_eq!(stages("({ } | count() > 2) && { .b }"), [Stage::Sets(SetExpr::All(vec![alone, set("b")]))]);
}

#[test]
fn aggregates_are_named_as_printed() {
    let of = |function, argument: Option<Expr>, label: &str| Scalar::Aggregate {
        function,
        argument,
        label: label.to_owned(),
    };
    let duration = || Some(Expr::Field(Field::Intrinsic(Intrinsic::Duration)));
    let second = || Scalar::Constant(Value::Duration(1_000_000_000));
    for (q, left, op, right) in [
        ("count()>3", Scalar::count("count()"), CompareOp::Gt, constant(3)),
        ("avg( duration ) <= 1s", of(Aggregate::Avg, duration(), "avg(duration)"), CompareOp::Le, second()),
        ("2 * 3 = count()", constant(6), CompareOp::Eq, Scalar::count("count()")),
        (
            "max(.a) != min(span.b)",
            of(Aggregate::Max, Some(*value("a")), "max(.a)"),
            CompareOp::Ne,
            of(Aggregate::Min, Some(Expr::Field(Field::attribute(AttributeScope::Span, "b"))), "min(span.b)"),
        ),
        (
            "-sum(.a) < -2",
            Scalar::Arithmetic {
                op: ArithmeticOp::Sub,
                left: Box::new(constant(0)),
                right: Box::new(of(Aggregate::Sum, Some(*value("a")), "sum(.a)")),
            },
            CompareOp::Lt,
            constant(-2),
        ),
        (
            "count() / 2 > ({ .a } | count())",
            Scalar::Arithmetic {
                op: ArithmeticOp::Div,
                left: Box::new(Scalar::count("count()")),
                right: Box::new(constant(2)),
            },
            CompareOp::Gt,
            Scalar::Pipeline(Pipeline::from(is_true("a")), Box::new(Scalar::count("count()"))),
        ),
    ] {
        assert_eq!(stages(q), [Stage::Keep { left, op, right }], "{q}");
    }
}

#[test]
fn values_are_computed_of_fields() {
    let relation = |left: Expr, op, right: Expr| Filter::Relation { left, op, right };
    let arithmetic = |op, left: Box<Expr>, right: Box<Expr>| Expr::Arithmetic { op, left, right };
    let one = || Box::new(Expr::Constant(int(1)));
    for (q, expected) in [
        ("{ .a = .b }", relation(*value("a"), CompareOp::Eq, *value("b"))),
        ("{ .a + 1 > 2 }", {
            relation(arithmetic(ArithmeticOp::Add, value("a"), one()), CompareOp::Gt, Expr::Constant(int(2)))
        }),
        ("{ 2 > .a ^ 1 }", {
            relation(arithmetic(ArithmeticOp::Pow, value("a"), one()), CompareOp::Lt, Expr::Constant(int(2)))
        }),
        ("{ -.a = 1 }", relation(Expr::Negate(value("a")), CompareOp::Eq, *one())),
        ("{ .a - .b = nil }", {
            Filter::Computed { value: arithmetic(ArithmeticOp::Sub, value("a"), value("b")), present: false }
        }),
        ("{ .a = (.b = 1) }", {
            let condition = Filter::compare(attribute("b"), CompareOp::Eq, int(1));
            relation(*value("a"), CompareOp::Eq, Expr::Condition(Box::new(condition)))
        }),
        ("{ parent.a = 1 }", Filter::compare(Field::Parent(Box::new(attribute("a"))), CompareOp::Eq, int(1))),
        ("{ parent.resource.a != .a }", {
            let parent = Field::Parent(Box::new(Field::attribute(AttributeScope::Resource, "a")));
            relation(Expr::Field(parent), CompareOp::Ne, *value("a"))
        }),
        ("{ parent = nil }", Filter::Exists { field: Field::Intrinsic(Intrinsic::ParentId), present: false }),
        ("{ nestedSetParent < 0 }", {
            Filter::compare(Field::Intrinsic(Intrinsic::NestedSetParent), CompareOp::Lt, int(0))
        }),
    ] {
        assert_eq!(spans(q), expected.into(), "{q}");
    }
}

#[test]
fn what_may_be_empty_compares_with_fields_as_empty() {
    let (root, version) = (Field::Intrinsic(Intrinsic::RootName), Field::Intrinsic(Intrinsic::ScopeVersion));
    let relation =
        |left: &Expr, right: &Expr| Filter::Relation { left: left.clone(), op: CompareOp::Ne, right: right.clone() };
    let missing = |field: &Field| Filter::Exists { field: field.clone(), present: false };
    let (left, right, empty) =
        (Expr::Field(root.clone()), Expr::Field(version.clone()), Expr::Constant(Value::string("")));
    let expected = Filter::Or(vec![
        relation(&left, &right),
        Filter::And(vec![missing(&root), relation(&empty, &right)]),
        Filter::And(vec![missing(&version), relation(&left, &empty)]),
    ]);
    assert_eq!(spans("{ rootName != instrumentation:version }"), expected.into());
}

#[test]
fn order_and_rows_come_last() {
    let order = |value, descending| Order::By { value, descending };
    let duration = || Expr::Field(Field::Intrinsic(Intrinsic::Duration));
    let sum = || Expr::Arithmetic { op: ArithmeticOp::Add, left: value("a"), right: value("b") };
    for (q, expected, rows, select) in [
        ("{ .x }", Order::Newest, Rows::Traces, 1),
        ("{ .x } | sort(duration)", order(duration(), true), Rows::Traces, 1),
        ("{ .x } | spans | sort(duration asc)", order(duration(), false), Rows::Spans, 1),
        ("{ .x } | sort(.a + .b desc) | spans", order(sum(), true), Rows::Spans, 3),
        ("{ .x } | spans", Order::Newest, Rows::Spans, 1),
    ] {
        let found = compile(q).expect("sound");
        assert_eq!((found.order, found.rows, found.select.len()), (expected, rows, select), "{q}");
        assert_eq!(found.spans, spans("{ .x }"), "{q}");
    }
}

/// Each link once cloned all before it.
#[test]
fn long_chains_of_comparisons_stay_small() {
    for link in [" = (.a = 1)", " != (rootName = parent)", " = .a"] {
        let q = format!("{{ (.a = 1){} }}", link.repeat(150));
        let size = format!("{:?}", spans(&q)).len();
        assert!(size < 100_000, "{link}: {size}");
    }
}

#[test]
fn fields_of_every_stage_are_listed() {
    let q =
        "{ .a } >> ({ .b } | by(.c) | coalesce()) || { .d } | avg(.e) > 1 | by(.f + parent.g) | ({ .h } | count()) > 2";
    let fields = compile(q).expect("sound").select;
    let mut expected: Vec<Field> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(attribute).into();
    let parent = expected[6].clone();
    expected[6] = Field::Parent(Box::new(parent));
    assert_eq!(fields, expected);
}

//! Any tree, printed and read again, is the same tree.

use hoptrail_storage::AttributeScope;
use proptest::prelude::*;

use crate::traceql::ast::*;
use crate::traceql::parse;

fn at() -> TextRange {
    TextRange::default()
}

fn literal(kind: LiteralKind) -> Literal {
    Literal { kind, range: at() }
}

fn field_expr(kind: FieldKind) -> FieldExpr {
    FieldExpr { kind, range: at() }
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, range: at() }
}

fn literals() -> impl Strategy<Value = Literal> {
    use hoptrail_proto::model::{SpanKind, StatusCode};
    prop_oneof![
        "\\PC*|[\"\\\\\\n\\t]*".prop_map(LiteralKind::String),
        any::<i64>().prop_map(LiteralKind::Int),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(LiteralKind::Float),
        any::<bool>().prop_map(LiteralKind::Bool),
        (-i64::MAX..=i64::MAX).prop_map(LiteralKind::Duration),
        (0..3).prop_map(|code| LiteralKind::Status(StatusCode::from_otlp(code))),
        (0..6).prop_map(|kind| LiteralKind::Kind(SpanKind::from_otlp(kind))),
        Just(LiteralKind::Nil),
    ]
    .prop_map(literal)
}

fn numbers() -> impl Strategy<Value = Literal> {
    prop_oneof![any::<i64>().prop_map(LiteralKind::Int), (0.0..1e9).prop_map(LiteralKind::Float)].prop_map(literal)
}

fn fields() -> impl Strategy<Value = FieldExpr> {
    let scope = prop_oneof![
        Just(AttributeScope::Any),
        Just(AttributeScope::Span),
        Just(AttributeScope::Resource),
        Just(AttributeScope::Event),
        Just(AttributeScope::Link),
        Just(AttributeScope::Instrumentation),
    ];
    let key = prop_oneof!["[a-z]{1,4}(\\.[a-z]{1,4})?", "\\PC{1,6}", "span\\.[a-z]", "[0-9][a-z]", "[\"\\\\ {}=]{1,3}"];
    let attribute =
        (any::<bool>(), scope, key).prop_map(|(of_parent, scope, key)| FieldRef::Attribute { of_parent, scope, key });
    let name = prop_oneof![Just(Name::Duration), Just(Name::ChildCount), Just(Name::Parent), Just(Name::ScopeVersion)];
    prop_oneof![attribute, name.prop_map(FieldRef::Intrinsic)].prop_map(|field| field_expr(FieldKind::Field(field)))
}

fn binary_ops() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::*;
    proptest::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge, Match, NotMatch, Add, Sub, Mul, Div, Mod, Pow])
}

fn logic_ops() -> impl Strategy<Value = LogicOp> {
    prop_oneof![Just(LogicOp::And), Just(LogicOp::Or)]
}

fn conditions() -> impl Strategy<Value = FieldExpr> {
    let leaf = prop_oneof![fields(), literals().prop_map(|literal| field_expr(FieldKind::Literal(literal)))];
    leaf.prop_recursive(5, 30, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            (binary_ops(), boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| field_expr(FieldKind::Binary {
                op,
                left,
                right
            })),
            boxed.clone().prop_map(|operand| field_expr(FieldKind::Unary { op: UnaryOp::Not, operand })),
            boxed.prop_map(|operand| field_expr(FieldKind::Unary { op: UnaryOp::Negate, operand })),
            (logic_ops(), prop::collection::vec(inner, 2..4)).prop_map(|(op, operands)| {
                let same =
                    |operand: &FieldExpr| matches!(&operand.kind, FieldKind::Logic { op: inner, .. } if *inner == op);
                let operands = operands
                    .into_iter()
                    .map(|operand| match same(&operand) {
                        // `a && (b && c)` is one list, so the tree of it never exists.
                        true => field_expr(FieldKind::Unary { op: UnaryOp::Not, operand: Box::new(operand) }),
                        false => operand,
                    })
                    .collect();
                field_expr(FieldKind::Logic { op, operands })
            }),
        ]
    })
}

fn spansets() -> impl Strategy<Value = Expr> {
    use Relation::*;
    let filter = prop::option::of(conditions()).prop_map(|condition| expr(ExprKind::Filter(condition)));
    filter.prop_recursive(4, 20, 3, |inner| {
        let relation = proptest::sample::select(vec![Child, Parent, Descendant, Ancestor, Sibling]);
        let mode =
            proptest::sample::select(vec![StructuralMode::Plain, StructuralMode::Negated, StructuralMode::Union]);
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            (relation, mode, boxed.clone(), boxed).prop_map(|(relation, mode, left, right)| expr(
                ExprKind::Structural { op: StructuralOp { relation, mode }, left, right }
            )),
            (logic_ops(), inner.clone(), conditions()).prop_map(|(op, left, condition)| {
                let right = expr(ExprKind::Filter(Some(condition)));
                match left.kind {
                    ExprKind::Logic { op: inner, mut operands } if inner == op => {
                        operands.push(right);
                        expr(ExprKind::Logic { op, operands })
                    }
                    kind => expr(ExprKind::Logic { op, operands: vec![expr(kind), right] }),
                }
            }),
            (inner, conditions()).prop_map(|(first, key)| {
                let stages = vec![
                    Stage { kind: StageKind::Expr(first), range: at() },
                    Stage { kind: StageKind::By(key), range: at() },
                ];
                expr(ExprKind::Pipeline(Pipeline { stages, range: at() }))
            }),
        ]
    })
}

fn scalars() -> impl Strategy<Value = Expr> {
    let aggregate = prop_oneof![
        Just(ExprKind::Aggregate { function: Aggregate::Count, argument: None }),
        conditions().prop_map(|of| ExprKind::Aggregate { function: Aggregate::Max, argument: Some(of) }),
        numbers().prop_map(ExprKind::Literal),
    ]
    .prop_map(expr);
    aggregate.prop_recursive(4, 12, 2, |inner| {
        let arithmetic = binary_ops().prop_filter("arithmetic", |op| op.is_arithmetic());
        let boxed = inner.prop_map(Box::new);
        prop_oneof![
            (arithmetic, boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| expr(ExprKind::Binary {
                op,
                left,
                right
            })),
            boxed.prop_map(|inner| expr(ExprKind::Negate(inner))),
        ]
    })
}

fn stages() -> impl Strategy<Value = Vec<StageKind>> {
    let scalar_filter = (scalars(), numbers()).prop_map(|(left, value)| {
        let right = Box::new(expr(ExprKind::Literal(value)));
        StageKind::Expr(expr(ExprKind::Binary { op: BinaryOp::Gt, left: Box::new(left), right }))
    });
    let quantiles = (conditions(), prop::collection::vec(numbers(), 1..3), prop::collection::vec(conditions(), 0..3))
        .prop_map(|(value, quantiles, by)| {
            let function = MetricsFunction::QuantileOverTime(value, quantiles);
            StageKind::Expr(expr(ExprKind::Metrics(MetricsCall { function, by })))
        });
    let compare =
        (prop::option::of(conditions()), prop::collection::vec(numbers(), 0..4)).prop_map(|(selection, numbers)| {
            let function = MetricsFunction::Compare { selection, numbers };
            StageKind::Expr(expr(ExprKind::Metrics(MetricsCall { function, by: Vec::new() })))
        });
    let stage = prop_oneof![
        spansets().prop_map(StageKind::Expr).prop_map(|kind| vec![kind]),
        scalar_filter.prop_map(|kind| vec![kind]),
        quantiles.prop_map(|kind| vec![kind]),
        compare.prop_map(|kind| vec![kind]),
        Just(vec![StageKind::Coalesce]),
        Just(vec![StageKind::Spans]),
        conditions().prop_map(|key| vec![StageKind::By(key)]),
        (conditions(), any::<bool>()).prop_map(|(value, descending)| vec![StageKind::Sort { value, descending }]),
        prop::collection::vec(conditions(), 1..3).prop_map(|fields| vec![StageKind::Select(fields)]),
        (numbers(), numbers()).prop_map(|(count, value)| {
            vec![StageKind::Rank { rank: Rank::Top, count }, StageKind::Keep { op: BinaryOp::Ne, value }]
        }),
    ];
    prop::collection::vec(stage, 1..4).prop_map(|stages| stages.into_iter().flatten().collect())
}

fn queries() -> impl Strategy<Value = Query> {
    let hint = ("[a-z]{1,5}", literals()).prop_map(|(name, value)| Hint { name, value, range: at() });
    (stages(), prop::collection::vec(hint, 0..3)).prop_map(|(stages, hints)| {
        let stages = stages.into_iter().map(|kind| Stage { kind, range: at() }).collect();
        Query { pipeline: Pipeline { stages, range: at() }, hints, range: at() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_printed_is_read_again(query in queries()) {
        let text = query.to_string();
        let _ = (crate::traceql::compile(&text), crate::traceql::compile_metrics(&text));
        let again = parse(&text);
        prop_assert_eq!(again.as_ref().map(ToString::to_string), Ok(text.clone()));
        prop_assert_eq!(again, Ok(query), "{}", text);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,40}") {
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.is_empty());
            let _ = crate::traceql::render_errors(&text, &errors);
        }
    }

    #[test]
    fn any_words_are_answered(words in prop::collection::vec(proptest::sample::select(vec![
        "{", "}", "(", ")", "&&", "||", ">>", "!~", "|", ",", "=", "!", "-", "5", "1.5", "2s", "\"x\"", ".a", "span.b", "name",
        "count", "by", "select", "rate", "compare", "quantile_over_time", "topk", "with", "sort", "spans", "asc", "parent", "rate_over_time", "nil", "error", "5x", "\"", "é",
    ]), 0..30)) {
        let text = words.join(" ");
        if let Err(errors) = crate::traceql::compile(&text) {
            prop_assert!(!errors.is_empty());
            for error in &errors {
                prop_assert!(text.get(error.range.clone()).is_some(), "{:?} {}", error, text);
            }
            let _ = crate::traceql::render_errors(&text, &errors);
        }
        crate::checks::traceql(&text);
    }
}

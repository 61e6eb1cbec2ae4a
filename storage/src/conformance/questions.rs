//! Questions of every form.

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode, TraceId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::traces::EPOCH;
use crate::series::MetricsFunction;
use crate::*;

fn constant() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-c0-3/. é]{0,3}".prop_map(Value::string),
        (-2i64..5).prop_map(int),
        select(vec![0.5, 1.0, -2.5]).prop_map(|number| Value::Any(AnyValue::Double(number))),
        any::<bool>().prop_map(|value| Value::Any(AnyValue::Bool(value))),
        "[n-pe-gs-v1a]".prop_map(Value::string),
        prop_oneof![0u64..50, 0u64..20_000].prop_map(Value::Duration),
        (0i32..3).prop_map(|code| Value::Status(StatusCode::from_otlp(code))),
        (0i32..6).prop_map(|kind| Value::Kind(SpanKind::from_otlp(kind))),
    ]
}

fn int(number: i64) -> Value {
    Value::Any(AnyValue::Int(number))
}

/// A field of one span.
fn own_field() -> impl Strategy<Value = Field> {
    use AttributeScope::{Any, Event, Instrumentation, Link, Resource, Span};
    let scopes = || select(vec![Any, Resource, Span, Span, Event, Link, Instrumentation]);
    let intrinsics = select(vec![
        Intrinsic::Name,
        Intrinsic::Duration,
        Intrinsic::Kind,
        Intrinsic::Status,
        Intrinsic::StatusMessage,
        Intrinsic::TraceId,
        Intrinsic::SpanId,
        Intrinsic::ParentId,
        Intrinsic::EventName,
        Intrinsic::EventTimeSinceStart,
        Intrinsic::LinkSpanId,
        Intrinsic::ScopeName,
        Intrinsic::ScopeVersion,
    ]);
    prop_oneof![
        2 => (scopes(), "[a-d]{1,2}").prop_map(|(scope, key)| Field::attribute(scope, key)),
        3 => (scopes(), "[xy]").prop_map(|(scope, key)| Field::attribute(scope, key)),
        3 => intrinsics.prop_map(Field::Intrinsic),
        1 => Just(Field::service()),
    ]
}

/// Any field.
pub(super) fn field() -> impl Strategy<Value = Field> {
    let of_trace = select(vec![
        Intrinsic::TraceDuration,
        Intrinsic::TraceStart,
        Intrinsic::TraceSpans,
        Intrinsic::TraceErrors,
        Intrinsic::RootName,
        Intrinsic::RootService,
        Intrinsic::ChildCount,
        Intrinsic::NestedSetLeft,
        Intrinsic::NestedSetRight,
        Intrinsic::NestedSetParent,
    ]);
    let of_trace = of_trace.prop_map(Field::Intrinsic).boxed();
    let of_parent = prop_oneof![3 => own_field(), 1 => of_trace.clone()];
    prop_oneof![
        6 => own_field(),
        2 => of_trace,
        1 => of_parent.prop_map(|field| Field::Parent(Box::new(field))),
    ]
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    select(vec![Eq, Ne, Lt, Le, Gt, Ge])
}

/// A value of a span.
pub(super) fn expr() -> impl Strategy<Value = Expr> {
    use ArithmeticOp::{Add, Div, Mod, Mul, Pow, Sub};
    let condition = condition(field().boxed()).prop_map(|filter| Expr::Condition(Box::new(filter)));
    let leaf = prop_oneof![
        6 => field().prop_map(Expr::Field),
        2 => constant().prop_map(Expr::Constant),
        1 => condition,
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let ops = select(vec![Add, Sub, Mul, Div, Mod, Pow]);
        prop_oneof![
            inner.clone().prop_map(|inner| Expr::Negate(Box::new(inner))),
            (ops, inner.clone(), inner).prop_map(|(op, left, right)| Expr::Arithmetic {
                op,
                left: Box::new(left),
                right: Box::new(right)
            }),
        ]
    })
}

fn condition(field: BoxedStrategy<Field>) -> impl Strategy<Value = Filter> {
    let matches = (field.clone(), "[a-c0-3n-p]{0,2}[.]?[*]?", any::<bool>())
        .prop_filter_map("regex", |(field, source, negated)| {
            Some(Filter::Matches { field, pattern: Pattern::new(&source).ok()?, negated })
        });
    prop_oneof![
        4 => (field.clone(), compare_op(), constant()).prop_map(|(field, op, value)| Filter::compare(field, op, value)),
        1 => matches,
        1 => (field, any::<bool>()).prop_map(|(field, present)| Filter::Exists { field, present }),
        1 => Just(Filter::True),
    ]
}

fn combined(leaf: impl Strategy<Value = Filter> + 'static) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Filter::And),
            vec(inner.clone(), 1..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

pub(super) fn filter() -> impl Strategy<Value = Filter> {
    let nested = || combined(condition(own_field().boxed())).boxed();
    combined(prop_oneof![
        6 => condition(field().boxed()),
        2 => (expr(), compare_op(), expr()).prop_map(|(left, op, right)| Filter::Relation { left, op, right }),
        1 => (expr(), any::<bool>()).prop_map(|(value, present)| Filter::Computed { value, present }),
        1 => nested().prop_map(|inner| Filter::Event(Box::new(inner))),
        1 => nested().prop_map(|inner| Filter::Link(Box::new(inner))),
    ])
}

/// A set of spans; `depth` bounds what is inside of it.
pub(super) fn set(depth: u32) -> BoxedStrategy<SetExpr> {
    let alone = filter().prop_map(SetExpr::Filter);
    if depth == 0 {
        return alone.boxed();
    }
    prop_oneof![
        3 => alone,
        1 => vec(set(depth - 1), 2..4).prop_map(SetExpr::All),
        1 => vec(set(depth - 1), 2..4).prop_map(SetExpr::Any),
        4 => structural(depth),
        1 => pipeline(depth - 1).prop_map(SetExpr::Pipeline),
    ]
    .boxed()
}

fn structural(depth: u32) -> impl Strategy<Value = SetExpr> {
    use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
    let relations = select(vec![Child, Parent, Descendant, Ancestor, Sibling]);
    let modes = select(vec![StructuralMode::Plain, StructuralMode::Negated, StructuralMode::Union]);
    (relations, modes, set(depth - 1), set(depth - 1)).prop_map(|(relation, mode, left, right)| SetExpr::Structural {
        relation,
        mode,
        left: Box::new(left),
        right: Box::new(right),
    })
}

fn scalar(depth: u32) -> BoxedStrategy<Scalar> {
    use Aggregate::{Avg, Max, Min, Sum};
    let aggregate = (select(vec![Avg, Min, Max, Sum]), expr(), "[mn]")
        .prop_map(|(function, argument, label)| Scalar::Aggregate { function, argument: Some(argument), label });
    let leaf = prop_oneof![
        2 => Just(Scalar::count("count()")),
        3 => aggregate,
        2 => (-1i64..4).prop_map(|number| Scalar::Constant(int(number))),
        1 => (0u64..40).prop_map(|nanos| Scalar::Constant(Value::Duration(nanos))),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let ops = select(vec![ArithmeticOp::Add, ArithmeticOp::Sub, ArithmeticOp::Div]);
    prop_oneof![
        6 => leaf,
        1 => (ops, scalar(depth - 1), scalar(depth - 1)).prop_map(|(op, left, right)| Scalar::Arithmetic {
            op,
            left: Box::new(left),
            right: Box::new(right)
        }),
        1 => (pipeline(depth - 1), scalar(depth - 1)).prop_map(|(of, scalar)| Scalar::Pipeline(of, Box::new(scalar))),
    ]
    .boxed()
}

/// Stages; `depth` bounds what is inside of them.
pub(super) fn pipeline(depth: u32) -> BoxedStrategy<Pipeline> {
    let stage = prop_oneof![
        4 => set(depth).prop_map(Stage::Sets),
        2 => (expr(), "by\\([xy]\\)").prop_map(|(value, label)| Stage::By { value, label }),
        1 => Just(Stage::Coalesce),
        2 => (scalar(depth), compare_op(), scalar(depth)).prop_map(|(left, op, right)| Stage::Keep { left, op, right }),
    ];
    prop_oneof![
        2 => filter().prop_map(Pipeline::from),
        3 => vec(stage, 0..4).prop_map(|stages| Pipeline { stages }),
    ]
    .boxed()
}

fn range() -> impl Strategy<Value = Option<TimeRange>> {
    let near = (0u64..50, 0u64..50).prop_map(|(start, end)| (EPOCH + start, EPOCH + end));
    let any = (any::<u64>(), any::<u64>());
    let range = prop_oneof![near, any].prop_map(|(a, b)| TimeRange { start: a.min(b), end: a.max(b) });
    prop_oneof![2 => Just(None), 1 => range.prop_map(Some)]
}

pub(super) fn search() -> impl Strategy<Value = SearchRequest> {
    let order = prop_oneof![
        2 => Just(Order::Newest),
        1 => (expr(), any::<bool>()).prop_map(|(value, descending)| Order::By { value, descending }),
    ];
    let rows = prop_oneof![3 => Just(Rows::Traces), 1 => Just(Rows::Spans)];
    let shown = (0usize..5, 0usize..4, vec(field(), 0..3));
    let only = prop_oneof![3 => Just(None), 1 => vec((0u8..6).prop_map(|id| TraceId([id; 16])), 0..4).prop_map(Some)];
    (pipeline(2), range(), shown, order, rows, only).prop_map(
        |(spans, range, (limit, spans_per_set, select), order, rows, traces)| SearchRequest {
            spans,
            range,
            limit,
            spans_per_set,
            select,
            order,
            rows,
            after: None,
            traces,
        },
    )
}

pub(super) fn values() -> impl Strategy<Value = FieldValuesRequest> {
    (field(), filter(), range(), 1usize..5).prop_map(|(field, filter, range, limit)| FieldValuesRequest {
        field,
        filter,
        range,
        limit,
    })
}

pub(super) fn contrasts() -> impl Strategy<Value = ContrastRequest> {
    let others = prop_oneof![2 => Just(Pipeline::from(Filter::True)), 1 => pipeline(1)];
    let least = (select(vec![0.0, 0.02, 0.5]), select(vec![0.0, 1.0]), select(vec![-1.0, 0.0, 0.3]), 0u64..3);
    let ignored = select(vec![Vec::new(), vec!["x"], vec!["*x", "y*"]]);
    let without = vec((field(), constant()), 0..2);
    (pipeline(1), others, range(), least, ignored, without).prop_map(
        |(selected, others, range, (difference, surprise, gain, traces), ignored, without)| ContrastRequest {
            selected,
            others,
            range,
            ignored: ignored.into_iter().map(str::to_owned).collect(),
            without,
            bar: Bar { difference, surprise, gain, traces },
        },
    )
}

pub(super) fn metrics() -> impl Strategy<Value = MetricsRequest> {
    let function = prop_oneof![
        4 => Just(MetricsFunction::Count),
        1 => expr().prop_map(MetricsFunction::Min),
        1 => expr().prop_map(MetricsFunction::Max),
        1 => expr().prop_map(MetricsFunction::Avg),
        1 => expr().prop_map(MetricsFunction::Sum),
        1 => expr().prop_map(MetricsFunction::Histogram),
        1 => (expr(), vec(select(vec![0.0, 0.25, 0.5, 0.75, 1.0]), 1..3))
            .prop_map(|(value, quantiles)| MetricsFunction::Quantiles(value, quantiles)),
        2 => (filter(), 0usize..3, range())
            .prop_map(|(selection, top, range)| MetricsFunction::Compare { selection, top, range }),
    ];
    let steps =
        (0u64..20, 1u64..30, 1usize..4).prop_map(|(start, step, count)| Steps { start: EPOCH + start, step, count });
    (pipeline(1), function, vec(expr(), 0..3), steps, 0usize..6, any::<bool>()).prop_map(
        |(spans, function, by, steps, exemplars, weighted)| {
            let by = if matches!(function, MetricsFunction::Compare { .. }) { Vec::new() } else { by };
            MetricsRequest { spans, function, by, steps, exemplars, weighted }
        },
    )
}

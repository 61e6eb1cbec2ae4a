//! What a query in PromQL asks for: the part of the language that rollups answer, checked before anything is read.

use std::time::Duration;

use promql_parser::label::Matcher;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorMatchCardinality, VectorSelector, token,
    value::ValueType,
};

use super::error::PromError;
use super::labels::{LE, NAME};

/// Longest text of a query.
const MOST_TEXT: usize = 16 << 10;
/// Most expressions within one another.
const MOST_DEPTH: usize = 64;
/// Longest range and offset: ten years.
const MOST_TIME: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Labels that do not tell the spans of a service apart by name or dimension.
const OF_SERVICES: [&str; 5] = [NAME, "service", "span_kind", "status_code", LE];

/// A checked query.
#[derive(Debug)]
pub(super) enum Plan {
    Number(f64),
    /// The counters themselves.
    Select(Selector),
    /// A number of each window of time.
    Window(Window, Selector, u64),
    Aggregate(Box<Aggregate>),
    /// Of classic buckets.
    Quantile(Box<Plan>, Box<Plan>),
    Map(Map, Vec<Plan>),
    Binary(Box<Binary>),
    Negative(Box<Plan>),
    /// A series without labels.
    Vector(Box<Plan>),
    /// The number of the only series.
    Scalar(Box<Plan>),
    Sorted(Sort, Box<Plan>),
}

/// Chooses series.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    /// How much earlier than asked for, in nanoseconds.
    pub(super) offset: i64,
    /// Whether names of spans and dimensions may be added up already where the store reads: then there are far fewer numbers.
    pub(super) by_service: bool,
}

/// What is made of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Increase,
    Rate,
    /// The rate of the last minute of the window.
    LastRate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Ascending,
    Descending,
}

/// A function of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    Abs,
    Ceil,
    Floor,
    Round,
    ClampMin,
    ClampMax,
}

#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) op: AggregateOp,
    pub(super) grouping: LabelModifier,
    /// How many of `topk` and `bottomk`.
    pub(super) count: Option<Plan>,
    pub(super) of: Plan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateOp {
    Sum,
    Min,
    Max,
    Avg,
    Count,
    Group,
    Top,
    Bottom,
}

#[derive(Debug)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    pub(super) left: Plan,
    pub(super) right: Plan,
    /// Labels by which series find one another: `on`, or all but those of `ignoring`.
    pub(super) matching: LabelModifier,
    pub(super) many: Many,
    /// 0 or 1 instead of a choice.
    pub(super) truth: bool,
}

/// Which side may have many series for one of the other, and the labels that the one gives them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Many {
    Neither,
    Left(Vec<String>),
    Right(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Equal,
    Different,
    Less,
    AtMost,
    More,
    AtLeast,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub(super) fn compares(self) -> bool {
        matches!(self, Self::Equal | Self::Different | Self::Less | Self::AtMost | Self::More | Self::AtLeast)
    }

    pub(super) fn joins_sets(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

impl Plan {
    /// Reads and checks a query.
    pub(super) fn of(text: &str) -> Result<Self, PromError> {
        if text.len() > MOST_TEXT {
            return Err(PromError::bad_data(format!("the query is longer than {MOST_TEXT} bytes")));
        }
        let expr = promql_parser::parser::parse(text)
            .map_err(|reason| PromError::bad_data(format!("invalid PromQL query: {reason}")))?;
        plan(&expr, 0)
    }

    /// Whether it is one number and not series.
    pub(super) fn is_scalar(&self) -> bool {
        match self {
            Self::Number(_) | Self::Scalar(_) => true,
            Self::Negative(of) => of.is_scalar(),
            Self::Binary(binary) => binary.left.is_scalar() && binary.right.is_scalar(),
            _ => false,
        }
    }
}

impl Selector {
    /// Reads the selector of a `match[]`.
    pub(super) fn of(text: &str) -> Result<Self, PromError> {
        match Plan::of(text)? {
            Plan::Select(selector) if selector.offset == 0 => Ok(selector),
            _ => Err(PromError::bad_data(format!(
                "invalid match[] {text:?}: expected a selector such as {{service=\"shop\"}}"
            ))),
        }
    }
}

fn plan(expr: &Expr, depth: usize) -> Result<Plan, PromError> {
    if depth > MOST_DEPTH {
        return Err(PromError::bad_data(format!("more than {MOST_DEPTH} expressions stand within one another")));
    }
    let within = |expr: &Expr| plan(expr, depth + 1);
    match expr {
        Expr::NumberLiteral(number) => Ok(Plan::Number(number.val)),
        Expr::Paren(paren) => within(&paren.expr),
        Expr::Unary(unary) => Ok(Plan::Negative(Box::new(within(&unary.expr)?))),
        Expr::VectorSelector(selector) => Ok(Plan::Select(select(selector)?)),
        Expr::Aggregate(aggregate) => plan_aggregate(aggregate, within),
        Expr::Binary(binary) => plan_binary(binary, within),
        Expr::Call(call) => plan_call(call, within),
        Expr::MatrixSelector(_) => Err(PromError::unsupported("a range such as [5m] outside of rate and increase")),
        Expr::Subquery(_) => Err(PromError::unsupported("a subquery")),
        Expr::StringLiteral(_) => Err(PromError::unsupported("a text as a query")),
        Expr::Extension(_) => Err(PromError::unsupported("this expression")),
    }
}

fn select(selector: &VectorSelector) -> Result<Selector, PromError> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(PromError::unsupported("`or` between matchers"));
    }
    if selector.at.is_some() {
        return Err(PromError::unsupported("the modifier @"));
    }
    let mut matchers = selector.matchers.matchers.clone();
    if let Some(name) = &selector.name {
        let named = Matcher::new_metric_name_matcher(name.clone());
        matchers.push(named.map_err(PromError::bad_data)?);
    }
    let offset = match &selector.offset {
        None => 0,
        Some(Offset::Pos(length)) => signed(*length)?,
        Some(Offset::Neg(length)) => -signed(*length)?,
    };
    Ok(Selector { matchers, offset, by_service: false })
}

fn signed(length: Duration) -> Result<i64, PromError> {
    let nanos = i64::try_from(length.as_nanos()).ok().filter(|_| length <= MOST_TIME);
    nanos.ok_or_else(|| PromError::bad_data("a range or an offset is longer than ten years"))
}

fn plan_aggregate(
    aggregate: &AggregateExpr,
    within: impl Fn(&Expr) -> Result<Plan, PromError>,
) -> Result<Plan, PromError> {
    let op = match aggregate.op.id() {
        token::T_SUM => AggregateOp::Sum,
        token::T_MIN => AggregateOp::Min,
        token::T_MAX => AggregateOp::Max,
        token::T_AVG => AggregateOp::Avg,
        token::T_COUNT => AggregateOp::Count,
        token::T_GROUP => AggregateOp::Group,
        token::T_TOPK => AggregateOp::Top,
        token::T_BOTTOMK => AggregateOp::Bottom,
        _ => return Err(PromError::unsupported(&format!("the aggregation {}", aggregate.op))),
    };
    let mut of = series(&aggregate.expr, &within)?;
    let count = aggregate.param.as_deref().map(&within).transpose()?;
    if count.as_ref().is_some_and(|count| !count.is_scalar()) {
        return Err(PromError::bad_data("topk and bottomk need a number"));
    }
    let grouping = aggregate.modifier.clone().unwrap_or_else(|| LabelModifier::include(Vec::new()));
    if op == AggregateOp::Sum
        && let LabelModifier::Include(labels) = &grouping
        && let Plan::Window(_, selector, _) | Plan::Select(selector) = &mut of
    {
        let mut named = labels.labels.iter().chain(selector.matchers.iter().map(|matcher| &matcher.name));
        selector.by_service = named.all(|label| OF_SERVICES.contains(&label.as_str()));
    }
    Ok(Plan::Aggregate(Box::new(Aggregate { op, grouping, count, of })))
}

/// An expression that has series.
fn series(expr: &Expr, within: impl Fn(&Expr) -> Result<Plan, PromError>) -> Result<Plan, PromError> {
    let plan = within(expr)?;
    if plan.is_scalar() {
        return Err(PromError::bad_data("a number stands where series are expected"));
    }
    Ok(plan)
}

fn plan_binary(binary: &BinaryExpr, within: impl Fn(&Expr) -> Result<Plan, PromError>) -> Result<Plan, PromError> {
    let op = match binary.op.id() {
        token::T_ADD => BinaryOp::Add,
        token::T_SUB => BinaryOp::Subtract,
        token::T_MUL => BinaryOp::Multiply,
        token::T_DIV => BinaryOp::Divide,
        token::T_MOD => BinaryOp::Remainder,
        token::T_POW => BinaryOp::Power,
        token::T_EQLC => BinaryOp::Equal,
        token::T_NEQ => BinaryOp::Different,
        token::T_LSS => BinaryOp::Less,
        token::T_LTE => BinaryOp::AtMost,
        token::T_GTR => BinaryOp::More,
        token::T_GTE => BinaryOp::AtLeast,
        token::T_LAND => BinaryOp::And,
        token::T_LOR => BinaryOp::Or,
        token::T_LUNLESS => BinaryOp::Unless,
        _ => return Err(PromError::unsupported(&format!("the operator {}", binary.op))),
    };
    let (left, right) = (within(&binary.lhs)?, within(&binary.rhs)?);
    let modifier = binary.modifier.clone().unwrap_or_default();
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(PromError::unsupported("fill"));
    }
    let is_of_numbers = left.is_scalar() && right.is_scalar();
    if is_of_numbers && op.compares() && !modifier.return_bool {
        return Err(PromError::bad_data("comparisons of two numbers need bool"));
    }
    if op.joins_sets() && (left.is_scalar() || right.is_scalar()) {
        return Err(PromError::bad_data("and, or and unless stand between series, not numbers"));
    }
    let many = match modifier.card {
        VectorMatchCardinality::ManyToOne(labels) => Many::Left(labels.labels),
        VectorMatchCardinality::OneToMany(labels) => Many::Right(labels.labels),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Many::Neither,
    };
    let matching = modifier.matching.unwrap_or_else(|| LabelModifier::exclude(Vec::new()));
    Ok(Plan::Binary(Box::new(Binary { op, left, right, matching, many, truth: modifier.return_bool })))
}

fn plan_call(call: &Call, within: impl Fn(&Expr) -> Result<Plan, PromError>) -> Result<Plan, PromError> {
    let name = call.func.name;
    let args: Vec<&Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
    let missing = || PromError::bad_data(format!("{name} is without what it is of"));
    let first = || args.first().copied().ok_or_else(missing);
    let boxed = |expr: &Expr| within(expr).map(Box::new);
    let of_series = || series(first()?, &within);
    let map = |map| Ok(Plan::Map(map, args.iter().map(|arg| within(arg)).collect::<Result<_, _>>()?));
    match name {
        "increase" | "delta" => plan_window(Window::Increase, name, first()?),
        "rate" => plan_window(Window::Rate, name, first()?),
        "irate" => plan_window(Window::LastRate, name, first()?),
        "histogram_quantile" => {
            let of = series(args.get(1).copied().ok_or_else(missing)?, &within)?;
            Ok(Plan::Quantile(boxed(first()?)?, Box::new(of)))
        }
        "abs" => map(Map::Abs),
        "ceil" => map(Map::Ceil),
        "floor" => map(Map::Floor),
        "round" if args.len() == 1 => map(Map::Round),
        "clamp_min" => map(Map::ClampMin),
        "clamp_max" => map(Map::ClampMax),
        "vector" => Ok(Plan::Vector(boxed(first()?)?)),
        "scalar" => Ok(Plan::Scalar(Box::new(of_series()?))),
        "sort" => Ok(Plan::Sorted(Sort::Ascending, Box::new(of_series()?))),
        "sort_desc" => Ok(Plan::Sorted(Sort::Descending, Box::new(of_series()?))),
        _ => Err(PromError::unsupported(&format!("the function {name}"))),
    }
}

fn plan_window(window: Window, name: &str, of: &Expr) -> Result<Plan, PromError> {
    match of {
        Expr::MatrixSelector(matrix) => {
            let range = signed(matrix.range)?.unsigned_abs();
            Ok(Plan::Window(window, select(&matrix.vs)?, range))
        }
        Expr::Paren(paren) => plan_window(window, name, &paren.expr),
        other => Err(PromError::unsupported(&format!("{name} of {}", kind(other)))),
    }
}

fn kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::Subquery(_) => "a subquery",
        _ if expr.value_type() == ValueType::Matrix => "such a range",
        _ => "something that is no range such as metric[5m]",
    }
}

//! A checked tree to what the store is asked.

mod condition;

use hoptrail_storage::{
    CompareOp, Expr as StoredExpr, Field, Filter, Intrinsic, MetricsFunction, Order, Pipeline, Rows,
};

use super::QueryError;
use super::ast::{BinaryOp, Expr, ExprKind, FieldExpr, FieldKind, FieldRef, Query, Rank, StageKind, TextRange};

pub(super) use condition::{Planner, conjunction};

/// A search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compiled {
    /// Which spans are the answer.
    pub spans: Pipeline,
    /// The fields that the query names, each once, in the order of the text. Span name, duration, trace duration, root name, root
    /// service, trace id and span id are not among them: every answer has these anyway.
    pub select: Vec<Field>,
    /// The order of the answers: `sort(…)`.
    pub order: Order,
    /// What a row of the answer is: `spans` makes it a span.
    pub rows: Rows,
}

/// A metrics query: numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub enum CompiledMetrics {
    /// A metrics function of the spans of a pipeline.
    Call(MetricsCall),
    /// The same number in each interval.
    Constant(f64),
    /// Arithmetic between series with equal labels.
    Binary {
        /// `+ - * /`
        op: BinaryOp,
        /// Left side.
        left: Box<CompiledMetrics>,
        /// Right side.
        right: Box<CompiledMetrics>,
    },
    /// `topk(n)`, `bottomk(n)`: in each interval only the `count` greatest or least numbers stay.
    Rank {
        /// Which of both.
        rank: Rank,
        /// How many series to keep.
        count: usize,
        /// Of what.
        series: Box<CompiledMetrics>,
    },
    /// Numbers for which the comparison holds stay.
    Keep {
        /// The comparison.
        op: CompareOp,
        /// With what; seconds for a duration.
        value: f64,
        /// Of what.
        series: Box<CompiledMetrics>,
    },
}

/// A metrics function of the spans of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsCall {
    /// Which spans count.
    pub spans: Pipeline,
    /// What is computed of them.
    pub function: MetricsFunction,
    /// Whether numbers are divided by the seconds of an interval: `rate()`.
    pub per_second: bool,
    /// The name of the function, which a series without other labels has as `__name__`.
    pub name: &'static str,
    /// `by (…)`, each with its label, as written.
    pub by: Vec<(StoredExpr, String)>,
}

/// Plans a query in which `check` found no fault.
///
/// # Errors
/// Everything in it that the store cannot do yet, in the order of the text.
pub(super) fn plan(query: &Query) -> Result<Compiled, Vec<QueryError>> {
    let mut planner = Planner::default();
    let mut filters = Vec::new();
    let mut select = Vec::new();
    for stage in &query.pipeline.stages {
        match &stage.kind {
            StageKind::Expr(expr) => {
                if let Some(condition) = filter_of(expr, &mut planner) {
                    filters.extend(planner.condition(condition));
                    named_fields(condition, &mut select);
                }
            }
            StageKind::Select(fields) => {
                for field in fields {
                    planner.stored(field);
                    named_fields(field, &mut select);
                }
            }
            StageKind::By(_) => planner.unsupported(stage.range, "by()"),
            StageKind::Coalesce => planner.unsupported(stage.range, "coalesce()"),
            StageKind::Rank { .. } | StageKind::Keep { .. } => {}
        }
    }
    let errors = planner.into_errors();
    if errors.is_empty() {
        Ok(Compiled { spans: all(filters).into(), select, ..Compiled::default() })
    } else {
        Err(errors)
    }
}

/// Plans a metrics query in which `check` found no fault.
///
/// # Errors
/// Everything in it that cannot be done, in the order of the text.
pub(super) fn plan_metrics(query: &Query) -> Result<CompiledMetrics, Vec<QueryError>> {
    Err(vec![QueryError::new(query.range.bytes(), "metrics are not supported yet")])
}

/// The condition of a stage that is one filter.
fn filter_of<'a>(expr: &'a Expr, planner: &mut Planner) -> Option<&'a FieldExpr> {
    let what = match &expr.kind {
        ExprKind::Filter(condition) => return condition.as_ref(),
        ExprKind::Logic { op, .. } => &format!("`{}` between sets of spans", op.symbol()),
        ExprKind::Structural { op, .. } => &format!("the structural operator `{}`", op.symbol()),
        ExprKind::Metrics(_) => "a metrics function",
        ExprKind::Pipeline(_) => "a pipeline in brackets",
        _ => "a condition on an aggregate",
    };
    planner.unsupported(expr.range, what);
    None
}

fn all(mut filters: Vec<Filter>) -> Filter {
    match (filters.pop(), filters.is_empty()) {
        (None, _) => Filter::True,
        (Some(only), true) => only,
        (Some(last), false) => {
            filters.push(last);
            Filter::And(filters)
        }
    }
}

/// Adds the fields of an expression that an answer has only when asked, each once.
fn named_fields(expr: &FieldExpr, out: &mut Vec<Field>) {
    match &expr.kind {
        FieldKind::Field(field) => {
            let field = field.stored().filter(|field| !is_always_answered(field) && !out.contains(field));
            out.extend(field);
        }
        FieldKind::Literal(_) | FieldKind::Error => {}
        FieldKind::Unary { operand, .. } => named_fields(operand, out),
        FieldKind::Binary { left, right, .. } => {
            named_fields(left, out);
            named_fields(right, out);
        }
        FieldKind::Logic { operands, .. } => operands.iter().for_each(|operand| named_fields(operand, out)),
    }
}

fn is_always_answered(field: &Field) -> bool {
    matches!(
        field,
        Field::Intrinsic(
            Intrinsic::Name
                | Intrinsic::Duration
                | Intrinsic::TraceDuration
                | Intrinsic::RootName
                | Intrinsic::RootService
                | Intrinsic::TraceId
                | Intrinsic::SpanId
        )
    )
}

impl Planner {
    fn unsupported(&mut self, range: TextRange, what: &str) {
        self.error(range, format!("{what} is not supported yet"));
    }

    /// The store's field that an expression names.
    fn stored(&mut self, expr: &FieldExpr) -> Option<Field> {
        let FieldKind::Field(field) = &expr.kind else { return None };
        let stored = field.stored();
        if stored.is_none() {
            let what = match field {
                FieldRef::Intrinsic(name) => name.text().to_owned(),
                FieldRef::Attribute { .. } => format!("{field}, an attribute of the parent span,"),
            };
            self.unsupported(expr.range, &what);
        }
        stored
    }
}

#[cfg(test)]
mod tests;

//! What a metrics query measures, and how it is best drawn.

use hoptrail_query::traceql::ast::BinaryOp;
use hoptrail_query::traceql::{MetricsCall, SeriesExpr};
use hoptrail_query::{ArithmeticOp, Expr, Field, Intrinsic, MetricsFunction, Value};

use crate::format::Unit;
use crate::plot::Sums;

/// What the series of a query are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Numbers over time.
    Numbers,
    /// Buckets over time.
    Histogram,
    /// How often values are in a selection and elsewhere.
    Comparison,
}

/// What the numbers of a query are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) shape: Shape,
    pub(super) unit: Unit,
    /// The unit of buckets.
    pub(super) buckets: Unit,
    pub(super) sums: Sums,
}

impl Measure {
    /// The unit of single values, which a histogram counts: that of exemplars and of labels.
    pub(super) fn values(self) -> Unit {
        if self.shape == Shape::Histogram { self.buckets } else { self.unit }
    }
}

/// What the numbers of this query are.
pub(super) fn measure(series: &SeriesExpr) -> Measure {
    let found = call(series);
    let shape = match found.map(|call| &call.function) {
        Some(MetricsFunction::Histogram(_)) => Shape::Histogram,
        Some(MetricsFunction::Compare { .. }) => Shape::Comparison,
        _ => Shape::Numbers,
    };
    let buckets = found.map_or(Unit::Plain, |call| match &call.function {
        MetricsFunction::Histogram(of) => unit_of(of),
        _ => Unit::Plain,
    });
    let is_sum = found.is_some_and(|call| {
        matches!(call.function, MetricsFunction::Count | MetricsFunction::Sum(_) | MetricsFunction::Histogram(_))
    });
    Measure { shape, unit: unit(series), buckets, sums: if is_sum { Sums::Mean } else { Sums::MeanNothing } }
}

/// The only function of a query, when nothing is computed of its series.
fn call(series: &SeriesExpr) -> Option<&MetricsCall> {
    match series {
        SeriesExpr::Call(call) => Some(call),
        SeriesExpr::Rank { series, .. } | SeriesExpr::Keep { series, .. } => call(series),
        SeriesExpr::Constant(_) | SeriesExpr::Binary { .. } => None,
    }
}

fn unit(series: &SeriesExpr) -> Unit {
    match series {
        SeriesExpr::Call(call) => match &call.function {
            MetricsFunction::Count if call.per_second => Unit::PerSecond,
            MetricsFunction::Count | MetricsFunction::Histogram(_) | MetricsFunction::Compare { .. } => Unit::Count,
            MetricsFunction::Min(of) | MetricsFunction::Max(of) | MetricsFunction::Avg(of) => unit_of(of),
            MetricsFunction::Sum(of) | MetricsFunction::Quantiles(of, _) => unit_of(of),
        },
        SeriesExpr::Constant(_) => Unit::Plain,
        SeriesExpr::Rank { series, .. } | SeriesExpr::Keep { series, .. } => unit(series),
        SeriesExpr::Binary { op, left, right } => binary(*op, left, right),
    }
}

/// A constant has the unit of the other side where both must have the same.
fn binary(op: BinaryOp, left: &SeriesExpr, right: &SeriesExpr) -> Unit {
    let is_constant = |side: &SeriesExpr| matches!(side, SeriesExpr::Constant(_));
    match op {
        BinaryOp::Div if is_constant(right) => fraction(unit(left)),
        BinaryOp::Mul if is_constant(left) => fraction(unit(right)),
        BinaryOp::Mul if is_constant(right) => fraction(unit(left)),
        BinaryOp::Add | BinaryOp::Sub if is_constant(left) => unit(right),
        BinaryOp::Add | BinaryOp::Sub if is_constant(right) || unit(left) == unit(right) => unit(left),
        _ => Unit::Plain,
    }
}

/// Parts of a count are no count.
fn fraction(unit: Unit) -> Unit {
    if unit == Unit::Count { Unit::Plain } else { unit }
}

fn unit_of(expr: &Expr) -> Unit {
    if is_duration(expr) { Unit::Seconds } else { Unit::Plain }
}

fn is_duration(expr: &Expr) -> bool {
    match expr {
        Expr::Constant(value) => matches!(value, Value::Duration(_)),
        Expr::Field(field) => matches!(
            field,
            Field::Intrinsic(Intrinsic::Duration | Intrinsic::TraceDuration | Intrinsic::EventTimeSinceStart)
        ),
        Expr::Negate(inner) => is_duration(inner),
        Expr::Arithmetic { op: ArithmeticOp::Div, left, right } => is_duration(left) != is_duration(right),
        Expr::Arithmetic { left, right, .. } => is_duration(left) || is_duration(right),
        Expr::Condition(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::traceql::compile_metrics;

    use super::*;

    #[test]
    fn units_follow_the_query() {
        for (query, expected) in [
            ("{} | rate()", Unit::PerSecond),
            ("{} | count_over_time() by (name)", Unit::Count),
            ("{} | quantile_over_time(duration, .9)", Unit::Seconds),
            ("{} | max_over_time(span.x)", Unit::Plain),
            ("{} | avg_over_time(duration / 2) | topk(3)", Unit::Seconds),
            ("({} | rate()) / ({} | rate())", Unit::Plain),
            ("({} | rate()) * 60", Unit::PerSecond),
            ("({} | count_over_time()) / 2", Unit::Plain),
            ("({} | rate()) + ({} | rate())", Unit::PerSecond),
            ("{} | histogram_over_time(duration)", Unit::Count),
        ] {
            let compiled = compile_metrics(query).unwrap_or_else(|errors| panic!("{query}: {errors:?}"));
            assert_eq!(measure(&compiled.series).unit, expected, "{query}");
        }
    }

    #[test]
    fn shapes_follow_the_function() {
        for (query, shape, sums) in [
            ("{} | rate()", Shape::Numbers, Sums::Mean),
            ("{} | histogram_over_time(duration) | topk(5)", Shape::Histogram, Sums::Mean),
            ("{} | compare({ status = error })", Shape::Comparison, Sums::MeanNothing),
            ("{} | min_over_time(duration)", Shape::Numbers, Sums::MeanNothing),
        ] {
            let found = measure(&compile_metrics(query).expect(query).series);
            assert_eq!((found.shape, found.sums), (shape, sums), "{query}");
        }
    }
}

//! Metrics functions, and what is computed of their series.

use hoptrail_storage::{MetricsFunction, TimeRange};

use super::super::ast::{self, BinaryOp, Expr, ExprKind, Literal, LiteralKind, Pipeline, Query, StageKind};
use super::super::fold::{compare_op, fold_scalar, real};
use super::pipeline::Stages;
use super::{MetricsCall, Planner, SeriesExpr};

/// The most frequent values that `compare()` has series for, unless it says.
const DEFAULT_TOP: usize = 10;

impl Query {
    /// Whether the query ends in numbers over time, as far as its form says.
    #[must_use]
    pub fn is_metrics(&self) -> bool {
        self.pipeline.stages.iter().any(|stage| is_series(&stage.kind))
    }
}

fn is_series(kind: &StageKind) -> bool {
    match kind {
        StageKind::Expr(expr) => expr.is_series(),
        StageKind::Rank { .. } | StageKind::Keep { .. } => true,
        _ => false,
    }
}

impl Planner {
    /// The series of a pipeline, which sees the spans that the stages `before` leave; `None` after an error.
    pub(super) fn series_pipeline(&mut self, pipeline: &Pipeline, before: &Stages) -> Option<SeriesExpr> {
        let at = pipeline.stages.iter().position(|stage| is_series(&stage.kind))?;
        let (stages, of_series) = pipeline.stages.split_at_checked(at)?;
        let mut spans = before.clone();
        self.stages(stages, &mut spans);
        let mut series = None;
        for stage in of_series {
            series = match &stage.kind {
                StageKind::Expr(expr) => self.series(expr, &spans),
                StageKind::Rank { rank, count } => {
                    let count = match count.kind {
                        LiteralKind::Int(count) => usize::try_from(count).ok()?,
                        _ => return None,
                    };
                    Some(SeriesExpr::Rank { rank: *rank, count, series: Box::new(series?) })
                }
                StageKind::Keep { op, value } => keep(*op, seconds(&value.kind)?, series?),
                _ => series,
            };
        }
        series
    }

    fn series(&mut self, expr: &Expr, spans: &Stages) -> Option<SeriesExpr> {
        if let Some(constant) = fold_scalar(expr) {
            return self.sound(constant).and_then(|constant| seconds(&constant)).map(SeriesExpr::Constant);
        }
        match &expr.kind {
            ExprKind::Metrics(call) => self.call(call, spans).map(|call| SeriesExpr::Call(Box::new(call))),
            ExprKind::Pipeline(pipeline) => self.series_pipeline(pipeline, spans),
            ExprKind::Negate(inner) => {
                let (left, right) = (SeriesExpr::Constant(0.0), self.series(inner, spans)?);
                Some(SeriesExpr::Binary { op: BinaryOp::Sub, left: Box::new(left), right: Box::new(right) })
            }
            ExprKind::Binary { op, left, right } => {
                let (left, right) = (self.series(left, spans), self.series(right, spans));
                match (left?, right?) {
                    (left, right) if op.is_arithmetic() => {
                        Some(SeriesExpr::Binary { op: *op, left: Box::new(left), right: Box::new(right) })
                    }
                    (series, SeriesExpr::Constant(value)) => keep(*op, value, series),
                    (SeriesExpr::Constant(value), series) => keep(op.flipped()?, value, series),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn call(&mut self, call: &ast::MetricsCall, spans: &Stages) -> Option<MetricsCall> {
        let function = self.function(&call.function);
        let keys = call.by.iter().map(|key| self.value(key).map(|value| (value, key.to_string())));
        let by: Vec<Option<_>> = keys.collect();
        let per_second = matches!(call.function, ast::MetricsFunction::Rate);
        let (spans, name) = (spans.clone().finish(), call.function.name());
        Some(MetricsCall { spans, function: function?, per_second, name, by: by.into_iter().collect::<Option<_>>()? })
    }

    fn function(&mut self, function: &ast::MetricsFunction) -> Option<MetricsFunction> {
        use ast::MetricsFunction as Read;
        Some(match function {
            Read::Rate | Read::CountOverTime => MetricsFunction::Count,
            Read::MinOverTime(value) => MetricsFunction::Min(self.value(value)?),
            Read::MaxOverTime(value) => MetricsFunction::Max(self.value(value)?),
            Read::AvgOverTime(value) => MetricsFunction::Avg(self.value(value)?),
            Read::SumOverTime(value) => MetricsFunction::Sum(self.value(value)?),
            Read::HistogramOverTime(value) => MetricsFunction::Histogram(self.value(value)?),
            Read::QuantileOverTime(value, quantiles) => {
                let quantiles = quantiles.iter().filter_map(|quantile| real(&quantile.kind)).collect();
                MetricsFunction::Quantiles(self.value(value)?, quantiles)
            }
            Read::Compare { selection, numbers } => {
                let selection = self.filter(selection.as_ref())?;
                let numbers: Vec<u64> = numbers.iter().filter_map(unsigned).collect();
                let top = numbers.first().and_then(|top| usize::try_from(*top).ok()).unwrap_or(DEFAULT_TOP);
                let range = match numbers.as_slice() {
                    [_, start, end] => Some(TimeRange { start: *start, end: *end }),
                    _ => None,
                };
                MetricsFunction::Compare { selection, top, range }
            }
        })
    }
}

fn keep(op: BinaryOp, value: f64, series: SeriesExpr) -> Option<SeriesExpr> {
    Some(SeriesExpr::Keep { op: compare_op(op)?, value, series: Box::new(series) })
}

fn unsigned(literal: &Literal) -> Option<u64> {
    match literal.kind {
        LiteralKind::Int(value) => u64::try_from(value).ok(),
        _ => None,
    }
}

/// A number as metrics have it: seconds for a duration.
fn seconds(value: &LiteralKind) -> Option<f64> {
    let scale = if matches!(value, LiteralKind::Duration(_)) { 1e9 } else { 1.0 };
    real(value).map(|value| value / scale)
}

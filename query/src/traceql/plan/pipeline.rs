//! What stands outside of braces: stages, sets of spans, numbers of them.

use hoptrail_storage::{ArithmeticOp, Filter, Order, Pipeline, Rows, Scalar, SetExpr, Stage, Value};

use super::super::ast::{self, BinaryOp, Expr, ExprKind, FieldExpr, LogicOp, StageKind, StructuralOp};
use super::super::fold::{arithmetic_op, compare_op, fold_scalar};
use super::Planner;
use super::condition::{constant_value, joined};

/// Stages as they come together.
#[derive(Clone, Default)]
pub(super) struct Stages {
    done: Vec<Stage>,
    /// Filters that follow one another are one.
    filters: Vec<Filter>,
    pub(super) order: Order,
    pub(super) rows: Rows,
}

impl Stages {
    fn push(&mut self, stage: Stage) {
        match stage {
            Stage::Sets(SetExpr::Filter(Filter::True)) => {}
            Stage::Sets(SetExpr::Filter(filter)) => self.filters.push(filter),
            other => {
                self.close();
                self.done.push(other);
            }
        }
    }

    fn close(&mut self) {
        let filters = std::mem::take(&mut self.filters);
        if !filters.is_empty() {
            self.done.push(Stage::Sets(SetExpr::Filter(joined(filters, Filter::And))));
        }
    }

    pub(super) fn finish(mut self) -> Pipeline {
        self.close();
        Pipeline { stages: self.done }
    }
}

impl Planner {
    /// Adds stages that give spans. `select()` and the like say nothing of which spans.
    pub(super) fn stages(&mut self, stages: &[ast::Stage], out: &mut Stages) {
        for stage in stages {
            match &stage.kind {
                StageKind::Expr(Expr { kind: ExprKind::Pipeline(inner), .. }) => self.stages(&inner.stages, out),
                StageKind::Expr(expr) => self.spans_stage(expr).into_iter().for_each(|stage| out.push(stage)),
                StageKind::By(key) => {
                    let value = self.value(key);
                    value.into_iter().for_each(|value| out.push(Stage::By { value, label: format!("by({key})") }));
                }
                StageKind::Coalesce => out.push(Stage::Coalesce),
                StageKind::Sort { value, descending } => {
                    let value = self.value(value);
                    out.order = value.map_or(Order::Newest, |value| Order::By { value, descending: *descending });
                }
                StageKind::Spans => out.rows = Rows::Spans,
                StageKind::Select(_) | StageKind::Rank { .. } | StageKind::Keep { .. } => {}
            }
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) -> Pipeline {
        let mut stages = Stages::default();
        self.stages(&pipeline.stages, &mut stages);
        stages.finish()
    }

    fn spans_stage(&mut self, expr: &Expr) -> Option<Stage> {
        match &expr.kind {
            ExprKind::Binary { op, left, right } => self.keep(*op, left, right),
            _ => self.set(expr).map(Stage::Sets),
        }
    }

    /// A set of spans; `None` after an error.
    fn set(&mut self, expr: &Expr) -> Option<SetExpr> {
        match &expr.kind {
            ExprKind::Filter(condition) => self.filter(condition.as_ref()).map(SetExpr::Filter),
            ExprKind::Logic { op, operands } => {
                let sets: Vec<Option<SetExpr>> = operands.iter().map(|operand| self.set(operand)).collect();
                let sets = sets.into_iter().collect::<Option<_>>()?;
                Some(match op {
                    LogicOp::And => SetExpr::All(sets),
                    LogicOp::Or => SetExpr::Any(sets),
                })
            }
            ExprKind::Structural { op, left, right } => {
                let (left, right) = (self.set(left), self.set(right));
                let StructuralOp { relation, mode } = *op;
                Some(SetExpr::Structural { relation, mode, left: Box::new(left?), right: Box::new(right?) })
            }
            ExprKind::Pipeline(pipeline) => Some(set_of(self.pipeline(pipeline))),
            _ => self.spans_stage(expr).map(|stage| set_of(Pipeline { stages: vec![stage] })),
        }
    }

    /// The condition of `{ … }`.
    pub(super) fn filter(&mut self, condition: Option<&FieldExpr>) -> Option<Filter> {
        condition.map_or(Some(Filter::True), |condition| self.condition(condition))
    }

    fn keep(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Stage> {
        let (left, right) = (self.scalar(left), self.scalar(right));
        Some(Stage::Keep { left: left?, op: compare_op(op)?, right: right? })
    }

    /// A number of a set of spans; `None` after an error.
    fn scalar(&mut self, expr: &Expr) -> Option<Scalar> {
        if let Some(constant) = fold_scalar(expr) {
            return self.sound(constant).map(|constant| Scalar::Constant(constant_value(constant)));
        }
        match &expr.kind {
            ExprKind::Aggregate { function, argument } => {
                let label = expr.to_string();
                let argument = match argument {
                    Some(argument) => Some(self.value(argument)?),
                    None => None,
                };
                Some(Scalar::Aggregate { function: *function, argument, label })
            }
            ExprKind::Negate(inner) => {
                let (left, right) = (Scalar::Constant(Value::Any(0.into())), self.scalar(inner)?);
                Some(Scalar::Arithmetic { op: ArithmeticOp::Sub, left: Box::new(left), right: Box::new(right) })
            }
            ExprKind::Binary { op, left, right } => {
                let (left, right) = (self.scalar(left), self.scalar(right));
                let op = arithmetic_op(*op)?;
                Some(Scalar::Arithmetic { op, left: Box::new(left?), right: Box::new(right?) })
            }
            ExprKind::Pipeline(pipeline) => {
                let (last, before) = pipeline.stages.split_last()?;
                let StageKind::Expr(last) = &last.kind else { return None };
                let mut stages = Stages::default();
                self.stages(before, &mut stages);
                Some(Scalar::Pipeline(stages.finish(), Box::new(self.scalar(last)?)))
            }
            _ => None,
        }
    }
}

/// A pipeline that is one filter needs no brackets.
fn set_of(pipeline: Pipeline) -> SetExpr {
    match pipeline.as_filter() {
        Some(filter) => SetExpr::Filter(filter.clone()),
        None => SetExpr::Pipeline(pipeline),
    }
}

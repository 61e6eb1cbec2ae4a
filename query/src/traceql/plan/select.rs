//! The fields that a query names: an answer lists their values.

use std::collections::HashSet;

use hoptrail_storage::{Field, Intrinsic};

use super::super::ast::{Expr, ExprKind, FieldExpr, FieldKind, Pipeline, StageKind};

/// The fields of a pipeline that an answer has only when asked, each once, in the order of the text.
pub(super) fn named_fields(pipeline: &Pipeline) -> Vec<Field> {
    let (mut out, mut seen) = (Vec::new(), HashSet::new());
    of_pipeline(pipeline, &mut out);
    out.retain(|field: &Field| !is_always_answered(field) && seen.insert(field.clone()));
    out
}

fn of_pipeline(pipeline: &Pipeline, out: &mut Vec<Field>) {
    for stage in &pipeline.stages {
        match &stage.kind {
            StageKind::Expr(expr) => of_expr(expr, out),
            StageKind::By(key) | StageKind::Sort { value: key, .. } => of_field(key, out),
            StageKind::Select(fields) => fields.iter().for_each(|field| of_field(field, out)),
            StageKind::Coalesce | StageKind::Spans | StageKind::Rank { .. } | StageKind::Keep { .. } => {}
        }
    }
}

fn of_expr(expr: &Expr, out: &mut Vec<Field>) {
    match &expr.kind {
        ExprKind::Filter(condition) => condition.iter().for_each(|condition| of_field(condition, out)),
        ExprKind::Pipeline(pipeline) => of_pipeline(pipeline, out),
        ExprKind::Logic { operands, .. } => operands.iter().for_each(|operand| of_expr(operand, out)),
        ExprKind::Structural { left, right, .. } | ExprKind::Binary { left, right, .. } => {
            of_expr(left, out);
            of_expr(right, out);
        }
        ExprKind::Aggregate { argument, .. } => argument.iter().for_each(|argument| of_field(argument, out)),
        ExprKind::Negate(inner) => of_expr(inner, out),
        ExprKind::Literal(_) | ExprKind::Metrics(_) | ExprKind::Error => {}
    }
}

fn of_field(expr: &FieldExpr, out: &mut Vec<Field>) {
    match &expr.kind {
        FieldKind::Field(field) => out.push(field.stored()),
        FieldKind::Literal(_) | FieldKind::Error => {}
        FieldKind::Unary { operand, .. } => of_field(operand, out),
        FieldKind::Binary { left, right, .. } => {
            of_field(left, out);
            of_field(right, out);
        }
        FieldKind::Logic { operands, .. } => operands.iter().for_each(|operand| of_field(operand, out)),
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

//! Which stage may follow which, and what operators may join.

use super::super::ast::{
    Expr, ExprKind, FieldExpr, FieldKind, LiteralKind, MetricsCall, MetricsFunction, Pipeline, Query, StageKind,
};
use super::Checker;

/// What a stage gives to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Spans,
    Scalar,
    Series,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Spans => "a set of spans",
            Self::Scalar => "a number",
            Self::Series => "metrics",
        }
    }
}

impl Checker {
    pub(super) fn query(&mut self, query: &Query) {
        if self.pipeline(&query.pipeline) == Some(Class::Scalar) {
            self.error(query.pipeline.range, "a query ends in spans or metrics; compare the number, as in count() > 2");
        }
    }

    /// What the pipeline gives; `None` when it is at fault, which has been reported.
    fn pipeline(&mut self, pipeline: &Pipeline) -> Option<Class> {
        let mut before: Option<Class> = None;
        let mut sound = true;
        for (at, stage) in pipeline.stages.iter().enumerate() {
            let wants_series = matches!(stage.kind, StageKind::Rank { .. } | StageKind::Keep { .. });
            let wanted = if wants_series { Class::Series } else { Class::Spans };
            if let Some(given) = before.filter(|given| *given != wanted) {
                let message =
                    format!("this stage needs {}, but the stage before gives {}", wanted.name(), given.name());
                self.error(stage.range, message);
                sound = false;
            }
            if at == 0 && (wants_series || matches!(stage.kind, StageKind::Coalesce) || is_metrics_call(&stage.kind)) {
                self.error(stage.range, "this cannot be the first stage; write { } | before it");
                sound = false;
            }
            let given = self.stage(&stage.kind);
            sound &= given.is_some();
            before = given;
        }
        before.filter(|_| sound)
    }

    fn stage(&mut self, kind: &StageKind) -> Option<Class> {
        match kind {
            StageKind::Expr(expr) => self.expr(expr),
            StageKind::By(key) => {
                self.of_span(key, "by()");
                Some(Class::Spans)
            }
            StageKind::Coalesce => Some(Class::Spans),
            StageKind::Select(fields) => {
                self.fields(fields, "select()");
                Some(Class::Spans)
            }
            StageKind::Rank { count, .. } => {
                if !matches!(count.kind, LiteralKind::Int(1..)) {
                    self.error(count.range, "the number of series is a positive int");
                }
                Some(Class::Series)
            }
            StageKind::Keep { value, .. } => {
                if !is_number(&value.kind) {
                    self.error(value.range, "metrics compare with a number or a duration");
                }
                Some(Class::Series)
            }
        }
    }

    fn fields(&mut self, fields: &[FieldExpr], what: &str) {
        for field in fields {
            let name = matches!(&field.kind, FieldKind::Field(_));
            if !name && !field.has_error() {
                self.error(field.range, format!("{what} takes names of fields"));
            }
        }
    }

    fn expr(&mut self, expr: &Expr) -> Option<Class> {
        match &expr.kind {
            ExprKind::Error => None,
            ExprKind::Filter(condition) => {
                if let Some(condition) = condition {
                    self.condition(condition);
                }
                Some(Class::Spans)
            }
            ExprKind::Pipeline(pipeline) => self.pipeline(pipeline),
            ExprKind::Logic { op, operands } => {
                let sound = operands.iter().fold(true, |sound, operand| sound & self.spans(operand, op.symbol()));
                sound.then_some(Class::Spans)
            }
            ExprKind::Structural { op, left, right } => {
                let sound = self.spans(left, op.symbol()) & self.spans(right, op.symbol());
                sound.then_some(Class::Spans)
            }
            ExprKind::Aggregate { function, argument } => {
                if let Some(argument) = argument {
                    self.number_of_span(argument, &format!("{}()", function.name()));
                }
                Some(Class::Scalar)
            }
            ExprKind::Literal(literal) if is_number(&literal.kind) => Some(Class::Scalar),
            ExprKind::Literal(literal) => {
                self.error(literal.range, "only numbers and durations stand outside of braces");
                None
            }
            ExprKind::Negate(inner) => match self.expr(inner)? {
                Class::Spans => {
                    self.error(inner.range, "`-` needs a number, but this is a set of spans");
                    None
                }
                class => Some(class),
            },
            ExprKind::Binary { op, left, right } if op.is_arithmetic() => self.arithmetic_of(op.symbol(), left, right),
            ExprKind::Binary { op, left, right } => self.scalar_filter(op.symbol(), left, right, expr),
            ExprKind::Metrics(call) => self.metrics(call, expr),
        }
    }

    fn spans(&mut self, expr: &Expr, symbol: &str) -> bool {
        let found = self.expr(expr);
        if let Some(found) = found.filter(|found| *found != Class::Spans) {
            self.error(expr.range, format!("`{symbol}` joins sets of spans, but this is {}", found.name()));
        }
        found == Some(Class::Spans)
    }

    fn arithmetic_of(&mut self, symbol: &str, left: &Expr, right: &Expr) -> Option<Class> {
        let (a, b) = (self.expr(left), self.expr(right));
        for (side, class) in [(left, a), (right, b)] {
            if class == Some(Class::Spans) {
                self.error(side.range, format!("`{symbol}` needs numbers, but this is a set of spans"));
            }
        }
        match (a?, b?) {
            (Class::Spans, _) | (_, Class::Spans) => None,
            (Class::Series, _) | (_, Class::Series) => Some(Class::Series),
            _ => Some(Class::Scalar),
        }
    }

    fn scalar_filter(&mut self, symbol: &str, left: &Expr, right: &Expr, whole: &Expr) -> Option<Class> {
        if matches!(symbol, "=~" | "!~") {
            self.error(whole.range, format!("`{symbol}` stands inside of braces only"));
            return None;
        }
        match (self.expr(left)?, self.expr(right)?) {
            (Class::Series, Class::Scalar) if is_constant(right) => Some(Class::Series),
            (Class::Scalar, Class::Scalar) if is_constant(right) && !is_constant(left) => Some(Class::Spans),
            (Class::Spans, _) | (_, Class::Spans) => {
                self.error(whole.range, format!("`{symbol}` compares numbers, not sets of spans"));
                None
            }
            _ => {
                let message =
                    "not supported yet: write the function on the left and one number on the right, as in count() > 2";
                self.error(whole.range, message);
                None
            }
        }
    }

    fn metrics(&mut self, call: &MetricsCall, whole: &Expr) -> Option<Class> {
        let mut most_groups = 5;
        match &call.function {
            MetricsFunction::Rate | MetricsFunction::CountOverTime => {}
            MetricsFunction::MinOverTime(value)
            | MetricsFunction::MaxOverTime(value)
            | MetricsFunction::AvgOverTime(value)
            | MetricsFunction::SumOverTime(value) => self.number_of_span(value, "this function"),
            MetricsFunction::HistogramOverTime(value) => {
                most_groups = 4;
                self.number_of_span(value, "this function");
            }
            MetricsFunction::QuantileOverTime(value, quantiles) => {
                most_groups = 4;
                self.number_of_span(value, "this function");
                for quantile in quantiles {
                    let inside = match quantile.kind {
                        LiteralKind::Float(q) => (0.0..=1.0).contains(&q),
                        LiteralKind::Int(q) => (0..=1).contains(&q),
                        _ => false,
                    };
                    if !inside {
                        self.error(quantile.range, "a quantile lies between 0 and 1");
                    }
                }
            }
            MetricsFunction::Compare { selection, numbers } => {
                if let Some(selection) = selection {
                    self.condition(selection);
                }
                let whole_numbers = numbers.iter().all(|number| matches!(number.kind, LiteralKind::Int(0..)));
                if !whole_numbers || !matches!(numbers.len(), 0 | 1 | 3) {
                    self.error(whole.range, "compare() takes a filter, then top N, then start and end in nanoseconds");
                }
                most_groups = 0;
            }
        }
        for key in &call.by {
            self.of_span(key, "by()");
        }
        if call.by.len() > most_groups {
            self.error(whole.range, format!("this function groups by at most {most_groups} fields"));
        }
        Some(Class::Series)
    }
}

fn is_number(kind: &LiteralKind) -> bool {
    matches!(kind, LiteralKind::Int(_) | LiteralKind::Float(_) | LiteralKind::Duration(_))
}

/// Whether no span is needed to know the value.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Negate(inner) => is_constant(inner),
        ExprKind::Binary { left, right, .. } => is_constant(left) && is_constant(right),
        _ => false,
    }
}

/// A metrics function that needs a stage before it.
fn is_metrics_call(kind: &StageKind) -> bool {
    fn in_expr(expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Metrics(_) => true,
            ExprKind::Negate(inner) => in_expr(inner),
            ExprKind::Binary { left, right, .. } => in_expr(left) || in_expr(right),
            _ => false,
        }
    }
    matches!(kind, StageKind::Expr(expr) if in_expr(expr))
}

//! Which stage may follow which, and what operators may join.

use super::super::ast::{
    Expr, ExprKind, FieldExpr, FieldKind, Hint, LiteralKind, MetricsCall, MetricsFunction, Pipeline, Query, StageKind,
};
use super::super::plan::wanted;
use super::Checker;

/// Most metrics functions of a query: each is a question to the store.
const MOST_METRICS: usize = 16;
/// Most stages of a pipeline.
const MOST_STAGES: usize = 100;

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
        for Hint { name, value, .. } in &query.hints {
            if let Some(wanted) = wanted(name, &value.kind) {
                self.error(value.range, format!("the hint {name} is {wanted}"));
            }
        }
    }

    /// What the pipeline gives; `None` when it is at fault, which has been reported.
    fn pipeline(&mut self, pipeline: &Pipeline) -> Option<Class> {
        if let Some(stage) = pipeline.stages.get(MOST_STAGES) {
            self.error(stage.range, format!("a pipeline has at most {MOST_STAGES} stages"));
            return None;
        }
        self.last_stages(pipeline);
        self.depth += 1;
        let class = self.classes(pipeline);
        self.depth -= 1;
        class
    }

    /// `sort()` and `spans` come last, each once.
    fn last_stages(&mut self, pipeline: &Pipeline) {
        let mut seen = Vec::new();
        for stage in &pipeline.stages {
            let name = match stage.kind {
                StageKind::Sort { .. } => "sort()",
                StageKind::Spans => "spans",
                _ if seen.is_empty() => continue,
                _ => {
                    let what = seen.join(" and ");
                    return self.error(stage.range, format!("nothing comes after {what}; write this stage before"));
                }
            };
            if self.depth > 0 {
                self.error(stage.range, format!("{name} stands at the end of the whole query, not in brackets"));
            } else if seen.contains(&name) {
                self.error(stage.range, format!("{name} stands once"));
            }
            seen.push(name);
        }
    }

    fn classes(&mut self, pipeline: &Pipeline) -> Option<Class> {
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
            StageKind::Coalesce | StageKind::Spans => Some(Class::Spans),
            StageKind::Sort { value, .. } => {
                self.of_span(value, "sort()");
                Some(Class::Spans)
            }
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
                for side in [left, right].into_iter().filter(|side| is_several(side)) {
                    let symbol = op.symbol();
                    let message =
                        format!("`{symbol}` needs one set of spans for each trace; write | coalesce() after by()");
                    self.error(side.range, message);
                }
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
        } else if found.is_some() && matches!(expr.kind, ExprKind::Binary { .. }) {
            let message = format!("`{symbol}` joins sets of spans; write ({{ }} | …) around this condition");
            self.error(expr.range, message);
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
            (Class::Scalar, Class::Scalar) => Some(Class::Scalar),
            (a, b) => {
                let mixed = |side: &Expr, class| class == Class::Scalar && !is_constant(side);
                for side in [left, right] {
                    if is_comparison_of_spans(side) {
                        self.error(
                            side.range,
                            format!("`{symbol}` does not take compare(), whose series are counts of values"),
                        );
                    }
                }
                for (side, class) in [(left, a), (right, b)].into_iter().filter(|(side, class)| mixed(side, *class)) {
                    let found = class.name();
                    self.error(side.range, format!("`{symbol}` joins metrics with metrics or a constant, but this is {found} for each set of spans"));
                }
                Some(Class::Series)
            }
        }
    }

    fn scalar_filter(&mut self, symbol: &str, left: &Expr, right: &Expr, whole: &Expr) -> Option<Class> {
        if matches!(symbol, "=~" | "!~") {
            self.error(whole.range, format!("`{symbol}` stands inside of braces only"));
            return None;
        }
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        let message = match (a, b) {
            (Class::Spans, _) | (_, Class::Spans) => &format!("`{symbol}` compares numbers, not sets of spans"),
            (Class::Scalar, Class::Scalar) if !(is_constant(left) && is_constant(right)) => return Some(Class::Spans),
            (Class::Series, Class::Scalar) if is_constant(right) => return Some(Class::Series),
            (Class::Scalar, Class::Series) if is_constant(left) => return Some(Class::Series),
            (Class::Scalar, Class::Scalar) => "one side needs a function of the spans, such as count()",
            _ => "metrics compare with one number",
        };
        self.error(whole.range, message);
        None
    }

    fn metrics(&mut self, call: &MetricsCall, whole: &Expr) -> Option<Class> {
        self.metrics_calls += 1;
        if self.metrics_calls == MOST_METRICS + 1 {
            self.error(whole.range, format!("a query has at most {MOST_METRICS} metrics functions"));
        }
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
                } else if let Some(top) = numbers.first().filter(|top| !matches!(top.kind, LiteralKind::Int(1..=1000)))
                {
                    self.error(top.range, "compare() lists the top 1 to 1000 values");
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

/// Whether the series come from `compare()`.
fn is_comparison_of_spans(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Metrics(call) => matches!(call.function, MetricsFunction::Compare { .. }),
        ExprKind::Negate(inner) => is_comparison_of_spans(inner),
        ExprKind::Binary { op, left, .. } if !op.is_arithmetic() => is_comparison_of_spans(left),
        ExprKind::Pipeline(pipeline) => pipeline.stages.iter().any(|stage| match &stage.kind {
            StageKind::Expr(expr) => is_comparison_of_spans(expr),
            _ => false,
        }),
        _ => false,
    }
}

/// Whether a set of spans is several: `by()` without `coalesce()` after it.
fn is_several(expr: &Expr) -> bool {
    let ExprKind::Pipeline(pipeline) = &expr.kind else { return false };
    let last = pipeline.stages.iter().rev().find(|stage| match &stage.kind {
        StageKind::By(_) | StageKind::Coalesce => true,
        StageKind::Expr(inner) => matches!(inner.kind, ExprKind::Pipeline(_)),
        _ => false,
    });
    last.is_some_and(|stage| match &stage.kind {
        StageKind::By(_) => true,
        StageKind::Expr(inner) => is_several(inner),
        _ => false,
    })
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

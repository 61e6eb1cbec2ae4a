//! The tree as text: canonical spacing, brackets only where they are needed.

use std::fmt::{self, Display, Formatter};

use hoptrail_storage::AttributeScope;

use super::ast::{
    Expr, ExprKind, FieldExpr, FieldKind, FieldRef, Hint, Literal, LiteralKind, MetricsCall, MetricsFunction, Pipeline,
    Query, Rank, StageKind, UnaryOp,
};
use super::duration::format_duration;
use super::names::{SCOPES, ends_key};
use super::power;
use crate::quoting::quoted;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.pipeline.fmt(f)?;
        if self.hints.is_empty() {
            return Ok(());
        }
        f.write_str(" with(")?;
        list(f, &self.hints)?;
        f.write_str(")")
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, stage) in self.stages.iter().enumerate() {
            let kept = matches!(stage.kind, StageKind::Keep { .. });
            f.write_str(match at {
                0 => "",
                _ if kept => " ",
                _ => " | ",
            })?;
            match &stage.kind {
                StageKind::Expr(expr) => expr.fmt(f)?,
                StageKind::By(key) => write!(f, "by({key})")?,
                StageKind::Coalesce => f.write_str("coalesce()")?,
                StageKind::Select(fields) => {
                    f.write_str("select(")?;
                    list(f, fields)?;
                    f.write_str(")")?;
                }
                StageKind::Sort { value, descending: true } => write!(f, "sort({value})")?,
                StageKind::Sort { value, descending: false } => write!(f, "sort({value} asc)")?,
                StageKind::Spans => f.write_str("spans")?,
                StageKind::Rank { rank: Rank::Top, count } => write!(f, "topk({count})")?,
                StageKind::Rank { rank: Rank::Bottom, count } => write!(f, "bottomk({count})")?,
                StageKind::Keep { op, value } => write!(f, "{} {value}", op.symbol())?,
            }
        }
        Ok(())
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Filter(None) => f.write_str("{ }"),
            ExprKind::Filter(Some(condition)) => write!(f, "{{ {condition} }}"),
            ExprKind::Pipeline(pipeline) => write!(f, "({pipeline})"),
            ExprKind::Logic { op, operands } => {
                for (at, operand) in operands.iter().enumerate() {
                    let least = if at == 0 { power::LOGIC } else { power::COMPARE };
                    separator(f, at, op.symbol())?;
                    bracketed(f, operand, operand.power() < least)?;
                }
                Ok(())
            }
            ExprKind::Structural { op, left, right } => {
                bracketed(f, left, left.power() < power::COMPARE)?;
                write!(f, " {} ", op.symbol())?;
                bracketed(f, right, right.power() <= power::COMPARE)
            }
            ExprKind::Aggregate { function, argument: None } => write!(f, "{}()", function.name()),
            ExprKind::Aggregate { function, argument: Some(of) } => write!(f, "{}({of})", function.name()),
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::Negate(inner) => {
                f.write_str("-")?;
                bracketed(f, inner, inner.power() < power::NEGATE || inner.starts_number())
            }
            ExprKind::Binary { op, left, right } => {
                let (left_least, right_least) = op.side_powers();
                bracketed(f, left, left.power() < left_least)?;
                write!(f, " {} ", op.symbol())?;
                bracketed(f, right, right.power() < right_least)
            }
            ExprKind::Metrics(call) => call.fmt(f),
            ExprKind::Error => f.write_str("<error>"),
        }
    }
}

impl Expr {
    fn power(&self) -> u8 {
        match &self.kind {
            ExprKind::Logic { .. } => power::LOGIC,
            ExprKind::Structural { .. } => power::COMPARE,
            ExprKind::Binary { op, .. } => op.power(),
            ExprKind::Negate(_) => power::NEGATE,
            _ => power::ATOM,
        }
    }

    /// Whether a minus before it would become part of a number.
    fn starts_number(&self) -> bool {
        matches!(self.kind, ExprKind::Literal(_))
    }
}

impl Display for MetricsCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name())?;
        match &self.function {
            MetricsFunction::Rate | MetricsFunction::CountOverTime => {}
            MetricsFunction::MinOverTime(value)
            | MetricsFunction::MaxOverTime(value)
            | MetricsFunction::AvgOverTime(value)
            | MetricsFunction::SumOverTime(value)
            | MetricsFunction::HistogramOverTime(value) => value.fmt(f)?,
            MetricsFunction::QuantileOverTime(value, quantiles) => {
                write!(f, "{value}, ")?;
                list(f, quantiles)?;
            }
            MetricsFunction::Compare { selection, numbers } => {
                match selection {
                    Some(condition) => write!(f, "{{ {condition} }}")?,
                    None => f.write_str("{ }")?,
                }
                for number in numbers {
                    write!(f, ", {number}")?;
                }
            }
        }
        f.write_str(")")?;
        if self.by.is_empty() {
            return Ok(());
        }
        f.write_str(" by (")?;
        list(f, &self.by)?;
        f.write_str(")")
    }
}

impl Display for FieldExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FieldKind::Field(field) => field.fmt(f),
            FieldKind::Literal(literal) => literal.fmt(f),
            FieldKind::Unary { op: UnaryOp::Not, operand } => {
                f.write_str("!")?;
                bracketed(f, operand, operand.power() <= power::NOT && !operand.is_unary())
            }
            FieldKind::Unary { op: UnaryOp::Negate, operand } => {
                f.write_str("-")?;
                let literal = matches!(operand.kind, FieldKind::Literal(_));
                bracketed(f, operand, operand.power() < power::NEGATE || literal)
            }
            FieldKind::Binary { op, left, right } => {
                let (left_least, right_least) = op.side_powers();
                bracketed(f, left, left.power() < left_least)?;
                write!(f, " {} ", op.symbol())?;
                bracketed(f, right, right.power() < right_least)
            }
            FieldKind::Logic { op, operands } => {
                for (at, operand) in operands.iter().enumerate() {
                    let least = if at == 0 { power::LOGIC } else { power::COMPARE };
                    separator(f, at, op.symbol())?;
                    bracketed(f, operand, operand.power() < least)?;
                }
                Ok(())
            }
            FieldKind::Error => f.write_str("<error>"),
        }
    }
}

impl FieldExpr {
    fn power(&self) -> u8 {
        match &self.kind {
            FieldKind::Logic { .. } => power::LOGIC,
            FieldKind::Binary { op, .. } => op.power(),
            FieldKind::Unary { op: UnaryOp::Not, .. } => power::NOT,
            FieldKind::Unary { op: UnaryOp::Negate, .. } => power::NEGATE,
            _ => power::ATOM,
        }
    }

    fn is_unary(&self) -> bool {
        matches!(self.kind, FieldKind::Unary { .. })
    }
}

impl Display for FieldRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intrinsic(name) => f.write_str(name.text()),
            Self::Attribute { of_parent: false, scope, key } => f.write_str(&attribute_text(*scope, key)),
            Self::Attribute { of_parent: true, scope, key } => f.write_str(&parent_attribute_text(*scope, key)),
        }
    }
}

/// `parent.span.key`. It is the span attribute `key`; the key "span.key" without a scope must be quoted.
pub(super) fn parent_attribute_text(scope: AttributeScope, key: &str) -> String {
    let attribute = attribute_text(scope, key);
    if scope != AttributeScope::Any {
        return format!("parent.{attribute}");
    }
    let is_scoped = |(name, _): (&str, _)| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let plain = !attribute.starts_with(".\"");
    if plain && SCOPES.into_iter().any(is_scoped) { format!("parent.\"{key}\"") } else { format!("parent{attribute}") }
}

/// `span.key`, the key quoted where the plain form would read differently.
pub(super) fn attribute_text(scope: AttributeScope, key: &str) -> String {
    let prefix = scope.word();
    let digit_first = scope == AttributeScope::Any && key.starts_with(|c: char| c.is_ascii_digit());
    if digit_first || key.chars().any(|c| ends_key(c) || c == '"') {
        format!("{prefix}.\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{prefix}.{key}")
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LiteralKind::String(text) => f.write_str(&quoted(text)),
            LiteralKind::Int(value) => write!(f, "{value}"),
            LiteralKind::Float(value) => write!(f, "{value:?}"),
            LiteralKind::Bool(value) => write!(f, "{value}"),
            LiteralKind::Duration(nanos) => f.write_str(&format_duration(*nanos)),
            LiteralKind::Status(status) => f.write_str(status.name()),
            LiteralKind::Kind(kind) => f.write_str(kind.name()),
            LiteralKind::Nil => f.write_str("nil"),
        }
    }
}

fn bracketed(f: &mut Formatter<'_>, inner: &dyn Display, brackets: bool) -> fmt::Result {
    if brackets { write!(f, "({inner})") } else { inner.fmt(f) }
}

fn separator(f: &mut Formatter<'_>, at: usize, symbol: &str) -> fmt::Result {
    if at == 0 { Ok(()) } else { write!(f, " {symbol} ") }
}

fn list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

//! Filters, expressions and pipelines as text, for explanations. The words are those of TraceQL.

use std::fmt;

use hoptrail_proto::model::AnyValue;

use crate::pipeline::{Relation, Scalar, SetExpr, Stage, StructuralMode};
use crate::{ArithmeticOp, CompareOp, Expr, Field, Filter, MetricsFunction, MetricsRequest, Pipeline, Value};

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.word()),
            Self::Attribute { scope, key } => write!(f, "{}.{key}", scope.word()),
            Self::Parent(field) => write!(f, "parent.{}", field.to_string().trim_start_matches('.')),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(AnyValue::String(text)) => write!(f, "{text:?}"),
            Self::Any(AnyValue::Int(number)) => write!(f, "{number}"),
            Self::Any(AnyValue::Double(number)) => write!(f, "{number:?}"),
            Self::Any(AnyValue::Bool(value)) => write!(f, "{value}"),
            Self::Any(other) => write!(f, "{other:?}"),
            Self::Duration(nanos) => write!(f, "{nanos}ns"),
            Self::Status(status) => f.write_str(status.name()),
            Self::Kind(kind) => f.write_str(kind.name()),
        }
    }
}

impl CompareOp {
    fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl ArithmeticOp {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }
}

/// Writes parts with a word between them.
fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T], between: &str) -> fmt::Result {
    f.write_str("(")?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write!(f, " {between} ")?;
        }
        write!(f, "{part}")?;
    }
    f.write_str(")")
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True => f.write_str("true"),
            Self::And(parts) => joined(f, parts, "&&"),
            Self::Or(parts) => joined(f, parts, "||"),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::Compare { field, op, value } => write!(f, "{field} {} {value}", op.symbol()),
            Self::Matches { field, pattern, negated } => {
                write!(f, "{field} {} {:?}", if *negated { "!~" } else { "=~" }, pattern.source())
            }
            Self::Exists { field, present } => write!(f, "{field} {} nil", if *present { "!=" } else { "=" }),
            Self::Relation { left, op, right } => write!(f, "{left} {} {right}", op.symbol()),
            Self::Computed { value, present } => write!(f, "{value} {} nil", if *present { "!=" } else { "=" }),
            Self::Event(inner) => write!(f, "one event: {inner}"),
            Self::Link(inner) => write!(f, "one link: {inner}"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Field(field) => write!(f, "{field}"),
            Self::Negate(inner) => write!(f, "-{inner}"),
            Self::Arithmetic { op, left, right } => write!(f, "({left} {} {right})", op.symbol()),
            Self::Condition(filter) => write!(f, "({filter})"),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Aggregate { function, argument: None, .. } => write!(f, "{}()", function.name()),
            Self::Aggregate { function, argument: Some(of), .. } => write!(f, "{}({of})", function.name()),
            Self::Arithmetic { op, left, right } => write!(f, "({left} {} {right})", op.symbol()),
            Self::Pipeline(pipeline, scalar) => write!(f, "({pipeline} | {scalar})"),
        }
    }
}

impl fmt::Display for SetExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(Filter::True) => f.write_str("{ }"),
            Self::Filter(filter) => write!(f, "{{ {filter} }}"),
            Self::All(parts) => joined(f, parts, "&&"),
            Self::Any(parts) => joined(f, parts, "||"),
            Self::Structural { relation, mode, left, right } => {
                let mode = match mode {
                    StructuralMode::Plain => "",
                    StructuralMode::Negated => "!",
                    StructuralMode::Union => "&",
                };
                write!(f, "({left} {mode}{} {right})", relation.symbol())
            }
            Self::Pipeline(pipeline) => write!(f, "({pipeline})"),
        }
    }
}

impl Relation {
    fn symbol(self) -> &'static str {
        match self {
            Self::Child => ">",
            Self::Parent => "<",
            Self::Descendant => ">>",
            Self::Ancestor => "<<",
            Self::Sibling => "~",
        }
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stages.is_empty() {
            return f.write_str("{ }");
        }
        for (index, stage) in self.stages.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            match stage {
                Stage::Sets(sets) => write!(f, "{sets}")?,
                Stage::By { value, .. } => write!(f, "by({value})")?,
                Stage::Coalesce => f.write_str("coalesce()")?,
                Stage::Keep { left, op, right } => write!(f, "{left} {} {right}", op.symbol())?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for MetricsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        if !self.by.is_empty() {
            f.write_str(" by ")?;
            joined(f, &self.by, ",")?;
        }
        write!(f, " in {} intervals of {} ms", self.steps.count, self.steps.step / 1_000_000)?;
        f.write_str(if self.weighted { ", weighted" } else { "" })
    }
}

impl fmt::Display for MetricsFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Min(of) => write!(f, "min({of})"),
            Self::Max(of) => write!(f, "max({of})"),
            Self::Avg(of) => write!(f, "avg({of})"),
            Self::Sum(of) => write!(f, "sum({of})"),
            Self::Quantiles(of, quantiles) => write!(f, "quantiles {quantiles:?} of {of}"),
            Self::Histogram(of) => write!(f, "histogram({of})"),
            Self::Compare { selection, .. } => write!(f, "compare({{ {selection} }})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::StatusCode;

    use super::*;
    use crate::{AttributeScope, Intrinsic};

    #[test]
    fn a_pipeline_reads_like_traceql() {
        let status = Field::Intrinsic(Intrinsic::Status);
        let failed = Filter::compare(status, CompareOp::Eq, Value::Status(StatusCode::Error));
        let key = Field::Parent(Box::new(Field::attribute(AttributeScope::Any, "a")));
        let left = SetExpr::Filter(Filter::And(vec![failed, Filter::Exists { field: key, present: true }]));
        let structural = SetExpr::Structural {
            relation: Relation::Descendant,
            mode: StructuralMode::Negated,
            left: Box::new(left),
            right: Box::new(SetExpr::Filter(Filter::True)),
        };
        let keep = Stage::Keep {
            left: Scalar::count("count()"),
            op: CompareOp::Gt,
            right: Scalar::Constant(Value::Any(AnyValue::Int(3))),
        };
        let pipeline = Pipeline { stages: vec![Stage::Sets(structural), keep] };
        assert_eq!(pipeline.to_string(), "({ (status = error && parent.a != nil) } !>> { }) | count() > 3");
    }
}

//! Numbers of rows, to compute with.

use hoptrail_proto::model::AnyValue;

use super::SpanColumns;
use super::eval::expr::computed;
use crate::codec::bits::Bitmap;
use crate::{Expr, Field, Intrinsic, QueryContext, ReadError, Value};

/// A number of a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// A duration in nanoseconds.
    Nanos(u64),
    Int(i64),
    /// Not NaN.
    Double(f64),
}

impl Number {
    /// `None` for what is no number.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Duration(nanos) => Some(Self::Nanos(*nanos)),
            Value::Any(AnyValue::Int(number)) => Some(Self::Int(*number)),
            Value::Any(AnyValue::Double(number)) => Some(Self::Double(*number)).filter(|_| !number.is_nan()),
            _ => None,
        }
    }

    /// As series have it: durations in seconds.
    #[inline]
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Nanos(nanos) => nanos as f64 / 1e9,
            Self::Int(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// For each of these rows of spans, ascending, the number that the expression is. Fields of the whole trace are missing.
pub(crate) fn numbers(
    group: &dyn SpanColumns,
    expr: &Expr,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Vec<Option<Number>>, ReadError> {
    if *expr == Expr::Field(Field::Intrinsic(Intrinsic::Duration)) {
        let mut found = Vec::with_capacity(rows.count());
        group.each_duration(rows, &mut |_, nanos| found.push(Some(Number::Nanos(nanos))))?;
        return Ok(found);
    }
    let values = computed(group, expr, rows, context)?;
    Ok(values.iter().map(|value| value.as_ref().and_then(Number::of)).collect())
}

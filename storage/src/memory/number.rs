//! Arithmetic and aggregates, written directly from the rules of [`Expr`](crate::Expr) and [`Aggregate`].

use hoptrail_proto::model::AnyValue;

use super::compare::{order, real_number, whole_number};
use crate::{Aggregate, ArithmeticOp, Value};

/// So many, as an int.
pub(super) fn count(number: usize) -> Value {
    Value::Any(AnyValue::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

/// `left op right`
pub(super) fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value) -> Option<Value> {
    let is_duration = match (is_duration(left), is_duration(right)) {
        (true, true) => op != ArithmeticOp::Div,
        (one, other) => one || other,
    };
    match (whole_number(left), whole_number(right)) {
        (Some(_), Some(power)) if op == ArithmeticOp::Pow && power < 0 => {}
        (Some(one), Some(other)) => return whole(whole_result(op, one, other)?, is_duration),
        _ => {}
    }
    real(real_result(op, real_number(left)?, real_number(right)?), is_duration)
}

/// `-value`
pub(super) fn negated(value: &Value) -> Option<Value> {
    match whole_number(value) {
        Some(number) => whole(-number, is_duration(value)),
        None => real(-real_number(value)?, false),
    }
}

fn is_duration(value: &Value) -> bool {
    matches!(value, Value::Duration(_))
}

fn whole_result(op: ArithmeticOp, one: i128, other: i128) -> Option<i128> {
    match op {
        ArithmeticOp::Add => one.checked_add(other),
        ArithmeticOp::Sub => one.checked_sub(other),
        ArithmeticOp::Mul => one.checked_mul(other),
        ArithmeticOp::Div => one.checked_div(other),
        ArithmeticOp::Mod => one.checked_rem(other),
        ArithmeticOp::Pow => match one {
            0 => Some(i128::from(other == 0)),
            1 => Some(1),
            -1 => Some(if other % 2 == 0 { 1 } else { -1 }),
            _ => one.checked_pow(u32::try_from(other).ok()?),
        },
    }
}

fn real_result(op: ArithmeticOp, one: f64, other: f64) -> f64 {
    match op {
        ArithmeticOp::Add => one + other,
        ArithmeticOp::Sub => one - other,
        ArithmeticOp::Mul => one * other,
        ArithmeticOp::Div => one / other,
        ArithmeticOp::Mod => one % other,
        ArithmeticOp::Pow => one.powf(other),
    }
}

/// An int, or a duration unless it is negative.
fn whole(number: i128, is_duration: bool) -> Option<Value> {
    if is_duration && number >= 0 {
        return u64::try_from(number).ok().map(Value::Duration);
    }
    i64::try_from(number).ok().map(|number| Value::Any(AnyValue::Int(number)))
}

fn real(number: f64, is_duration: bool) -> Option<Value> {
    if !number.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "what fits no 128 bits becomes a number that fits no 64 bits")]
    if is_duration { whole(number.round() as i128, true) } else { Some(Value::Any(AnyValue::Double(number))) }
}

/// The aggregate of values that stand in the order of their spans.
pub(super) fn aggregate(function: Aggregate, values: &[Value]) -> Option<Value> {
    let numbers: Vec<&Value> =
        values.iter().filter(|value| real_number(value).is_some_and(|number| !number.is_nan())).collect();
    let count = numbers.len() as i128;
    let durations = numbers.iter().filter(|number| is_duration(number)).count() as i128;
    let whole_sum: i128 = numbers.iter().filter_map(|number| whole_number(number)).sum();
    let reals: Vec<f64> = numbers
        .iter()
        .filter(|number| whole_number(number).is_none())
        .filter_map(|number| real_number(number))
        .collect();
    let real_sum = whole_sum as f64 + reals.iter().sum::<f64>();
    // Of equal ones the first.
    let precedes = |one: &Value, other: &Value, least: bool| {
        order(one, other).is_some_and(|order| if least { order.is_lt() } else { order.is_gt() })
    };
    let extreme =
        |least| numbers.iter().copied().reduce(|best, next| if precedes(next, best, least) { next } else { best });
    match function {
        Aggregate::Count => whole(count, false),
        _ if count == 0 => None,
        Aggregate::Min => extreme(true).cloned(),
        Aggregate::Max => extreme(false).cloned(),
        Aggregate::Sum if reals.is_empty() => whole(whole_sum, durations > 0),
        Aggregate::Sum => real(real_sum, durations > 0),
        Aggregate::Avg if durations == count => whole(whole_sum / count, true),
        Aggregate::Avg => real(real_sum / count as f64, false),
    }
}

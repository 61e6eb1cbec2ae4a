//! Arithmetic on values, by the rules of [`Expr`](crate::Expr).

use hoptrail_proto::model::AnyValue;

use crate::{ArithmeticOp, Value};

/// A number as arithmetic sees it.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Duration(i128),
    Double(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Any(AnyValue::Int(number)) => Some(Self::Int(i128::from(*number))),
            Value::Any(AnyValue::Double(number)) => Some(Self::Double(*number)),
            Value::Duration(nanos) => Some(Self::Duration(i128::from(*nanos))),
            _ => None,
        }
    }

    fn is_duration(self) -> bool {
        matches!(self, Self::Duration(_))
    }

    fn whole(self) -> Option<i128> {
        match self {
            Self::Int(number) | Self::Duration(number) => Some(number),
            Self::Double(_) => None,
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Int(number) | Self::Duration(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// `left op right`; `None` when it has no value.
pub(crate) fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value) -> Option<Value> {
    let (left, right) = (Number::of(left)?, Number::of(right)?);
    let is_duration = if left.is_duration() && right.is_duration() {
        op != ArithmeticOp::Div
    } else {
        left.is_duration() != right.is_duration()
    };
    match (left.whole(), right.whole()) {
        (Some(a), Some(b)) if !(op == ArithmeticOp::Pow && b < 0) => of_whole(of_ints(op, a, b)?, is_duration),
        _ => of_real(of_doubles(op, left.real(), right.real()), is_duration),
    }
}

/// `-x`; `None` when it has no value.
pub(crate) fn negated(value: &Value) -> Option<Value> {
    match Number::of(value)? {
        Number::Double(number) => of_real(-number, false),
        Number::Int(number) => of_whole(-number, false),
        Number::Duration(nanos) => of_whole(-nanos, true),
    }
}

fn of_ints(op: ArithmeticOp, a: i128, b: i128) -> Option<i128> {
    match op {
        ArithmeticOp::Add => a.checked_add(b),
        ArithmeticOp::Sub => a.checked_sub(b),
        ArithmeticOp::Mul => a.checked_mul(b),
        ArithmeticOp::Div => a.checked_div(b),
        ArithmeticOp::Mod => a.checked_rem(b),
        ArithmeticOp::Pow => match (a, b) {
            // However large the power is.
            (0 | 1, 1..) => Some(a),
            (-1, _) => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => a.checked_pow(u32::try_from(b).ok()?),
        },
    }
}

fn of_doubles(op: ArithmeticOp, a: f64, b: f64) -> f64 {
    match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Sub => a - b,
        ArithmeticOp::Mul => a * b,
        ArithmeticOp::Div => a / b,
        ArithmeticOp::Mod => a % b,
        ArithmeticOp::Pow => a.powf(b),
    }
}

/// A duration, or an int when it is negative.
pub(crate) fn of_whole(number: i128, is_duration: bool) -> Option<Value> {
    match u64::try_from(number) {
        Ok(nanos) if is_duration => Some(Value::Duration(nanos)),
        _ => Some(Value::Any(AnyValue::Int(i64::try_from(number).ok()?))),
    }
}

/// A double, or a duration that is rounded; `None` when it is not finite.
pub(crate) fn of_real(number: f64, is_duration: bool) -> Option<Value> {
    if !number.is_finite() {
        return None;
    }
    if !is_duration {
        return Some(Value::Any(AnyValue::Double(number)));
    }
    // A cast gives the nearest int, and what fits no 128 bits fits no 64 bits either.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    of_whole(number.round() as i128, true)
}

#[cfg(test)]
mod tests {
    use ArithmeticOp::{Add, Div, Mod, Mul, Pow, Sub};

    use super::*;

    fn int(number: i64) -> Value {
        Value::Any(AnyValue::Int(number))
    }

    fn double(number: f64) -> Value {
        Value::Any(AnyValue::Double(number))
    }

    #[test]
    fn numbers_make_numbers() {
        for (op, left, right, expected) in [
            (Add, int(2), int(3), Some(int(5))),
            (Div, int(7), int(2), Some(int(3))),
            (Div, int(7), int(0), None),
            (Mod, int(-7), int(2), Some(int(-1))),
            (Mod, int(7), int(0), None),
            (Pow, int(2), int(10), Some(int(1024))),
            (Pow, int(2), int(-1), Some(double(0.5))),
            (Pow, int(2), int(63), None),
            (Pow, int(1), int(1 << 40), Some(int(1))),
            (Pow, int(-1), int((1 << 40) + 1), Some(int(-1))),
            (Pow, int(0), int(0), Some(int(1))),
            (Mul, int(i64::MAX), int(2), None),
            (Mul, int(2), double(1.5), Some(double(3.0))),
            (Div, double(1.0), int(0), None),
            (Sub, Value::Duration(5), Value::Duration(2), Some(Value::Duration(3))),
            (Sub, Value::Duration(2), Value::Duration(5), Some(int(-3))),
            (Div, Value::Duration(10), Value::Duration(4), Some(int(2))),
            (Div, Value::Duration(10), int(4), Some(Value::Duration(2))),
            (Mul, Value::Duration(3), double(0.5), Some(Value::Duration(2))),
            (Add, int(1), Value::string("1"), None),
        ] {
            assert_eq!(arithmetic(op, &left, &right), expected, "{left:?} {op:?} {right:?}");
        }
        assert_eq!(negated(&Value::Duration(3)), Some(int(-3)));
        assert_eq!(negated(&double(1.5)), Some(double(-1.5)));
        assert_eq!(negated(&double(f64::NAN)), None);
        assert_eq!(negated(&Value::string("")), None);
    }
}

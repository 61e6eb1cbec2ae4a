//! Constant expressions, computed before a query runs.

use std::cmp::Ordering;

use hoptrail_storage::{ArithmeticOp, CompareOp};

use super::QueryError;
use super::ast::{BinaryOp, Expr, ExprKind, FieldExpr, FieldKind, LiteralKind, LogicOp, TextRange, UnaryOp};

/// The value of an expression without fields; `None` when it has one.
///
/// # Errors
/// Division by zero, or a number too large.
pub(super) fn fold(expr: &FieldExpr) -> Option<Result<LiteralKind, QueryError>> {
    Some(match &expr.kind {
        FieldKind::Literal(literal) => Ok(literal.kind.clone()),
        FieldKind::Field(_) | FieldKind::Error => return None,
        FieldKind::Unary { op, operand } => fold(operand)?.and_then(|value| unary(*op, &value, expr.range)),
        FieldKind::Binary { op, left, right } => match (fold(left)?, fold(right)?) {
            (Ok(left), Ok(right)) => binary(*op, &left, &right, expr.range),
            (Err(error), _) | (_, Err(error)) => Err(error),
        },
        FieldKind::Logic { op, operands } => {
            let values: Option<Result<Vec<LiteralKind>, QueryError>> = operands.iter().map(fold).collect();
            values?.map(|values| {
                let mut each = values.iter().map(|value| *value == LiteralKind::Bool(true));
                LiteralKind::Bool(match op {
                    LogicOp::And => each.all(|holds| holds),
                    LogicOp::Or => each.any(|holds| holds),
                })
            })
        }
    })
}

/// The value of a scalar without functions; `None` when it has one.
///
/// # Errors
/// As [`fold`].
pub(super) fn fold_scalar(expr: &Expr) -> Option<Result<LiteralKind, QueryError>> {
    Some(match &expr.kind {
        ExprKind::Literal(literal) => Ok(literal.kind.clone()),
        ExprKind::Negate(inner) => fold_scalar(inner)?.and_then(|value| unary(UnaryOp::Negate, &value, expr.range)),
        ExprKind::Binary { op, left, right } => match (fold_scalar(left)?, fold_scalar(right)?) {
            (Ok(left), Ok(right)) => binary(*op, &left, &right, expr.range),
            (Err(error), _) | (_, Err(error)) => Err(error),
        },
        _ => return None,
    })
}

fn fault(range: TextRange, message: &str) -> QueryError {
    QueryError::new(range.bytes(), message)
}

fn unary(op: UnaryOp, value: &LiteralKind, range: TextRange) -> Result<LiteralKind, QueryError> {
    match (op, value) {
        (UnaryOp::Not, LiteralKind::Bool(value)) => Ok(LiteralKind::Bool(!value)),
        (UnaryOp::Negate, value) => binary(BinaryOp::Sub, &LiteralKind::Int(0), value, range),
        _ => Err(fault(range, "`!` needs a condition")),
    }
}

fn binary(op: BinaryOp, left: &LiteralKind, right: &LiteralKind, range: TextRange) -> Result<LiteralKind, QueryError> {
    if op.is_arithmetic() {
        return arithmetic(op, left, right).map_err(|reason| fault(range, reason));
    }
    if let Some(op) = compare_op(op) {
        return Ok(LiteralKind::Bool(order(left, right).is_some_and(|order| op.holds(order))));
    }
    let (LiteralKind::String(text), LiteralKind::String(source)) = (left, right) else {
        return Err(fault(range, "regular expressions match strings"));
    };
    let pattern = hoptrail_storage::Pattern::new(source).map_err(|reason| fault(range, &reason))?;
    Ok(LiteralKind::Bool(pattern.matches(text) == (op == BinaryOp::Match)))
}

fn arithmetic(op: BinaryOp, left: &LiteralKind, right: &LiteralKind) -> Result<LiteralKind, &'static str> {
    const TOO_LARGE: &str = "this number is too large";
    let duration = matches!(left, LiteralKind::Duration(_)) != matches!(right, LiteralKind::Duration(_))
        || (matches!(left, LiteralKind::Duration(_)) && op != BinaryOp::Div);
    let wrap = |nanos: i64| if duration { LiteralKind::Duration(nanos) } else { LiteralKind::Int(nanos) };
    match (whole(left), whole(right)) {
        (Some(a), Some(b)) if !(op == BinaryOp::Pow && b < 0) => {
            if b == 0 && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                return Err("division by zero");
            }
            let value = match op {
                BinaryOp::Add => a.checked_add(b),
                BinaryOp::Sub => a.checked_sub(b),
                BinaryOp::Mul => a.checked_mul(b),
                BinaryOp::Div => a.checked_div(b),
                BinaryOp::Mod => a.checked_rem(b),
                _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            };
            value.map(wrap).ok_or(TOO_LARGE)
        }
        _ => {
            let (a, b) = (real(left).ok_or("numbers are needed")?, real(right).ok_or("numbers are needed")?);
            if b == 0.0 && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                return Err("division by zero");
            }
            let value = match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Mod => a % b,
                _ => a.powf(b),
            };
            match (value.is_finite(), duration) {
                (false, _) => Err(TOO_LARGE),
                (true, true) if value.abs() >= i64::MAX as f64 => Err(TOO_LARGE),
                (true, true) => Ok(LiteralKind::Duration(value.round() as i64)),
                (true, false) => Ok(LiteralKind::Float(value)),
            }
        }
    }
}

fn whole(value: &LiteralKind) -> Option<i64> {
    match value {
        LiteralKind::Int(value) | LiteralKind::Duration(value) => Some(*value),
        _ => None,
    }
}

/// A number as a double; nanoseconds for a duration.
pub(super) fn real(value: &LiteralKind) -> Option<f64> {
    match value {
        LiteralKind::Float(value) => Some(*value),
        _ => whole(value).map(|value| value as f64),
    }
}

/// How two constants stand to each other, by the rules of `hoptrail_storage::Filter`.
fn order(left: &LiteralKind, right: &LiteralKind) -> Option<Ordering> {
    use LiteralKind::{Bool, Kind, Nil, Status, String};
    match (left, right) {
        (String(a), String(b)) => Some(a.cmp(b)),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Status(a), Status(b)) => Some(a.cmp(b)),
        (Kind(a), Kind(b)) => Some(a.cmp(b)),
        (Nil, Nil) => Some(Ordering::Equal),
        _ => match (whole(left), whole(right)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => real(left)?.partial_cmp(&real(right)?),
        },
    }
}

/// The store's comparison; `None` for arithmetic and patterns.
pub(super) fn compare_op(op: BinaryOp) -> Option<CompareOp> {
    Some(match op {
        BinaryOp::Eq => CompareOp::Eq,
        BinaryOp::Ne => CompareOp::Ne,
        BinaryOp::Lt => CompareOp::Lt,
        BinaryOp::Le => CompareOp::Le,
        BinaryOp::Gt => CompareOp::Gt,
        BinaryOp::Ge => CompareOp::Ge,
        _ => return None,
    })
}

/// The store's arithmetic; `None` for comparisons and patterns.
pub(super) fn arithmetic_op(op: BinaryOp) -> Option<ArithmeticOp> {
    Some(match op {
        BinaryOp::Add => ArithmeticOp::Add,
        BinaryOp::Sub => ArithmeticOp::Sub,
        BinaryOp::Mul => ArithmeticOp::Mul,
        BinaryOp::Div => ArithmeticOp::Div,
        BinaryOp::Mod => ArithmeticOp::Mod,
        BinaryOp::Pow => ArithmeticOp::Pow,
        _ => return None,
    })
}

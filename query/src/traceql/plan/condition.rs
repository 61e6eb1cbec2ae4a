//! Conditions inside braces to filters.

use std::cmp::Ordering;

use hoptrail_proto::model::AnyValue;
use hoptrail_storage::{AttributeScope, CompareOp, Expr, Field, Filter, Intrinsic, Pattern, Value};

use super::super::QueryError;
use super::super::ast::{BinaryOp, FieldExpr, FieldKind, FieldRef, LiteralKind, LogicOp, TextRange, UnaryOp};
use super::super::fold::{arithmetic_op, compare_op, fold};

/// Gathers what cannot be planned.
#[derive(Debug, Default)]
pub(in crate::traceql) struct Planner {
    errors: Vec<QueryError>,
}

/// Never true.
fn never() -> Filter {
    Filter::Not(Box::new(Filter::True))
}

fn constant(holds: bool) -> Filter {
    if holds { Filter::True } else { never() }
}

/// The opposite, for every span.
fn negate(filter: Filter) -> Filter {
    match filter {
        Filter::Not(inner) => *inner,
        other => Filter::Not(Box::new(other)),
    }
}

impl Planner {
    pub(super) fn error(&mut self, range: TextRange, message: impl Into<String>) {
        self.errors.push(QueryError::new(range.bytes(), message));
    }

    pub(in crate::traceql) fn into_errors(mut self) -> Vec<QueryError> {
        self.errors.sort_by_key(|error| error.range.start);
        self.errors
    }

    /// The filter that a condition is; `None` after an error.
    pub(in crate::traceql) fn condition(&mut self, expr: &FieldExpr) -> Option<Filter> {
        let filter = self.part(expr)?;
        Some(match filter {
            Filter::And(parts) => conjunction(parts),
            other => other,
        })
    }

    /// Like `condition`, but events and links are still tested one by one.
    fn part(&mut self, expr: &FieldExpr) -> Option<Filter> {
        match fold(expr) {
            Some(Ok(value)) => return Some(constant(value == LiteralKind::Bool(true))),
            Some(Err(error)) => {
                self.errors.push(error);
                return None;
            }
            None => {}
        }
        match &expr.kind {
            FieldKind::Logic { op: LogicOp::And, operands } => {
                let parts: Vec<Option<Filter>> = operands.iter().map(|operand| self.part(operand)).collect();
                let mut flat = Vec::new();
                for part in parts.into_iter().collect::<Option<Vec<_>>>()? {
                    match part {
                        Filter::True => {}
                        Filter::And(more) => flat.extend(more),
                        other => flat.push(other),
                    }
                }
                Some(if flat.is_empty() { Filter::True } else { Filter::And(flat) })
            }
            FieldKind::Logic { op: LogicOp::Or, operands } => {
                let parts: Vec<Option<Filter>> = operands.iter().map(|operand| self.part(operand)).collect();
                let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
                Some(if parts.contains(&Filter::True) { Filter::True } else { Filter::Or(parts) })
            }
            FieldKind::Unary { op: UnaryOp::Not, operand } if let FieldKind::Field(field) = &operand.kind => {
                Some(is_bool(field, false))
            }
            FieldKind::Unary { op: UnaryOp::Not, operand } => self.part(operand).map(negate),
            FieldKind::Field(field) => Some(is_bool(field, true)),
            FieldKind::Binary { op, left, right } => self.binary(*op, left, right, expr.range),
            FieldKind::Unary { .. } | FieldKind::Literal(_) | FieldKind::Error => {
                self.error(expr.range, "a filter needs a condition");
                None
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr, range: TextRange) -> Option<Filter> {
        let (expr, op, constant) = match (fold(left), fold(right)) {
            (None, Some(value)) => (left, op, value),
            (Some(value), None) => match op.flipped() {
                Some(op) => (right, op, value),
                None => {
                    self.error(range, format!("`{}` needs the field on its left", op.symbol()));
                    return None;
                }
            },
            _ => return self.two_values(op, left, right, range),
        };
        let Some(constant) = self.sound(constant) else {
            // The other side may be at fault as well.
            _ = self.value(expr);
            return None;
        };
        match &expr.kind {
            FieldKind::Field(field) => self.with_constant(field.stored(), op, constant, range),
            _ if is_condition(expr) => self.truth(op, expr, &constant, range),
            _ => self.computed(op, expr, constant, range),
        }
    }

    pub(super) fn sound<T>(&mut self, found: Result<T, QueryError>) -> Option<T> {
        found.map_err(|error| self.errors.push(error)).ok()
    }

    /// `(condition) = true` and the like.
    fn truth(&mut self, op: BinaryOp, expr: &FieldExpr, constant: &LiteralKind, range: TextRange) -> Option<Filter> {
        let filter = self.part(expr)?;
        match (op, constant) {
            (BinaryOp::Eq, LiteralKind::Bool(true)) | (BinaryOp::Ne, LiteralKind::Bool(false)) => Some(filter),
            (BinaryOp::Eq | BinaryOp::Ne, LiteralKind::Bool(_)) => Some(negate(filter)),
            _ => {
                self.error(range, "a condition compares with true or false");
                None
            }
        }
    }

    /// Arithmetic compared with a constant.
    fn computed(&mut self, op: BinaryOp, expr: &FieldExpr, constant: LiteralKind, range: TextRange) -> Option<Filter> {
        let left = self.value(expr)?;
        let op = self.relation_op(op, range)?;
        Some(match constant {
            LiteralKind::Nil => Filter::Computed { value: left, present: op == CompareOp::Ne },
            constant => Filter::Relation { left, op, right: Expr::Constant(constant_value(constant)) },
        })
    }

    fn two_values(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr, range: TextRange) -> Option<Filter> {
        let (left, right) = (self.value(left), self.value(right));
        let op = self.relation_op(op, range)?;
        Some(relation(left?, op, right?))
    }

    fn relation_op(&mut self, op: BinaryOp, range: TextRange) -> Option<CompareOp> {
        let found = compare_op(op);
        if found.is_none() {
            self.error(range, "a filter needs a condition");
        }
        found
    }

    /// The value of an expression for a span; `None` after an error.
    pub(super) fn value(&mut self, expr: &FieldExpr) -> Option<Expr> {
        if let Some(constant) = fold(expr) {
            return self.sound(constant).map(|constant| Expr::Constant(constant_value(constant)));
        }
        match &expr.kind {
            FieldKind::Field(field) => Some(Expr::Field(field.stored())),
            FieldKind::Unary { op: UnaryOp::Negate, operand } => {
                self.value(operand).map(|inner| Expr::Negate(Box::new(inner)))
            }
            FieldKind::Binary { op, left, right } if let Some(op) = arithmetic_op(*op) => {
                let (left, right) = (self.value(left), self.value(right));
                Some(Expr::Arithmetic { op, left: Box::new(left?), right: Box::new(right?) })
            }
            _ => self.condition(expr).map(|filter| Expr::Condition(Box::new(filter))),
        }
    }

    fn with_constant(&mut self, field: Field, op: BinaryOp, constant: LiteralKind, range: TextRange) -> Option<Filter> {
        if let (BinaryOp::Match | BinaryOp::NotMatch, LiteralKind::String(source)) = (op, &constant) {
            // Its syntax has been checked; it may still be too large.
            let fault = |reason| self.error(range, format!("not a regular expression: {reason}"));
            let pattern = Pattern::new(source).map_err(fault).ok()?;
            let negated = op == BinaryOp::NotMatch;
            let on_empty = pattern.matches("") != negated;
            let filter = Filter::Matches { field: field.clone(), pattern, negated };
            return Some(or_empty(filter, field, on_empty));
        }
        let op = self.relation_op(op, range)?;
        if constant == LiteralKind::Nil {
            return Some(Filter::Exists { field, present: op == CompareOp::Ne });
        }
        let on_empty = matches!(&constant, LiteralKind::String(text) if op.holds("".cmp(text.as_str())));
        let value = value_for(&field, constant);
        Some(or_empty(Filter::compare(field.clone(), op, value), field, on_empty))
    }
}

fn is_bool(field: &FieldRef, value: bool) -> Filter {
    Filter::compare(field.stored(), CompareOp::Eq, Value::Any(AnyValue::Bool(value)))
}

/// The store keeps no empty status message, scope name and the like; in TraceQL these are always set. So a condition that an empty
/// string satisfies is satisfied by a missing one.
fn or_empty(filter: Filter, field: Field, holds_for_empty: bool) -> Filter {
    if may_be_empty(&field) && holds_for_empty {
        Filter::Or(vec![filter, Filter::Exists { field, present: false }])
    } else {
        filter
    }
}

fn may_be_empty(field: &Field) -> bool {
    matches!(
        field,
        Field::Intrinsic(
            Intrinsic::StatusMessage
                | Intrinsic::ScopeName
                | Intrinsic::ScopeVersion
                | Intrinsic::ParentId
                | Intrinsic::RootName
                | Intrinsic::RootService
        )
    )
}

/// Two values compared. What `or_empty` says holds for two fields as well.
fn relation(left: Expr, op: CompareOp, right: Expr) -> Filter {
    let missing = match (&left, &right) {
        (Expr::Field(one), Expr::Field(other)) => [one, other].map(missing_as_empty),
        _ => [None, None],
    };
    let with = |left: &Expr, right: &Expr| Filter::Relation { left: left.clone(), op, right: right.clone() };
    let empty = Expr::Constant(Value::string(""));
    let [no_left, no_right] = missing;
    let or_left = no_left.clone().map(|missing| Filter::And(vec![missing, with(&empty, &right)]));
    let or_right = no_right.clone().map(|missing| Filter::And(vec![missing, with(&left, &empty)]));
    let or_both = no_left.zip(no_right).filter(|_| op.holds(Ordering::Equal));
    let or_both = or_both.map(|(left, right)| Filter::And(vec![left, right]));
    let whole = Filter::Relation { left, op, right };
    joined([Some(whole), or_left, or_right, or_both].into_iter().flatten().collect(), Filter::Or)
}

fn missing_as_empty(field: &Field) -> Option<Filter> {
    may_be_empty(field).then(|| Filter::Exists { field: field.clone(), present: false })
}

/// The constant as the store compares it with the field.
fn value_for(field: &Field, constant: LiteralKind) -> Value {
    match (constant, id_digits(field)) {
        (LiteralKind::String(text), Some(digits)) => Value::string(padded_id(text, digits)),
        (constant, _) => constant_value(constant),
    }
}

pub(super) fn constant_value(constant: LiteralKind) -> Value {
    match constant {
        LiteralKind::String(text) => Value::string(text),
        LiteralKind::Int(value) => Value::Any(AnyValue::Int(value)),
        LiteralKind::Float(value) => Value::Any(AnyValue::Double(value)),
        LiteralKind::Bool(value) => Value::Any(AnyValue::Bool(value)),
        // Durations of spans are never negative, but a constant may be; numbers compare all the same.
        LiteralKind::Duration(nanos) => u64::try_from(nanos).map_or(Value::Any(AnyValue::Int(nanos)), Value::Duration),
        LiteralKind::Status(status) => Value::Status(status),
        LiteralKind::Kind(kind) => Value::Kind(kind),
        LiteralKind::Nil => Value::Any(AnyValue::Empty),
    }
}

/// How many hex digits an id field has.
fn id_digits(field: &Field) -> Option<usize> {
    match field {
        Field::Intrinsic(Intrinsic::TraceId | Intrinsic::LinkTraceId) => Some(32),
        Field::Intrinsic(Intrinsic::SpanId | Intrinsic::ParentId | Intrinsic::LinkSpanId) => Some(16),
        _ => None,
    }
}

/// An id as the store writes it: lower case, leading zeros that may have been cut.
fn padded_id(text: String, digits: usize) -> String {
    let trimmed = text.trim_start_matches('0');
    let is_id = !trimmed.is_empty() && trimmed.len() <= digits && trimmed.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { format!("{:0>digits$}", trimmed.to_ascii_lowercase()) } else { text }
}

/// Whether an expression is true or false by its form.
fn is_condition(expr: &FieldExpr) -> bool {
    match &expr.kind {
        FieldKind::Logic { .. } | FieldKind::Unary { op: UnaryOp::Not, .. } => true,
        FieldKind::Binary { op, .. } => !op.is_arithmetic(),
        _ => false,
    }
}

/// Joins conditions by `&&`. When there is no other operator among them, one event must satisfy all those about events, and one
/// link all those about links; with any `||` or `!` each condition asks for itself.
/// So `{ event.a = 1 && event.b = 2 }` finds spans with an event that has both.
pub(in crate::traceql) fn conjunction(parts: Vec<Filter>) -> Filter {
    let mut parts = parts;
    if parts.iter().all(is_plain) {
        for (owner, wrap) in [(Owner::Event, Filter::Event as fn(Box<Filter>) -> Filter), (Owner::Link, Filter::Link)] {
            parts = gather(parts, owner, wrap);
        }
    }
    joined(parts, Filter::And)
}

/// One filter as it is, several joined; every span without any.
pub(super) fn joined(mut filters: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match (filters.pop(), filters.is_empty()) {
        (None, _) => Filter::True,
        (Some(only), true) => only,
        (Some(last), false) => {
            filters.push(last);
            join(filters)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Event,
    Link,
}

/// Puts the conditions of one owner together where the first one stands; one alone stays as it is.
fn gather(parts: Vec<Filter>, owner: Owner, wrap: fn(Box<Filter>) -> Filter) -> Vec<Filter> {
    if parts.iter().filter(|part| owner_of(part) == Some(owner)).count() < 2 {
        return parts;
    }
    let first = parts.iter().position(|part| owner_of(part) == Some(owner)).unwrap_or_default();
    let (of_owner, mut others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| owner_of(part) == Some(owner));
    others.insert(first, wrap(Box::new(Filter::And(of_owner))));
    others
}

fn is_plain(filter: &Filter) -> bool {
    matches!(
        filter,
        Filter::True
            | Filter::Compare { .. }
            | Filter::Matches { .. }
            | Filter::Exists { .. }
            | Filter::Relation { .. }
            | Filter::Computed { .. }
            | Filter::Event(_)
            | Filter::Link(_)
    ) || matches!(filter, Filter::Or(parts) if is_or_empty(parts))
}

/// Whether an `Or` was made by `or_empty`, not written.
fn is_or_empty(parts: &[Filter]) -> bool {
    matches!(parts, [
        Filter::Compare { field: a, .. } | Filter::Matches { field: a, .. },
        Filter::Exists { field: Field::Intrinsic(b), present: false },
    ] if *a == Field::Intrinsic(*b))
}

fn owner_of(filter: &Filter) -> Option<Owner> {
    let (Filter::Compare { field, .. } | Filter::Matches { field, .. } | Filter::Exists { field, .. }) = filter else {
        return None;
    };
    match field {
        Field::Attribute { scope: AttributeScope::Event, .. }
        | Field::Intrinsic(Intrinsic::EventName | Intrinsic::EventTimeSinceStart) => Some(Owner::Event),
        Field::Attribute { scope: AttributeScope::Link, .. }
        | Field::Intrinsic(Intrinsic::LinkTraceId | Intrinsic::LinkSpanId) => Some(Owner::Link),
        _ => None,
    }
}

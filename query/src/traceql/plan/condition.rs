//! Conditions inside braces to filters.

use hoptrail_proto::model::AnyValue;
use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};

use super::super::QueryError;
use super::super::ast::{BinaryOp, FieldExpr, FieldKind, LiteralKind, LogicOp, TextRange, UnaryOp};
use super::super::fold::{compare_op, fold};

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
            FieldKind::Unary { op: UnaryOp::Not, operand } if is_field(operand) => self.is_bool(operand, false),
            FieldKind::Unary { op: UnaryOp::Not, operand } => self.part(operand).map(negate),
            FieldKind::Field(_) => self.is_bool(expr, true),
            FieldKind::Binary { op, left, right } => self.binary(*op, left, right, expr.range),
            FieldKind::Unary { .. } | FieldKind::Literal(_) | FieldKind::Error => {
                self.error(expr.range, "a filter needs a condition");
                None
            }
        }
    }

    fn is_bool(&mut self, field: &FieldExpr, value: bool) -> Option<Filter> {
        let field = self.stored(field)?;
        Some(Filter::compare(field, CompareOp::Eq, Value::Any(AnyValue::Bool(value))))
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
            _ => return self.two_fields(op, left, right, range),
        };
        let constant = match constant {
            Ok(constant) => constant,
            Err(error) => {
                self.errors.push(error);
                return None;
            }
        };
        if is_condition(expr) {
            return self.truth(op, expr, &constant, range);
        }
        if !is_field(expr) {
            self.error(expr.range, "arithmetic with fields is not supported yet");
            return None;
        }
        let field = self.stored(expr)?;
        self.with_constant(field, op, constant, range)
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

    fn two_fields(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr, range: TextRange) -> Option<Filter> {
        if is_condition(left) && is_condition(right) {
            let (a, b) = (self.part(left)?, self.part(right)?);
            let both = Filter::And(vec![a.clone(), b.clone()]);
            let neither = Filter::And(vec![negate(a), negate(b)]);
            let same = Filter::Or(vec![both, neither]);
            return Some(if op == BinaryOp::Ne { negate(same) } else { same });
        }
        let what = if op.is_arithmetic() { "arithmetic with fields" } else { "comparing two fields" };
        self.error(range, format!("{what} is not supported yet"));
        None
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
        let Some(op) = compare_op(op) else {
            self.error(range, "a filter needs a condition");
            return None;
        };
        if constant == LiteralKind::Nil {
            return Some(Filter::Exists { field, present: op == CompareOp::Ne });
        }
        let on_empty = matches!(&constant, LiteralKind::String(text) if op.holds("".cmp(text.as_str())));
        let value = value_for(&field, constant);
        Some(or_empty(Filter::compare(field.clone(), op, value), field, on_empty))
    }
}

/// The store keeps no empty status message, scope name and the like; in TraceQL these are always set. So a condition that an empty
/// string satisfies is satisfied by a missing one.
fn or_empty(filter: Filter, field: Field, holds_for_empty: bool) -> Filter {
    let may_be_empty = matches!(
        field,
        Field::Intrinsic(
            Intrinsic::StatusMessage
                | Intrinsic::ScopeName
                | Intrinsic::ScopeVersion
                | Intrinsic::ParentId
                | Intrinsic::RootName
                | Intrinsic::RootService
        )
    );
    if may_be_empty && holds_for_empty {
        Filter::Or(vec![filter, Filter::Exists { field, present: false }])
    } else {
        filter
    }
}

/// The constant as the store compares it with the field.
fn value_for(field: &Field, constant: LiteralKind) -> Value {
    match constant {
        LiteralKind::String(text) => Value::string(match id_digits(field) {
            Some(digits) => padded_id(text, digits),
            None => text,
        }),
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

fn is_field(expr: &FieldExpr) -> bool {
    matches!(expr.kind, FieldKind::Field(_))
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
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Filter::True,
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            Filter::And(parts)
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

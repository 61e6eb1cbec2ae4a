//! Types of expressions over fields.

use hoptrail_storage::{AttributeScope, Pattern};

use super::super::ast::{BinaryOp, FieldExpr, FieldKind, FieldRef, LiteralKind, Name, TextRange, UnaryOp};
use super::Checker;

/// What an expression is known to be before any span is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// An attribute: any type.
    Any,
    Nil,
    String,
    Int,
    Float,
    Bool,
    Duration,
    Status,
    Kind,
}

impl Type {
    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Duration)
    }

    /// Whether `<` and `>` mean something for it.
    fn has_order(self) -> bool {
        !matches!(self, Self::Bool | Self::Status | Self::Kind)
    }

    fn compares_with(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any || (self.is_number() && other.is_number())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "an attribute",
            Self::Nil => "nil",
            Self::String => "a string",
            Self::Int => "an int",
            Self::Float => "a float",
            Self::Bool => "a boolean",
            Self::Duration => "a duration",
            Self::Status => "a status",
            Self::Kind => "a kind",
        }
    }
}

impl Checker {
    /// A filter's condition must be a boolean.
    pub(super) fn condition(&mut self, condition: &FieldExpr) {
        self.boolean(condition, "a filter needs a condition");
    }

    fn boolean(&mut self, expr: &FieldExpr, need: &str) {
        if let Some(found) = self.type_of(expr).filter(|found| !matches!(found, Type::Bool | Type::Any)) {
            self.error(expr.range, format!("{need}, but this is {}", found.name()));
        }
    }

    /// Must be an expression with a field of the span in it.
    pub(super) fn of_span(&mut self, expr: &FieldExpr, what: &str) -> Option<Type> {
        let found = self.type_of(expr);
        if found.is_some() && !names_field(expr) {
            self.error(expr.range, format!("{what} needs a field of the span"));
        }
        found
    }

    /// Must be a number for each span.
    pub(super) fn number_of_span(&mut self, expr: &FieldExpr, what: &str) {
        let found = self.of_span(expr, what);
        if let Some(found) = found.filter(|found| !found.is_number() && *found != Type::Any) {
            self.error(expr.range, format!("{what} needs a number, but this is {}", found.name()));
        }
    }

    /// The type; `None` when the expression is at fault itself, which has been reported.
    fn type_of(&mut self, expr: &FieldExpr) -> Option<Type> {
        match &expr.kind {
            FieldKind::Error => None,
            FieldKind::Literal(literal) => Some(literal_type(&literal.kind)),
            FieldKind::Field(field) => Some(field_type(field)),
            FieldKind::Unary { op: UnaryOp::Not, operand } => {
                self.boolean(operand, "`!` needs a condition");
                Some(Type::Bool)
            }
            FieldKind::Unary { op: UnaryOp::Negate, operand } => {
                let found = self.type_of(operand)?;
                self.number(found, operand.range, "-").then_some(found)
            }
            FieldKind::Logic { op, operands } => {
                for operand in operands {
                    self.boolean(operand, &format!("`{}` joins conditions", op.symbol()));
                }
                Some(Type::Bool)
            }
            FieldKind::Binary { op, left, right } if op.is_arithmetic() => self.arithmetic(*op, left, right),
            FieldKind::Binary { op: op @ (BinaryOp::Match | BinaryOp::NotMatch), left, right } => {
                self.pattern(*op, left, right);
                Some(Type::Bool)
            }
            FieldKind::Binary { op, left, right } => {
                self.comparison(*op, left, right, expr.range);
                Some(Type::Bool)
            }
        }
    }

    fn number(&mut self, found: Type, range: TextRange, symbol: &str) -> bool {
        let sound = found.is_number() || found == Type::Any;
        if !sound {
            self.error(range, format!("`{symbol}` needs numbers, but this is {}", found.name()));
        }
        sound
    }

    fn arithmetic(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr) -> Option<Type> {
        let (a, b) = (self.type_of(left), self.type_of(right));
        let (a, b) = (a?, b?);
        let sound = self.number(a, left.range, op.symbol()) & self.number(b, right.range, op.symbol());
        sound.then_some(match (a, b) {
            (Type::Any, _) | (_, Type::Any) => Type::Float,
            (Type::Duration, _) | (_, Type::Duration) => Type::Duration,
            (Type::Float, _) | (_, Type::Float) => Type::Float,
            _ => Type::Int,
        })
    }

    fn pattern(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr) {
        let symbol = op.symbol();
        if let Some(found) = self.type_of(left).filter(|found| !matches!(found, Type::String | Type::Any)) {
            self.error(left.range, format!("`{symbol}` matches strings, but this is {}", found.name()));
        }
        match &right.kind {
            FieldKind::Error => {}
            FieldKind::Literal(literal) => match &literal.kind {
                LiteralKind::String(source) => {
                    if let Err(reason) = check_regex(source) {
                        self.error(right.range, reason);
                    }
                }
                kind => {
                    let found = literal_type(kind).name();
                    self.error(right.range, format!("`{symbol}` needs a regular expression in quotes, not {found}"));
                }
            },
            _ => self.error(right.range, format!("`{symbol}` needs a regular expression in quotes on its right")),
        }
    }

    fn comparison(&mut self, op: BinaryOp, left: &FieldExpr, right: &FieldExpr, range: TextRange) {
        let (a, b) = (self.type_of(left), self.type_of(right));
        let (Some(a), Some(b)) = (a, b) else { return };
        let symbol = op.symbol();
        if a == Type::Nil || b == Type::Nil {
            let other = if a == Type::Nil { right } else { left };
            return self.presence(op, other, range);
        }
        if !a.compares_with(b) {
            let advice = match (a, b) {
                (Type::Status, _) | (_, Type::Status) => "; a status is ok, error or unset",
                (Type::Kind, _) | (_, Type::Kind) => {
                    "; a kind is unspecified, internal, server, client, producer or consumer"
                }
                (Type::Duration, _) | (_, Type::Duration) => {
                    "; a duration is written like 1.5s or 100ms, without quotes"
                }
                _ => "",
            };
            return self.error(range, format!("{} does not compare with {}{advice}", a.name(), b.name()));
        }
        let ordered = !matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        if let Some(found) = [a, b].into_iter().find(|found| !found.has_order()).filter(|_| ordered) {
            self.error(range, format!("`{symbol}` needs an order, which {} has not; use = or !=", found.name()));
        }
    }

    /// `x = nil`, `x != nil`.
    fn presence(&mut self, op: BinaryOp, field: &FieldExpr, range: TextRange) {
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            return self.error(range, "nil compares with = and != only");
        }
        match &field.kind {
            FieldKind::Field(FieldRef::Intrinsic(name)) if op == BinaryOp::Eq && *name != Name::Parent => {
                self.error(range, format!("{} is never nil", name.text()));
            }
            FieldKind::Field(FieldRef::Attribute { of_parent: false, scope: AttributeScope::Resource, key })
                if op == BinaryOp::Eq && key == "service.name" =>
            {
                self.error(range, "resource.service.name is never nil");
            }
            FieldKind::Field(_) => {}
            FieldKind::Binary { op, .. } if op.is_arithmetic() && names_field(field) => {}
            FieldKind::Unary { op: UnaryOp::Negate, .. } if names_field(field) => {}
            _ => self.error(range, "nil compares with a field"),
        }
    }
}

fn field_type(field: &FieldRef) -> Type {
    let FieldRef::Intrinsic(name) = field else { return Type::Any };
    match name {
        Name::Duration
        | Name::ScopedDuration
        | Name::TraceDuration
        | Name::ScopedTraceDuration
        | Name::EventTimeSinceStart => Type::Duration,
        Name::Status | Name::ScopedStatus => Type::Status,
        Name::Kind | Name::ScopedKind => Type::Kind,
        Name::NestedSetLeft
        | Name::NestedSetRight
        | Name::NestedSetParent
        | Name::ChildCount
        | Name::TraceStart
        | Name::TraceSpans
        | Name::TraceErrors => Type::Int,
        _ => Type::String,
    }
}

fn literal_type(kind: &LiteralKind) -> Type {
    match kind {
        LiteralKind::String(_) => Type::String,
        LiteralKind::Int(_) => Type::Int,
        LiteralKind::Float(_) => Type::Float,
        LiteralKind::Bool(_) => Type::Bool,
        LiteralKind::Duration(_) => Type::Duration,
        LiteralKind::Status(_) => Type::Status,
        LiteralKind::Kind(_) => Type::Kind,
        LiteralKind::Nil => Type::Nil,
    }
}

fn names_field(expr: &FieldExpr) -> bool {
    match &expr.kind {
        FieldKind::Field(_) => true,
        FieldKind::Literal(_) | FieldKind::Error => false,
        FieldKind::Unary { operand, .. } => names_field(operand),
        FieldKind::Binary { left, right, .. } => names_field(left) || names_field(right),
        FieldKind::Logic { operands, .. } => operands.iter().any(names_field),
    }
}

/// Whether a regular expression is valid. Whether it is too large is found when it is compiled.
fn check_regex(source: &str) -> Result<(), String> {
    let Err(reason) = Pattern::check(source) else { return Ok(()) };
    let reason = reason.rsplit_once("error: ").map_or(reason.as_str(), |(_, reason)| reason);
    Err(format!("not a regular expression: {}", reason.trim()))
}

//! Expressions over the fields of one span.

use super::super::ast::{BinaryOp, FieldExpr, FieldKind, FieldRef, LogicOp, Name, TextRange, UnaryOp};
use super::super::names::condition_words;
use super::super::power;
use super::super::suggest::did_you_mean;
use super::super::tokens::{Sign, TokenKind};
use super::Parser;

/// The operator that a sign is between two scalars.
pub(super) fn binary_op(sign: Sign) -> Option<BinaryOp> {
    Some(match sign {
        Sign::Eq => BinaryOp::Eq,
        Sign::Ne => BinaryOp::Ne,
        Sign::Lt => BinaryOp::Lt,
        Sign::Le => BinaryOp::Le,
        Sign::Gt => BinaryOp::Gt,
        Sign::Ge => BinaryOp::Ge,
        Sign::Match => BinaryOp::Match,
        Sign::NotMatch => BinaryOp::NotMatch,
        Sign::Plus => BinaryOp::Add,
        Sign::Minus => BinaryOp::Sub,
        Sign::Star => BinaryOp::Mul,
        Sign::Slash => BinaryOp::Div,
        Sign::Percent => BinaryOp::Mod,
        Sign::Caret => BinaryOp::Pow,
        _ => return None,
    })
}

/// The logic that a sign is.
pub(super) fn logic_op(sign: Sign) -> Option<LogicOp> {
    match sign {
        Sign::And => Some(LogicOp::And),
        Sign::Or => Some(LogicOp::Or),
        _ => None,
    }
}

impl Parser {
    /// Reads an expression of any operators.
    pub(super) fn field_expr(&mut self) -> FieldExpr {
        self.field_operators(power::LOGIC)
    }

    /// Reads `{ … }`, the brace being here; `None` for `{ }`.
    pub(super) fn filter(&mut self) -> (Option<FieldExpr>, TextRange) {
        let start = self.next();
        if self.at_sign(Sign::CloseBrace) {
            return (None, start.to(self.next()));
        }
        let mut expr = self.field_expr();
        while !self.at_sign(Sign::CloseBrace) && !self.at_end() {
            self.unexpected("an operator or `}`");
            let fault = FieldExpr { kind: FieldKind::Error, range: self.here() };
            self.skip_to_next_condition();
            expr = join(LogicOp::And, expr, fault);
            if self.take(Sign::And) || self.take(Sign::Or) {
                let next = self.field_expr();
                expr = join(LogicOp::And, expr, next);
            }
        }
        self.expect(Sign::CloseBrace);
        (Some(expr), start.to(self.before()))
    }

    fn skip_to_next_condition(&mut self) {
        while !self.at_end() && !self.at_sign(Sign::CloseBrace) && !self.at_sign(Sign::And) && !self.at_sign(Sign::Or) {
            self.next();
        }
    }

    fn field_operators(&mut self, least: u8) -> FieldExpr {
        let failed = |range| FieldExpr { kind: FieldKind::Error, range };
        self.deeper(failed, |parser| {
            let mut left = parser.field_operand();
            let mut links = 0;
            while let TokenKind::Sign(sign) = *parser.peek() {
                if let Some(op) = logic_op(sign).filter(|_| least <= power::LOGIC) {
                    parser.next();
                    let right = parser.field_operators(power::LOGIC + 1);
                    if !matches!(&left.kind, FieldKind::Logic { op: before, .. } if *before == op) {
                        parser.count_link(&mut links);
                    }
                    left = join(op, left, right);
                } else if let Some(op) = binary_op(sign).filter(|op| op.power() >= least) {
                    parser.next();
                    let right = parser.field_operators(op.side_powers().1);
                    let range = left.range.to(right.range);
                    let kind = FieldKind::Binary { op, left: Box::new(left), right: Box::new(right) };
                    left = FieldExpr { kind, range };
                    parser.count_link(&mut links);
                } else {
                    break;
                }
            }
            left
        })
    }

    fn field_operand(&mut self) -> FieldExpr {
        let start = self.here();
        if let Some(literal) = self.literal() {
            return FieldExpr { range: literal.range, kind: FieldKind::Literal(literal) };
        }
        match self.peek().clone() {
            TokenKind::Sign(Sign::OpenParen) => {
                self.next();
                let inner = self.field_expr();
                self.expect(Sign::CloseParen);
                FieldExpr { kind: inner.kind, range: start.to(self.before()) }
            }
            TokenKind::Sign(Sign::Not) => self.unary(UnaryOp::Not, power::NOT + 1),
            TokenKind::Sign(Sign::Minus) => self.unary(UnaryOp::Negate, power::NEGATE),
            TokenKind::Intrinsic(name) => self.field(FieldRef::Intrinsic(name)),
            TokenKind::Attribute { of_parent, scope, key } => self.field(FieldRef::Attribute { of_parent, scope, key }),
            TokenKind::Word(word) => match Name::of_word(&word) {
                Some(name) => self.field(FieldRef::Intrinsic(name)),
                None => {
                    let likely = did_you_mean(&word, condition_words());
                    self.error(
                        start,
                        format!("unknown word `{word}`{likely}; write .{word} for an attribute, \"{word}\" for text"),
                    );
                    self.next();
                    FieldExpr { kind: FieldKind::Error, range: start }
                }
            },
            _ => self.missing_operand(),
        }
    }

    fn unary(&mut self, op: UnaryOp, least: u8) -> FieldExpr {
        let start = self.next();
        let operand = self.field_operators(least);
        let range = start.to(operand.range);
        FieldExpr { kind: FieldKind::Unary { op, operand: Box::new(operand) }, range }
    }

    fn field(&mut self, field: FieldRef) -> FieldExpr {
        FieldExpr { kind: FieldKind::Field(field), range: self.next() }
    }

    /// Reports the token that stands where a value should stand. It is skipped, unless it is `&&` or `||` or closes something.
    fn missing_operand(&mut self) -> FieldExpr {
        self.unexpected("a field or a value");
        let range = self.here();
        let goes_on = match self.peek() {
            TokenKind::Sign(sign) => {
                let closes = matches!(sign, Sign::CloseBrace | Sign::CloseParen | Sign::Comma | Sign::Pipe);
                closes || logic_op(*sign).is_some()
            }
            _ => false,
        };
        if !goes_on {
            self.next();
        }
        FieldExpr { kind: FieldKind::Error, range }
    }
}

/// `left op right`, operands of the same operator in one list.
fn join(op: LogicOp, left: FieldExpr, right: FieldExpr) -> FieldExpr {
    let range = left.range.to(right.range);
    let mut operands = match left.kind {
        FieldKind::Logic { op: inner, operands } if inner == op => operands,
        kind => vec![FieldExpr { kind, range: left.range }],
    };
    match right.kind {
        FieldKind::Logic { op: inner, operands: more } if inner == op => operands.extend(more),
        kind => operands.push(FieldExpr { kind, range: right.range }),
    }
    FieldExpr { kind: FieldKind::Logic { op, operands }, range }
}

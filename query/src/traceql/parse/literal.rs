//! Constants.

use hoptrail_proto::model::{SpanKind, StatusCode};

use super::super::ast::{Literal, LiteralKind};
use super::super::tokens::{Sign, TokenKind};
use super::Parser;

impl Parser {
    /// The constant here, if there is one. A minus directly before a number belongs to it.
    pub(super) fn literal(&mut self) -> Option<Literal> {
        let negative = self.at_sign(Sign::Minus);
        let kind = match self.peek_after(usize::from(negative)) {
            TokenKind::Int(value) => self.int(*value, negative),
            TokenKind::Float(value) => LiteralKind::Float(if negative { -value } else { *value }),
            TokenKind::Duration(nanos) => LiteralKind::Duration(if negative { -nanos } else { *nanos }),
            TokenKind::String(text) if !negative => LiteralKind::String(text.clone()),
            TokenKind::Word(word) if !negative => word_literal(word)?,
            _ => return None,
        };
        let start = self.here();
        if negative {
            self.next();
        }
        if *self.peek() == TokenKind::Int(1 << 63) && !negative {
            self.error(start, "9223372036854775808 is larger than the largest int, 9223372036854775807");
        }
        let end = self.next();
        Some(Literal { kind, range: start.to(end) })
    }

    fn int(&self, value: u64, negative: bool) -> LiteralKind {
        let value = i128::from(value) * if negative { -1 } else { 1 };
        LiteralKind::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

fn word_literal(word: &str) -> Option<LiteralKind> {
    Some(match word {
        "true" => LiteralKind::Bool(true),
        "false" => LiteralKind::Bool(false),
        "nil" => LiteralKind::Nil,
        "minInt" => LiteralKind::Int(i64::MIN),
        "maxInt" => LiteralKind::Int(i64::MAX),
        "ok" => LiteralKind::Status(StatusCode::Ok),
        "error" => LiteralKind::Status(StatusCode::Error),
        "unset" => LiteralKind::Status(StatusCode::Unset),
        "unspecified" => LiteralKind::Kind(SpanKind::Unspecified),
        "internal" => LiteralKind::Kind(SpanKind::Internal),
        "server" => LiteralKind::Kind(SpanKind::Server),
        "client" => LiteralKind::Kind(SpanKind::Client),
        "producer" => LiteralKind::Kind(SpanKind::Producer),
        "consumer" => LiteralKind::Kind(SpanKind::Consumer),
        _ => return None,
    })
}

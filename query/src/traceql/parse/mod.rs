//! Tokens to the tree: precedence climbing, several errors at once.

mod field;
mod literal;
mod pipeline;

use super::QueryError;
use super::ast::{FieldExpr, FieldKind, Query, TextRange};
use super::lex::lex;
use super::tokens::{Sign, Token, TokenKind};

/// Longest query text that is read, in bytes.
pub const MAX_QUERY_BYTES: usize = 128 << 10;
/// How deep expressions may nest. The tree is walked by recursion, which must never exhaust a thread's stack.
const MAX_DEPTH: usize = 200;
/// How many operators a query may chain without brackets. Each makes the tree deeper, except a further `&&` after `&&` and a further
/// `||` after `||`.
const MAX_CHAIN: usize = 200;
/// Most errors gathered.
const MAX_ERRORS: usize = 100;

/// Reads a query of the whole language.
///
/// # Errors
/// Every fault found, in the order of the text.
pub fn parse(q: &str) -> Result<Query, Vec<QueryError>> {
    let (query, errors) = parse_recovering(q);
    match query {
        Some(query) if errors.is_empty() => Ok(query),
        _ => Err(errors),
    }
}

/// Reads what can be read; what cannot is an `Error` node. `None` for a text that is not read at all.
pub(super) fn parse_recovering(q: &str) -> (Option<Query>, Vec<QueryError>) {
    if q.len() > MAX_QUERY_BYTES {
        let message = format!("the query has {} bytes; at most {MAX_QUERY_BYTES} are read", q.len());
        return (None, vec![QueryError::new(0..0, message)]);
    }
    let mut parser = Parser::new(q);
    let query = parser.query();
    (Some(query), parser.into_errors())
}

/// Reads one expression over fields that is the whole text.
pub(super) fn parse_field_expr(text: &str) -> Result<FieldExpr, Vec<QueryError>> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(vec![QueryError::new(0..0, "the text is too long")]);
    }
    let mut parser = Parser::new(text);
    let expr = parser.field_expr();
    if !parser.at_end() {
        parser.unexpected("nothing more");
    }
    let errors = parser.into_errors();
    if errors.is_empty() && !matches!(expr.kind, FieldKind::Error) { Ok(expr) } else { Err(errors) }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    errors: Vec<QueryError>,
    depth: usize,
    chain: usize,
    too_deep: bool,
}

impl Parser {
    fn new(text: &str) -> Self {
        let (tokens, errors) = lex(text);
        Self { tokens, at: 0, errors, depth: 0, chain: 0, too_deep: false }
    }

    fn into_errors(self) -> Vec<QueryError> {
        let mut errors = self.errors;
        errors.sort_by_key(|error| error.range.start);
        errors.truncate(MAX_ERRORS);
        errors
    }

    fn peek(&self) -> &TokenKind {
        self.peek_after(0)
    }

    fn peek_after(&self, count: usize) -> &TokenKind {
        self.tokens.get(self.at + count).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn at_sign(&self, sign: Sign) -> bool {
        *self.peek() == TokenKind::Sign(sign)
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), TokenKind::Word(found) if found == word)
    }

    /// Whether a word with `(` after it stands here.
    fn at_call(&self, word: &str) -> bool {
        self.at_word(word) && *self.peek_after(1) == TokenKind::Sign(Sign::OpenParen)
    }

    fn at_end(&self) -> bool {
        *self.peek() == TokenKind::End
    }

    /// The bytes of the token here.
    fn here(&self) -> TextRange {
        self.tokens.get(self.at).map_or(TextRange::default(), |token| TextRange::new(token.range.clone()))
    }

    /// The bytes of the token before.
    fn before(&self) -> TextRange {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(TextRange::default(), |token| TextRange::new(token.range.clone()))
    }

    fn next(&mut self) -> TextRange {
        let here = self.here();
        if !self.at_end() {
            self.at += 1;
        }
        here
    }

    fn take(&mut self, sign: Sign) -> bool {
        let found = self.at_sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn error(&mut self, range: TextRange, message: impl Into<String>) {
        if !self.too_deep {
            self.errors.push(QueryError::new(range.bytes(), message));
        }
    }

    /// Reports the token here, unless the lexer already has.
    fn unexpected(&mut self, wanted: &str) {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let cut_off = self.at_end() && before.is_some_and(|token| token.kind == TokenKind::Bad);
        if *self.peek() != TokenKind::Bad && !cut_off {
            let message = format!("expected {wanted}, found {}", self.peek());
            self.error(self.here(), message);
        }
    }

    /// Takes the sign or reports that it is missing.
    fn expect(&mut self, sign: Sign) -> bool {
        let found = self.take(sign);
        if !found {
            self.unexpected(&TokenKind::Sign(sign).to_string());
        }
        found
    }

    /// Runs `inner` one level deeper; past the limit everything that is left is skipped.
    fn deeper<T>(&mut self, failed: impl FnOnce(TextRange) -> T, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAX_DEPTH {
            return failed(self.give_up("the query nests too deeply"));
        }
        self.depth += 1;
        let out = inner(self);
        self.depth -= 1;
        out
    }

    /// Counts an operator of a run without brackets. The first one is free, as the depth of the run itself has been counted.
    fn count_link(&mut self, links: &mut usize) {
        *links += 1;
        self.chain += usize::from(*links > 1);
        if self.chain > MAX_CHAIN {
            self.give_up("the query chains too many operators; use brackets less or compare less");
        }
    }

    fn give_up(&mut self, message: &str) -> TextRange {
        let here = self.here();
        self.error(here, message);
        self.too_deep = true;
        self.at = self.tokens.len().saturating_sub(1);
        here
    }
}

#[cfg(test)]
mod tests;

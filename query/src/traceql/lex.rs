//! Text to tokens. Never fails: what cannot be read becomes a `Bad` token and an error.

use std::ops::Range;

use hoptrail_storage::AttributeScope;

use super::ast::Name;
use super::names::{SCOPES, begins_word, ends_key, is_in_word};
use super::suggest::did_you_mean;
use super::tokens::{Sign, Token, TokenKind};
use super::{QueryError, number};
use crate::quoting::escaped;

/// Reads a whole text. The last token is always `End`.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<QueryError>) {
    let mut lexer = Lexer { text, at: 0, errors: Vec::new() };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let kind = lexer.token();
        let end = kind == TokenKind::End;
        tokens.push(Token { kind, range: start..lexer.at });
        if end {
            return (tokens, lexer.errors);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    errors: Vec<QueryError>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn error(&mut self, range: Range<usize>, message: impl Into<String>) -> TokenKind {
        self.errors.push(QueryError::new(range, message));
        TokenKind::Bad
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let start = self.at;
                match self.rest()[2..].find("*/") {
                    Some(length) => self.at += length + 4,
                    None => {
                        self.at = self.text.len();
                        self.error(start..start + 2, "this comment has no end; write */");
                    }
                }
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> TokenKind {
        let Some(c) = self.peek() else { return TokenKind::End };
        let next_is_digit = self.rest()[c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        match c {
            '"' => self.quoted_string(),
            '`' => self.raw_string(),
            '0'..='9' => self.number(),
            '.' if next_is_digit => self.number(),
            '.' => {
                self.at += 1;
                self.attribute(self.at - 1, false, AttributeScope::Any)
            }
            c if begins_word(c) => self.word(),
            _ => self.sign(c),
        }
    }

    fn sign(&mut self, c: char) -> TokenKind {
        let found = Sign::ALL.iter().find(|(text, _)| self.rest().starts_with(text));
        if let Some((text, sign)) = found {
            self.at += text.len();
            return TokenKind::Sign(*sign);
        }
        let start = self.at;
        self.at += c.len_utf8();
        let hint = if c == '&' { "; write && for and" } else { "" };
        self.error(start..self.at, format!("unexpected character {c:?}{hint}"))
    }

    fn number(&mut self) -> TokenKind {
        let start = self.at;
        let text = number::scan(self.rest());
        self.at += text.len();
        match number::read(text) {
            Ok(kind) => kind,
            Err(reason) => self.error(start..self.at, reason),
        }
    }

    fn raw_string(&mut self) -> TokenKind {
        let start = self.at;
        self.at += 1;
        let content = self.take_while(|c| c != '`');
        if self.peek().is_none() {
            return self.error(start..self.at, "this string has no end; a ` is missing");
        }
        self.at += 1;
        TokenKind::String(content.to_owned())
    }

    fn quoted_string(&mut self) -> TokenKind {
        let start = self.at;
        self.at += 1;
        let mut content = String::new();
        let mut sound = true;
        loop {
            content.push_str(self.take_while(|c| !matches!(c, '"' | '\\' | '\n')));
            match self.peek() {
                Some('"') => break self.at += 1,
                Some('\\') => match self.escape() {
                    Some(c) => content.push(c),
                    None => sound = false,
                },
                _ => return self.error(start..self.at, "this string has no end; a \" is missing"),
            }
        }
        if sound { TokenKind::String(content) } else { TokenKind::Bad }
    }

    /// Reads an escape of Go's string literals.
    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        self.at += 1;
        if let Some((c, length)) = escaped(self.rest()) {
            self.at += length;
            return Some(c);
        }
        let Some(c) = self.peek() else {
            self.error(start..self.at, "this string has no end; a \" is missing");
            return None;
        };
        self.at += c.len_utf8();
        let (radix, digits) = match c {
            'a' => return Some('\x07'),
            'b' => return Some('\x08'),
            'f' => return Some('\x0c'),
            'v' => return Some('\x0b'),
            'x' => (16, 2),
            'u' => (16, 4),
            'U' => (16, 8),
            '0'..='7' => {
                self.at -= 1;
                (8, 3)
            }
            _ => {
                let advice = format!("unknown escape \\{c}; write \\\\{c} for a backslash, or use backticks");
                self.error(start..self.at, advice);
                return None;
            }
        };
        self.code_point(start, radix, digits, c)
    }

    fn code_point(&mut self, start: usize, radix: u32, digits: usize, letter: char) -> Option<char> {
        let text: String = self.rest().chars().take(digits).take_while(|c| c.is_digit(radix)).collect();
        self.at += text.len();
        // Go's `\x` and octal escapes name bytes. Text is UTF-8 here, so only bytes that are a character alone can be meant.
        let most = if matches!(letter, 'u' | 'U') { u32::MAX } else { 0x7f };
        let code = u32::from_str_radix(&text, radix).ok().filter(|code| text.len() == digits && *code <= most);
        let found = code.and_then(char::from_u32);
        if found.is_none() {
            self.error(start..self.at, "this escape names no character");
        }
        found
    }

    /// A keyword, `scope.key` or `scope:intrinsic`.
    fn word(&mut self) -> TokenKind {
        let start = self.at;
        let word = self.take_while(is_in_word);
        match self.peek() {
            Some('.') if word == "parent" => {
                self.at += 1;
                let scope = SCOPES
                    .into_iter()
                    .find(|(name, _)| self.rest().strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
                self.at += scope.map_or(0, |(name, _)| name.len() + 1);
                self.attribute(start, true, scope.map_or(AttributeScope::Any, |(_, scope)| scope))
            }
            Some('.') => match SCOPES.into_iter().find(|(name, _)| *name == word) {
                Some((_, scope)) => {
                    self.at += 1;
                    self.attribute(start, false, scope)
                }
                None => self.unknown_scope(start, word),
            },
            Some(':') => self.scoped_intrinsic(start, word),
            _ => TokenKind::Word(word.to_owned()),
        }
    }

    fn unknown_scope(&mut self, start: usize, word: &str) -> TokenKind {
        self.take_while(|c| !ends_key(c));
        let name = &self.text[start..self.at];
        let likely = did_you_mean(word, SCOPES.map(|(name, _)| name));
        let advice = format!("{word:?} is no scope{likely}; write .{name}, span.{name} or resource.{name}");
        self.error(start..self.at, advice)
    }

    fn scoped_intrinsic(&mut self, start: usize, scope: &str) -> TokenKind {
        self.at += 1;
        self.take_while(is_in_word);
        let text = &self.text[start..self.at];
        if let Some(name) = Name::of_scoped(text) {
            return TokenKind::Intrinsic(name);
        }
        let known = Name::all_of_scope(scope);
        let message = if known.is_empty() {
            format!("{scope:?} is no scope of intrinsics; there are trace, span, event, link and instrumentation")
        } else {
            let likely = did_you_mean(text, known.iter().copied());
            format!("unknown intrinsic {text:?}{likely}; there are {}", known.join(", "))
        };
        self.error(start..self.at, message)
    }

    /// The key of an attribute, whose plain parts end at white space or one of ``{ } ( ) = ~ ! < > & | ^ ,``.
    fn attribute(&mut self, start: usize, of_parent: bool, scope: AttributeScope) -> TokenKind {
        let mut key = String::new();
        loop {
            key.push_str(self.take_while(|c| !ends_key(c) && c != '"'));
            if self.peek() != Some('"') {
                break;
            }
            if !self.quoted_part(&mut key) {
                return self.error(start..self.at, "this name has no end; a \" is missing");
            }
        }
        if key.is_empty() {
            return self.error(start..self.at, "an attribute name is missing here");
        }
        TokenKind::Attribute { of_parent, scope, key }
    }

    /// Reads `"…"`, where only `\"` and `\\` are escapes. Whether it has an end.
    fn quoted_part(&mut self, key: &mut String) -> bool {
        self.at += 1;
        loop {
            key.push_str(self.take_while(|c| !matches!(c, '"' | '\\')));
            let rest = self.rest();
            let mut next = rest.chars();
            match (next.next(), next.next()) {
                (Some('"'), _) => {
                    self.at += 1;
                    return true;
                }
                (Some(_), Some(escaped @ ('"' | '\\'))) => {
                    key.push(escaped);
                    self.at += 2;
                }
                (Some(c), Some(_)) => {
                    key.push(c);
                    self.at += 1;
                }
                _ => {
                    self.at = self.text.len();
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "lex_tests.rs"]
mod tests;

//! `key=value` pairs as people type them and clients send them (logfmt), and single names as a field of a form holds them. There is
//! one reader, and one writer whose text the reader reads back.
//!
//! ```
//! use hoptrail_query::pairs;
//!
//! let pairs = pairs::read(r#"http.route=/cart user.name!="Jane Doe""#).unwrap();
//! assert_eq!((pairs[0].key.text.as_str(), pairs[0].value.text.as_str()), ("http.route", "/cart"));
//! assert!(pairs[1].negated && pairs[1].value.quoted);
//! assert_eq!(pairs::write(&pairs), r#"http.route=/cart user.name!="Jane Doe""#);
//! ```
//!
//! A word in quotes means itself and nothing else. Inside, `\"`, `\\`, `\n`, `\r`, `\t`, `\u202E` and `\U0001F600` are escapes; any
//! other backslash is a backslash, so that `"App\Jobs\Sync"` needs none.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use hoptrail_storage::AttributeScope;

use crate::invisible::is_invisible;
use crate::quoting::{escaped, quoted};
use crate::traceql::{QueryError, SCOPES};

/// A key or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Whether it stands in quotes: then it is text, also where it looks like a number, a word or a scope.
    pub quoted: bool,
}

impl Word {
    /// A word without quotes.
    pub fn bare(text: impl Into<String>) -> Self {
        Self { text: text.into(), quoted: false }
    }
}

/// One pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The scope before the key: `span.`, or a point alone for any; `None` when the text names none.
    pub scope: Option<AttributeScope>,
    /// The key behind the scope.
    pub key: Word,
    /// Whether it is `!=` that joins key and value.
    pub negated: bool,
    /// The value.
    pub value: Word,
}

impl Pair {
    /// The key together with its scope, for callers that know no scopes.
    #[must_use]
    pub fn whole_key(&self) -> String {
        let prefix = self.scope.map(prefix).unwrap_or_default();
        format!("{prefix}{}", self.key.text)
    }
}

/// Reads pairs with white space between them.
///
/// # Errors
/// The first fault, with its bytes.
pub fn read(text: &str) -> Result<Vec<Pair>, QueryError> {
    let mut reader = Reader { text, chars: text.char_indices().peekable() };
    let mut pairs = Vec::new();
    loop {
        reader.skip(char::is_whitespace);
        if reader.at() == text.len() {
            return Ok(pairs);
        }
        pairs.push(reader.pair()?);
    }
}

/// Writes pairs so that [`read`] reads the same ones. Words that would read as something else get quotes.
#[must_use]
pub fn write(pairs: &[Pair]) -> String {
    pairs.iter().map(write_pair).collect::<Vec<_>>().join(" ")
}

fn write_pair(pair: &Pair) -> String {
    let key = &pair.key;
    let bare = !key.quoted && key_may_be_bare(&key.text) && (pair.scope.is_some() || split_scope(&key.text).is_none());
    let key_text = if bare { key.text.clone() } else { quoted(&key.text) };
    let value = &pair.value;
    let bare = !value.quoted && value_may_be_bare(&value.text);
    let value_text = if bare { value.text.clone() } else { quoted(&value.text) };
    let prefix = pair.scope.map(prefix).unwrap_or_default();
    format!("{prefix}{key_text}{}{value_text}", if pair.negated { "!=" } else { "=" })
}

/// Reads a name as [`write_name`] writes it: in quotes if it has them around it, else as it is, without spaces around it.
#[must_use]
pub fn read_name(text: &str) -> String {
    let text = text.trim();
    let mut reader = Reader { text, chars: text.char_indices().peekable() };
    match reader.quoted_word() {
        Ok(Some(name)) if reader.at() == text.len() => name,
        _ => text.to_owned(),
    }
}

/// Writes a name for a field of a form. It is in quotes where a browser or the reader would change it.
#[must_use]
pub fn write_name(name: &str) -> String {
    let plain = name.trim() == name && !name.starts_with('"') && !name.contains(is_invisible);
    if plain { name.to_owned() } else { quoted(name) }
}

/// What stands before a key of a scope.
fn prefix(scope: AttributeScope) -> String {
    format!("{}.", scope.word())
}

/// The scope that a key without quotes begins with, and what follows.
fn split_scope(key: &str) -> Option<(AttributeScope, &str)> {
    let (name, rest) = key.split_once('.').filter(|(_, rest)| !rest.is_empty())?;
    if name.is_empty() {
        return Some((AttributeScope::Any, rest));
    }
    SCOPES.into_iter().find(|(known, _)| *known == name).map(|(_, scope)| (scope, rest))
}

/// Whether the reader takes the text for a key as it is. `{` would begin a query.
fn key_may_be_bare(text: &str) -> bool {
    may_be_bare(text) && !text.contains('=') && !text.starts_with('{') && !text.ends_with(['!', '<', '>'])
}

fn value_may_be_bare(text: &str) -> bool {
    may_be_bare(text) && !text.starts_with("~\"")
}

fn may_be_bare(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('"') && !text.contains(|c: char| c.is_whitespace() || is_invisible(c))
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Reader<'a> {
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.chars.next_if(|(_, c)| wanted(*c)).is_some() {}
    }

    fn skip_to(&mut self, end: usize) {
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    fn take(&mut self, wanted: char) -> bool {
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    /// Text without quotes, up to a character that is not wanted.
    fn bare(&mut self, wanted: impl Fn(char) -> bool) -> (&'a str, Range<usize>) {
        let start = self.at();
        self.skip(wanted);
        let range = start..self.at();
        (self.text.get(range.clone()).unwrap_or_default(), range)
    }

    fn pair(&mut self) -> Result<Pair, QueryError> {
        let start = self.at();
        let (scope, key) = self.key()?;
        let negated = self.take('!');
        if !self.take('=') {
            return Err(QueryError::new(start..self.at(), "expected key=value here"));
        }
        if key.text.is_empty() {
            return Err(QueryError::new(start..self.at(), "an attribute name is missing before ="));
        }
        let value = self.value()?;
        if self.chars.peek().is_some_and(|(_, c)| !c.is_whitespace()) {
            let at = self.at();
            return Err(QueryError::new(at..self.text.len(), "expected a space after the value"));
        }
        Ok(Pair { scope, key, negated, value })
    }

    /// The key and its scope. A `!` before the `=` is left.
    fn key(&mut self) -> Result<(Option<AttributeScope>, Word), QueryError> {
        if let Some(text) = self.quoted_word()? {
            return Ok((None, Word { text, quoted: true }));
        }
        let found = self.scope_before_quotes();
        if let Some((scope, length)) = found {
            let end = self.at() + length;
            self.skip_to(end);
            let text = self.quoted_word()?.unwrap_or_default();
            return Ok((Some(scope), Word { text, quoted: true }));
        }
        let before = self.chars.clone();
        let (mut text, range) = self.bare(|c| c != '=' && !c.is_whitespace());
        let joined = self.chars.peek().is_some_and(|(_, c)| *c == '=');
        if joined && text.ends_with(['<', '>']) {
            let advice = "pairs know = and != alone; write a TraceQL query like { .key >= 5 }";
            return Err(QueryError::new(range, advice));
        }
        if let Some(key) = text.strip_suffix('!').filter(|_| joined) {
            text = key;
            self.chars = before;
            self.skip_to(range.end - 1);
        }
        Ok(match split_scope(text) {
            Some((scope, key)) => (Some(scope), Word::bare(key)),
            None => (None, Word::bare(text)),
        })
    }

    /// A scope that a quoted key follows, and its length with the point.
    fn scope_before_quotes(&mut self) -> Option<(AttributeScope, usize)> {
        let at = self.at();
        let rest = self.text.get(at..)?;
        let all = SCOPES.into_iter().chain([("", AttributeScope::Any)]);
        all.map(|(name, scope)| (name, scope, name.len() + 1))
            .find(|(name, ..)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(".\"")))
            .map(|(_, scope, length)| (scope, length))
    }

    fn value(&mut self) -> Result<Word, QueryError> {
        if let Some(text) = self.quoted_word()? {
            return Ok(Word { text, quoted: true });
        }
        let (text, range) = self.bare(|c| !c.is_whitespace());
        if text.starts_with("~\"") {
            let advice = "pairs know no patterns; write a TraceQL query like { .key =~ \"a.*\" }";
            return Err(QueryError::new(range, advice));
        }
        Ok(Word::bare(text))
    }

    /// A word in quotes without them; `None` when there is no quote here.
    fn quoted_word(&mut self) -> Result<Option<String>, QueryError> {
        let start = self.at();
        if !self.take('"') {
            return Ok(None);
        }
        let mut word = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' => return Ok(Some(word)),
                '\\' => word.push(self.escaped()),
                c => word.push(c),
            }
        }
        Err(QueryError::new(start..self.text.len(), "this has no end; the closing quote is missing"))
    }

    /// What a backslash stands for. One that begins no escape is itself.
    fn escaped(&mut self) -> char {
        let at = self.at();
        let Some((found, length)) = self.text.get(at..).and_then(escaped) else { return '\\' };
        self.skip_to(at + length);
        found
    }
}

#[cfg(test)]
#[path = "pairs_tests.rs"]
mod tests;

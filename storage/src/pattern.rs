//! Regular expressions.

mod automaton;
mod required;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_syntax::hir::Hir;

use automaton::compile;
pub(crate) use automaton::{Automaton, State};

/// Most bytes that a compiled expression may take.
const LARGEST: usize = 1 << 20;

/// A regular expression (RE2 syntax) that must match the whole string.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: regex::Regex,
    /// A text that every match contains.
    required: Option<Vec<u8>>,
    /// The expression as an automaton; `None` when it cannot be one. Made at the first use.
    automaton: Arc<OnceLock<Option<DFA>>>,
    /// The caches of the automaton that are free. Several threads test the same pattern on many columns, each with a cache of its own.
    idle: Arc<Mutex<Vec<Cache>>>,
}

impl Pattern {
    /// Compiles an expression; the error says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        // Parses the source alone first: inside of the group that `whole` adds, `a)(b` would be valid.
        let required = required::text(&parse(source)?);
        let regex = regex::RegexBuilder::new(&whole(source))
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { source: source.to_owned(), regex, required, automaton: Arc::default(), idle: Arc::default() })
    }

    /// Checks an expression without compiling it; the error says what is wrong. A valid one may still be too large to compile.
    pub fn check(source: &str) -> Result<(), String> {
        parse(source).map(drop)
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The longest known text that every match contains.
    pub(crate) fn required_text(&self) -> Option<&[u8]> {
        self.required.as_deref()
    }

    /// Whether all of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Runs `ask` with the expression as an automaton, which takes texts in pieces. `None` when there is none, for example with Unicode
    /// word boundaries.
    pub(crate) fn with_automaton<T>(&self, ask: impl FnOnce(&mut Automaton<'_>) -> T) -> Option<T> {
        let dfa = self.automaton.get_or_init(|| compile(&self.source)).as_ref()?;
        let idle = self.idle().pop();
        let mut cache = idle.unwrap_or_else(|| dfa.create_cache());
        let answer = ask(&mut Automaton { dfa, cache: &mut cache });
        self.idle().push(cache);
        Some(answer)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Cache>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(source: &str) -> Result<Hir, String> {
    regex_syntax::parse(source).map_err(|error| error.to_string())
}

/// The expression between the ends of the text.
fn whole(source: &str) -> String {
    format!("^(?:{source})$")
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the automaton says of a text that comes in two pieces.
    fn in_pieces(pattern: &Pattern, text: &str, cut: usize) -> Option<bool> {
        let (before, after) = text.as_bytes().split_at(cut % (text.len() + 1));
        let ends = pattern.with_automaton(|automaton| {
            let start = automaton.start()?;
            let middle = automaton.take(start, before)?;
            let end = automaton.take(middle, after)?;
            automaton.ends(end)
        });
        ends.flatten()
    }

    #[test]
    fn the_automaton_says_what_the_expression_says() {
        for source in
            ["", "a|ab", ".*/10[0-9](/[a-z]+)?", "(?i)STRASSE|straße", "(?m)^a$", "a$|^b", r"\d+\.\w{2,}", "(a*)*b"]
        {
            let pattern = Pattern::new(source).expect(source);
            for text in ["", "a", "ab", "b", "a\n", "/x/104", "/x/104/cart", "/x/1040", "straße", "9.ab", "9.é", "aab"]
            {
                for cut in 0..=text.len() {
                    assert_eq!(in_pieces(&pattern, text, cut), Some(pattern.matches(text)), "{source} on {text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_automaton_or_grows_too_large_is_told() {
        assert!(Pattern::new(r"a\b.*").expect("sound").with_automaton(|_| ()).is_none());
        let large = Pattern::new(".*a.{15}").expect("sound");
        let letter = |n: u32| b'a' + (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) & 1) as u8;
        let text: Vec<u8> = (0..1_000_000).map(letter).collect();
        let taken = large.with_automaton(|automaton| {
            let start = automaton.start().expect("small at first");
            automaton.take(start, &text)
        });
        assert_eq!(taken, Some(None));
    }

    proptest! {
        #[test]
        fn any_automaton_says_what_its_expression_says(
            source in "([ab]|[ab]\\*|\\(a\\|b\\)|\\.|\\[ab\\]\\+|a\\?){0,6}", text in "[ab1é]{0,8}", cut in 0usize..20,
        ) {
            let pattern = Pattern::new(&source).expect("sound");
            prop_assert_eq!(in_pieces(&pattern, &text, cut), Some(pattern.matches(&text)));
        }
    }
}

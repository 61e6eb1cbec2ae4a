//! Regular expressions.

use std::sync::{Arc, OnceLock};

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};

/// Most bytes that a compiled expression may take.
const LARGEST: usize = 1 << 20;

/// A regular expression (RE2 syntax) that must match the whole string.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: regex::Regex,
    /// The same as an automaton; `None` when it cannot be one. Made when it is first wanted.
    automaton: Arc<OnceLock<Option<DFA>>>,
}

impl Pattern {
    /// Compiles an expression; the error says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        // The source alone first: inside of the group below, `a)(b` would pass.
        Self::check(source)?;
        let regex = regex::RegexBuilder::new(&whole(source))
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { source: source.to_owned(), regex, automaton: Arc::default() })
    }

    /// What is wrong with an expression, without compiling it; it may still be too large.
    pub fn check(source: &str) -> Result<(), String> {
        regex_syntax::parse(source).map(drop).map_err(|error| error.to_string())
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether all of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The expression as something that takes a text in pieces; `None` when it cannot, as with Unicode word boundaries.
    pub(crate) fn automaton(&self) -> Option<Automaton<'_>> {
        let dfa = self.automaton.get_or_init(|| automaton(&self.source)).as_ref()?;
        Some(Automaton { dfa, cache: dfa.create_cache() })
    }
}

/// The expression between the ends of the text.
fn whole(source: &str) -> String {
    format!("^(?:{source})$")
}

fn automaton(source: &str) -> Option<DFA> {
    DFA::builder()
        .syntax(syntax::Config::new().dot_matches_new_line(true))
        .thompson(thompson::Config::new().nfa_size_limit(Some(LARGEST)))
        // States are numbered as they are met. They must keep their numbers, so a full cache is never emptied: it ends the walk.
        .configure(DFA::config().minimum_cache_clear_count(Some(0)))
        .build(&whole(source))
        .ok()
}

/// Walks through a text byte by byte. Each method gives `None` when it has met too much to remember.
#[derive(Debug)]
pub(crate) struct Automaton<'p> {
    dfa: &'p DFA,
    cache: Cache,
}

impl Automaton<'_> {
    /// Before the first byte.
    pub(crate) fn start(&mut self) -> Option<LazyStateID> {
        self.dfa.start_state(&mut self.cache, &start::Config::new().anchored(Anchored::Yes)).ok()
    }

    /// After these bytes.
    pub(crate) fn take(&mut self, mut state: LazyStateID, bytes: &[u8]) -> Option<LazyStateID> {
        for byte in bytes {
            state = self.dfa.next_state(&mut self.cache, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_dead() {
                    break;
                }
                if state.is_quit() {
                    return None;
                }
            }
        }
        Some(state)
    }

    /// Whether the text matches when it ends here.
    pub(crate) fn ends(&mut self, state: LazyStateID) -> Option<bool> {
        Some(self.dfa.next_eoi_state(&mut self.cache, state).ok()?.is_match())
    }
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
        let mut automaton = pattern.automaton()?;
        let start = automaton.start()?;
        let middle = automaton.take(start, before)?;
        let end = automaton.take(middle, after)?;
        automaton.ends(end)
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
        assert!(Pattern::new(r"a\b.*").expect("sound").automaton().is_none());
        let large = Pattern::new(".*a.{15}").expect("sound");
        let mut automaton = large.automaton().expect("small at first");
        let letter = |n: u32| b'a' + (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) & 1) as u8;
        let text: Vec<u8> = (0..1_000_000).map(letter).collect();
        let start = automaton.start().expect("small at first");
        assert_eq!(automaton.take(start, &text), None);
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

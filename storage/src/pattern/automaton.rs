//! Regular expressions that take a text in pieces.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};

use super::{LARGEST, whole};

/// What is known of a text so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(LazyStateID);

/// The automaton of an expression; `None` when it cannot be one.
pub(super) fn compile(source: &str) -> Option<DFA> {
    DFA::builder()
        .syntax(syntax::Config::new().dot_matches_new_line(true))
        .thompson(thompson::Config::new().nfa_size_limit(Some(LARGEST)))
        // States stay valid because a full cache is never emptied. The walk ends instead.
        .configure(DFA::config().minimum_cache_clear_count(Some(0)))
        .build(&whole(source))
        .ok()
}

/// Walks through texts. Each method gives `None` when it has met more states than the cache has room for.
#[derive(Debug)]
pub(crate) struct Automaton<'p> {
    pub(super) dfa: &'p DFA,
    /// The states met so far.
    pub(super) cache: &'p mut Cache,
}

impl Automaton<'_> {
    /// Before the first byte.
    pub(crate) fn start(&mut self) -> Option<State> {
        let anchored = start::Config::new().anchored(Anchored::Yes);
        self.dfa.start_state(self.cache, &anchored).ok().map(State)
    }

    /// After these bytes.
    #[inline]
    pub(crate) fn take(&mut self, state: State, bytes: &[u8]) -> Option<State> {
        let mut state = state.0;
        for byte in bytes {
            state = self.dfa.next_state(self.cache, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_dead() {
                    break;
                }
                if state.is_quit() {
                    return None;
                }
            }
        }
        Some(State(state))
    }

    /// Whether no text with this beginning can match.
    pub(crate) fn is_over(&self, state: State) -> bool {
        state.0.is_dead()
    }

    /// Whether the text matches when it ends here.
    pub(crate) fn ends(&mut self, state: State) -> Option<bool> {
        Some(self.dfa.next_eoi_state(self.cache, state.0).ok()?.is_match())
    }
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    #[test]
    fn a_long_list_of_names_is_walked_through() {
        let names: Vec<String> = (0..600).map(|number| format!("user-{:06}", number * 7_919 % 600_000)).collect();
        let pattern = Pattern::new(&names.join("|")).expect("sound");
        let found = pattern.with_automaton(|automaton| {
            let start = automaton.start()?;
            let user = automaton.take(start, b"user-")?;
            let mut found = 0;
            for number in 100_000..600_000 {
                let state = automaton.take(user, number.to_string().as_bytes())?;
                found += usize::from(automaton.ends(state)?);
            }
            Some(found)
        });
        let long = names.iter().filter(|name| !name.starts_with("user-0")).count();
        assert_eq!(found.flatten(), Some(long));
    }

    #[test]
    fn more_states_than_there_is_room_for_end_the_walk() {
        let pattern = Pattern::new(".*1[0-9]{15}").expect("sound");
        let walked = pattern.with_automaton(|automaton| {
            let start = automaton.start()?;
            let mut mixed = (0..200_000u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            mixed.try_fold(start, |state, number| automaton.take(state, number.to_string().as_bytes()))
        });
        assert_eq!(walked, Some(None));
    }
}

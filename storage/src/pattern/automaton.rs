//! Expressions that take a text in pieces. What they make of the digits of numbers is remembered three digits at a time: there are
//! few states, and looking at each digit of each row takes three quarters longer.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};
use rustc_hash::FxHashMap;

use super::{LARGEST, whole};

/// Most states that are told apart: those after a text or three digits. A list of several hundred names has fewer.
const STATES: usize = 1024;
/// Numbers of one or two digits; the places of these come before those of three digits, which may be zeros.
const SHORT: usize = 100;
const PLACES: usize = SHORT + 1000;
/// Of a place that was not looked at.
const UNKNOWN: State = State(u16::MAX);

/// What is known of a text so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u16);

/// The automaton of an expression; `None` when it cannot be one.
pub(super) fn compile(source: &str) -> Option<DFA> {
    DFA::builder()
        .syntax(syntax::Config::new().dot_matches_new_line(true))
        .thompson(thompson::Config::new().nfa_size_limit(Some(LARGEST)))
        // States are numbered as they are met. They must keep their numbers, so a full cache is never emptied: it ends the walk.
        .configure(DFA::config().minimum_cache_clear_count(Some(0)))
        .build(&whole(source))
        .ok()
}

/// What is remembered of the texts seen so far.
#[derive(Debug)]
pub(super) struct Memory {
    cache: Cache,
    /// By their numbers.
    met: Vec<Met>,
    numbers: FxHashMap<LazyStateID, State>,
}

/// A state that was met.
#[derive(Debug)]
struct Met {
    state: LazyStateID,
    /// Where up to three digits lead from it; empty until any are looked at.
    digits: Vec<State>,
}

impl Memory {
    pub(super) fn of(dfa: &DFA) -> Self {
        Self { cache: dfa.create_cache(), met: Vec::new(), numbers: FxHashMap::default() }
    }
}

/// Walks through texts. Each method gives `None` when it has met too much to remember.
#[derive(Debug)]
pub(crate) struct Automaton<'p> {
    pub(super) dfa: &'p DFA,
    pub(super) memory: &'p mut Memory,
}

impl Automaton<'_> {
    /// Before the first byte.
    pub(crate) fn start(&mut self) -> Option<State> {
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let start = self.dfa.start_state(&mut self.memory.cache, &anchored).ok()?;
        self.number(start)
    }

    /// After these bytes.
    pub(crate) fn take(&mut self, state: State, bytes: &[u8]) -> Option<State> {
        let mut state = self.met(state)?;
        for byte in bytes {
            state = self.dfa.next_state(&mut self.memory.cache, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_dead() {
                    break;
                }
                if state.is_quit() {
                    return None;
                }
            }
        }
        self.number(state)
    }

    /// After a number without leading zeros.
    #[inline]
    pub(crate) fn take_number(&mut self, state: State, number: u64) -> Option<State> {
        if number < 1_000 {
            return self.take_first(state, number as usize);
        }
        let thousands = number / 1_000;
        let state = match thousands {
            0..1_000 => self.take_first(state, thousands as usize),
            _ => self.take_large(state, thousands),
        };
        self.take_digits(state?, SHORT + (number % 1_000) as usize)
    }

    #[inline(never)]
    fn take_large(&mut self, state: State, number: u64) -> Option<State> {
        self.take_number(state, number)
    }

    /// After the first one to three digits of a number.
    #[inline]
    fn take_first(&mut self, state: State, number: usize) -> Option<State> {
        self.take_digits(state, if number < SHORT { number } else { SHORT + number })
    }

    /// After the digits of a place.
    #[inline]
    fn take_digits(&mut self, state: State, place: usize) -> Option<State> {
        let known = self.memory.met.get(usize::from(state.0)).and_then(|met| met.digits.get(place));
        match known {
            Some(known) if *known != UNKNOWN => Some(*known),
            _ => self.look(state, place),
        }
    }

    #[inline(never)]
    fn look(&mut self, state: State, place: usize) -> Option<State> {
        let digits = place.checked_sub(SHORT).map_or_else(|| place.to_string(), |three| format!("{three:03}"));
        let next = self.take(state, digits.as_bytes())?;
        let met = self.memory.met.get_mut(usize::from(state.0))?;
        met.digits.resize(PLACES, UNKNOWN);
        *met.digits.get_mut(place)? = next;
        Some(next)
    }

    /// Whether nothing that begins so matches.
    pub(crate) fn is_over(&self, state: State) -> bool {
        self.met(state).is_some_and(|state| state.is_dead())
    }

    /// Whether the text matches when it ends here.
    pub(crate) fn ends(&mut self, state: State) -> Option<bool> {
        let state = self.met(state)?;
        Some(self.dfa.next_eoi_state(&mut self.memory.cache, state).ok()?.is_match())
    }

    fn met(&self, state: State) -> Option<LazyStateID> {
        self.memory.met.get(usize::from(state.0)).map(|met| met.state)
    }

    /// The number of a state.
    fn number(&mut self, state: LazyStateID) -> Option<State> {
        let Memory { met, numbers, .. } = &mut *self.memory;
        if let Some(known) = numbers.get(&state) {
            return Some(*known);
        }
        let number = State(u16::try_from(met.len()).ok().filter(|_| met.len() < STATES)?);
        met.push(Met { state, digits: Vec::new() });
        numbers.insert(state, number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    fn numbers() -> impl Iterator<Item = u64> {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let around = powers.flat_map(|power| [power - 1, power, power + 7, power.saturating_mul(9)]);
        around.chain(0..5_000).chain([u64::MAX])
    }

    #[test]
    fn numbers_lead_where_their_digits_do() {
        for source in ["[0-9]*", ".*10[0-9]", "1?(.*7)+.?", "[1-9]{4}0*", "4.*(2|99.)", ""] {
            let pattern = Pattern::new(source).expect("sound");
            // The second time, what is known is used.
            for number in numbers().chain(numbers()) {
                let text = number.to_string();
                let same = pattern.with_automaton(|automaton| {
                    let start = automaton.start()?;
                    let end = text.bytes().try_fold(start, |state, digit| automaton.take(state, &[digit]));
                    let state = automaton.take_number(start, number)?;
                    Some((Some(state) == end, automaton.ends(state)? == pattern.matches(&text)))
                });
                assert_eq!(same.flatten(), Some((true, true)), "{source} on {number}");
            }
        }
    }

    #[test]
    fn a_long_list_of_names_is_walked_through() {
        let names: Vec<String> = (0..600).map(|number| format!("user-{:06}", number * 7_919 % 600_000)).collect();
        let pattern = Pattern::new(&names.join("|")).expect("sound");
        let found = pattern.with_automaton(|automaton| {
            let start = automaton.start()?;
            let user = automaton.take(start, b"user-")?;
            let mut found = 0;
            for number in 100_000..600_000 {
                let state = automaton.take_number(user, number)?;
                found += usize::from(automaton.ends(state)?);
            }
            Some(found)
        });
        let long = names.iter().filter(|name| !name.starts_with("user-0")).count();
        assert_eq!(found.flatten(), Some(long));
    }

    #[test]
    fn more_states_than_are_told_apart_are_told() {
        let pattern = Pattern::new(".*1[0-9]{11}").expect("sound");
        let walked = pattern.with_automaton(|automaton| {
            let start = automaton.start()?;
            let mut mixed = (0..100_000u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
            mixed.try_fold(start, |state, number| automaton.take_number(state, number))
        });
        assert_eq!(walked, Some(None));
    }
}

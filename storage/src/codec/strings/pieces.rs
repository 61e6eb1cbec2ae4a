//! Tests texts piece by piece. The beginning that all rows of a template share is tested once, and the text of a row is never put together.

use std::ops::Range;

use super::{BLOCK, Form, Numbers, OUTSIDE, Slot, Strings};
use crate::codec::bits::{self, Bitmap};
use crate::codec::template::{self, Digits, Variable};
use crate::codec::{Damaged, to_usize};

/// A test that takes a text in pieces. Each method gives `None` when the text must be looked at as a whole.
pub(crate) trait Pieces {
    /// What is known of a text so far.
    type State: Copy + PartialEq;

    /// Before the first piece.
    fn start(&mut self) -> Option<Self::State>;

    /// After one more piece of UTF-8.
    fn take(&mut self, state: Self::State, piece: &[u8]) -> Option<Self::State>;

    /// The answer when it is the same whatever follows; `None` when it is still open.
    fn decided(&self, state: Self::State) -> Option<bool>;

    /// Whether the text satisfies the test when it ends here.
    fn ends(&mut self, state: Self::State) -> Option<bool>;
}

/// The state of a test after some pieces of a text.
#[derive(Debug, Clone, Copy)]
enum Then<S> {
    /// Undecided: the test goes on from this state.
    On(S),
    /// Decided, whatever follows.
    Over(bool),
}

/// For each template of a page, the pieces that its rows share.
struct Plan<S> {
    templates: Vec<Planned<S>>,
    parts: Vec<Part<S>>,
    texts: Vec<u8>,
}

struct Planned<S> {
    /// Before the first number that differs between rows.
    begun: Then<S>,
    parts: Range<usize>,
    bits: usize,
}

/// The facts of a template that are needed for every row.
struct Brief {
    /// Whether a text with this beginning can satisfy the test.
    may_hold: bool,
    bits: usize,
}

/// A row whose text may satisfy the test.
struct Candidate {
    row: usize,
    code: usize,
    /// Where its numbers begin.
    at: usize,
}

/// Adds the candidates of a block, whose numbers begin at bit `at`. Most rows are no candidates, and cost only this loop.
#[inline(never)]
fn candidates(
    codes: &[u8],
    width: u32,
    block: Range<usize>,
    mut at: usize,
    brief: &[Brief],
    out: &mut Vec<Candidate>,
) -> Result<(), Damaged> {
    let (mut row, mut is_inside) = (block.start, true);
    bits::each(codes, block.start * width as usize, width, block.len(), |code| {
        match brief.get(to_usize(code)) {
            Some(Brief { may_hold, bits }) => {
                if *may_hold {
                    out.push(Candidate { row, code: to_usize(code), at });
                }
                // In a damaged page the position may be behind the end. Reading there is an error.
                at = at.wrapping_add(*bits);
            }
            None => is_inside = false,
        }
        row = row.wrapping_add(1);
    })?;
    if is_inside { Ok(()) } else { Err(OUTSIDE) }
}

/// A number and the text after it.
struct Part<S> {
    slot: Slot,
    variable: Variable,
    text: Range<usize>,
    is_last: bool,
    /// The last state before `text` and the result. Most numbers lead to the same state, so the result is used again.
    known: Option<(S, Then<S>)>,
}

impl Strings<'_> {
    /// The rows of `among` whose text satisfies the test; `None` when only whole texts can be tested.
    pub(crate) fn select_pieces<P: Pieces>(&self, among: &Bitmap, test: &mut P) -> Result<Option<Bitmap>, Damaged> {
        let Form::Templates { codes, width, numbers } = &self.form else { return Ok(None) };
        let Some(mut plan) = self.plan(numbers, test)? else { return Ok(None) };
        let mut rows = Bitmap::none(self.len);
        if plan.templates.iter().all(|planned| matches!(planned.begun, Then::Over(false))) {
            return Ok(Some(rows));
        }
        let brief = plan
            .templates
            .iter()
            .map(|planned| Brief { may_hold: !matches!(planned.begun, Then::Over(false)), bits: planned.bits });
        let brief: Vec<Brief> = brief.collect();
        let mut some = Vec::with_capacity(BLOCK);
        for first in (0..self.len).step_by(BLOCK) {
            let block = first..self.len.min(first + BLOCK);
            some.clear();
            candidates(codes, *width, block, numbers.offset(first / BLOCK)?, &brief, &mut some)?;
            for Candidate { row, code, at } in some.iter().filter(|candidate| among.contains(candidate.row)) {
                match plan.holds(*code, numbers, *at, test)? {
                    Some(holds) => rows.insert_if(*row, holds),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(rows))
    }

    fn plan<P: Pieces>(&self, numbers: &Numbers<'_>, test: &mut P) -> Result<Option<Plan<P::State>>, Damaged> {
        let mut plan = Plan { templates: Vec::new(), parts: Vec::new(), texts: Vec::new() };
        let mut possible = true;
        let mut damage = None;
        self.dictionary.each(|code, template| match numbers.template(code) {
            Ok((slots, bits)) => possible = possible && plan.add(template, slots, bits, test).is_some(),
            Err(error) => damage = Some(error),
        })?;
        match damage {
            Some(error) => Err(error),
            None => Ok(possible.then_some(plan)),
        }
    }
}

impl<S: Copy + PartialEq> Plan<S> {
    /// Adds a template. A number that is the same in all rows counts as text.
    fn add<P: Pieces<State = S>>(&mut self, template: &[u8], slots: &[Slot], bits: usize, test: &mut P) -> Option<()> {
        if template::variables(template) != slots.len() {
            return None;
        }
        let (first, start) = (self.parts.len(), self.texts.len());
        let mut slots = slots.iter();
        for (text, variable) in template::pieces(template) {
            std::str::from_utf8(text).ok()?;
            self.texts.extend_from_slice(text);
            match (variable, slots.next()) {
                (Some(variable), Some(slot)) if slot.width == 0 => {
                    self.texts.extend_from_slice(variable.write(slot.base, &mut Digits::default()));
                }
                (Some(variable), Some(slot)) => {
                    let text = self.texts.len()..self.texts.len();
                    self.parts.push(Part { slot: *slot, variable, text, is_last: false, known: None });
                }
                _ => {}
            }
        }
        let mut end = self.texts.len();
        for part in self.parts.iter_mut().skip(first).rev() {
            part.text.end = end;
            end = part.text.start;
        }
        if let Some(last) = self.parts.get_mut(first..).and_then(<[_]>::last_mut) {
            last.is_last = true;
        }
        let parts = first..self.parts.len();
        let begun = after(test.start()?, self.texts.get(start..end)?, parts.is_empty(), test)?;
        self.templates.push(Planned { begun, parts, bits });
        Some(())
    }
}

impl<S: Copy + PartialEq> Plan<S> {
    /// Whether the row of this template whose numbers begin at bit `at` satisfies the test.
    fn holds<P: Pieces<State = S>>(
        &mut self,
        code: usize,
        numbers: &Numbers<'_>,
        at: usize,
        test: &mut P,
    ) -> Result<Option<bool>, Damaged> {
        let planned = self.templates.get(code).ok_or(OUTSIDE)?;
        match planned.begun {
            Then::Over(holds) => Ok(Some(holds)),
            Then::On(state) => {
                let parts = self.parts.get_mut(planned.parts.clone()).unwrap_or_default();
                holds(state, parts, &self.texts, numbers, at, test)
            }
        }
    }
}

/// Whether a row satisfies the test. The test goes on from `state` with these parts, whose numbers begin at bit `at`.
#[inline]
fn holds<P: Pieces>(
    mut state: P::State,
    parts: &mut [Part<P::State>],
    texts: &[u8],
    numbers: &Numbers<'_>,
    mut at: usize,
    test: &mut P,
) -> Result<Option<bool>, Damaged> {
    for part in parts {
        let number = part.slot.base.wrapping_add(bits::read(numbers.packed, at, part.slot.width)?);
        at = at.wrapping_add(part.slot.width as usize);
        let digits = &mut Digits::default();
        let Some(here) = test.take(state, part.variable.write(number, digits)) else { return Ok(None) };
        let then = match part.known {
            Some((known, then)) if known == here => then,
            _ => {
                let text = texts.get(part.text.clone()).unwrap_or_default();
                let Some(then) = after(here, text, part.is_last, test) else { return Ok(None) };
                part.known = Some((here, then));
                then
            }
        };
        match then {
            Then::On(next) => state = next,
            Then::Over(holds) => return Ok(Some(holds)),
        }
    }
    Ok(None)
}

/// The test after one more text. `is_last` says whether the whole text ends with it.
fn after<P: Pieces>(state: P::State, text: &[u8], is_last: bool, test: &mut P) -> Option<Then<P::State>> {
    let state = test.take(state, text)?;
    Some(match test.decided(state) {
        Some(holds) => Then::Over(holds),
        None if is_last => Then::Over(test.ends(state)?),
        None => Then::On(state),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::strings::{Content, encode};
    use crate::scan::Test;
    use crate::{Pattern, QueryContext};

    /// The rows that match, found in pieces and as a whole.
    fn both(values: &[String], source: &str, negated: bool, among: &Bitmap) -> (Option<Vec<usize>>, Vec<usize>) {
        let slices: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let page = encode(&slices, Content::Text);
        let page = Strings::parse(&page).expect("what is written is read");
        let pattern = Pattern::new(source).expect("sound");
        let test = Test::matches(&pattern, negated, &QueryContext::unbounded());
        let found = test.in_pieces(|pieces| page.select_pieces(among, pieces)).expect("an automaton").expect("sound");
        let whole = page.select(among, |text| test.holds_text(text)).expect("sound");
        (found.map(|rows| rows.iter().collect()), whole.iter().collect())
    }

    fn paths() -> Vec<String> {
        let path = |n: u32| match n % 4 {
            0 => format!("/api/v1/orders/{}/items/{:03}", n * 7919 % 1009, n % 50),
            1 => format!("/api/v1/orders/{}", n * 31 % 5000),
            2 => format!("{:08x}-session", n.wrapping_mul(0x9e37_79b9)),
            _ => "/health".to_owned(),
        };
        (0..1000).map(path).collect()
    }

    #[test]
    fn rows_are_found_as_their_whole_texts_are() {
        let values = paths();
        for source in [
            ".*/10[0-9](/[a-z]+.*)?",
            "/api/v1/orders/.*7",
            "/api/v2.*",
            "/health",
            ".*0",
            "",
            "[0-9a-f]{8}-session",
            ".*/items/0.*",
        ] {
            for negated in [false, true] {
                let (pieces, whole) = both(&values, source, negated, &Bitmap::all(values.len()));
                assert_eq!(pieces.as_ref(), Some(&whole), "{source}");
                assert_eq!(
                    whole.is_empty(),
                    !negated && ["/api/v2.*", ""].contains(&source),
                    "{source} negated: {negated}"
                );
            }
        }
    }

    #[test]
    fn only_rows_among_those_asked_for_are_found() {
        let values = paths();
        let mut among = Bitmap::none(values.len());
        (0..values.len()).step_by(3).for_each(|row| among.insert(row));
        let (pieces, whole) = both(&values, ".*5.*", false, &among);
        assert_eq!(pieces.as_ref(), Some(&whole));
        assert!(whole.iter().all(|row| row.is_multiple_of(3)) && whole.len() > 50);
    }

    #[test]
    fn damaged_positions_lead_to_the_same_texts() {
        let values: Vec<Vec<u8>> = (100..300u32).map(|number| format!("user-{number}").into_bytes()).collect();
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mut page = encode(&slices, Content::Text);
        // The position of the second block, before 200 numbers of 8 bits and 8 bytes of nothing.
        let position = page.len() - 8 - 200 - 4;
        page[position] ^= 0x08;
        let page = Strings::parse(&page).expect("only a position is wrong");
        let pattern = Pattern::new(".*[02468]").expect("sound");
        let test = Test::matches(&pattern, false, &QueryContext::unbounded());
        let all = Bitmap::all(values.len());
        let whole = page.select(&all, |text| test.holds_text(text)).expect("texts");
        let found = test.in_pieces(|pieces| page.select_pieces(&all, pieces)).expect("an automaton");
        assert_eq!(found, Ok(Some(whole)));
    }

    proptest! {
        #[test]
        fn any_text_is_found(values in prop::collection::vec("[ab1-3é/]{0,9}", 60..300), source in "[ab1é/.]{0,2}(\\.\\*|[0-9]\\+)[ab23]?", negated: bool) {
            if let (Some(pieces), whole) = both(&values, &source, negated, &Bitmap::all(values.len())) {
                prop_assert_eq!(pieces, whole);
            }
        }
    }
}

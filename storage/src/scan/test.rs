//! A condition on one value.

use std::cell::{Cell, RefCell};

use hoptrail_proto::model::AnyValue;
use hoptrail_proto::otlp::view::ValueView;

use crate::codec::strings::Pieces;
use crate::matcher;
use crate::pattern::{Automaton, State};
use crate::rows::to_value;
use crate::{CompareOp, Pattern, QueryContext, ReadError, Value};

/// What a value must satisfy.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(CompareOp, Value),
    Matches { pattern: Pattern, negated: bool, deadline: Deadline },
    Present,
}

/// Bytes of text between two looks at the clock. A pattern may take a microsecond for each byte.
const EVERY: usize = 64 << 10;

/// Ends a slow pattern in the middle of a column when the query's time is up. Then nothing matches any more, and [`Test::check`]
/// says why.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    context: QueryContext,
    bytes: Cell<usize>,
    over: RefCell<Option<ReadError>>,
}

impl Deadline {
    fn of(context: &QueryContext) -> Self {
        Self { context: context.clone(), bytes: Cell::new(0), over: RefCell::new(None) }
    }

    fn lasts(&self, bytes: usize) -> bool {
        // One byte more, so that empty texts count, too.
        self.bytes.set(self.bytes.get() + bytes + 1);
        if self.bytes.get() >= EVERY {
            if let Err(error) = self.context.check() {
                *self.over.borrow_mut() = Some(error);
                return false;
            }
            self.bytes.set(0);
        }
        true
    }
}

impl Test {
    /// A text must match the pattern, or with `negated` must not.
    pub(crate) fn matches(pattern: &Pattern, negated: bool, context: &QueryContext) -> Self {
        Self::Matches { pattern: pattern.clone(), negated, deadline: Deadline::of(context) }
    }

    /// Fails when the query's time was up during the test, so that its answers are wrong. [`Scan`](super::eval::Scan) calls this after each
    /// condition.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        match self {
            Self::Matches { deadline, .. } => deadline.over.borrow().clone().map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    /// Whether a model value satisfies it.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Compare(op, constant) => matcher::compare(value, *op, constant),
            Self::Matches { pattern, negated, .. } => matcher::matches(value, pattern, *negated),
            Self::Present => true,
        }
    }

    /// Whether a stored value satisfies it, without copying text.
    #[inline]
    pub(crate) fn holds_stored(&self, value: ValueView<'_>) -> bool {
        match (self, value) {
            (Self::Present, _) => true,
            (_, ValueView::Text(bytes)) => self.holds_text(bytes),
            _ => self.holds(&Value::Any(to_value(value))),
        }
    }

    /// Whether text satisfies it.
    pub(crate) fn holds_text(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Compare(op, Value::Any(AnyValue::String(constant))) => op.holds(bytes.cmp(constant.as_bytes())),
            Self::Compare(..) => false,
            Self::Matches { pattern, negated, deadline } => {
                let text = std::str::from_utf8(bytes);
                text.is_ok_and(|text| deadline.lasts(text.len()) && pattern.matches(text) != *negated)
            }
        }
    }

    /// Runs `ask` with the test in the form that takes texts in pieces; `None` when it has no such form.
    pub(crate) fn in_pieces<T>(&self, ask: impl FnOnce(&mut MatchInPieces<'_, '_>) -> T) -> Option<T> {
        let Self::Matches { pattern, negated, deadline } = self else { return None };
        pattern.with_automaton(|automaton| ask(&mut MatchInPieces { automaton, negated: *negated, deadline }))
    }

    /// A text that is in every text that satisfies the test; `None` when none is known.
    pub(crate) fn required_text(&self) -> Option<&[u8]> {
        match self {
            Self::Matches { pattern, negated: false, .. } => pattern.required_text(),
            _ => self.literal(),
        }
    }

    /// The only text that satisfies it, when there is one.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self {
            Self::Compare(CompareOp::Eq, Value::Any(AnyValue::String(text))) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

/// [`Test::Matches`] of texts in pieces.
pub(crate) struct MatchInPieces<'t, 'a> {
    automaton: &'t mut Automaton<'a>,
    negated: bool,
    deadline: &'t Deadline,
}

impl Pieces for MatchInPieces<'_, '_> {
    type State = State;

    fn start(&mut self) -> Option<State> {
        self.automaton.start()
    }

    fn take(&mut self, state: State, piece: &[u8]) -> Option<State> {
        if self.deadline.lasts(piece.len()) { self.automaton.take(state, piece) } else { None }
    }

    fn decided(&self, state: State) -> Option<bool> {
        self.automaton.is_over(state).then_some(self.negated)
    }

    fn ends(&mut self, state: State) -> Option<bool> {
        Some(self.automaton.ends(state)? != self.negated)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pattern_fails_once_the_client_has_gone() {
        let gone = Arc::new(AtomicBool::new(false));
        let context = QueryContext::new(Duration::from_secs(3600), usize::MAX, Arc::clone(&gone));
        let pattern = Pattern::new(".*b").expect("a pattern");
        let test = Test::matches(&pattern, false, &context);
        let text = [vec![b'a'; EVERY / 2], vec![b'b']].concat();
        assert!((0..5).all(|_| test.holds_text(&text)) && test.check().is_ok());
        gone.store(true, Ordering::Relaxed);
        let seen = (0..5).filter(|_| test.holds_text(&text)).count();
        assert!(seen < 3, "{seen} texts were looked at afterwards");
        assert!(matches!(test.check(), Err(ReadError::Cancelled)));
    }
}

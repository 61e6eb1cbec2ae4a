//! Decides about every span of a request: kept as it is, kept repaired, or refused alone.
//!
//! A walk over the bytes finds that nothing is wrong, which is the rule; only then is the walk of [`rebuild`] needed, which
//! names what is wrong and writes the request anew without it. The outcomes stand in `docs/otlp.md`.

mod clean;
mod copy;
mod merge;
mod notes;
mod path;
mod rebuild;
mod refusals;

use bytes::Bytes;

use super::malformed::MalformedRequest;
use super::signals::Signal;
use super::warnings::Warnings;

pub(crate) use copy::cut;
pub(crate) use notes::{Notes, Repairs};
pub(crate) use path::Path;
pub use refusals::{Reason, Refusals};

/// How deep `AnyValue`s may hold each other: what OTLP 1.11 asks of a receiver at least.
pub const MAX_VALUE_DEPTH: usize = 64;

/// The attribute that says what was repaired on a span, a resource or a scope.
pub const REPAIRED: &str = "hoptrail.repaired";

/// What a request may hold and how much is said about what it may not.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How deep attribute values may be nested, at most [`MAX_VALUE_DEPTH`].
    pub value_depth: usize,
    /// How many refused spans are named one by one; the others are only counted.
    pub messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { value_depth: MAX_VALUE_DEPTH, messages: 5 }
    }
}

/// The spans of a request that are kept.
#[derive(Debug, Clone)]
pub struct Validated {
    /// A request with only the accepted spans; the bytes that were given when nothing was wrong.
    ///
    /// Every span in it has a trace id of 16 and a span id of 8 bytes that are not all zero, and a parent id of 8 or 0
    /// bytes. Everything is well-formed in full depth, values are at most [`MAX_VALUE_DEPTH`] deep, all text is UTF-8,
    /// and no field that may occur once occurs twice.
    pub body: Bytes,
    /// Spans in `body`.
    pub accepted: u32,
    /// Spans left out.
    pub refused: Refusals,
    /// Spans in `body` that carry the attribute [`REPAIRED`].
    pub repaired: u32,
    /// What else of the request is not in `body`.
    pub warnings: Warnings,
}

impl Validated {
    /// Whether there was content, and no span in it, neither good nor bad.
    #[must_use]
    pub fn is_no_request(&self) -> bool {
        self.accepted == 0 && self.refused.total() == 0 && self.warnings.lost_content()
    }
}

/// Checks an `ExportTraceServiceRequest`. Never panics; time and memory are linear in the body's length.
pub fn validate(body: Bytes, limits: &Limits) -> Result<Validated, MalformedRequest> {
    repaired(body, limits, Repairs::default())
}

/// The same of a request in which its writer has repaired something.
pub(crate) fn repaired(body: Bytes, limits: &Limits, repairs: Repairs) -> Result<Validated, MalformedRequest> {
    let depth = limits.value_depth.min(MAX_VALUE_DEPTH);
    if repairs.is_empty()
        && let Some(accepted) = clean::spans(&body, depth)
    {
        let (refused, warnings) = (Refusals::default(), Warnings::default());
        return Ok(Validated { body, accepted, refused, repaired: 0, warnings });
    }
    let mut validated = rebuild::request(&body, depth, limits.messages, repairs)?;
    if validated.accepted == 0
        && validated.refused.total() > 0
        && let Some(signal) = Signal::of(&body)
    {
        validated.refused = Refusals::default();
        validated.warnings.add(signal.warning(), || format!("the request holds {}", signal.elsewhere()));
    }
    Ok(validated)
}

#[cfg(test)]
mod tests;

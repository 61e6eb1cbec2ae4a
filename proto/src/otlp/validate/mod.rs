//! Decides about every span of a request: kept as it is, kept repaired, or refused alone.
//!
//! A walk over the bytes finds that nothing is wrong, which is the rule; only then is the walk of [`rebuild`] needed, which
//! names what is wrong and writes the request anew without it. The outcomes stand in `docs/otlp.md`.

mod clean;
mod copy;
mod path;
mod rebuild;
mod refusals;

use bytes::Bytes;

pub(crate) use path::Path;
pub use refusals::{Reason, Refusals};

/// How deep `AnyValue`s may hold each other. With the messages around them, 32 levels of key-value lists make 99 nested messages:
/// protobuf libraries (prost, Java, C++) refuse more than 100.
pub const MAX_VALUE_DEPTH: usize = 32;

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
}

/// A request that cannot be taken apart into spans: nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed request: {place}: {reason}")]
pub struct MalformedRequest {
    /// The message, and the byte inside it, where reading stopped.
    pub place: String,
    /// What was wrong there.
    pub reason: String,
}

/// Checks an `ExportTraceServiceRequest`. Never panics; time and memory are linear in the body's length.
pub fn validate(body: Bytes, limits: &Limits) -> Result<Validated, MalformedRequest> {
    let depth = limits.value_depth.min(MAX_VALUE_DEPTH);
    match clean::spans(&body, depth) {
        Some(accepted) => Ok(Validated { body, accepted, refused: Refusals::default(), repaired: 0 }),
        None => rebuild::request(&body, depth, limits.messages),
    }
}

#[cfg(test)]
mod tests;

//! Counts of refused spans.

use std::fmt;

/// Why a span is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The trace id is missing, not 16 bytes long, or all zero.
    TraceId,
    /// The span id is missing, not 8 bytes long, or all zero.
    SpanId,
    /// The span's own bytes are broken.
    Span,
    /// The bytes of its resource are broken.
    Resource,
    /// The bytes of its scope are broken.
    Scope,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::TraceId, Self::SpanId, Self::Span, Self::Resource, Self::Scope];

    /// A short name, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TraceId => "invalid_trace_id",
            Self::SpanId => "invalid_span_id",
            Self::Span => "malformed_span",
            Self::Resource => "malformed_resource",
            Self::Scope => "malformed_scope",
        }
    }
}

/// How many spans were refused and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: [u32; Reason::ALL.len()],
    messages: Vec<String>,
}

impl Refusals {
    /// Spans refused.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The reasons that occurred, each with its count of spans.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u32)> + '_ {
        Reason::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// The first few refusals, each naming the span and what was wrong with it.
    #[must_use]
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// Counts `spans` more and keeps `message` while there are fewer than `limit`.
    pub(crate) fn add(&mut self, reason: Reason, spans: u32, limit: usize, message: impl FnOnce() -> String) {
        if let Some(count) = self.counts.get_mut(reason as usize) {
            *count += spans;
        }
        if spans > 0 && self.messages.len() < limit {
            self.messages.push(message());
        }
    }

    /// Adds what `other` counted; its messages come after this one's, `limit` in all.
    pub fn merge(&mut self, other: Self, limit: usize) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.messages.extend(other.messages);
        self.messages.truncate(limit);
    }
}

/// For people: `2 spans refused (invalid_trace_id: 2): spans[0]: ...; spans[1]: ...`.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "{total} span{} refused (", if total == 1 { "" } else { "s" })?;
        for (at, (reason, count)) in self.counts().enumerate() {
            write!(f, "{}{}: {count}", if at == 0 { "" } else { ", " }, reason.name())?;
        }
        write!(f, ")")?;
        for (at, message) in self.messages.iter().enumerate() {
            write!(f, "{}{message}", if at == 0 { ": " } else { "; " })?;
        }
        let named = self.messages.len();
        if named > 0 && total as usize > named { write!(f, "; ...") } else { Ok(()) }
    }
}

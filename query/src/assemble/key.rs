//! Names of nodes, stable enough for a link.

use std::fmt;
use std::str::FromStr;

use hoptrail_proto::model::{ParseIdError, SpanId};

/// Names a node of a trace: a span id; `~2`, `~3` for further spans of the same id by start; `~peer` for the peer inferred from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// The span, or for an inferred peer its caller.
    pub span_id: SpanId,
    /// 0 for the first span of this id, 1 for the second, and so on.
    pub twin: u32,
    /// Whether the peer is meant, not the span.
    pub peer: bool,
}

impl NodeKey {
    /// The key of the only or first span with this id.
    #[must_use]
    pub fn of(span_id: SpanId) -> Self {
        Self { span_id, twin: 0, peer: false }
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.span_id)?;
        if self.twin > 0 {
            write!(f, "~{}", u64::from(self.twin) + 1)?;
        }
        if self.peer { f.write_str("~peer") } else { Ok(()) }
    }
}

impl FromStr for NodeKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut parts = text.split('~');
        let id = parts.next().unwrap_or_default();
        // The id of a span may be all zero in what a sender wrote; its node must still be nameable.
        let span_id = match id.parse() {
            Err(ParseIdError::Zero) => SpanId::default(),
            other => other?,
        };
        let mut key = Self::of(span_id);
        for part in parts {
            match part.parse::<u32>() {
                Ok(number @ 2..) => key.twin = number - 1,
                _ if part == "peer" => key.peer = true,
                _ => return Err(ParseIdError::Digit { found: '~', at: id.len() }),
            }
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written_and_read() {
        for text in ["00f067aa0ba902b7", "00f067aa0ba902b7~2", "00f067aa0ba902b7~3~peer", "0000000000000000"] {
            assert_eq!(text.parse::<NodeKey>().expect(text).to_string(), text);
        }
        for bad in ["", "x", "1~", "1~1", "1~peers", "1~-2", &"1".repeat(17)] {
            assert!(bad.parse::<NodeKey>().is_err(), "{bad}");
        }
    }
}

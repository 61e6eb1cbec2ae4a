//! Names of nodes, stable enough for a link.

use std::fmt;
use std::str::FromStr;

use hoptrail_proto::model::{ParseIdError, SpanId};

/// Names a node of a trace. Its text is the span id, with `~2` or `~3` for further spans of the same id by start, and `~peer` for the
/// peer that was inferred from the span.
///
/// ```
/// use hoptrail_query::assemble::NodeKey;
///
/// let key: NodeKey = "00f067aa0ba902b7~2~peer".parse().unwrap();
/// assert_eq!((key.repeat, key.peer), (1, true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// The span, or for an inferred peer its caller.
    pub span_id: SpanId,
    /// 0 for the first span with this id, 1 for the second, and so on.
    pub repeat: u32,
    /// Whether the peer is meant, not the span.
    pub peer: bool,
}

impl NodeKey {
    /// The key of the only or first span with this id.
    #[must_use]
    pub fn of(span_id: SpanId) -> Self {
        Self { span_id, repeat: 0, peer: false }
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.span_id)?;
        if self.repeat > 0 {
            write!(f, "~{}", u64::from(self.repeat) + 1)?;
        }
        if self.peer { f.write_str("~peer") } else { Ok(()) }
    }
}

impl FromStr for NodeKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut parts = text.split('~');
        let id = parts.next().unwrap_or_default();
        // A sender may have written an id of zeros; its node still needs a key.
        let span_id = match id.parse() {
            Err(ParseIdError::Zero) => SpanId::default(),
            other => other?,
        };
        let mut key = Self::of(span_id);
        for part in parts {
            match part.parse::<u32>() {
                Ok(number @ 2..) => key.repeat = number - 1,
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

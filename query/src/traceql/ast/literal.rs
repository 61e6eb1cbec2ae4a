//! Constants.

use hoptrail_proto::model::{SpanKind, StatusCode};

use super::TextRange;

/// A constant of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// What it is.
    pub kind: LiteralKind,
    /// Where it stands.
    pub range: TextRange,
}

/// The types of constants.
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralKind {
    /// `"…"` or `` `…` ``.
    String(String),
    /// `5`, also `minInt` and `maxInt`.
    Int(i64),
    /// `1.5`; finite.
    Float(f64),
    /// `true`, `false`.
    Bool(bool),
    /// `1h30m`, in nanoseconds.
    Duration(i64),
    /// `ok`, `error`, `unset`.
    Status(StatusCode),
    /// `server`, `client`, …
    Kind(SpanKind),
    /// `nil`.
    Nil,
}

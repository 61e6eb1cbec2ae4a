//! The words of the language.

use std::fmt;
use std::ops::Range;

use hoptrail_storage::AttributeScope;

use super::ast::Name;

/// A token and its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// `"…"` or `` `…` ``, unescaped.
    String(String),
    /// Digits; may exceed `i64` by one so that the smallest number can be written.
    Int(u64),
    /// A finite number with point or exponent.
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// A word: keyword, function or plain intrinsic.
    Word(String),
    /// `span:name` and the like.
    Intrinsic(Name),
    /// `.x`, `span.x`, `parent.span.x`.
    Attribute { of_parent: bool, scope: AttributeScope, key: String },
    /// Brackets and operators.
    Sign(Sign),
    /// Text that could not be read; an error has been reported.
    Bad,
    /// Nothing follows.
    End,
}

macro_rules! signs {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Brackets and operators.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Sign { $(#[doc = $text] $name),* }

        impl Sign {
            /// All signs; a longer one stands before its beginnings.
            pub(super) const ALL: &'static [(&'static str, Sign)] = &[$(($text, Sign::$name)),*];

            fn text(self) -> &'static str {
                match self { $(Sign::$name => $text),* }
            }
        }
    };
}

signs! {
    NotDescendant = "!>>", NotAncestor = "!<<", UnionDescendant = "&>>", UnionAncestor = "&<<",
    And = "&&", Or = "||", Ne = "!=", NotMatch = "!~", Match = "=~", Le = "<=", Ge = ">=", Descendant = ">>", Ancestor = "<<",
    NotChild = "!>", NotParent = "!<", UnionChild = "&>", UnionParent = "&<", UnionSibling = "&~",
    OpenBrace = "{", CloseBrace = "}", OpenParen = "(", CloseParen = ")", Comma = ",", Pipe = "|", Eq = "=", Lt = "<",
    Gt = ">", Tilde = "~", Not = "!", Plus = "+", Minus = "-", Star = "*", Slash = "/", Percent = "%", Caret = "^",
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(_) => f.write_str("a string"),
            Self::Int(_) | Self::Float(_) => f.write_str("a number"),
            Self::Duration(_) => f.write_str("a duration"),
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Intrinsic(_) => f.write_str("an intrinsic"),
            Self::Attribute { .. } => f.write_str("an attribute"),
            Self::Sign(sign) => write!(f, "`{}`", sign.text()),
            Self::Bad => f.write_str("something unreadable"),
            Self::End => f.write_str("the end of the query"),
        }
    }
}

//! A condition on one value.

use hoptrail_proto::model::AnyValue;
use hoptrail_proto::otlp::view::ValueView;

use crate::matcher;
use crate::rows::to_value;
use crate::{CompareOp, Pattern, Value};

/// What a value must satisfy.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(CompareOp, Value),
    Matches { pattern: Pattern, negated: bool },
    Present,
}

impl Test {
    /// Whether a model value satisfies it.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Compare(op, constant) => matcher::compare(value, *op, constant),
            Self::Matches { pattern, negated } => matcher::matches(value, pattern, *negated),
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
            Self::Compare(op, Value::Any(AnyValue::String(constant))) => {
                let order = bytes.cmp(constant.as_bytes());
                match op {
                    CompareOp::Eq => order.is_eq(),
                    CompareOp::Ne => order.is_ne(),
                    CompareOp::Lt => order.is_lt(),
                    CompareOp::Le => order.is_le(),
                    CompareOp::Gt => order.is_gt(),
                    CompareOp::Ge => order.is_ge(),
                }
            }
            Self::Compare(..) => false,
            Self::Matches { pattern, negated } => {
                std::str::from_utf8(bytes).is_ok_and(|text| pattern.matches(text) != *negated)
            }
        }
    }

    /// The only text that satisfies it, when there is one.
    pub(crate) fn needle(&self) -> Option<&[u8]> {
        match self {
            Self::Compare(CompareOp::Eq, Value::Any(AnyValue::String(text))) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

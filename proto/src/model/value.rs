//! Attribute values (OTLP `common.proto`, AnyValue).

use std::hash::{Hash, Hasher};

/// A typed attribute value. Types are kept: the int 200 is not the string "200".
#[derive(Debug, Clone, Default)]
pub enum AnyValue {
    /// No value was set, which OTLP allows.
    #[default]
    Empty,
    /// UTF-8 text.
    String(String),
    /// True or false.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// An IEEE 754 double.
    Double(f64),
    /// Bytes of no declared meaning.
    Bytes(Vec<u8>),
    /// A list, which may mix types.
    Array(Vec<AnyValue>),
    /// A nested list of attributes.
    KvList(Vec<Attribute>),
}

/// A key with its value. Order and repeated keys are kept as received.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attribute {
    /// The attribute's name, for example `http.request.method`.
    pub key: String,
    /// Its value.
    pub value: AnyValue,
}

/// Values are equal when they were sent so: a NaN equals itself, or a span that is sent again would not be the same.
impl PartialEq for AnyValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::String(one), Self::String(other)) => one == other,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Double(one), Self::Double(other)) => one.to_bits() == other.to_bits(),
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Array(one), Self::Array(other)) => one == other,
            (Self::KvList(one), Self::KvList(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for AnyValue {}

/// Equal values have equal hashes.
impl Hash for AnyValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Empty => {}
            Self::String(text) => text.hash(state),
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Double(value) => value.to_bits().hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Array(elements) => elements.hash(state),
            Self::KvList(attributes) => attributes.hash(state),
        }
    }
}

impl Attribute {
    /// An attribute of `key` and `value`.
    pub fn new(key: impl Into<String>, value: impl Into<AnyValue>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl AnyValue {
    /// The text, when this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for AnyValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for AnyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AnyValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for AnyValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_on_the_wire() {
        let list = |value: f64| AnyValue::Array(vec![AnyValue::Double(value), AnyValue::KvList(Vec::new())]);
        assert_eq!(list(f64::NAN), list(f64::NAN));
        assert_ne!(list(0.0), list(-0.0));
        assert_ne!(AnyValue::Int(1), AnyValue::Double(1.0));
        assert_ne!(AnyValue::Empty, AnyValue::Bool(false));
    }
}

//! Attribute values (OTLP `common.proto`, AnyValue).

/// A typed attribute value. Types are kept: the int 200 is not the string "200".
#[derive(Debug, Clone, PartialEq, Default)]
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attribute {
    /// The attribute's name, for example `http.request.method`.
    pub key: String,
    /// Its value.
    pub value: AnyValue,
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

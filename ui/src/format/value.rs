//! Attribute values as text.

use std::fmt::Write;

use hoptrail_proto::model::AnyValue;

/// A value as text: strings as they are, lists and maps as in JSON.
pub(crate) fn value(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            write_value(other, &mut out);
            out
        }
    }
}

fn write_value(value: &AnyValue, out: &mut String) {
    match value {
        AnyValue::Empty => out.push_str("(empty)"),
        AnyValue::String(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
        AnyValue::Bool(value) => _ = write!(out, "{value}"),
        AnyValue::Int(value) => _ = write!(out, "{value}"),
        AnyValue::Double(value) => _ = write!(out, "{value:?}"),
        AnyValue::Bytes(bytes) => bytes.iter().for_each(|byte| _ = write!(out, "{byte:02x}")),
        AnyValue::Array(elements) => list(out, '[', ']', elements, write_value),
        AnyValue::KvList(pairs) => list(out, '{', '}', pairs, |pair, out| {
            out.push_str(&serde_json::Value::from(pair.key.as_str()).to_string());
            out.push_str(": ");
            write_value(&pair.value, out);
        }),
    }
}

fn list<T>(out: &mut String, open: char, close: char, items: &[T], mut write: impl FnMut(&T, &mut String)) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push(close);
}

//! Answers of Tempo's API, read leniently: servers leave zeros out, write 64-bit numbers as strings or not, and add keys.

use serde_json::Value;

/// A text; empty when it is missing.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number, also as text.
pub(super) fn whole(object: &Value, key: &str) -> Option<u64> {
    let value = object.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A number, also as text, such as `NaN`.
pub(super) fn number(object: &Value, key: &str) -> Option<f64> {
    let value = object.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A list; empty when it is missing.
pub(super) fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Keys and values of a list of attributes.
pub(super) fn attributes(object: &Value, key: &str) -> Vec<(String, String)> {
    let pair = |pair: &Value| (text(pair, "key").to_owned(), pair.get("value").map(any_value).unwrap_or_default());
    list(object, key).iter().map(pair).collect()
}

/// An OTLP value as text.
fn any_value(value: &Value) -> String {
    let inner = value.as_object().and_then(|object| object.values().next()).unwrap_or(value);
    match inner {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(object) if object.is_empty() => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_type_is_no_failure() {
        let object = json!({"a": "7", "b": 7, "c": [], "n": "NaN", "d": {}});
        assert_eq!((whole(&object, "a"), whole(&object, "b"), whole(&object, "c")), (Some(7), Some(7), None));
        assert!(number(&object, "n").is_some_and(f64::is_nan));
        assert_eq!((text(&object, "x"), text(&object, "b"), list(&object, "d").len()), ("", "", 0));
        assert_eq!(whole(&json!(3), "a"), None);
    }

    #[test]
    fn values_of_all_types_are_text() {
        let labels = json!({"labels": [
            {"key": "s", "value": {"stringValue": "x"}}, {"key": "i", "value": {"intValue": "5"}},
            {"key": "d", "value": {"doubleValue": 0.9}}, {"key": "b", "value": {"boolValue": true}},
            {"key": "e", "value": {}}, {"key": "m"}, {"value": {"arrayValue": {"values": []}}},
        ]});
        let texts: Vec<String> =
            attributes(&labels, "labels").into_iter().map(|(key, value)| key + "=" + &value).collect();
        assert_eq!(texts, ["s=x", "i=5", "d=0.9", "b=true", "e=", "m=", "={\"values\":[]}"]);
    }
}

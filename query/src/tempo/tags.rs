//! The search by `tags`, older than TraceQL: pairs of key and text in logfmt.

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};
use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};

use super::error::ApiError;
use crate::traceql::Compiled;

/// The field that a key without a scope names.
pub(super) fn field(key: &str) -> Field {
    Field::Intrinsic(match key {
        "name" => Intrinsic::Name,
        "root.name" => Intrinsic::RootName,
        "root.service.name" => Intrinsic::RootService,
        "status" | "status.code" => Intrinsic::Status,
        "kind" => Intrinsic::Kind,
        _ => return Field::attribute(AttributeScope::Any, key),
    })
}

/// A span satisfies all pairs.
pub(super) fn condition(pairs: &[(String, String)]) -> Result<Compiled, ApiError> {
    let filters = pairs.iter().map(|(key, text)| pair(key, text)).collect::<Result<Vec<_>, _>>()?;
    let mut select = Vec::new();
    for (key, _) in pairs {
        let field = field(key);
        let told_anyway =
            matches!(field, Field::Intrinsic(Intrinsic::Name | Intrinsic::RootName | Intrinsic::RootService));
        if !told_anyway && !select.contains(&field) {
            select.push(field);
        }
    }
    let filter = if filters.is_empty() { Filter::True } else { Filter::And(filters) };
    Ok(Compiled { filter, select })
}

fn pair(key: &str, text: &str) -> Result<Filter, ApiError> {
    let field = field(key);
    match field {
        Field::Intrinsic(Intrinsic::Status) => {
            let all = [StatusCode::Unset, StatusCode::Ok, StatusCode::Error];
            let status = keyword(key, text, &all, StatusCode::name)?;
            Ok(Filter::compare(field, CompareOp::Eq, Value::Status(status)))
        }
        Field::Intrinsic(Intrinsic::Kind) => {
            let all: [SpanKind; 6] = std::array::from_fn(|number| SpanKind::from_otlp(number as i32));
            let kind = keyword(key, text, &all, SpanKind::name)?;
            Ok(Filter::compare(field, CompareOp::Eq, Value::Kind(kind)))
        }
        Field::Intrinsic(_) => contains(field, text),
        Field::Attribute { .. } => attribute(key, &field, text),
    }
}

fn keyword<T: Copy>(key: &str, text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, ApiError> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        ApiError::invalid(format!("invalid tags: {key} is one of {}, not {text:?}", names.join(", ")))
    })
}

/// The attribute's text has `text` in it, or the attribute is the number or boolean that `text` writes. `error=true` also finds
/// spans whose status says so.
fn attribute(key: &str, field: &Field, text: &str) -> Result<Filter, ApiError> {
    let mut any = vec![contains(field.clone(), text)?];
    let equal = |value: AnyValue| Filter::compare(field.clone(), CompareOp::Eq, Value::Any(value));
    any.extend(text.parse::<i64>().ok().map(|value| equal(value.into())));
    let double = text.parse::<f64>().ok().filter(|value| value.is_finite() && any.len() == 1);
    any.extend(double.map(|value| equal(value.into())));
    any.extend(text.parse::<bool>().ok().map(|value| equal(value.into())));
    if key == "error" && text == "true" {
        any.push(Filter::compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error)));
    }
    Ok(Filter::Or(any))
}

fn contains(field: Field, text: &str) -> Result<Filter, ApiError> {
    let pattern = Pattern::new(&format!(".*{}.*", regex::escape(text)))
        .map_err(|_| ApiError::invalid("invalid tags: a value is too long"))?;
    Ok(Filter::Matches { field, pattern, negated: false })
}

/// Reads `key=value key2="a value"`; in quotes `\"`, `\\`, `\n`, `\r` and `\t` are escapes.
pub(super) fn logfmt(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let invalid = |reason: String| ApiError::invalid(format!("invalid tags: {reason}"));
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=').filter(|_| !key.is_empty()) else {
            return Err(invalid(format!("expected key=value at {rest:?}")));
        };
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted).ok_or_else(|| invalid(format!("the value of {key} has no end")))?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(invalid(format!("expected a space after the value of {key}")));
        }
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value up to the closing quote, and what follows.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            (_, c) => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        for (text, pairs) in [
            ("", owned(&[])),
            ("a=b", owned(&[("a", "b")])),
            (" a=b  c.d=5 ", owned(&[("a", "b"), ("c.d", "5")])),
            ("name=\"GET /x\" a=\"\\\"q\\\\\\n\"", owned(&[("name", "GET /x"), ("a", "\"q\\\n")])),
            ("a= b=\"\"", owned(&[("a", ""), ("b", "")])),
            ("url=http://x/?a=b", owned(&[("url", "http://x/?a=b")])),
        ] {
            assert_eq!(logfmt(text).expect(text), pairs, "{text}");
        }
        for text in ["a", "=b", "a=\"b", "a=\"b\"c", "a=b c", "a=\"\\"] {
            assert!(logfmt(text).is_err(), "{text}");
        }
    }
}

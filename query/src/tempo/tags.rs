//! The search by `tags`, older than TraceQL: pairs of key and text in logfmt.

use std::collections::HashSet;

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};
use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};

use crate::http::{ApiError, shown};
use crate::pairs;
use crate::traceql::{Compiled, QueryError, render_errors};

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
    let mut known = HashSet::new();
    for (key, _) in pairs {
        let field = field(key);
        let is_always_answered =
            matches!(field, Field::Intrinsic(Intrinsic::Name | Intrinsic::RootName | Intrinsic::RootService));
        if !is_always_answered && known.insert(field.clone()) {
            select.push(field);
        }
    }
    let filter = if filters.is_empty() { Filter::True } else { Filter::And(filters) };
    Ok(Compiled { spans: filter.into(), select, ..Compiled::default() })
}

fn pair(key: &str, text: &str) -> Result<Filter, ApiError> {
    let field = field(key);
    match field {
        Field::Intrinsic(Intrinsic::Status) => {
            let status = keyword(key, text, &StatusCode::ALL, StatusCode::name)?;
            Ok(Filter::compare(field, CompareOp::Eq, Value::Status(status)))
        }
        Field::Intrinsic(Intrinsic::Kind) => {
            let kind = keyword(key, text, &SpanKind::ALL, SpanKind::name)?;
            Ok(Filter::compare(field, CompareOp::Eq, Value::Kind(kind)))
        }
        Field::Intrinsic(_) => contains(field, text),
        Field::Attribute { .. } | Field::Parent(_) => attribute(key, &field, text),
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

/// Reads `key=value key2="a value"`. Keys are bare: as in Tempo, a scope before one is a part of it.
pub(super) fn logfmt(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let invalid = |error: QueryError| ApiError::invalid(format!("invalid tags\n{}", render_errors(text, &[error])));
    let pairs = pairs::read(text).map_err(invalid)?;
    if let Some(pair) = pairs.iter().find(|pair| pair.negated) {
        let key = pair.whole_key();
        let advice = "tags know = alone; use q, or put a key that ends in ! in quotes";
        return Err(ApiError::invalid(format!("invalid tags: {} is compared with !=: {advice}", shown(&key))));
    }
    Ok(pairs.into_iter().map(|pair| (pair.whole_key(), pair.value.text)).collect())
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
            ("name=\"App\\Jobs\\X\"", owned(&[("name", "App\\Jobs\\X")])),
            ("\"my key\"=x span.n=7", owned(&[("my key", "x"), ("span.n", "7")])),
        ] {
            assert_eq!(logfmt(text).expect(text), pairs, "{text}");
        }
        for text in ["a", "=b", "a=\"b", "a=\"b\"c", "a=b c", "a=\"\\", "n!=7", "n>=7"] {
            assert!(logfmt(text).is_err(), "{text}");
        }
    }
}

//! How values compare, and in which order they are listed.

use std::cmp::Ordering;

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};

use crate::{CompareOp, Value};

/// Whether the relation holds; of an array for any element, or with `Ne` for all.
pub(super) fn compare(found: &Value, op: CompareOp, constant: &Value) -> bool {
    if let Value::Any(AnyValue::Array(elements)) = found {
        let each: Vec<bool> =
            elements.iter().map(|element| compare(&Value::Any(element.clone()), op, constant)).collect();
        return if op == CompareOp::Ne { all_of_some(&each) } else { each.contains(&true) };
    }
    if let Value::Any(AnyValue::Array(elements)) = constant {
        let each: Vec<bool> = elements.iter().map(|element| compare(found, op, &Value::Any(element.clone()))).collect();
        return if op == CompareOp::Ne { all_of_some(&each) } else { each.contains(&true) };
    }
    order(found, constant).is_some_and(|order| match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
    })
}

pub(super) fn matches(found: &Value, negated: bool, text: &dyn Fn(&str) -> bool) -> bool {
    match found {
        Value::Any(AnyValue::String(found)) => text(found),
        Value::Any(AnyValue::Array(elements)) => {
            let each: Vec<bool> =
                elements.iter().map(|element| matches(&Value::Any(element.clone()), negated, text)).collect();
            if negated { all_of_some(&each) } else { each.contains(&true) }
        }
        _ => false,
    }
}

/// Whether the list is not empty and all of it is true.
fn all_of_some(each: &[bool]) -> bool {
    !each.is_empty() && !each.contains(&false)
}

/// `None` when the types do not compare.
pub(super) fn order(found: &Value, constant: &Value) -> Option<Ordering> {
    match (found, constant) {
        (Value::Any(AnyValue::String(one)), Value::Any(AnyValue::String(other))) => Some(one.cmp(other)),
        (Value::Any(AnyValue::Bool(one)), Value::Any(AnyValue::Bool(other))) => Some(one.cmp(other)),
        (Value::Any(AnyValue::Bytes(one)), Value::Any(AnyValue::Bytes(other))) => Some(one.cmp(other)),
        (Value::Status(one), Value::Status(other)) => Some(one.cmp(other)),
        (Value::Kind(one), Value::Kind(other)) => Some(one.cmp(other)),
        _ => match (whole_number(found), whole_number(constant)) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => real_number(found)?.partial_cmp(&real_number(constant)?),
        },
    }
}

pub(super) fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::Any(AnyValue::Int(number)) => Some(i128::from(*number)),
        Value::Duration(nanos) => Some(i128::from(*nanos)),
        _ => None,
    }
}

pub(super) fn real_number(value: &Value) -> Option<f64> {
    match value {
        Value::Any(AnyValue::Double(number)) => Some(*number),
        value => whole_number(value).map(|number| number as f64),
    }
}

/// The order in which values are listed: by type as below, then by value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortKey {
    Text(String),
    Int(i64),
    /// The bits of a double, changed so that they sort as the numbers do.
    Double(i64),
    Bool(bool),
    Duration(u64),
    Status(StatusCode),
    Kind(SpanKind),
    Bytes(Vec<u8>),
    Array(Vec<SortKey>),
    Attributes(Vec<(String, SortKey)>),
    Empty,
}

impl SortKey {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Any(value) => Self::of_any(value),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Status(code) => Self::Status(*code),
            Value::Kind(kind) => Self::Kind(*kind),
        }
    }

    fn of_any(value: &AnyValue) -> Self {
        match value {
            AnyValue::String(text) => Self::Text(text.clone()),
            AnyValue::Int(number) => Self::Int(*number),
            AnyValue::Double(number) => {
                let bits = number.to_bits().cast_signed();
                // The larger a negative double is, the smaller are its bits as a number.
                Self::Double(if bits < 0 { bits ^ i64::MAX } else { bits })
            }
            AnyValue::Bool(value) => Self::Bool(*value),
            AnyValue::Bytes(bytes) => Self::Bytes(bytes.clone()),
            AnyValue::Array(elements) => Self::Array(elements.iter().map(Self::of_any).collect()),
            AnyValue::KvList(list) => {
                Self::Attributes(list.iter().map(|own| (own.key.clone(), Self::of_any(&own.value))).collect())
            }
            AnyValue::Empty => Self::Empty,
        }
    }
}

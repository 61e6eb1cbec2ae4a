//! The distinct values of a field, in order, up to a limit.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use hoptrail_proto::model::{AnyValue, Attribute};

use crate::matcher::order;
use crate::{QueryContext, ReadError, Reserved, Value};

/// Memory of a value beside its text, about.
const VALUE_BYTES: usize = 96;

/// The first `limit` of all added values, by type and value.
#[derive(Debug)]
pub(crate) struct FirstValues {
    limit: usize,
    found: BTreeSet<Ranked>,
    memory: Reserved,
    /// Set once memory ran out: no more values are taken.
    failed: Result<(), ReadError>,
}

impl FirstValues {
    pub(crate) fn new(limit: usize, context: &QueryContext) -> Result<Self, ReadError> {
        Ok(Self { limit, found: BTreeSet::new(), memory: context.reserve(0)?, failed: Ok(()) })
    }

    /// Adds a value, unless it is known or there are enough before it. When memory runs out, [`FirstValues::check`] fails.
    pub(crate) fn add(&mut self, value: Value) {
        let ranked = Ranked(value);
        if self.failed.is_err() || self.has_enough_before(&ranked) || self.found.contains(&ranked) {
            return;
        }
        self.failed = self.memory.grow(bytes(&ranked.0));
        if self.failed.is_ok() {
            self.found.insert(ranked);
        }
        if self.found.len() > self.limit
            && let Some(last) = self.found.pop_last()
        {
            self.memory.shrink(bytes(&last.0));
        }
    }

    /// Fails once there was no memory for a value.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        self.failed.clone()
    }

    fn has_enough_before(&self, value: &Ranked) -> bool {
        self.found.len() >= self.limit && self.found.last().is_none_or(|last| last <= value)
    }

    /// Adds the values that another one has found.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), ReadError> {
        other.check()?;
        other.found.into_iter().for_each(|Ranked(value)| self.add(value));
        self.check()
    }

    /// All in order. Their memory stays with the query.
    pub(crate) fn finish(self) -> Result<Vec<Value>, ReadError> {
        self.failed?;
        self.memory.keep();
        Ok(self.found.into_iter().map(|Ranked(value)| value).collect())
    }
}

/// Memory of a value, about.
pub(crate) fn bytes(value: &Value) -> usize {
    match value {
        Value::Any(value) => bytes_of_any(value),
        _ => VALUE_BYTES,
    }
}

fn bytes_of_any(value: &AnyValue) -> usize {
    VALUE_BYTES
        + match value {
            AnyValue::String(text) => text.len(),
            AnyValue::Bytes(bytes) => bytes.len(),
            AnyValue::Array(elements) => elements.iter().map(bytes_of_any).sum(),
            AnyValue::KvList(list) => list.iter().map(|one| one.key.len() + bytes_of_any(&one.value)).sum(),
            _ => 0,
        }
}

/// A value in the order of values.
#[derive(Debug)]
pub(crate) struct Ranked(pub(crate) Value);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        listed_order(&self.0, &other.0)
    }
}

/// The order in which values are listed: by type, then by value.
pub(crate) fn listed_order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Any(one), Value::Any(other)) => cmp(one, other),
        (one, other) => rank(one).cmp(&rank(other)).then_with(|| order(one, other).unwrap_or(Ordering::Equal)),
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Any(value) => rank_of_any(value),
        Value::Duration(_) => 4,
        Value::Status(_) => 5,
        Value::Kind(_) => 6,
    }
}

fn rank_of_any(value: &AnyValue) -> u8 {
    match value {
        AnyValue::String(_) => 0,
        AnyValue::Int(_) => 1,
        AnyValue::Double(_) => 2,
        AnyValue::Bool(_) => 3,
        AnyValue::Bytes(_) => 7,
        AnyValue::Array(_) => 8,
        AnyValue::KvList(_) => 9,
        AnyValue::Empty => 10,
    }
}

/// A total order that includes NaN.
fn cmp(one: &AnyValue, other: &AnyValue) -> Ordering {
    use AnyValue::{Array, Bool, Bytes, Double, Int, KvList, String};
    match (one, other) {
        (String(one), String(other)) => one.cmp(other),
        (Int(one), Int(other)) => one.cmp(other),
        (Double(one), Double(other)) => one.total_cmp(other),
        (Bool(one), Bool(other)) => one.cmp(other),
        (Bytes(one), Bytes(other)) => one.cmp(other),
        (Array(one), Array(other)) => cmp_each(one, other, cmp),
        (KvList(one), KvList(other)) => cmp_each(one, other, cmp_attributes),
        _ => rank_of_any(one).cmp(&rank_of_any(other)),
    }
}

fn cmp_attributes(one: &Attribute, other: &Attribute) -> Ordering {
    one.key.cmp(&other.key).then_with(|| cmp(&one.value, &other.value))
}

fn cmp_each<T>(one: &[T], other: &[T], cmp: impl Fn(&T, &T) -> Ordering) -> Ordering {
    let first = one.iter().zip(other).map(|(one, other)| cmp(one, other)).find(|order| order.is_ne());
    first.unwrap_or_else(|| one.len().cmp(&other.len()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn any(value: impl Into<AnyValue>) -> Value {
        Value::Any(value.into())
    }

    #[test]
    fn the_first_of_all_values_are_kept_once_each() {
        let sent = [any("b"), any(2i64), any("a"), any(f64::NAN), any(1i64), any("a"), any(f64::NAN), any(0.5)];
        let first = |limit| {
            let mut values = FirstValues::new(limit, &QueryContext::unbounded()).expect("room");
            sent.iter().cloned().for_each(|value| values.add(value));
            values.finish().expect("room")
        };
        let all = [any("a"), any("b"), any(1i64), any(2i64), any(0.5), any(f64::NAN)];
        assert_eq!(first(100), all);
        assert_eq!(first(3), all[..3]);
        assert_eq!(first(0), []);
    }

    #[test]
    fn values_take_memory_as_long_as_they_are_kept() {
        let context = QueryContext::new(Duration::from_secs(9), 10_000, Arc::default());
        let mut few = FirstValues::new(2, &context).expect("room");
        (0..100).rev().for_each(|n| few.add(any(format!("{n:03}{}", "x".repeat(1000)))));
        assert!(few.check().is_ok() && context.memory_left() > 7_000, "{}", context.memory_left());
        let mut many = FirstValues::new(100, &context).expect("room");
        (0..100).for_each(|n| many.add(any(format!("{n:03}{}", "x".repeat(1000)))));
        assert!(matches!(many.finish(), Err(ReadError::Memory { .. })));
    }
}

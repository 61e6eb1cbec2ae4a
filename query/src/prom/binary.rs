//! Operators between numbers and series.

use std::collections::{BTreeMap, BTreeSet};

use super::aggregate::group;
use super::labels::{Labels, NAME};
use super::plan::{Binary, BinaryOp, Many};
use super::select::Series;
use super::value::{EvalError, Value, each};

/// What the operator makes of both sides.
pub(super) fn value(of: &Binary, left: Value, right: Value) -> Result<Value, EvalError> {
    let choice = Choice { op: of.op, keeps: of.op.compares() && !of.truth };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            let both = left.into_iter().zip(right);
            Ok(Value::Scalar(both.map(|(left, right)| number(of.op, left, right)).collect()))
        }
        (Value::Series(series), Value::Scalar(right)) => {
            Ok(choice.of_each(series, |value, at| (value, right.get(at).copied().unwrap_or(f64::NAN))))
        }
        (Value::Scalar(left), Value::Series(series)) => {
            Ok(choice.of_each(series, |value, at| (left.get(at).copied().unwrap_or(f64::NAN), value)))
        }
        (Value::Series(left), Value::Series(right)) if of.op.joins_sets() => Ok(Value::Series(sets(of, &left, &right))),
        (Value::Series(left), Value::Series(right)) => Ok(Value::Series(joined(of, left, right)?)),
    }
}

/// An operator, and whether it chooses numbers instead of computing them.
#[derive(Debug, Clone, Copy)]
struct Choice {
    op: BinaryOp,
    keeps: bool,
}

impl Choice {
    /// Compares or computes each number with another.
    fn of_each(self, series: Vec<Series>, sides: impl Fn(f64, usize) -> (f64, f64)) -> Value {
        if !self.keeps {
            return each(Value::Series(series), |value, at| {
                let (left, right) = sides(value, at);
                number(self.op, left, right)
            });
        }
        let keep = |(at, value): (usize, Option<f64>)| {
            value.filter(|value| {
                let (left, right) = sides(*value, at);
                number(self.op, left, right) == 1.0
            })
        };
        let of = |Series { labels, values }: Series| Series {
            labels,
            values: values.into_iter().enumerate().map(keep).collect(),
        };
        Value::Series(series.into_iter().map(of).collect())
    }

    fn of_two(self, left: Option<f64>, right: Option<f64>) -> Option<f64> {
        let (left, right) = (left?, right?);
        let found = number(self.op, left, right);
        if self.keeps { (found == 1.0).then_some(left) } else { Some(found) }
    }
}

fn number(op: BinaryOp, left: f64, right: f64) -> f64 {
    let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Remainder => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Equal => truth(left == right),
        BinaryOp::Different => truth(left != right),
        BinaryOp::Less => truth(left < right),
        BinaryOp::AtMost => truth(left <= right),
        BinaryOp::More => truth(left > right),
        BinaryOp::AtLeast => truth(left >= right),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}

/// Computes with the series of both sides that have the same labels.
fn joined(of: &Binary, left: Vec<Series>, right: Vec<Series>) -> Result<Vec<Series>, EvalError> {
    let choice = Choice { op: of.op, keeps: of.op.compares() && !of.truth };
    // The side of which each series has one partner on the other.
    let (many, one, is_swapped) = match of.many {
        Many::Right(_) => (right, left, true),
        Many::Left(_) | Many::Neither => (left, right, false),
    };
    let mut partners: BTreeMap<Labels, Series> = BTreeMap::new();
    for series in one {
        let labels = group(&of.matching, &series.labels);
        if let Some(other) = partners.insert(labels, series) {
            return Err(twice(&other, "match by many series of the other side"));
        }
    }
    let mut answer: Vec<Series> = Vec::new();
    let mut taken = BTreeSet::new();
    for series in many {
        let labels = group(&of.matching, &series.labels);
        let Some(partner) = partners.get(&labels) else { continue };
        let labels = result_labels(of, choice, &series.labels, &labels, &partner.labels);
        if !taken.insert(labels.clone()) {
            return Err(twice(&series, "become one series, or match one series of the other side"));
        }
        let (left, right) = if is_swapped { (partner, &series) } else { (&series, partner) };
        let values = left.values.iter().zip(&right.values).map(|(left, right)| choice.of_two(*left, *right));
        let values: Vec<Option<f64>> = values.collect();
        if values.iter().any(Option::is_some) {
            answer.push(Series { labels, values });
        }
    }
    Ok(answer)
}

fn twice(series: &Series, what: &str) -> EvalError {
    let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    EvalError::Execution(format!(
        "several series such as {{{}}} {what}: name the labels that tell them apart with on or ignoring, or say group_left or \
         group_right",
        labels.join(", ")
    ))
}

/// The labels of the result for a series of the side of many.
fn result_labels(of: &Binary, choice: Choice, own: &Labels, matched: &Labels, partner: &Labels) -> Labels {
    let given = match &of.many {
        Many::Neither if choice.keeps && !of.matching.is_include() => {
            return matched.clone().with(NAME, own.get(NAME));
        }
        Many::Neither => return matched.clone(),
        Many::Left(given) | Many::Right(given) => given,
    };
    let own = if choice.keeps { own.clone() } else { own.clone().without(NAME) };
    given.iter().fold(own, |labels, name| labels.with(name.clone(), partner.get(name)))
}

/// `and`, `or` and `unless`.
fn sets(of: &Binary, left: &[Series], right: &[Series]) -> Vec<Series> {
    let (base, other) = if of.op == BinaryOp::Or { (left, right) } else { (right, left) };
    let mut present: BTreeMap<Labels, Vec<bool>> = BTreeMap::new();
    for series in base {
        let known = present.entry(group(&of.matching, &series.labels)).or_default();
        known.resize(series.values.len().max(known.len()), false);
        known.iter_mut().zip(&series.values).for_each(|(known, value)| *known |= value.is_some());
    }
    let wanted = of.op == BinaryOp::And;
    let chosen = other.iter().map(|series| {
        let known = present.get(&group(&of.matching, &series.labels));
        let is_there = |at: usize| known.and_then(|known| known.get(at)).copied().unwrap_or_default();
        let keep = |(at, value): (usize, &Option<f64>)| value.filter(|_| is_there(at) == wanted);
        Series { labels: series.labels.clone(), values: series.values.iter().enumerate().map(keep).collect() }
    });
    let chosen = chosen.filter(|series| series.values.iter().any(Option::is_some));
    if of.op == BinaryOp::Or { left.iter().cloned().chain(chosen).collect() } else { chosen.collect() }
}

//! The stages after the store: rates, arithmetic between series, ranks, comparisons.

use std::collections::HashMap;

use hoptrail_proto::model::TenantId;
use hoptrail_storage::{
    CompareOp, Inspected, MetricsFunction, MetricsRequest, QueryContext, ReadError, Series, Steps, TraceReader,
};

use super::labels::{identity, is_unlabelled, labels, order};
use super::{LabelledExemplar, LabelledSeries, RangeRequest, SeriesSet};
use crate::traceql::ast::{BinaryOp, Rank};
use crate::traceql::{MetricsCall, SeriesExpr};

/// Computes the whole query within the bounds of `context`.
pub(super) fn series_set(
    reader: &dyn TraceReader,
    tenant: &TenantId,
    request: &RangeRequest,
    context: &QueryContext,
) -> Result<SeriesSet, ReadError> {
    let mut work = Work { reader, tenant, request, context, answer: SeriesSet::default() };
    let mut series = match work.numbers(&request.query.series)? {
        Numbers::Series(series) => series,
        Numbers::Constant(_) => Vec::new(),
    };
    let mut answer = work.answer;
    series.retain(has_numbers);
    series.sort_by(|one, other| order(&one.labels, &other.labels));
    if request.max_series > 0 && series.len() > request.max_series {
        answer.cut = Some(series.len());
        series.truncate(request.max_series);
    }
    let mut exemplars_left = most_exemplars(request);
    for one in &mut series {
        one.exemplars.truncate(exemplars_left);
        exemplars_left -= one.exemplars.len();
    }
    Ok(SeriesSet { series, ..answer })
}

fn most_exemplars(request: &RangeRequest) -> usize {
    request.query.exemplars.map_or(request.exemplars, |most| most.min(request.exemplars))
}

fn has_numbers(series: &LabelledSeries) -> bool {
    series.values.iter().any(|value| !value.is_nan())
}

enum Numbers {
    Constant(f64),
    Series(Vec<LabelledSeries>),
}

struct Work<'a> {
    reader: &'a dyn TraceReader,
    tenant: &'a TenantId,
    request: &'a RangeRequest,
    context: &'a QueryContext,
    /// What the questions took; its series are empty.
    answer: SeriesSet,
}

impl Work<'_> {
    fn numbers(&mut self, expr: &SeriesExpr) -> Result<Numbers, ReadError> {
        self.context.check()?;
        Ok(match expr {
            SeriesExpr::Constant(value) => Numbers::Constant(*value),
            SeriesExpr::Call(call) => Numbers::Series(self.call(call)?),
            SeriesExpr::Binary { op, left, right } => {
                let (left, right) = (self.numbers(left)?, self.numbers(right)?);
                self.binary(*op, left, right)
            }
            SeriesExpr::Rank { rank, count, series } => match self.numbers(series)? {
                Numbers::Series(series) => Numbers::Series(self.ranked(*rank, *count, series)?),
                constant => constant,
            },
            SeriesExpr::Keep { op, value, series } => match self.numbers(series)? {
                Numbers::Series(series) => Numbers::Series(self.kept(*op, *value, series)),
                constant => constant,
            },
        })
    }

    /// Asks the store.
    fn call(&mut self, call: &MetricsCall) -> Result<Vec<LabelledSeries>, ReadError> {
        let request = MetricsRequest {
            spans: call.spans.clone(),
            function: call.function.clone(),
            by: call.by.iter().map(|(value, _)| value.clone()).collect(),
            steps: self.request.steps,
            exemplars: most_exemplars(self.request),
            weighted: self.request.query.weighted,
        };
        let found = self.reader.metrics(self.tenant, &request, self.context)?;
        let SeriesSet { inspected, quantile_error, unweighted, .. } = &mut self.answer;
        let Inspected { traces, spans, bytes, segments } = found.inspected;
        inspected.traces += traces;
        inspected.spans += spans;
        inspected.bytes += bytes;
        inspected.segments = segments.max(inspected.segments);
        *quantile_error = quantile_error.max(found.quantile_error);
        *unweighted = found.unweighted.max(*unweighted);
        Ok(found.series.into_iter().map(|series| labelled(call, series, self.request.steps)).collect())
    }

    fn binary(&self, op: BinaryOp, left: Numbers, right: Numbers) -> Numbers {
        let steps = self.request.steps;
        let with_constant = |mut series: Vec<LabelledSeries>, of: &dyn Fn(f64) -> f64| {
            for one in &mut series {
                one.values.iter_mut().for_each(|value| *value = of(*value));
                follow(one, steps);
            }
            Numbers::Series(series)
        };
        match (left, right) {
            (Numbers::Constant(left), Numbers::Constant(right)) => Numbers::Constant(apply(op, left, right)),
            (Numbers::Series(series), Numbers::Constant(right)) => {
                with_constant(series, &|value| apply(op, value, right))
            }
            (Numbers::Constant(left), Numbers::Series(series)) => {
                with_constant(series, &|value| apply(op, left, value))
            }
            (Numbers::Series(left), Numbers::Series(right)) => Numbers::Series(joined(op, left, right, steps)),
        }
    }

    /// In each interval the `count` greatest or least numbers; of equal ones those that come first in the order of series.
    fn ranked(
        &self,
        rank: Rank,
        count: usize,
        mut series: Vec<LabelledSeries>,
    ) -> Result<Vec<LabelledSeries>, ReadError> {
        series.sort_by(|one, other| order(&one.labels, &other.labels));
        let mut present: Vec<(f64, usize)> = Vec::new();
        for interval in 0..self.request.steps.count {
            self.context.check()?;
            present.clear();
            let numbers = series.iter().enumerate().filter_map(|(at, one)| Some((*one.values.get(interval)?, at)));
            present.extend(numbers.filter(|(value, _)| !value.is_nan()));
            present.sort_by(|one, other| match rank {
                Rank::Top => other.0.total_cmp(&one.0),
                Rank::Bottom => one.0.total_cmp(&other.0),
            });
            for (_, at) in present.iter().skip(count) {
                let value = series.get_mut(*at).and_then(|one| one.values.get_mut(interval));
                value.into_iter().for_each(|value| *value = f64::NAN);
            }
        }
        Ok(self.with_numbers(series))
    }

    fn kept(&self, op: CompareOp, limit: f64, mut series: Vec<LabelledSeries>) -> Vec<LabelledSeries> {
        let holds = |value: f64| value.partial_cmp(&limit).is_some_and(|order| op.holds(order));
        for value in series.iter_mut().flat_map(|one| &mut one.values).filter(|value| !holds(**value)) {
            *value = f64::NAN;
        }
        self.with_numbers(series)
    }

    /// Drops series without any number, and exemplars of intervals without one.
    fn with_numbers(&self, mut series: Vec<LabelledSeries>) -> Vec<LabelledSeries> {
        series.retain(has_numbers);
        for LabelledSeries { values, exemplars, .. } in &mut series {
            exemplars.retain(|exemplar| sample(values, self.request.steps, exemplar).is_some());
        }
        series
    }
}

/// A series of the store with its labels. Where exemplars have no value of their own they have that of the series.
fn labelled(call: &MetricsCall, series: Series, steps: Steps) -> LabelledSeries {
    let labels = labels(call, &series);
    let exemplars = series.exemplars.into_iter().map(|exemplar| LabelledExemplar {
        labels: vec![
            ("trace:id".to_owned(), exemplar.trace_id.to_string().into()),
            ("span:id".to_owned(), exemplar.span_id.to_string().into()),
        ],
        value: exemplar.value,
        time_unix_nano: exemplar.time_unix_nano,
    });
    let mut out = LabelledSeries { labels, values: series.values, exemplars: exemplars.collect() };
    if call.per_second {
        let seconds = steps.step as f64 / 1e9;
        out.values.iter_mut().for_each(|value| *value /= seconds);
    }
    if matches!(call.function, MetricsFunction::Count | MetricsFunction::Histogram(_)) {
        follow(&mut out, steps);
    }
    out
}

/// The number of the series where the exemplar is.
fn sample(values: &[f64], steps: Steps, exemplar: &LabelledExemplar) -> Option<f64> {
    let value = values.get(steps.interval(exemplar.time_unix_nano)?).copied();
    value.filter(|value| !value.is_nan())
}

/// Gives exemplars the numbers of their series.
fn follow(series: &mut LabelledSeries, steps: Steps) {
    let LabelledSeries { values, exemplars, .. } = series;
    exemplars.retain_mut(|exemplar| {
        let found = sample(values, steps, exemplar);
        found.into_iter().for_each(|value| exemplar.value = value);
        found.is_some()
    });
}

/// Arithmetic between series with equal labels. A side that is one series without labels goes with each of the other side.
fn joined(
    op: BinaryOp,
    mut left: Vec<LabelledSeries>,
    mut right: Vec<LabelledSeries>,
    steps: Steps,
) -> Vec<LabelledSeries> {
    let alone = |side: &[LabelledSeries]| matches!(side, [only] if is_unlabelled(&only.labels));
    if let (true, Some(only)) = (alone(&right), right.first()) {
        left.iter_mut().for_each(|one| one.join(only, steps, |own, other| apply(op, own, other)));
        return left;
    }
    if let (true, Some(only)) = (alone(&left), left.first()) {
        right.iter_mut().for_each(|one| one.join(only, steps, |own, other| apply(op, other, own)));
        return right;
    }
    let others: HashMap<String, &LabelledSeries> = right.iter().map(|one| (identity(&one.labels), one)).collect();
    left.retain_mut(|one| match others.get(&identity(&one.labels)) {
        Some(other) => {
            one.join(other, steps, |own, other| apply(op, own, other));
            true
        }
        None => false,
    });
    left
}

impl LabelledSeries {
    fn join(&mut self, other: &Self, steps: Steps, of: impl Fn(f64, f64) -> f64) {
        self.values.iter_mut().zip(&other.values).for_each(|(own, other)| *own = of(*own, *other));
        follow(self, steps);
    }
}

/// NaN where there is no finite number.
fn apply(op: BinaryOp, left: f64, right: f64) -> f64 {
    let value = match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        _ => f64::NAN,
    };
    if value.is_finite() { value } else { f64::NAN }
}

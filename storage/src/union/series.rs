//! Series of several tenants: the numbers of equal series are put together.

use std::collections::HashMap;

use hoptrail_proto::model::Tenants;

use super::both;
use crate::{
    Expr, Field, MetricsAnswer, MetricsFunction, MetricsRequest, QueryContext, ReadError, Series, SeriesPart,
    TraceReader, Value,
};

/// Memory of a series beside its numbers, about.
const SERIES_BYTES: usize = 256;

pub(super) fn metrics(
    reader: &dyn TraceReader,
    tenants: &Tenants,
    request: &MetricsRequest,
    context: &QueryContext,
) -> Result<MetricsAnswer, ReadError> {
    let sum = |one: f64, other: f64| one + other;
    let together = match &request.function {
        MetricsFunction::Count | MetricsFunction::Sum(_) | MetricsFunction::Histogram(_) => sum,
        MetricsFunction::Min(_) => f64::min,
        MetricsFunction::Max(_) => f64::max,
        MetricsFunction::Avg(value) => return mean(reader, tenants, request, value, context),
        MetricsFunction::Quantiles(..) => return Err(unsupported("quantile_over_time()")),
        MetricsFunction::Compare { .. } => return Err(unsupported("compare()")),
    };
    put_together(reader, tenants, request, together, context)
}

fn unsupported(what: &str) -> ReadError {
    ReadError::Unsupported(format!("{what} reads one tenant at a time"))
}

/// Answers of all tenants, where `together` makes one number of two.
fn put_together(
    reader: &dyn TraceReader,
    tenants: &Tenants,
    request: &MetricsRequest,
    together: fn(f64, f64) -> f64,
    context: &QueryContext,
) -> Result<MetricsAnswer, ReadError> {
    let mut all = MetricsAnswer::default();
    let mut known = HashMap::new();
    let mut memory = context.reserve(0)?;
    for tenant in tenants {
        let answer = reader.metrics(tenant, request, context)?;
        all.inspected = both(all.inspected, answer.inspected);
        all.unweighted += answer.unweighted;
        for series in answer.series {
            context.check()?;
            let index = *known.entry(Identity::of(&series)).or_insert(all.series.len());
            match all.series.get_mut(index) {
                Some(first) => unite(first, series, together),
                None => {
                    memory.grow(SERIES_BYTES.saturating_add(series.values.len().saturating_mul(size_of::<f64>())))?;
                    all.series.push(series);
                }
            }
        }
    }
    let mut left = request.exemplars;
    for series in &mut all.series {
        series.exemplars.truncate(left);
        left -= series.exemplars.len();
    }
    Ok(all)
}

/// The sums of all divided by how many values there are: each value is in one bucket of the histogram.
fn mean(
    reader: &dyn TraceReader,
    tenants: &Tenants,
    request: &MetricsRequest,
    value: &Expr,
    context: &QueryContext,
) -> Result<MetricsAnswer, ReadError> {
    let asked = |function| MetricsRequest { function, ..request.clone() };
    let mut sums = metrics(reader, tenants, &asked(MetricsFunction::Sum(value.clone())), context)?;
    let mut buckets = metrics(reader, tenants, &asked(MetricsFunction::Histogram(value.clone())), context)?.series;
    let mut counts: HashMap<_, Vec<f64>> = HashMap::new();
    for bucket in buckets.drain(..) {
        let counted = counts.entry(bucket.group).or_insert_with(|| vec![0.0; bucket.values.len()]);
        counted.iter_mut().zip(bucket.values).filter(|(_, value)| !value.is_nan()).for_each(|(sum, more)| *sum += more);
    }
    for series in &mut sums.series {
        let counted = counts.get(&series.group).into_iter().flatten();
        series.values.iter_mut().zip(counted).for_each(|(sum, count)| *sum /= count);
    }
    Ok(sums)
}

fn unite(first: &mut Series, other: Series, together: fn(f64, f64) -> f64) {
    for (one, other) in first.values.iter_mut().zip(other.values) {
        *one = match (one.is_nan(), other.is_nan()) {
            (false, false) => together(*one, other),
            (true, _) => other,
            (_, true) => *one,
        };
    }
    first.exemplars.extend(other.exemplars);
}

/// What tells a series from others.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    group: Vec<Option<Value>>,
    /// Which part, and its number or value.
    part: (u8, u64, Option<(Field, Option<Value>)>),
}

impl Identity {
    fn of(series: &Series) -> Self {
        let part = match &series.part {
            SeriesPart::Whole => (0, 0, None),
            SeriesPart::Quantile(quantile) => (1, quantile.to_bits(), None),
            SeriesPart::Bucket(bucket) => (2, bucket.to_bits(), None),
            SeriesPart::Value { selected, field, value } => {
                (3, u64::from(*selected), Some((field.clone(), Some(value.clone()))))
            }
            SeriesPart::Total { selected, field } => (4, u64::from(*selected), Some((field.clone(), None))),
        };
        Self { group: series.group.clone(), part }
    }
}

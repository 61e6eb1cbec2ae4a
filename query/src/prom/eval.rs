//! Computes a checked query.

use super::aggregate::aggregate;
use super::binary;
use super::labels::Labels;
use super::plan::{Map, Plan};
use super::quantile::histogram_quantile;
use super::select::{Reading, Series};
use super::value::{EvalError, Value, each, sort_by_first};

/// Computes a plan.
pub(super) fn value(plan: &Plan, reading: &mut Reading<'_>) -> Result<Value, EvalError> {
    reading.context.check()?;
    match plan {
        Plan::Number(number) => Ok(Value::Scalar(vec![*number; reading.times.count])),
        Plan::Select(selector) => Ok(Value::Series(reading.counters(selector)?)),
        Plan::Window(window, selector, length) => Ok(Value::Series(reading.windows(selector, *window, *length)?)),
        Plan::Aggregate(of) => {
            let count = of.count.as_ref().map(|count| numbers(count, reading)).transpose()?;
            let series = series(&of.of, reading)?;
            Ok(Value::Series(aggregate(of, count.as_deref(), series, reading.context)?))
        }
        Plan::Quantile(q, of) => {
            let q = numbers(q, reading)?;
            Ok(Value::Series(histogram_quantile(&q, series(of, reading)?)))
        }
        Plan::Map(map, args) => mapped(*map, args, reading),
        Plan::Binary(of) => {
            let (left, right) = (value(&of.left, reading)?, value(&of.right, reading)?);
            binary::value(of, left, right)
        }
        Plan::Negative(of) => Ok(each(value(of, reading)?, |number, _| -number)),
        Plan::Vector(of) => {
            let values = numbers(of, reading)?.into_iter().map(Some).collect();
            Ok(Value::Series(vec![Series { labels: Labels::default(), values }]))
        }
        Plan::Scalar(of) => {
            let series = series(of, reading)?;
            Ok(Value::Scalar((0..reading.times.count).map(|at| only_number(&series, at)).collect()))
        }
        Plan::Sorted(sort, of) => {
            let mut series = series(of, reading)?;
            sort_by_first(&mut series, *sort);
            Ok(Value::Series(series))
        }
    }
}

/// The number for each time.
fn numbers(plan: &Plan, reading: &mut Reading<'_>) -> Result<Vec<f64>, EvalError> {
    match value(plan, reading)? {
        Value::Scalar(numbers) => Ok(numbers),
        Value::Series(_) => Err(EvalError::Execution("series stand where a number is expected".to_owned())),
    }
}

fn series(plan: &Plan, reading: &mut Reading<'_>) -> Result<Vec<Series>, EvalError> {
    match value(plan, reading)? {
        Value::Series(series) => Ok(series),
        Value::Scalar(_) => Err(EvalError::Execution("a number stands where series are expected".to_owned())),
    }
}

/// The number of the only series at a time; none where there are several.
fn only_number(series: &[Series], at: usize) -> f64 {
    let mut present = series.iter().filter_map(|series| series.values.get(at).copied().flatten());
    match (present.next(), present.next()) {
        (Some(number), None) => number,
        _ => f64::NAN,
    }
}

fn mapped(map: Map, args: &[Plan], reading: &mut Reading<'_>) -> Result<Value, EvalError> {
    let Some((of, rest)) = args.split_first() else {
        return Err(EvalError::Execution("the function is without what it is of".to_owned()));
    };
    let of = value(of, reading)?;
    let bound = rest.first().map(|bound| numbers(bound, reading)).transpose()?.unwrap_or_default();
    let bound = |at: usize| bound.get(at).copied().unwrap_or(f64::NAN);
    Ok(each(of, |number, at| match map {
        Map::Abs => number.abs(),
        Map::Ceil => number.ceil(),
        Map::Floor => number.floor(),
        Map::Round => (number + 0.5).floor(),
        Map::ClampMin => number.max(bound(at)),
        Map::ClampMax => number.min(bound(at)),
    }))
}

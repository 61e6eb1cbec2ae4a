//! What queries give: numbers and series, or why there are none.

use hoptrail_storage::ReadError;

use super::error::PromError;
use super::labels::NAME;
use super::plan::Sort;
use super::select::Series;

/// What a query gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A number for each time.
    Scalar(Vec<f64>),
    Series(Vec<Series>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum EvalError {
    Read(ReadError),
    /// The series do not fit together.
    Execution(String),
}

impl From<ReadError> for EvalError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<EvalError> for PromError {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Read(error) => crate::Error::from(error).into(),
            EvalError::Execution(message) => Self::Execution(message),
        }
    }
}

/// Orders the series of an instant by their numbers. Series of a range have no order.
pub(super) fn sort_by_first(series: &mut [Series], sort: Sort) {
    if series.iter().any(|series| series.values.len() != 1) {
        return;
    }
    let number = |series: &Series| series.values.first().copied().flatten().unwrap_or(f64::NAN);
    series.sort_by(|one, other| match sort {
        Sort::Ascending => number(one).total_cmp(&number(other)),
        Sort::Descending => number(other).total_cmp(&number(one)),
    });
}

/// Changes each number. What is computed is no metric any more, so it has no name.
pub(super) fn each(value: Value, change: impl Fn(f64, usize) -> f64) -> Value {
    match value {
        Value::Scalar(numbers) => {
            Value::Scalar(numbers.into_iter().enumerate().map(|(at, number)| change(number, at)).collect())
        }
        Value::Series(series) => Value::Series(
            series
                .into_iter()
                .map(|Series { labels, values }| Series {
                    labels: labels.without(NAME),
                    values: values.into_iter().enumerate().map(|(at, v)| v.map(|number| change(number, at))).collect(),
                })
                .collect(),
        ),
    }
}

//! Answers in the JSON of Prometheus.

use axum::response::Response;
use serde::Serialize;

use super::counter::Times;
use super::error::PromError;
use super::labels::Labels;
use super::select::Series;
use super::value::Value;
use crate::http::json;

/// A successful answer.
#[derive(Debug, Serialize)]
struct Answered<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// An answer with data of any form.
pub(super) fn success(data: impl Serialize, mut warnings: Vec<String>) -> Result<Response, PromError> {
    warnings.sort();
    warnings.dedup();
    Ok(json(&Answered { status: "success", data, warnings })?)
}

/// A time in seconds, and a number as text.
type Point = (f64, String);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: &'static str,
    result: Found,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Found {
    Scalar(Point),
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
}

#[derive(Debug, Serialize)]
struct Instant {
    metric: Labels,
    value: Point,
}

#[derive(Debug, Serialize)]
struct Range {
    metric: Labels,
    values: Vec<Point>,
}

/// The answer of an instant query.
pub(super) fn instant(value: Value, times: Times, warnings: Vec<String>) -> Result<Response, PromError> {
    let time = seconds(times.start);
    let data = match value {
        Value::Scalar(numbers) => {
            let number = numbers.first().copied().unwrap_or(f64::NAN);
            Data { result_type: "scalar", result: Found::Scalar((time, text(number))) }
        }
        Value::Series(series) => {
            let of = |series: Series| {
                let number = series.values.first().copied().flatten()?;
                Some(Instant { metric: series.labels, value: (time, text(number)) })
            };
            Data { result_type: "vector", result: Found::Vector(series.into_iter().filter_map(of).collect()) }
        }
    };
    success(data, warnings)
}

/// The answer of a range query.
pub(super) fn range(value: Value, times: Times, warnings: Vec<String>) -> Result<Response, PromError> {
    let series = match value {
        Value::Scalar(numbers) => {
            vec![Series { labels: Labels::default(), values: numbers.into_iter().map(Some).collect() }]
        }
        Value::Series(series) => series,
    };
    let point = |(time, value): (u64, Option<f64>)| Some((seconds(time), text(value?)));
    let of = |Series { labels, values }: Series| {
        let values: Vec<Point> = times.iter().zip(values).filter_map(point).collect();
        (!values.is_empty()).then_some(Range { metric: labels, values })
    };
    let result = Found::Matrix(series.into_iter().filter_map(of).collect());
    success(Data { result_type: "matrix", result }, warnings)
}

/// A time in seconds, to the millisecond.
fn seconds(nanos: u64) -> f64 {
    (nanos / 1_000_000) as f64 / 1000.0
}

/// A number as Prometheus writes it.
fn text(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_does() {
        for (number, expected) in [
            (1.0, "1"),
            (0.25, "0.25"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (1e21, "1000000000000000000000"),
        ] {
            assert_eq!(text(number), expected);
        }
        assert_eq!(seconds(1_767_225_600_781_999_999), 1_767_225_600.781);
    }
}

//! Questions about numbers over time, and their answers.

use hoptrail_proto::model::{SpanId, TraceId};

use crate::{Expr, Field, Filter, Inspected, Pipeline, TimeRange, Value};

/// Intervals of one length that follow one another. Interval `n` has the times `start + n * step < t <= start + (n + 1) * step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Just before the first interval, nanoseconds since 1970 UTC.
    pub start: u64,
    /// Length of an interval in nanoseconds; at least 1.
    pub step: u64,
    /// How many there are.
    pub count: usize,
}

impl Steps {
    /// The interval that a time is in.
    #[must_use]
    pub fn interval(&self, time: u64) -> Option<usize> {
        let offset = time.checked_sub(self.start)?.checked_sub(1)?;
        let interval = usize::try_from(offset.checked_div(self.step)?).ok()?;
        (interval < self.count).then_some(interval)
    }

    /// All times that are in an interval.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        let length = self.step.saturating_mul(self.count as u64);
        let start = self.start.saturating_add(1);
        TimeRange { start, end: start.saturating_add(length) }
    }
}

/// Which series to compute.
#[derive(Debug, Clone)]
pub struct MetricsRequest {
    /// The spans that count: those of all spansets that the pipeline leaves. The whole trace is judged, and a span counts in the interval in
    /// which it starts.
    pub spans: Pipeline,
    /// What is computed of them.
    pub function: MetricsFunction,
    /// There is a series for each combination of these values, missing values included, that has a number in any interval. Values are the
    /// same when type and value are. Nothing for [`MetricsFunction::Compare`].
    pub by: Vec<Expr>,
    /// For which times.
    pub steps: Steps,
    /// Most exemplars in all. In each interval of a series the span with the greatest value may stand for the others, or the earliest one
    /// where values are equal or none is asked for: by start, trace id, span id. Each series has the same share, and the first ones by group
    /// and part one more; from a series with more intervals those are taken that are spread over time. [`MetricsFunction::Compare`] has none.
    pub exemplars: usize,
    /// Each span counts as many times as its sampling probability says ([`sampling::weight`](hoptrail_proto::model::sampling::weight)); a
    /// span that does not say counts once. The least and the greatest value stay what they are.
    pub weighted: bool,
}

/// What is computed of the spans in an interval. A duration counts in seconds. Values that are no numbers are passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricsFunction {
    /// How many spans. 0 in an interval without.
    Count,
    /// The least value.
    Min(Expr),
    /// The greatest value.
    Max(Expr),
    /// The mean.
    Avg(Expr),
    /// The sum.
    Sum(Expr),
    /// These quantiles, each from 0 to 1: the value of rank `ceil(q * n)` among `n` values, at least the first. A series for each; the
    /// exemplars of all are in the first one. A value of weight 3 stands for three equal ones.
    Quantiles(Expr, Vec<f64>),
    /// How many values are in each bucket, 0 in an interval without. A bucket has the values up to a power of two of the expression's unit,
    /// nanoseconds for durations, and more than the power before. A series for each bucket that has any. Values up to 1 are in the bucket of 1.
    Histogram(Expr),
    /// Each value of each attribute of each scope and of the intrinsics name, kind, status, status message, root name and root service: how
    /// many spans of the selection have it, and how many of the others. A span with several values counts for each.
    Compare {
        /// Which spans are the selection.
        selection: Filter,
        /// How many values of a field have series: so many of the most frequent in the selection, and so many of the most frequent among the
        /// others, over all intervals; of equally frequent ones the first in the order of values. A value has the series of both sides,
        /// where it is there.
        top: usize,
        /// The selection has only spans that start in this range.
        range: Option<TimeRange>,
    },
}

/// Series, and what they took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsAnswer {
    /// In no order.
    pub series: Vec<Series>,
    /// What it took.
    pub inspected: Inspected,
    /// Most that a quantile may be off, as a share of its value; 0 when all are exact.
    pub quantile_error: f64,
    /// Spans of the selected times whose sampling probability was asked for and is unknown.
    pub unweighted: u64,
}

/// Numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The values of [`MetricsRequest::by`] that its spans share.
    pub group: Vec<Option<Value>>,
    /// Which of the function's series for this group.
    pub part: SeriesPart,
    /// A number for each interval; NaN where there is none.
    pub values: Vec<f64>,
    /// Some of its spans.
    pub exemplars: Vec<Exemplar>,
}

/// Which of the series that a function has for one group.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesPart {
    /// The only one.
    Whole,
    /// This quantile.
    Quantile(f64),
    /// The bucket with this greatest value, seconds for durations.
    Bucket(f64),
    /// How many spans have this value.
    Value {
        /// Whether among the selection or among the others.
        selected: bool,
        /// The field.
        field: Field,
        /// Its value.
        value: Value,
    },
    /// How many spans have the field at all.
    Total {
        /// Whether among the selection or among the others.
        selected: bool,
        /// The field.
        field: Field,
    },
}

/// A span that stands for others of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Its start.
    pub time_unix_nano: u64,
    /// Its value; NaN for a function without an argument.
    pub value: f64,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_its_end_and_not_its_start() {
        let steps = Steps { start: 100, step: 10, count: 2 };
        let found: Vec<_> = [100, 101, 110, 111, 120, 121].map(|time| steps.interval(time)).into();
        assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(1), None]);
        assert_eq!(steps.range(), TimeRange { start: 101, end: 121 });
    }
}

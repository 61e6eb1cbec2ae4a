//! What a metrics query computed, as Tempo's messages.

use hoptrail_proto::tempo::{
    Exemplar, InstantSeries, PartialStatus, QueryInstantResponse, QueryRangeResponse, Sample, TimeSeries, key_values,
};
use hoptrail_storage::Steps;

use super::answer::search_metrics;
use crate::metrics::{LabelledExemplar, LabelledSeries, SeriesSet};

const NANOS_PER_MS: u64 = 1_000_000;

/// Series over the intervals; `notice` says what stored data is missing in them.
pub(super) fn range_response(set: &SeriesSet, steps: Steps, notice: Option<String>) -> QueryRangeResponse {
    let (status, message) = state(set, notice);
    QueryRangeResponse {
        metrics: Some(search_metrics(set.inspected)),
        series: set.series.iter().map(|series| time_series(series, steps)).collect(),
        status,
        message,
    }
}

/// The numbers of the only interval. Series without one are left out.
pub(super) fn instant_response(set: &SeriesSet, notice: Option<String>) -> QueryInstantResponse {
    let (status, message) = state(set, notice);
    let number = |series: &LabelledSeries| {
        let value = series.values.first().copied().filter(|value| !value.is_nan())?;
        Some(InstantSeries { labels: key_values(&series.labels), value })
    };
    QueryInstantResponse {
        metrics: Some(search_metrics(set.inspected)),
        series: set.series.iter().filter_map(number).collect(),
        status,
        message,
    }
}

/// Whether everything is there, and what is not.
fn state(set: &SeriesSet, notice: Option<String>) -> (i32, String) {
    let kept = set.series.len();
    let cut = set.cut.map(|all| format!("there are {all} series: {kept} of them are here, maxSeries allows more"));
    let parts: Vec<String> = cut.into_iter().chain(notice).collect();
    let status = if parts.is_empty() { PartialStatus::Complete } else { PartialStatus::Partial };
    (status.into(), parts.join("; "))
}

fn time_series(series: &LabelledSeries, steps: Steps) -> TimeSeries {
    let ends = (1..).map(|number: u64| steps.start.saturating_add(steps.step.saturating_mul(number)));
    let numbers = series.values.iter().zip(ends).filter(|(value, _)| !value.is_nan());
    let samples = numbers.map(|(&value, end)| Sample { value, timestamp_ms: millis(end) });
    TimeSeries {
        labels: key_values(&series.labels),
        samples: samples.collect(),
        exemplars: series.exemplars.iter().map(exemplar).collect(),
    }
}

fn exemplar(exemplar: &LabelledExemplar) -> Exemplar {
    Exemplar {
        labels: key_values(&exemplar.labels),
        value: exemplar.value,
        timestamp_ms: millis(exemplar.time_unix_nano),
    }
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / NANOS_PER_MS).unwrap_or(i64::MAX)
}

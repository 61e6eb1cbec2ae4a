//! Some recent spans of each series, by which a reader of the numbers finds traces.

use std::collections::HashMap;

use hoptrail_proto::model::{AnyValue, Tenants};
use hoptrail_storage::{MINUTE, RollupTable, Steps};

use super::Exported;
use crate::Service;
use crate::metrics::{LabelledExemplar, LabelledSeries, RangeRequest};
use crate::prom::labels::Labels;
use crate::traceql::compile_metrics;

/// The longest span of each series, and some others.
const QUESTION: &str = "{ } | max_over_time(duration) by (resource.service.name, name, kind, status)";
/// How old they are at most.
const RECENT: u64 = 2 * MINUTE;
/// Each has one at most for each of so many intervals.
const INTERVALS: usize = 4;
/// How many there are in all.
const MOST: usize = 2000;
/// Series that may have some.
const MOST_SERIES: usize = 2000;

/// A span of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Its trace, in hexadecimal digits.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it began, in nanoseconds.
    pub time: u64,
}

/// Gives the series of spans their exemplars. Where the store fails or has no time, there are none.
pub(super) async fn add(service: &Service, tenants: &Tenants, now: u64, series: &mut [Exported]) {
    let Ok(query) = compile_metrics(QUESTION) else { return };
    let step = RECENT / INTERVALS as u64;
    let steps = Steps { start: now.saturating_sub(RECENT), step, count: INTERVALS };
    let request = RangeRequest { query, steps, exemplars: MOST, max_series: MOST_SERIES };
    let found = match service.metrics(tenants.clone(), request).await {
        Ok(answer) => answer.value.series,
        Err(error) => {
            tracing::debug!(%error, "there are no exemplars this time");
            return;
        }
    };
    let mut by_labels: HashMap<Labels, Vec<Exemplar>> = HashMap::new();
    for one in found {
        by_labels.entry(labels(&one)).or_default().extend(one.exemplars.iter().filter_map(exemplar));
    }
    for one in series.iter_mut().filter(|one| one.table == RollupTable::Spans) {
        // With dimensions several series have these labels; the first one gets the spans, so that each is there once.
        let of_span = one.labels.only(|name| ["service", "span_name", "span_kind", "status_code"].contains(&name));
        one.exemplars = by_labels.remove(&of_span).unwrap_or_default();
        // Receivers take them in this order only.
        one.exemplars.sort_by_key(|exemplar| exemplar.time);
    }
}

/// The labels of span metrics for a series of the question.
fn labels(series: &LabelledSeries) -> Labels {
    let text = |at: usize| match series.labels.get(at) {
        Some((_, AnyValue::String(text))) => text.as_str(),
        _ => "",
    };
    Labels::default()
        .with("service", text(0))
        .with("span_name", text(1))
        .with("span_kind", format!("SPAN_KIND_{}", text(2).to_uppercase()))
        .with("status_code", format!("STATUS_CODE_{}", text(3).to_uppercase()))
}

fn exemplar(found: &LabelledExemplar) -> Option<Exemplar> {
    let id = |wanted: &str| {
        let (_, value) = found.labels.iter().find(|(name, _)| name == wanted)?;
        if let AnyValue::String(text) = value { Some(text.clone()) } else { None }
    };
    let (trace_id, span_id) = (id("trace:id")?, id("span:id")?);
    Some(Exemplar { trace_id, span_id, seconds: found.value, time: found.time_unix_nano })
}

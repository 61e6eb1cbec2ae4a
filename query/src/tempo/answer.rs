//! What a search found, as Tempo's message.

use hoptrail_proto::tempo::{
    SearchMetrics, SearchResponse, ServiceStats, Span, SpanSet, TraceSearchMetadata, key_value,
};
use hoptrail_storage::{Inspected, SearchAnswer, SetHit, SpanHit, TraceHit};

use crate::traceql::field_label;
use crate::{Config, any_value};

/// Stands for the service of a root span that has not arrived.
const NO_ROOT: &str = "<root span not yet received>";

pub(super) fn search_response(answer: SearchAnswer, config: &Config) -> SearchResponse {
    let traces = answer.hits.into_iter().map(|hit| trace(hit, config.left_pad_trace_ids));
    SearchResponse { traces: traces.collect(), metrics: Some(search_metrics(answer.inspected)) }
}

/// A whole search is one job. Sizes of whole segments are left out: no query reads them.
pub(super) fn search_metrics(inspected: Inspected) -> SearchMetrics {
    SearchMetrics {
        inspected_traces: saturated(inspected.traces),
        inspected_bytes: inspected.bytes,
        total_blocks: saturated(inspected.segments),
        completed_jobs: 1,
        total_jobs: 1,
        total_block_bytes: 0,
        inspected_spans: inspected.spans,
    }
}

fn trace(hit: TraceHit, left_pad: bool) -> TraceSearchMetadata {
    let id = hit.trace_id.to_string();
    let sets: Vec<SpanSet> = hit.sets.into_iter().map(span_set).collect();
    let (root_service_name, root_trace_name) = hit.root.unwrap_or_else(|| (NO_ROOT.to_owned(), String::new()));
    TraceSearchMetadata {
        trace_id: if left_pad { id } else { id.trim_start_matches('0').to_owned() },
        root_service_name,
        root_trace_name,
        start_time_unix_nano: hit.start_unix_nano,
        duration_ms: saturated(hit.duration_nanos / 1_000_000),
        span_set: sets.first().cloned(),
        span_sets: sets,
        service_stats: hit.services.into_iter().map(service_stats).collect(),
    }
}

fn span_set(set: SetHit) -> SpanSet {
    SpanSet {
        spans: set.spans.into_iter().map(span).collect(),
        matched: saturated(set.matched),
        attributes: set.attributes.iter().map(|(label, value)| key_value(label, &any_value(value))).collect(),
    }
}

fn service_stats(stats: hoptrail_storage::ServiceStats) -> (String, ServiceStats) {
    (stats.service, ServiceStats { span_count: stats.spans, error_count: stats.errors })
}

fn span(hit: SpanHit) -> Span {
    Span {
        span_id: hit.span_id.to_string(),
        name: hit.name,
        start_time_unix_nano: hit.start_unix_nano,
        duration_nanos: hit.duration_nanos,
        attributes: hit.fields.iter().map(|(field, value)| key_value(field_label(field), &any_value(value))).collect(),
    }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

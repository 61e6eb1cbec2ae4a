//! What a search says of a trace, by all its spans.

use std::collections::BTreeMap;

use hoptrail_proto::model::{StatusCode, TraceId, TraceSpan};

use super::evaluate::{Subject, WholeTrace};
use crate::copies::Contents;
use crate::search::{FieldValuesRequest, SearchRequest, ServiceStats, SetHit, SpanHit, TimeRange, TraceHit};
use crate::{Filter, QueryContext, ReadError, Value};

/// The spans of a trace that satisfy a filter.
#[cfg(test)]
pub(crate) fn spans_that_match<'a>(spans: &'a [TraceSpan], filter: &Filter) -> Vec<&'a TraceSpan> {
    matching(spans, &whole(spans), filter, None, &QueryContext::unbounded()).unwrap_or_default()
}

/// The hit of a trace, when any of its spans matches.
pub(super) fn hit(
    trace_id: TraceId,
    spans: &[TraceSpan],
    request: &SearchRequest,
    context: &QueryContext,
) -> Result<Option<TraceHit>, ReadError> {
    let trace = whole(spans);
    let mut matched = matching(spans, &trace, request.filter(), request.range, context)?;
    if matched.is_empty() {
        return Ok(None);
    }
    sort_in_time(&mut matched);
    let shown = matched.iter().take(request.spans_per_set);
    Ok(Some(TraceHit {
        trace_id,
        start_unix_nano: trace.start,
        duration_nanos: trace.duration,
        services: services(spans),
        sets: vec![SetHit {
            attributes: Vec::new(),
            matched: matched.len() as u64,
            spans: shown.map(|span| span_hit(span, &trace, request)).collect(),
        }],
        root: trace.root,
    }))
}

/// The values of a field on the spans that match, in any order.
pub(super) fn values(
    spans: &[TraceSpan],
    request: &FieldValuesRequest,
    context: &QueryContext,
) -> Result<Vec<Value>, ReadError> {
    let trace = whole(spans);
    let matched = matching(spans, &trace, &request.filter, request.range, context)?;
    Ok(matched.into_iter().flat_map(|span| Subject::new(span, &trace).values(&request.field)).collect())
}

fn matching<'a>(
    spans: &'a [TraceSpan],
    trace: &WholeTrace,
    filter: &Filter,
    range: Option<TimeRange>,
    context: &QueryContext,
) -> Result<Vec<&'a TraceSpan>, ReadError> {
    let mut matched = Vec::new();
    for span in spans {
        context.check()?;
        let is_inside = range.is_none_or(|range| range.contains(span.span.start_unix_nano));
        if is_inside && Subject::new(span, trace).satisfies(filter) {
            matched.push(span);
        }
    }
    Ok(matched)
}

/// What the spans say together. Times that cannot be real count only when the trace has no others.
fn whole(spans: &[TraceSpan]) -> WholeTrace {
    let mut times: Vec<_> = spans.iter().map(|span| span.span.extent()).collect();
    if times.iter().any(|time| time.is_real) {
        times.retain(|time| time.is_real);
    }
    let start = times.iter().map(|time| time.start).min().unwrap_or_default();
    let end = times.iter().map(|time| time.end).max().unwrap_or_default();
    let mut roots: Vec<&TraceSpan> = spans.iter().filter(|span| span.span.parent_span_id.is_none()).collect();
    sort_in_time(&mut roots);
    roots.sort_by_key(|root| root.span.extent().order_start());
    let root = roots.first().map(|root| (root.resource.service_name().to_owned(), root.span.name.clone()));
    WholeTrace { start, duration: end - start, root }
}

/// Sorts by start and id, then by content. A correct sender makes no two spans of one start and id, but with an order for them answers stay
/// the same.
fn sort_in_time(spans: &mut [&TraceSpan]) {
    let mut contents = Contents::default();
    spans.sort_by_cached_key(|span| (span.span.start_unix_nano, span.span.span_id, contents.hash(span)));
}

fn span_hit(span: &TraceSpan, trace: &WholeTrace, request: &SearchRequest) -> SpanHit {
    let subject = Subject::new(span, trace);
    let first = |field| Some((field, subject.values(field).into_iter().next()?));
    SpanHit {
        span_id: span.span.span_id,
        name: span.span.name.clone(),
        start_unix_nano: span.span.start_unix_nano,
        duration_nanos: span.span.end_unix_nano.saturating_sub(span.span.start_unix_nano),
        fields: request.select.iter().filter_map(first).map(|(field, value)| (field.clone(), value)).collect(),
    }
}

fn services(spans: &[TraceSpan]) -> Vec<ServiceStats> {
    let mut by_name: BTreeMap<&str, Vec<&TraceSpan>> = BTreeMap::new();
    for span in spans {
        by_name.entry(span.resource.service_name()).or_default().push(span);
    }
    by_name.into_iter().map(|(service, spans)| stats(service, &spans)).collect()
}

fn stats(service: &str, spans: &[&TraceSpan]) -> ServiceStats {
    let mut stats = ServiceStats { service: service.to_owned(), spans: 0, errors: 0 };
    for span in spans {
        stats.spans += 1;
        stats.errors += u32::from(span.span.status.code == StatusCode::Error);
    }
    stats
}

//! What a search says of a trace whose spans were read whole. This is for conditions on the whole trace, and for what columns do not show.

use std::collections::BTreeMap;

use hoptrail_proto::model::{Extent, StatusCode, TraceId, TraceSpan};

use crate::copies::Contents;
use crate::first_values::FirstValues;
use crate::matcher::{Candidate, TraceIntrinsics};
use crate::scan::{RootKey, SpanKey};
use crate::search::{FieldValuesRequest, SearchRequest, ServiceStats, SetHit, SpanHit, TraceHit};
use crate::{QueryContext, ReadError};

/// Spans between two looks at the clock.
const EVERY: usize = 256;

/// The values of a field on those spans of a trace that match.
pub(crate) fn values_of_trace(
    spans: &[TraceSpan],
    request: &FieldValuesRequest,
    context: &QueryContext,
    values: &mut FirstValues,
) -> Result<(), ReadError> {
    let intrinsics = intrinsics(spans);
    for some in spans.chunks(EVERY) {
        context.check()?;
        for span in some {
            let candidate = Candidate::new(span, &intrinsics);
            let inside = request.range.is_none_or(|range| range.contains(span.span.start_unix_nano));
            if inside && candidate.satisfies(&request.filter) {
                candidate.each_value(&request.field, &mut |value| values.add(value));
            }
        }
    }
    Ok(())
}

/// The extent of these spans in time.
fn extent(spans: &[TraceSpan]) -> Option<Extent> {
    Extent::of_all(spans.iter().map(|span| span.span.extent()))
}

/// What the spans of one trace say about the trace.
pub(crate) fn intrinsics(spans: &[TraceSpan]) -> TraceIntrinsics {
    TraceIntrinsics { duration_nanos: extent(spans).map_or(0, |extent| extent.nanos()), root: root(spans) }
}

/// The key by which spans are sorted: start, then id.
fn key(span: &TraceSpan) -> SpanKey {
    (span.span.start_unix_nano, span.span.span_id)
}

fn root_key(root: &TraceSpan) -> RootKey {
    (root.span.extent().order_start(), key(root))
}

/// Sorts by start and id, then by content. A correct sender makes no two spans of one start and id, but with an order for them answers stay
/// the same.
fn sort_in_time(spans: &mut [&TraceSpan]) {
    spans.sort_unstable_by_key(|span| key(span));
    let mut contents = Contents::default();
    for alike in spans.chunk_by_mut(|one, other| key(one) == key(other)).filter(|alike| alike.len() > 1) {
        alike.sort_by_cached_key(|span| contents.hash(span));
    }
}

/// Service and name of the earliest span without a parent.
fn root(spans: &[TraceSpan]) -> Option<(String, String)> {
    let roots = || spans.iter().filter(|span| span.span.parent_span_id.is_none());
    let earliest = roots().map(root_key).min()?;
    let mut first: Vec<&TraceSpan> = roots().filter(|root| root_key(root) == earliest).collect();
    sort_in_time(&mut first);
    let root = first.first()?;
    Some((root.resource.service_name().to_owned(), root.span.name.clone()))
}

/// The hit that a trace is, when any of its spans matches.
pub(crate) fn hit(
    trace_id: TraceId,
    spans: &[TraceSpan],
    request: &SearchRequest,
    context: &QueryContext,
) -> Result<Option<TraceHit>, ReadError> {
    let intrinsics = intrinsics(spans);
    let wanted = |span: &&TraceSpan| {
        request.range.is_none_or(|range| range.contains(span.span.start_unix_nano))
            && Candidate::new(span, &intrinsics).satisfies(request.filter())
    };
    let mut matched: Vec<&TraceSpan> = Vec::new();
    for some in spans.chunks(EVERY) {
        context.check()?;
        matched.extend(some.iter().filter(wanted));
    }
    if matched.is_empty() {
        return Ok(None);
    }
    sort_in_time(&mut matched);
    Ok(Some(TraceHit {
        trace_id,
        start_unix_nano: extent(spans).map_or(0, |extent| extent.start),
        duration_nanos: intrinsics.duration_nanos,
        services: services(spans),
        sets: vec![SetHit {
            attributes: Vec::new(),
            matched: matched.len() as u64,
            spans: matched
                .iter()
                .take(request.spans_per_set)
                .map(|span| span_hit(span, &intrinsics, request))
                .collect(),
        }],
        root: intrinsics.root,
    }))
}

pub(crate) fn span_hit(span: &TraceSpan, intrinsics: &TraceIntrinsics, request: &SearchRequest) -> SpanHit {
    let mut fields = Vec::new();
    for field in &request.select {
        let mut first = None;
        Candidate::new(span, intrinsics).each_value(field, &mut |value| _ = first.get_or_insert(value));
        fields.extend(first.map(|value| (field.clone(), value)));
    }
    SpanHit {
        span_id: span.span.span_id,
        name: span.span.name.clone(),
        start_unix_nano: span.span.start_unix_nano,
        duration_nanos: span.span.duration_nanos(),
        fields,
    }
}

fn services(spans: &[TraceSpan]) -> Vec<ServiceStats> {
    let mut by_name: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for span in spans {
        let counts = by_name.entry(span.resource.service_name()).or_default();
        counts.0 += 1;
        counts.1 += u32::from(span.span.status.code == StatusCode::Error);
    }
    by_name
        .into_iter()
        .map(|(service, (spans, errors))| ServiceStats { service: service.to_owned(), spans, errors })
        .collect()
}

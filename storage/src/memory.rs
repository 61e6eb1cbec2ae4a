//! The plain store: spans in a map, every question answered by looking at every span. The reference for the real store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::ready;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hoptrail_proto::model::{Extent, SpanId, StatusCode, TenantId, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;

use crate::copies::{ContentHash, Contents};
use crate::first_values::FirstValues;
use crate::matcher::{Candidate, TraceFacts};
use crate::search::{
    FieldValuesRequest, Inspected, SearchAnswer, SearchRequest, ServiceStats, SpanHit, TimeRange, TraceHit,
};
use crate::traits::{SpanBatch, SpanWriter, TraceReader, WriteFuture};
use crate::{AttributeScope, QueryContext, ReadError, Value, WriteError};

type Traces = BTreeMap<TraceId, OneTrace>;

/// The spans of one trace.
#[derive(Debug, Default)]
struct OneTrace {
    spans: Vec<TraceSpan>,
    seen: HashSet<ContentHash>,
}

/// A store in memory, lost with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tenants: RwLock<HashMap<TenantId, Traces>>,
}

impl MemoryStore {
    fn tenants(&self) -> RwLockReadGuard<'_, HashMap<TenantId, Traces>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, batch: &SpanBatch) -> Result<(), WriteError> {
        let spans = otlp::decode(&batch.body).map_err(|error| WriteError::Invalid(error.to_string()))?;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let traces = tenants.entry(batch.tenant.clone()).or_default();
        let mut contents = Contents::default();
        for span in spans {
            let known = traces.entry(span.span.trace_id).or_default();
            if known.seen.insert(contents.hash(&span)) {
                known.spans.push(span);
            }
        }
        Ok(())
    }
}

impl SpanWriter for MemoryStore {
    fn write(&self, batch: SpanBatch) -> WriteFuture {
        Box::pin(ready(self.insert(&batch)))
    }
}

impl TraceReader for MemoryStore {
    fn trace(&self, tenant: &TenantId, id: TraceId, _: &QueryContext) -> Result<Option<Trace>, ReadError> {
        let tenants = self.tenants();
        let known = tenants.get(tenant).and_then(|traces| traces.get(&id));
        Ok(known.map(|known| Trace { id, spans: known.spans.clone() }))
    }

    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        let tenants = self.tenants();
        let mut answer = SearchAnswer::default();
        for (id, OneTrace { spans, .. }) in tenants.get(tenant).into_iter().flatten() {
            context.check()?;
            answer.inspected.traces += 1;
            answer.inspected.spans += spans.len() as u64;
            answer.hits.extend(hit(*id, spans, request, context)?);
        }
        answer.hits.sort_by_key(|hit| std::cmp::Reverse((Extent::order_start_of(hit.start_unix_nano), hit.trace_id)));
        answer.hits.truncate(request.limit);
        answer.inspected = Inspected { segments: 1, ..answer.inspected };
        Ok(answer)
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<TimeRange>,
        _: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let tenants = self.tenants();
        let mut keys = BTreeSet::new();
        for span in tenants.get(tenant).into_iter().flatten().flat_map(|(_, known)| &known.spans) {
            if range.is_none_or(|range| range.contains(span.span.start_unix_nano)) {
                let parts = [
                    (AttributeScope::Resource, &span.resource.attributes),
                    (AttributeScope::Span, &span.span.attributes),
                    (AttributeScope::Instrumentation, &span.scope.attributes),
                ];
                let events = span.span.events.iter().map(|event| (AttributeScope::Event, &event.attributes));
                let links = span.span.links.iter().map(|link| (AttributeScope::Link, &link.attributes));
                for (scope, attributes) in parts.into_iter().chain(events).chain(links) {
                    keys.extend(attributes.iter().map(|attribute| (scope, attribute.key.clone())));
                }
            }
        }
        Ok(keys.into_iter().collect())
    }

    fn field_values(
        &self,
        tenant: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError> {
        let tenants = self.tenants();
        let mut values = FirstValues::new(request.limit, context)?;
        for (_, known) in tenants.get(tenant).into_iter().flatten() {
            values_of_trace(&known.spans, request, context, &mut values)?;
        }
        values.finish()
    }
}

/// Spans between two looks at the clock.
const EVERY: usize = 256;

/// The values of a field on those spans of a trace that match.
pub(crate) fn values_of_trace(
    spans: &[TraceSpan],
    request: &FieldValuesRequest,
    context: &QueryContext,
    values: &mut FirstValues,
) -> Result<(), ReadError> {
    let facts = facts(spans);
    for some in spans.chunks(EVERY) {
        context.check()?;
        for span in some {
            let candidate = Candidate::new(span, &facts);
            let inside = request.range.is_none_or(|range| range.contains(span.span.start_unix_nano));
            if inside && candidate.satisfies(&request.filter) {
                candidate.each_value(&request.field, &mut |value| values.add(value));
            }
        }
    }
    Ok(())
}

/// The time by which these spans count.
fn extent(spans: &[TraceSpan]) -> Option<Extent> {
    Extent::of_all(spans.iter().map(|span| span.span.extent()))
}

/// What the spans of one trace say about the trace.
pub(crate) fn facts(spans: &[TraceSpan]) -> TraceFacts {
    TraceFacts { duration_nanos: extent(spans).map_or(0, |extent| extent.nanos()), root: root(spans) }
}

/// Spans are in the order of their starts, then of their ids.
fn key(span: &TraceSpan) -> (u64, SpanId) {
    (span.span.start_unix_nano, span.span.span_id)
}

/// Earlier spans first. Spans of one id and start, which no correct sender makes, have an order too, so that answers repeat.
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
    let key = |root: &TraceSpan| (root.span.extent().order_start(), key(root));
    let earliest = roots().map(key).min()?;
    let mut first: Vec<&TraceSpan> = roots().filter(|root| key(root) == earliest).collect();
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
    let facts = facts(spans);
    let wanted = |span: &&TraceSpan| {
        request.range.is_none_or(|range| range.contains(span.span.start_unix_nano))
            && Candidate::new(span, &facts).satisfies(&request.filter)
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
        duration_nanos: facts.duration_nanos,
        services: services(spans),
        matched: matched.len() as u64,
        spans: matched.iter().take(request.spans_per_trace).map(|span| span_hit(span, &facts, request)).collect(),
        root: facts.root,
    }))
}

pub(crate) fn span_hit(span: &TraceSpan, facts: &TraceFacts, request: &SearchRequest) -> SpanHit {
    let mut fields = Vec::new();
    for field in &request.select {
        let mut first = None;
        Candidate::new(span, facts).each_value(field, &mut |value| _ = first.get_or_insert(value));
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

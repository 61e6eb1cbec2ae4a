//! The plain store: spans in a map, and every question answered by looking at every span.
//!
//! It defines the right answers: tests compare the real store with it. So it evaluates everything by itself. It shares with the real store
//! only the model, filters as data, regular expressions, the hash that orders spans of one start and id, and what a whole trace adds to
//! rollups: the real store has to get there piece by piece.

#![expect(
    clippy::indexing_slicing,
    reason = "a span is known by its index in its trace, and an interval by its number"
)]

mod compare;
mod contrast;
mod evaluate;
mod exceptions;
mod number;
mod parents;
mod paths;
mod pipeline;
mod rollups;
mod search;
mod series;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hoptrail_proto::model::{Attribute, SpanId, TenantId, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;

use crate::rollup::{RollupRequest, Rollups};
use crate::search::{AttributeKeysRequest, FieldValuesRequest, Inspected, SearchAnswer, SearchRequest};
use crate::series::{MetricsAnswer, MetricsRequest};
use crate::traits::{SpanBatch, SpanWriter, TraceReader, WriteFuture};
use crate::{
    AttributeScope, CallPaths, Contrast, ContrastRequest, Exceptions, ExceptionsRequest, PathsRequest, QueryContext,
    ReadError, Value, WriteError,
};
use compare::SortKey;
use evaluate::Subject;
use whole::WholeTrace;

type Traces = BTreeMap<TraceId, StoredTrace>;

/// The spans of one trace, copies left out.
#[derive(Debug, Default)]
struct StoredTrace {
    spans: Vec<TraceSpan>,
    /// The indexes of the spans of each start and id.
    by_key: HashMap<(u64, SpanId), Vec<usize>>,
}

impl StoredTrace {
    fn add(&mut self, span: TraceSpan) {
        let alike = self.by_key.entry((span.span.start_unix_nano, span.span.span_id)).or_default();
        if !alike.iter().any(|known| self.spans.get(*known) == Some(&span)) {
            alike.push(self.spans.len());
            self.spans.push(span);
        }
    }
}

/// A store in memory, lost with the process.
///
/// ```
/// use std::sync::Arc;
///
/// use hoptrail_proto::model::{Span, SpanId, TenantId, TraceId, TraceSpan};
/// use hoptrail_proto::otlp;
/// use hoptrail_storage::{MemoryStore, QueryContext, SpanBatch, SpanWriter, TraceReader};
///
/// let id = TraceId([7; 16]);
/// let span = Span { trace_id: id, span_id: SpanId([1; 8]), name: "GET /cart".to_owned(), ..Span::default() };
/// let spans = [TraceSpan { span, resource: Arc::default(), scope: Arc::default() }];
/// let store = MemoryStore::default();
/// let batch = SpanBatch { tenant: TenantId::single(), body: otlp::encode(&spans).into(), spans: 1 };
/// // The write is done before its future is asked for the answer.
/// drop(store.write(batch));
/// let trace = store.trace(&TenantId::single(), id, &QueryContext::unbounded()).unwrap().unwrap();
/// assert_eq!(trace.spans, spans);
/// ```
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
        for span in spans {
            traces.entry(span.span.trace_id).or_default().add(span);
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
        let (mut answer, mut rows) = (SearchAnswer::default(), Vec::new());
        let is_asked = |id: &TraceId| request.traces.as_ref().is_none_or(|only| only.contains(id));
        for (id, StoredTrace { spans, .. }) in tenants.get(tenant).into_iter().flatten().filter(|(id, _)| is_asked(id))
        {
            answer.inspected.traces += 1;
            answer.inspected.spans += spans.len() as u64;
            rows.extend(search::rows(*id, spans, request, context)?);
        }
        (answer.hits, answer.next) = search::page(rows, request);
        answer.inspected = Inspected { segments: 1, ..answer.inspected };
        Ok(answer)
    }

    fn metrics(
        &self,
        tenant: &TenantId,
        request: &MetricsRequest,
        context: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError> {
        let tenants = self.tenants();
        let mut metrics = series::Metrics::new(request);
        for known in tenants.get(tenant).into_iter().flat_map(BTreeMap::values) {
            metrics.add(&known.spans, context)?;
        }
        Ok(metrics.finish())
    }

    fn rollups(&self, tenant: &TenantId, request: &RollupRequest, _: &QueryContext) -> Result<Rollups, ReadError> {
        let tenants = self.tenants();
        Ok(rollups::rollups(tenants.get(tenant).into_iter().flat_map(BTreeMap::values), request))
    }

    fn contrast(
        &self,
        tenant: &TenantId,
        request: &ContrastRequest,
        context: &QueryContext,
    ) -> Result<Contrast, ReadError> {
        let tenants = self.tenants();
        let mut plain = contrast::Plain::new(request);
        for known in tenants.get(tenant).into_iter().flat_map(BTreeMap::values) {
            plain.add(&known.spans, context)?;
        }
        Ok(plain.finish())
    }

    fn call_paths(
        &self,
        tenant: &TenantId,
        request: &PathsRequest,
        context: &QueryContext,
    ) -> Result<CallPaths, ReadError> {
        let tenants = self.tenants();
        let mut plain = paths::Plain::new(request);
        for known in tenants.get(tenant).into_iter().flat_map(BTreeMap::values) {
            plain.add(&known.spans, context)?;
        }
        Ok(plain.finish())
    }

    fn exceptions(
        &self,
        tenant: &TenantId,
        request: &ExceptionsRequest,
        context: &QueryContext,
    ) -> Result<Exceptions, ReadError> {
        let tenants = self.tenants();
        let mut plain = exceptions::Plain::new(request);
        for known in tenants.get(tenant).into_iter().flat_map(BTreeMap::values) {
            plain.add(&known.spans, context)?;
        }
        Ok(plain.finish())
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        request: &AttributeKeysRequest,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let tenants = self.tenants();
        let mut keys = BTreeSet::new();
        for (_, known) in tenants.get(tenant).into_iter().flatten() {
            let trace = WholeTrace::new(&known.spans);
            for subject in (0..trace.spans.len()).map(|index| Subject::new(&trace, index)) {
                context.check()?;
                let span = subject.span();
                let is_inside = request.range.is_none_or(|range| range.contains(span.span.start_unix_nano));
                if is_inside && subject.satisfies(&request.filter) {
                    for (scope, attributes) in all_attributes(span) {
                        keys.extend(attributes.iter().map(|attribute| (scope, attribute.key.clone())));
                    }
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
        let mut values = BTreeMap::new();
        for (_, known) in tenants.get(tenant).into_iter().flatten() {
            let trace = WholeTrace::new(&known.spans);
            for subject in (0..trace.spans.len()).map(|index| Subject::new(&trace, index)) {
                context.check()?;
                let is_inside = request.range.is_none_or(|range| range.contains(subject.span().span.start_unix_nano));
                if is_inside && subject.satisfies(&request.filter) {
                    let found = subject.values(&request.field).into_iter();
                    values.extend(found.map(|value| (SortKey::of(&value), value)));
                }
            }
        }
        Ok(values.into_values().take(request.limit).collect())
    }
}

/// The spans of a trace that satisfy a filter.
#[cfg(test)]
pub(crate) fn spans_that_match<'a>(spans: &'a [TraceSpan], filter: &crate::Filter) -> Vec<&'a TraceSpan> {
    let trace = WholeTrace::new(spans);
    let matching = (0..spans.len()).filter(|index| Subject::new(&trace, *index).satisfies(filter));
    matching.map(|index| trace.spans[index]).collect()
}

/// The attributes of a span, its resource, scope, events and links.
fn all_attributes(span: &TraceSpan) -> Vec<(AttributeScope, &[Attribute])> {
    let mut all: Vec<(AttributeScope, &[Attribute])> = vec![
        (AttributeScope::Resource, &span.resource.attributes),
        (AttributeScope::Span, &span.span.attributes),
        (AttributeScope::Instrumentation, &span.scope.attributes),
    ];
    all.extend(span.span.events.iter().map(|event| (AttributeScope::Event, event.attributes.as_slice())));
    all.extend(span.span.links.iter().map(|link| (AttributeScope::Link, link.attributes.as_slice())));
    all
}

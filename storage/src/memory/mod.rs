//! The plain store: spans in a map, and every question answered by looking at every span.
//!
//! It defines the right answers: tests compare the real store with it. So it evaluates everything by itself. It shares with the real store
//! only the model, filters as data, regular expressions, and the hash that orders spans of one start and id.

mod evaluate;
mod trace;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hoptrail_proto::model::{Attribute, Extent, SpanId, TenantId, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;

use crate::search::{FieldValuesRequest, Inspected, SearchAnswer, SearchRequest, TimeRange};
use crate::series::{MetricsAnswer, MetricsRequest};
use crate::traits::{SpanBatch, SpanWriter, TraceReader, WriteFuture};
use crate::{AttributeScope, QueryContext, ReadError, Value, WriteError};
use evaluate::SortKey;
#[cfg(test)]
pub(crate) use trace::spans_that_match;

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
        let mut answer = SearchAnswer::default();
        for (id, StoredTrace { spans, .. }) in tenants.get(tenant).into_iter().flatten() {
            answer.inspected.traces += 1;
            answer.inspected.spans += spans.len() as u64;
            answer.hits.extend(trace::hit(*id, spans, request, context)?);
        }
        answer.hits.sort_by_key(|hit| Reverse((Extent::order_start_of(hit.start_unix_nano), hit.trace_id)));
        answer.hits.truncate(request.limit);
        answer.inspected = Inspected { segments: 1, ..answer.inspected };
        Ok(answer)
    }

    fn metrics(&self, _: &TenantId, _: &MetricsRequest, _: &QueryContext) -> Result<MetricsAnswer, ReadError> {
        Ok(MetricsAnswer::default())
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
                for (scope, attributes) in all_attributes(span) {
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
        let mut values = BTreeMap::new();
        for (_, known) in tenants.get(tenant).into_iter().flatten() {
            let found = trace::values(&known.spans, request, context)?;
            values.extend(found.into_iter().map(|value| (SortKey::of(&value), value)));
        }
        Ok(values.into_values().take(request.limit).collect())
    }
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

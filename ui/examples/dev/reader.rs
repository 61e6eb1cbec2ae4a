//! The plain store, and beside it the traces too large for it.

use std::collections::HashMap;
use std::error::Error;

use bytes::Bytes;
use hoptrail_proto::model::{TenantId, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_storage::{
    AttributeKeysRequest, AttributeScope, FieldValuesRequest, MemoryStore, MetricsAnswer, MetricsRequest, QueryContext,
    ReadError, RollupRequest, Rollups, SearchAnswer, SearchRequest, SpanBatch, SpanWriter, TraceReader, Value,
};
use prost::Message;

/// The plain store compares a new span with all of its trace; larger traces are only found by id.
const LARGE: usize = 5_000;

#[derive(Debug, Default)]
pub(crate) struct Shop {
    store: MemoryStore,
    large: HashMap<TraceId, Trace>,
}

impl Shop {
    pub(crate) async fn add(&mut self, spans: Vec<TraceSpan>) -> Result<(), Box<dyn Error>> {
        let id = spans[0].span.trace_id;
        if spans.len() > LARGE {
            self.large.insert(id, Trace { id, spans });
            return Ok(());
        }
        let body = Bytes::from(otlp::to_request(&spans).encode_to_vec());
        let batch = SpanBatch { tenant: TenantId::single(), body, spans: u32::try_from(spans.len())? };
        Ok(self.store.write(batch).await?)
    }
}

impl TraceReader for Shop {
    fn trace(&self, tenant: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        match self.large.get(&id) {
            Some(trace) => Ok(Some(trace.clone())),
            None => self.store.trace(tenant, id, context),
        }
    }

    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        self.store.search(tenant, request, context)
    }

    fn metrics(
        &self,
        tenant: &TenantId,
        request: &MetricsRequest,
        context: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError> {
        self.store.metrics(tenant, request, context)
    }

    fn rollups(
        &self,
        tenant: &TenantId,
        request: &RollupRequest,
        context: &QueryContext,
    ) -> Result<Rollups, ReadError> {
        self.store.rollups(tenant, request, context)
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        request: &AttributeKeysRequest,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        self.store.attribute_keys(tenant, request, context)
    }

    fn field_values(
        &self,
        tenant: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError> {
        self.store.field_values(tenant, request, context)
    }
}

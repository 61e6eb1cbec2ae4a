//! Stands in for parts under construction.
use std::path::Path;
use std::sync::Arc;

use hoptrail_proto::model::TenantId;
use hoptrail_storage::{MemoryStore, SpanBatch, SpanWriter};
use prometheus_client::registry::Registry;

pub(crate) type Store = Memory;

#[derive(Debug, Default)]
pub(crate) struct Memory(MemoryStore);

impl Memory {
    pub(crate) fn open(_: &Path, _: &mut Registry) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::default())
    }
    pub(crate) fn close(&self) {}
}

impl SpanWriter for Memory {
    fn write(&self, batch: SpanBatch) -> hoptrail_storage::WriteFuture {
        self.0.write(batch)
    }
}

impl hoptrail_storage::TraceReader for Memory {
    fn trace(
        &self,
        tenant: &TenantId,
        id: hoptrail_proto::model::TraceId,
        context: &hoptrail_storage::QueryContext,
    ) -> Result<Option<hoptrail_proto::model::Trace>, hoptrail_storage::ReadError> {
        self.0.trace(tenant, id, context)
    }
    fn search(
        &self,
        tenant: &TenantId,
        request: &hoptrail_storage::SearchRequest,
        context: &hoptrail_storage::QueryContext,
    ) -> Result<hoptrail_storage::SearchAnswer, hoptrail_storage::ReadError> {
        self.0.search(tenant, request, context)
    }
    fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<hoptrail_storage::TimeRange>,
        context: &hoptrail_storage::QueryContext,
    ) -> Result<Vec<(hoptrail_storage::AttributeScope, String)>, hoptrail_storage::ReadError> {
        self.0.attribute_keys(tenant, range, context)
    }
    fn field_values(
        &self,
        tenant: &TenantId,
        request: &hoptrail_storage::FieldValuesRequest,
        context: &hoptrail_storage::QueryContext,
    ) -> Result<Vec<hoptrail_storage::Value>, hoptrail_storage::ReadError> {
        self.0.field_values(tenant, request, context)
    }
}

pub(crate) mod hoptrail_ui {
    pub(crate) fn router(_: std::sync::Arc<hoptrail_query::Service>) -> axum::Router {
        axum::Router::new()
    }
}

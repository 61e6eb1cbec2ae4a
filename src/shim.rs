//! Stands in for parts under construction.
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::{self, types};
use hoptrail_storage::{MemoryStore, SpanBatch, SpanWriter};
use prometheus_client::registry::Registry;
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorConfig {}

#[derive(Debug)]
pub(crate) struct Collector {
    writer: Arc<dyn SpanWriter>,
}

type Request = types::collector::trace::v1::ExportTraceServiceRequest;
type Reply = types::collector::trace::v1::ExportTraceServiceResponse;

#[derive(Debug, Clone)]
struct Grpc(Arc<Collector>);

#[tonic::async_trait]
impl types::collector::trace::v1::trace_service_server::TraceService for Grpc {
    async fn export(&self, request: tonic::Request<Request>) -> Result<tonic::Response<Reply>, tonic::Status> {
        self.0.take(request.into_inner()).await;
        Ok(tonic::Response::new(Reply::default()))
    }
}

impl Collector {
    pub(crate) fn new(_: &CollectorConfig, writer: Arc<dyn SpanWriter>, _: &mut Registry) -> Arc<Self> {
        Arc::new(Self { writer })
    }
    async fn take(&self, request: Request) {
        let spans = otlp::from_request(request.clone()).len() as u32;
        let body = request.encode_to_vec().into();
        _ = self.writer.write(SpanBatch { tenant: TenantId::single(), body, spans }).await;
    }
    pub(crate) fn serve_grpc(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> {
        let service = types::collector::trace::v1::trace_service_server::TraceServiceServer::new(Grpc(self))
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
        let router = tonic::service::Routes::new(service).into_axum_router();
        crate::serve::serve(router, listener, stop)
    }
    pub(crate) fn serve_http(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> {
        let router = Router::new().route(
            "/v1/traces",
            axum::routing::post(move |body: bytes::Bytes| async move {
                self.take(Request::decode(body).unwrap_or_default()).await;
                Reply::default().encode_to_vec()
            }),
        );
        crate::serve::serve(router, listener, stop)
    }
}

pub(crate) mod hoptrail_query {
    pub(crate) mod tempo {
        pub(crate) fn router(_: std::sync::Arc<hoptrail_query::Service>) -> axum::Router {
            axum::Router::new()
        }
    }
}
pub(crate) mod hoptrail_ui {
    pub(crate) fn router(_: std::sync::Arc<hoptrail_query::Service>) -> axum::Router {
        axum::Router::new()
    }
}

//! OTLP requests made by the tests themselves, sent over gRPC.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::Status;
use tonic::transport::Channel;

use super::spans::text_pair;
use crate::harness::Server;

/// A gRPC connection to the receiver.
#[derive(Debug, Clone)]
pub(crate) struct Grpc(TraceServiceClient<Channel>);

impl Grpc {
    /// Connects; fails when nobody listens.
    pub(crate) async fn connect(address: &str) -> Result<Self, tonic::transport::Error> {
        TraceServiceClient::connect(format!("http://{address}")).await.map(Self)
    }

    /// Connects to a server that runs.
    pub(crate) async fn to(server: &Server) -> Self {
        Self::connect(&server.otlp_grpc).await.expect("the receiver listens")
    }

    /// Sends; `Ok` is the acknowledgement.
    pub(crate) async fn export(
        &mut self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Status> {
        self.0.export(request).await.map(tonic::Response::into_inner)
    }

    /// Sends a request that must be taken whole, again when the server asks for that.
    pub(crate) async fn deliver(&mut self, request: ExportTraceServiceRequest) {
        let mut answer = self.export(request.clone()).await;
        for _ in 0..30 {
            if !answer.as_ref().is_err_and(|status| status.code() == tonic::Code::ResourceExhausted) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            answer = self.export(request.clone()).await;
        }
        let answer = answer.expect("the request is taken");
        assert_eq!(answer.partial_success.unwrap_or_default().rejected_spans, 0);
    }
}

/// Nanoseconds since 1970, now.
pub(crate) fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(now.as_nanos()).expect("the clock is before 2554")
}

/// A server span of 1 ms that just ended.
pub(crate) fn span(trace: u128, id: u64, name: &str) -> Span {
    let now = now();
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: now - 1_000_000,
        end_time_unix_nano: now,
        ..Span::default()
    }
}

/// A request of one service.
pub(crate) fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource { attributes: vec![text_pair("service.name", service)], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }],
    }
}

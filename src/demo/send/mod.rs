//! Sends spans as an OpenTelemetry exporter does: OTLP over gRPC or HTTP, partial success, retries with the server's pause.

mod endpoint;
mod grpc;
mod http;
mod retry;

use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp::PartialSuccess;

pub use endpoint::{Endpoint, Header, Protocol};
pub use retry::{Failure, Retry};

/// A connection to a server that takes spans. Clones share it.
#[derive(Debug, Clone)]
pub enum Exporter {
    /// OTLP over gRPC.
    Grpc(grpc::Grpc),
    /// OTLP over HTTP with protobuf bodies.
    Http(http::Http),
}

impl Exporter {
    /// An exporter to `endpoint`; connects with the first export.
    pub fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        Ok(match endpoint.protocol() {
            Protocol::Grpc => Self::Grpc(grpc::Grpc::new(endpoint)?),
            Protocol::Http => Self::Http(http::Http::new(endpoint)?),
        })
    }

    /// Sends the spans once; what the server refused of them, or why nothing is known to be taken.
    pub async fn export(&self, spans: &[TraceSpan]) -> Result<PartialSuccess, Failure> {
        match self {
            Self::Grpc(grpc) => grpc.export(spans).await,
            Self::Http(http) => http.export(spans).await,
        }
    }
}

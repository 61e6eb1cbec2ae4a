//! Sends requests as an OpenTelemetry exporter does: OTLP over gRPC or HTTP, partial success, retries with the server's pause.

mod endpoint;
mod grpc;
mod http;
mod retry;

use std::time::Duration;

use bytes::Bytes;
use hoptrail_proto::otlp::PartialSuccess;

pub use endpoint::{Endpoint, Header, Protocol};
pub use retry::{Failure, Retry};

/// How requests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Compressed with gzip.
    Gzip,
}

/// A connection to a server that takes spans. Clones share it.
#[derive(Debug, Clone)]
pub struct Exporter(Transport);

#[derive(Debug, Clone)]
enum Transport {
    Grpc(grpc::Grpc),
    Http(http::Http),
}

impl Exporter {
    /// An exporter to `endpoint`. It connects with the first export. An export that takes longer than `timeout` fails.
    ///
    /// Fails with a reason for people when a header of the endpoint cannot be sent over gRPC.
    pub fn new(endpoint: &Endpoint, compression: Compression, timeout: Duration) -> Result<Self, String> {
        Ok(Self(match endpoint.protocol() {
            Protocol::Grpc => Transport::Grpc(grpc::Grpc::new(endpoint, compression, timeout)?),
            Protocol::Http => Transport::Http(http::Http::new(endpoint, compression, timeout)),
        }))
    }

    /// Sends an encoded `ExportTraceServiceRequest` once. Answers which spans the server refused, or why it is not known to have taken any.
    pub async fn export(&self, request: Bytes) -> Result<PartialSuccess, Failure> {
        match &self.0 {
            Transport::Grpc(grpc) => grpc.export(request).await,
            Transport::Http(http) => http.export(request).await,
        }
    }
}

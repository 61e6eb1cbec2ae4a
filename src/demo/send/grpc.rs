//! OTLP over gRPC.

use std::time::Duration;

use anyhow::Context;
use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp::types::collector::trace::v1::trace_service_client::TraceServiceClient;
use hoptrail_proto::otlp::{self, PartialSuccess};
use tonic::metadata::{AsciiMetadataValue, MetadataKey, MetadataMap};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{Endpoint, Failure};

/// A gRPC channel to a server.
#[derive(Debug, Clone)]
pub struct Grpc {
    client: TraceServiceClient<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    pub(super) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let channel = Channel::builder(endpoint.url().clone())
            .connect_timeout(Duration::from_secs(5))
            .timeout(super::retry::ATTEMPT)
            .connect_lazy();
        let mut metadata = MetadataMap::new();
        for (name, value) in endpoint.headers() {
            let key = MetadataKey::from_bytes(name.as_str().as_bytes()).context("not a gRPC header name")?;
            let value = AsciiMetadataValue::try_from(value.as_bytes()).context("not a gRPC header value")?;
            metadata.insert(key, value);
        }
        Ok(Self { client: TraceServiceClient::new(channel), metadata })
    }

    pub(super) async fn export(&self, spans: &[TraceSpan]) -> Result<PartialSuccess, Failure> {
        let mut request = Request::new(otlp::to_request(spans));
        *request.metadata_mut() = self.metadata.clone();
        match self.client.clone().export(request).await {
            Ok(response) => Ok(response.into_inner().into()),
            Err(status) => Err(failure(&status)),
        }
    }
}

/// The OTLP specification's table of retryable codes ("Failures", OTLP/gRPC).
fn failure(status: &Status) -> Failure {
    let pause = otlp::retry_delay(status.details());
    let reason = format!("{}: {}", status.code(), status.message());
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Failure::Temporary { reason, pause },
        Code::ResourceExhausted if pause.is_some() => Failure::Temporary { reason, pause },
        _ => Failure::Final { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_specification() {
        for code in [Code::Unavailable, Code::Aborted, Code::DataLoss, Code::Cancelled] {
            assert!(matches!(failure(&Status::new(code, "")), Failure::Temporary { .. }), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::Internal, Code::Unauthenticated, Code::ResourceExhausted] {
            assert!(matches!(failure(&Status::new(code, "")), Failure::Final { .. }), "{code:?}");
        }
    }
}

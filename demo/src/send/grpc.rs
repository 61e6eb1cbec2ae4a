//! OTLP over gRPC.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use hoptrail_proto::otlp::{self, PartialSuccess};
use http::uri::PathAndQuery;
use tonic::client;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataValue, MetadataKey, MetadataMap};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{Compression, Endpoint, Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A gRPC channel to a server.
#[derive(Debug, Clone)]
pub(super) struct Grpc {
    client: client::Grpc<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    pub(super) fn new(endpoint: &Endpoint, compression: Compression, timeout: Duration) -> Result<Self, String> {
        let channel =
            Channel::builder(endpoint.url().clone()).connect_timeout(CONNECT_TIMEOUT).timeout(timeout).connect_lazy();
        let mut client = client::Grpc::new(channel);
        if compression == Compression::Gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        Ok(Self { client, metadata: metadata(endpoint)? })
    }

    pub(super) async fn export(&self, request: Bytes) -> Result<PartialSuccess, Failure> {
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        let mut client = self.client.clone();
        client.ready().await.map_err(|error| Failure::temporary(super::retry::with_causes(&error)))?;
        match client.unary(request, PathAndQuery::from_static(METHOD), Raw).await {
            Ok(answer) => PartialSuccess::decode(answer.get_ref()).map_err(|error| Failure::not_otlp(&error)),
            Err(status) => Err(failure(&status)),
        }
    }
}

fn metadata(endpoint: &Endpoint) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (name, value) in endpoint.headers() {
        let key = MetadataKey::from_bytes(name.as_str().as_bytes());
        let key = key.map_err(|error| format!("{name} is no gRPC header name: {error}"))?;
        let value = AsciiMetadataValue::try_from(value.as_bytes());
        metadata.insert(key, value.map_err(|error| format!("the value of {name} is no gRPC header value: {error}"))?);
    }
    Ok(metadata)
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

/// Bytes in, bytes out: requests are encoded already.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
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

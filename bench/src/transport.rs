//! How requests reach the server: OTLP over gRPC or HTTP, plain or compressed.

use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use bytes::Bytes;
use hoptrail_demo::send::{Compression, Endpoint, Failure, Protocol};
use serde::Serialize;

use crate::server::Server;

/// A request that takes longer fails the bench.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// gRPC.
    Grpc,
    /// gRPC with gzip.
    GrpcGzip,
    /// HTTP/1.1 with protobuf bodies.
    Http,
    /// The same with gzip.
    HttpGzip,
}

impl Transport {
    /// As written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcGzip => "grpc-gzip",
            Self::Http => "http",
            Self::HttpGzip => "http-gzip",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Grpc | Self::GrpcGzip => Protocol::Grpc,
            Self::Http | Self::HttpGzip => Protocol::Http,
        }
    }

    fn compression(self) -> Compression {
        match self {
            Self::Grpc | Self::Http => Compression::None,
            Self::GrpcGzip | Self::HttpGzip => Compression::Gzip,
        }
    }
}

/// A connection over which requests go one after the other.
#[derive(Debug)]
pub(crate) struct Exporter(hoptrail_demo::send::Exporter);

impl Exporter {
    /// A connection of its own to the server.
    pub(crate) fn new(server: &Server, transport: Transport) -> Result<Self> {
        let address = match transport.protocol() {
            Protocol::Grpc => &server.grpc,
            Protocol::Http => &server.http,
        };
        let endpoint = Endpoint::new(address, Some(transport.protocol()), &[]).map_err(|reason| anyhow!(reason))?;
        let exporter = hoptrail_demo::send::Exporter::new(&endpoint, transport.compression(), TIMEOUT);
        Ok(Self(exporter.map_err(|reason| anyhow!(reason))?))
    }

    /// Sends a request until the server takes it. Answers how often the server asked to retry.
    pub(crate) async fn export(&self, request: &Bytes) -> Result<u64> {
        let mut refused = 0;
        loop {
            match self.0.export(request.clone()).await {
                Ok(partial) => {
                    ensure!(partial.rejected_spans == 0, "{} spans were rejected", partial.rejected_spans);
                    return Ok(refused);
                }
                Err(Failure::Temporary { pause: Some(pause), .. }) => {
                    refused += 1;
                    tokio::time::sleep(pause).await;
                }
                Err(failure) => bail!("a request failed: {failure}"),
            }
        }
    }
}

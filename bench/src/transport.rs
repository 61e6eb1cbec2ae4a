//! How requests reach the server: OTLP over gRPC or HTTP, plain or compressed.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BufMut, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use hoptrail_proto::otlp::{PartialSuccess, retry_delay};
use http::uri::PathAndQuery;
use http::{StatusCode, header};
use serde::Serialize;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::http::Connection;
use crate::server::Server;

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Seconds of pause where the server names none.
const PAUSE: u64 = 1;

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

    /// What the driver sends of a body that it holds. gRPC compresses a message itself.
    pub(crate) fn prepare(self, body: Bytes) -> Result<Bytes> {
        if self != Self::HttpGzip {
            return Ok(body);
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
        gzip.write_all(&body)?;
        Ok(gzip.finish()?.into())
    }
}

/// A connection over which requests go one after the other.
#[derive(Debug)]
pub(crate) enum Exporter {
    Grpc(Box<Grpc<Channel>>),
    Http { connection: Connection, gzip: bool },
}

impl Exporter {
    /// Connects.
    pub(crate) async fn connect(server: &Server, transport: Transport) -> Result<Self> {
        match transport {
            Transport::Grpc | Transport::GrpcGzip => {
                let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc))?;
                let mut client = Grpc::new(endpoint.connect().await.context("cannot connect to the server")?);
                if transport == Transport::GrpcGzip {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                Ok(Self::Grpc(Box::new(client)))
            }
            Transport::Http | Transport::HttpGzip => {
                let connection = Connection::open(&server.http).await?;
                Ok(Self::Http { connection, gzip: transport == Transport::HttpGzip })
            }
        }
    }

    /// Sends a request until it is taken; how often it was refused.
    pub(crate) async fn export(&mut self, body: &Bytes) -> Result<u64> {
        let mut refused = 0;
        while let Some(pause) = self.attempt(body.clone()).await? {
            refused += 1;
            tokio::time::sleep(pause).await;
        }
        Ok(refused)
    }

    /// Sends a request once; the pause after which to send it again when it was not taken.
    async fn attempt(&mut self, body: Bytes) -> Result<Option<Duration>> {
        match self {
            Self::Grpc(client) => grpc(client, body).await,
            Self::Http { connection, gzip } => http(connection, body, *gzip).await,
        }
    }
}

async fn grpc(client: &mut Grpc<Channel>, body: Bytes) -> Result<Option<Duration>> {
    client.ready().await?;
    match client.unary(Request::new(body), PathAndQuery::from_static(METHOD), Raw).await {
        Ok(answer) => taken(&answer.into_inner()),
        Err(status) => {
            let pause = retry_delay(status.details()).filter(|_| status.code() == Code::ResourceExhausted);
            pause.map(Some).ok_or(status).context("a request failed")
        }
    }
}

async fn http(connection: &mut Connection, body: Bytes, gzip: bool) -> Result<Option<Duration>> {
    let (status, headers, answer) = connection.post("/v1/traces", body, gzip).await?;
    match status {
        StatusCode::OK => taken(&answer),
        StatusCode::TOO_MANY_REQUESTS => {
            let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Ok(Some(Duration::from_secs(seconds.unwrap_or(PAUSE))))
        }
        _ => bail!("a request failed: {status} {}", String::from_utf8_lossy(&answer)),
    }
}

fn taken(answer: &[u8]) -> Result<Option<Duration>> {
    let rejected = PartialSuccess::decode(answer)?.rejected_spans;
    ensure!(rejected == 0, "{rejected} spans were rejected");
    Ok(None)
}

/// Bytes in, bytes out: the driver must not spend its time on encoding.
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

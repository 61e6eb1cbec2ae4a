//! Sends the requests over gRPC, uncompressed, as exporters do: each connection waits for its answer before the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::{Buf, BufMut, Bytes};
use hoptrail_proto::otlp::{PartialSuccess, retry_delay};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::http::Connection;
use crate::spool::{Ready, Spool};

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// How long the server may take to seal and merge after the last answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// What sending showed.
#[derive(Debug)]
pub(crate) struct Sent {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Time of each request to its answer, refusals and pauses included, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that were asked to come back.
    pub(crate) refused: u64,
}

/// Sends everything over this many connections; `progress` hears of acknowledged spans.
pub(crate) async fn send(
    address: &str,
    spool: Arc<Spool>,
    connections: usize,
    progress: impl Fn(u64) + Clone + Send + 'static,
) -> Result<Sent> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let mut channels = Vec::new();
    for _ in 0..connections {
        channels.push(endpoint.connect().await.context("cannot connect to the server")?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = channels
        .into_iter()
        .map(|channel| tokio::spawn(drive(channel, Arc::clone(&spool), Arc::clone(&next), progress.clone())))
        .collect();
    let mut sent = Sent { took: Duration::ZERO, latencies: Vec::new(), refused: 0 };
    for task in tasks {
        let (latencies, refused) = task.await??;
        sent.latencies.extend(latencies);
        sent.refused += refused;
    }
    sent.took = started.elapsed();
    sent.latencies.sort_unstable();
    Ok(sent)
}

async fn drive(
    channel: Channel,
    spool: Arc<Spool>,
    next: Arc<AtomicUsize>,
    progress: impl Fn(u64),
) -> Result<(Vec<Duration>, u64)> {
    let mut client = Grpc::new(channel);
    let (mut latencies, mut refused) = (Vec::new(), 0);
    while let Some(ready) = spool.get(next.fetch_add(1, Ordering::Relaxed))? {
        let asked = Instant::now();
        refused += export(&mut client, &ready).await?;
        latencies.push(asked.elapsed());
        progress(u64::from(ready.spans));
    }
    Ok((latencies, refused))
}

/// Sends a request until it is taken; how often it was refused.
async fn export(client: &mut Grpc<Channel>, ready: &Ready) -> Result<u64> {
    let mut refused = 0;
    loop {
        client.ready().await?;
        let request = Request::new(ready.body.clone());
        match client.unary(request, PathAndQuery::from_static(METHOD), Raw).await {
            Ok(answer) => {
                let rejected = PartialSuccess::decode(&answer.into_inner())?.rejected_spans;
                ensure!(rejected == 0, "{rejected} spans were rejected");
                return Ok(refused);
            }
            Err(status) => {
                let pause = retry_delay(status.details()).filter(|_| status.code() == Code::ResourceExhausted);
                let Some(pause) = pause else { return Err(status).context("a request failed") };
                refused += 1;
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Waits until nothing is left to seal or merge.
pub(crate) async fn settle(connection: &mut Connection, spans: u64) -> Result<Duration> {
    let started = Instant::now();
    loop {
        // The store publishes its sizes after each round of sealing and merging.
        let sealed = connection.metric("hoptrail_store_segment_spans").await? as u64;
        let head = connection.metric("hoptrail_store_head_spans").await? as u64;
        ensure!(sealed <= spans, "{sealed} spans are sealed, but only {spans} were sent");
        if sealed == spans && head == 0 {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{sealed} of {spans} spans are sealed, {head} are not, after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
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

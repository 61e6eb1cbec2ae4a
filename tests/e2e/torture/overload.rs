//! Far more than the server can take, from many connections: memory stays bounded, refusals say when to come back, nothing
//! acknowledged is missing, and afterwards all is as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::load::says_when_to_retry;
use super::{log, rounds};
use crate::e2e::api::{Http, eventually};
use crate::e2e::export::{request, span};
use crate::e2e::spans::{hex, text_pair};
use crate::harness::Server;

const CONNECTIONS: u64 = 64;
/// Requests that each connection has under way.
const AT_ONCE: u64 = 8;
/// Spans of a request.
const SPANS: u64 = 1_000;
/// The trace id that stands in the template of a request.
const MARK: u128 = 0x6d61_726b_6d61_726b_6d61_726b_6d61_726b;

/// What `docs/configuration.md` says keeps the process below this much memory.
const MEMORY: u64 = 256 << 20;
const SETTINGS: &[&str] = &[
    "--log-level=warn",
    "--set=collector.max_in_flight=12MiB",
    "--set=collector.max_request_size=4MiB",
    "--set=storage.head_size=8MiB",
    "--set=storage.queue_size=8MiB",
    "--set=storage.cache_size=16MiB",
    "--set=query.memory=16MiB",
    "--set=query.concurrency=2",
];

#[tokio::test(flavor = "multi_thread")]
async fn too_much_load_is_refused_within_bounds_of_memory_and_nothing_acknowledged_is_lost() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), SETTINGS);
    let seconds = if rounds().is_some() { 60 } else { 4 };
    let until = Instant::now() + Duration::from_secs(seconds);
    let (template, refused) = (Arc::new(Template::new()), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for connection in 0..CONNECTIONS {
        let channel = connect(&server).await;
        for lane in 0..AT_ONCE {
            let first = (connection * AT_ONCE + lane) << 32;
            senders.push(tokio::spawn(send(
                channel.clone(),
                Arc::clone(&template),
                first,
                until,
                Arc::clone(&refused),
            )));
        }
    }
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.expect("a sender does not fail"));
    }
    recovers(&server, &template, &mut acknowledged).await;
    let (peak, refused) = (peak_memory(&server), refused.load(Ordering::Relaxed));
    log(&format!(
        "overload: {CONNECTIONS} connections for {seconds} s: {} spans/s acknowledged, {} spans/s refused, peak memory {} MB",
        acknowledged.len() as u64 * SPANS / seconds,
        refused * SPANS / seconds,
        peak >> 20,
    ));
    assert!(refused > 0, "there was no overload");
    assert!(peak < MEMORY, "{} MB of memory", peak >> 20);
    has_all(&server, &acknowledged).await;
}

/// Sends one request after the other, whatever the answers are; the numbers of those acknowledged.
async fn send(
    channel: Channel,
    template: Arc<Template>,
    first: u64,
    until: Instant,
    refused: Arc<AtomicU64>,
) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        if Instant::now() >= until {
            break;
        }
        match export(&channel, template.request(number)).await {
            Ok(()) => acknowledged.push(number),
            Err(status) => {
                let fine = status.code() == Code::ResourceExhausted && says_when_to_retry(&status);
                assert!(fine, "{status:?}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    acknowledged
}

/// Within 10 seconds requests are taken quickly again.
async fn recovers(server: &Server, template: &Template, acknowledged: &mut Vec<u64>) {
    let (channel, started) = (connect(server).await, Instant::now());
    let (mut number, mut quick) = (u64::MAX >> 1, 0);
    while quick < 20 {
        assert!(started.elapsed() < Duration::from_secs(10), "still slow 10 seconds after the overload");
        let asked = Instant::now();
        let taken = export(&channel, template.request(number)).await.is_ok();
        acknowledged.extend(taken.then_some(number));
        quick = if taken && asked.elapsed() < Duration::from_millis(500) { quick + 1 } else { 0 };
        number += 1;
    }
    log(&format!("overload: quick again after {:?}", started.elapsed()));
}

/// As many spans as were acknowledged, and each of a sample of traces whole.
async fn has_all(server: &Server, acknowledged: &[u64]) {
    let http = Http::new();
    let spans = acknowledged.len() as u64 * SPANS;
    eventually("every acknowledged span and no other", async || {
        let in_segments = http.metric(&server.ui, "hoptrail_store_segment_spans", "").await?;
        let in_head = http.metric(&server.ui, "hoptrail_store_head_spans", "").await?;
        (in_segments + in_head == spans as f64).then_some(())
    })
    .await;
    for number in acknowledged.iter().step_by(1 + acknowledged.len() / 500) {
        let id = hex(&trace_id(*number).to_be_bytes());
        assert_eq!(http.trace(server, &id).await.len() as u64, SPANS, "{id}");
    }
}

fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("linux says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// An encoded request that is made another one by writing over its trace ids: the senders must not be slower than the server.
struct Template {
    bytes: Vec<u8>,
    ids: Vec<usize>,
}

impl Template {
    fn new() -> Self {
        let spans = (1..=SPANS).map(|id| {
            let mut span = span(MARK, id, "GET /cart/{id}");
            span.attributes =
                (0..8).map(|key| text_pair(&format!("key.{key}"), &format!("value-{}", id * key))).collect();
            span
        });
        let bytes = request("overload", spans.collect()).encode_to_vec();
        let ids = bytes.windows(16).enumerate().filter(|(_, window)| *window == MARK.to_be_bytes());
        let ids: Vec<usize> = ids.map(|(at, _)| at).collect();
        assert_eq!(ids.len() as u64, SPANS);
        Self { bytes, ids }
    }

    fn request(&self, number: u64) -> Bytes {
        let (mut bytes, id) = (self.bytes.clone(), trace_id(number).to_be_bytes());
        self.ids.iter().for_each(|&at| bytes[at..at + 16].copy_from_slice(&id));
        bytes.into()
    }
}

fn trace_id(number: u64) -> u128 {
    u128::from(number) + 1
}

async fn connect(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.otlp_grpc)).expect("an address");
    endpoint.connect().await.expect("the server listens")
}

async fn export(channel: &Channel, body: Bytes) -> Result<(), Status> {
    let path = http::uri::PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("the server listens");
    client.unary(tonic::Request::new(body), path, Raw).await.map(|_| ())
}

/// Messages that are bytes already; answers are not looked at.
#[derive(Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
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

    fn encode(&mut self, bytes: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(bytes);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(256 << 10, 1 << 20)
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        bytes.advance(bytes.remaining());
        Ok(Some(()))
    }
}

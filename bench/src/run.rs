//! A whole run, stage by stage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};

use crate::account::{self, Folder};
use crate::cold::{self, Cold};
use crate::crash;
use crate::http::Connection;
use crate::progress::Stage;
use crate::queries::{self, Answered};
use crate::report::{Disk, Ingest, Memory, Query, Report, Restart, Run, Share, mb, ms, percentile, us};
use crate::server::{Launch, Server};
use crate::shape::{Kind, Shape};
use crate::spool::{self, Source, Spool};
use crate::transport::Transport;
use crate::{half_full, ingest, pages, unit};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary `hoptrail`.
    pub binary: PathBuf,
    /// Folder for the data. Whoever made it removes it.
    pub folder: PathBuf,
    /// Which data.
    pub kind: Kind,
    /// How it is sent.
    pub transport: Transport,
    /// Spans to send.
    pub spans: u64,
    /// Where chance begins.
    pub seed: u64,
    /// Spans of a request.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
    /// Questions of each kind.
    pub repetitions: usize,
    /// Starts with nothing in any cache, for each kind of question.
    pub cold_starts: usize,
    /// `storage.seal_after` in seconds, so that the last spans are sealed soon.
    pub seal_after_seconds: u64,
}

impl Options {
    /// Spans to send; few where each is big.
    fn spans(&self) -> u64 {
        if self.kind == Kind::Big { (self.spans / 1_000).max(40) } else { self.spans }
    }

    /// The data, as it would be made now, of so many spans.
    pub(crate) fn shape(&self, spans: u64) -> Result<Shape> {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
        // A minute back, because the last spans last a while and none may be of the future.
        let end_unix_nano = now - 60_000_000_000;
        Ok(Shape { kind: self.kind, seed: self.seed, spans, end_unix_nano })
    }

    /// Spans of a request; a few megabytes where spans are big.
    pub(crate) fn batch(&self) -> usize {
        if self.kind == Kind::Big { 2 } else { self.batch }
    }

    /// How the server is started.
    pub(crate) fn launch(&self) -> Result<Launch> {
        let mut settings = vec![format!("storage.seal_after={}s", self.seal_after_seconds)];
        if self.kind == Kind::Late {
            // Several segments between the first and the last span of a trace, and they are not merged into one.
            settings.push(format!("storage.head_spans={}", (self.spans / 40).max(1_000)));
            settings.push(format!("storage.merge_spans={}", (self.spans / 10).max(1_000)));
        }
        let (data, log) = (self.folder.join("data"), self.folder.join("server.log"));
        ensure!(!data.exists(), "{} exists; the bench begins with an empty store", data.display());
        Ok(Launch { binary: self.binary.clone(), data, log, settings })
    }
}

/// A store that was filled, and questions to it.
#[derive(Debug)]
pub(crate) struct Stored {
    /// How a server of it is started.
    pub(crate) launch: Launch,
    /// What to ask.
    pub(crate) kinds: Vec<queries::Kind>,
    /// What was measured.
    pub(crate) report: Report,
}

/// Runs everything. Fails when an answer is wrong.
pub async fn run(options: &Options) -> Result<Report> {
    Ok(measure(options).await?.report)
}

/// Runs everything and leaves the store.
pub(crate) async fn measure(options: &Options) -> Result<Stored> {
    let load_before = first_number("/proc/loadavg");
    let (sealed, later_spans) = (options.spans(), half_full::spans_after(options.spans()));
    let (shape, launch) = (options.shape(sealed + later_spans)?, options.launch()?);
    let mut source = Source::new(shape, options.batch(), sealed, options.repetitions as u64 * 2);
    let spool = spool::make(&mut source, &options.folder.join("requests"), sealed)?;
    let (spans, wire_bytes) = (spool.spans(), spool.bytes());
    let kinds = queries::kinds(shape, &source.truth, options.repetitions);
    let mut units = unit::measure(&spool)?;
    let server = Server::start(&launch)?;
    eprintln!("bench: the server is process {}", server.pid());
    let mut connection = Connection::open(&server.tempo).await?;

    let mut ingest = take_in(options, &server, &mut connection, &spool, spans).await?;
    let mut disk = disk(&launch.data, &mut connection).await?;
    ingest.account_writes(account::written(server.pid())?, spans, wire_bytes, disk.files_bytes_per_span);
    let peak_ingest = account::peak_memory(server.pid())?;
    units.extend(unit::measure(&spool)?);

    let warm = queries::ask_all(&mut connection, server.pid(), &kinds, "queries").await?;
    let memory = Memory { peak_ingest_mb: mb(peak_ingest), peak_mb: mb(account::peak_memory(server.pid())?) };
    drop(connection);
    let stop = server.stop()?;
    disk.split = split(&launch.data, spans, disk.files_bytes_per_span)?;

    let ready = restarted(&launch, &kinds).await?;
    let (cold_ready, cold) = cold::measure(&launch, &kinds, options.cold_starts).await?;
    let crash = crash::measure(&launch, &spool, &kinds).await?;

    let has_large = (options.kind, options.transport) == (Kind::Shop, Transport::Grpc);
    let large_pages = if has_large { pages::large::measure(options).await? } else { Vec::new() };

    let later = options.folder.join("later-requests");
    // The table of many runs shows nothing cold, and no pages.
    let has_pages = options.cold_starts > 0 && matches!(options.kind, Kind::Shop | Kind::OtelDemo);
    let (until, repetitions) = (sealed + later_spans, options.repetitions);
    let half_full = half_full::measure(&launch, &mut source, &later, until, repetitions, has_pages).await?;

    units.sort_unstable();
    let decode_unit_us = us(units[units.len() / 2]);
    ingest.cpu_decode_units = ingest.cpu_us_per_span / decode_unit_us;
    let run = Run {
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        load_before,
        shape: options.kind,
        transport: options.transport,
        seed: options.seed,
        spans,
        batch: options.batch(),
        connections: options.connections,
        wire_bytes_per_span: wire_bytes as f64 / spans as f64,
        settings: launch.settings.clone(),
    };
    let restart = Restart {
        stop_ms: ms(stop),
        ready_ms: ms(ready),
        cold_ready_ms: ms(percentile(&cold_ready, 50)),
        after_kill_ready_ms: ms(crash.ready),
        after_kill_head_spans: crash.head_spans,
    };
    let queries = warm.iter().zip(&cold).map(|(warm, cold)| query(warm, &half_full.answered, cold)).collect();
    let (half_full_spans, pages) = (half_full.head_spans, half_full.pages);
    let beside_ordinary = Vec::new();
    let report = Report {
        run,
        decode_unit_us,
        ingest,
        disk,
        memory,
        half_full_spans,
        queries,
        pages,
        large_pages,
        restart,
        beside_ordinary,
    };
    Ok(Stored { launch, kinds: half_full.kinds, report })
}

/// Sends, waits until all is sealed and merged: `stored` spans with those sent before.
pub(crate) async fn take_in(
    options: &Options,
    server: &Server,
    connection: &mut Connection,
    spool: &Arc<Spool>,
    stored: u64,
) -> Result<Ingest> {
    let spans = spool.spans();
    let before = account::process_cpu(server.pid())?;
    let stage = Stage::begin("spans acknowledged", spans);
    let shown = stage.clone();
    let progress = move |spans| shown.add(spans);
    let (transport, connections) = (options.transport, options.connections);
    let sent = ingest::send(server, transport, spool, spool.requests(), connections, progress).await?;
    let acknowledged = account::process_cpu(server.pid())?;
    stage.end();
    let stage = Stage::begin("sealing and merging", 0);
    let settled = ingest::settle(connection, stored).await?;
    let merged = account::process_cpu(server.pid())?;
    stage.end();
    Ok(Ingest {
        cpu_us_per_span: us(merged - before) / spans as f64,
        cpu_us_per_span_until_acknowledged: us(acknowledged - before) / spans as f64,
        spans_per_second: spans as f64 / sent.took.as_secs_f64(),
        request_p50_ms: ms(percentile(&sent.latencies, 50)),
        request_p99_ms: ms(percentile(&sent.latencies, 99)),
        refused_requests: sent.refused,
        settle_seconds: settled.as_secs_f64(),
        ..Ingest::default()
    })
}

/// Sizes, once the files of merged segments are gone.
pub(crate) async fn disk(data: &Path, connection: &mut Connection) -> Result<Disk> {
    let mut folder = Folder::of(data)?;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let again = Folder::of(data)?;
        if again == folder {
            break;
        }
        folder = again;
    }
    let stored = connection.metric("hoptrail_store_segment_spans").await?.max(1.0);
    Ok(Disk {
        files_bytes_per_span: folder.without_logs as f64 / stored,
        with_logs_bytes_per_span: folder.all as f64 / stored,
        segments_bytes_per_span: connection.metric("hoptrail_store_segment_bytes").await? / stored,
        segments: connection.metric("hoptrail_store_segments").await? as u64,
        merges: connection.metric("hoptrail_store_merges_total").await? as u64,
        split: Vec::new(),
    })
}

/// What takes the space, from the folder of the stopped server.
fn split(data: &Path, spans: u64, files_bytes_per_span: f64) -> Result<Vec<Share>> {
    let shares =
        hoptrail_storage::internals::split(data).map_err(|reason| anyhow!("the split of the disk: {reason}"))?;
    let share = |name: String, bytes: u64| Share { name, bytes_per_span: bytes as f64 / spans as f64 };
    let mut shares: Vec<Share> = shares.into_iter().map(|part| share(part.name, part.bytes)).collect();
    let known: f64 = shares.iter().map(|share| share.bytes_per_span).sum();
    shares.push(Share { name: "RocksDB's own".to_owned(), bytes_per_span: (files_bytes_per_span - known).max(0.0) });
    Ok(shares)
}

/// Starts again and asks everything once more. Returns how long it took until ready.
async fn restarted(launch: &Launch, kinds: &[queries::Kind]) -> Result<Duration> {
    let server = Server::start(launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    queries::ask_all(&mut connection, server.pid(), kinds, "queries after a restart").await.context("restarted")?;
    drop(connection);
    let ready = server.start_up;
    server.stop()?;
    Ok(ready)
}

fn query(warm: &Answered, half_full: &[Answered], cold: &Cold) -> Query {
    let half_full = half_full.iter().find(|half_full| half_full.name == warm.name);
    Query {
        name: warm.name.to_owned(),
        repetitions: warm.latencies.len(),
        p50_ms: ms(percentile(&warm.latencies, 50)),
        p99_ms: ms(percentile(&warm.latencies, 99)),
        cpu_ms: ms(warm.cpu),
        half_full_p50_ms: half_full.map_or(0.0, |answered| ms(percentile(&answered.latencies, 50))),
        half_full_cpu_ms: half_full.map_or(0.0, |answered| ms(answered.cpu)),
        traces: warm.traces,
        spans: warm.spans,
        cold_starts: cold.first.len(),
        cold_first_ms: ms(percentile(&cold.first, 50)),
        cold_worst_ms: ms(percentile(&cold.first, 100)),
        cold_next_ms: ms(percentile(&cold.next, 50)),
        cold_read_kb: cold.read as f64 / 1024.0,
    }
}

/// The first number in a file of the kernel.
pub(crate) fn first_number(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The name of the processor.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

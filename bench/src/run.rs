//! A whole run, stage by stage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::account::{self, Folder};
use crate::http::Connection;
use crate::progress::Stage;
use crate::queries::{self, Answered, Kind};
use crate::report::{Disk, Ingest, Memory, Query, Report, Restart, Run, ms, percentile, us};
use crate::server::{Launch, Server};
use crate::shape::Shape;
use crate::spool::Spool;
use crate::{ingest, unit};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary `hoptrail`.
    pub binary: PathBuf,
    /// Folder for the data; whoever made it removes it.
    pub folder: PathBuf,
    /// Spans to send.
    pub spans: u64,
    /// Where chance begins.
    pub seed: u64,
    /// Spans of a request.
    pub batch: usize,
    /// gRPC connections.
    pub connections: usize,
    /// Questions of each kind.
    pub repetitions: usize,
    /// `storage.seal_after_seconds`, so that the last spans are sealed soon.
    pub seal_after_seconds: u64,
}

/// Runs everything. Fails when an answer is wrong.
pub async fn run(options: &Options) -> Result<Report> {
    let load_before = first_number("/proc/loadavg");
    let (spool, kinds, sent_spans) = prepare(options)?;
    let mut units = unit::measure(&spool)?;
    let launch = Launch {
        binary: options.binary.clone(),
        data: options.folder.join("data"),
        log: options.folder.join("server.log"),
        settings: vec![format!("storage.seal_after_seconds={}", options.seal_after_seconds)],
    };
    ensure!(!launch.data.exists(), "{} exists; the bench begins with an empty store", launch.data.display());
    let server = Server::start(&launch)?;
    eprintln!("bench: the server is process {}", server.pid());
    let mut connection = Connection::open(&server.tempo).await?;

    let mut ingest = take_in(options, &server, &mut connection, Arc::clone(&spool)).await?;
    let disk = disk(&launch.data, &mut connection, sent_spans).await?;
    ingest.written_bytes_per_span = account::written(server.pid())? as f64 / sent_spans as f64;
    let peak_ingest = account::peak_memory(server.pid())?;
    units.extend(unit::measure(&spool)?);

    let answered = ask_all(&mut connection, &server, &kinds, "queries").await?;
    let memory = Memory { peak_ingest_mb: mb(peak_ingest), peak_mb: mb(account::peak_memory(server.pid())?) };
    drop(connection);
    let stop = server.stop()?;
    let (ready, firsts) = restarted(&launch, &kinds).await?;

    units.sort_unstable();
    let decode_unit_us = us(units[units.len() / 2]);
    ingest.cpu_decode_units = ingest.cpu_us_per_span / decode_unit_us;
    let run = Run {
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        load_before,
        shape: "shop".to_owned(),
        seed: options.seed,
        spans: sent_spans,
        batch: options.batch,
        connections: options.connections,
        wire_bytes_per_span: spool.bytes() as f64 / sent_spans as f64,
        settings: launch.settings,
    };
    let queries = answered.iter().zip(firsts).map(|(answered, first)| query(answered, first)).collect();
    let restart = Restart { stop_ms: ms(stop), ready_ms: ms(ready) };
    Ok(Report { run, decode_unit_us, ingest, disk, memory, queries, restart })
}

/// Makes the requests and the questions.
fn prepare(options: &Options) -> Result<(Arc<Spool>, Vec<Kind>, u64)> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    // A minute back, because the last spans last a while and none may be of the future.
    let shape = Shape { seed: options.seed, spans: options.spans, end_unix_nano: now - 60_000_000_000 };
    let stage = Stage::begin("making spans", options.spans);
    let path = options.folder.join("requests");
    let values = options.repetitions as u64 * 2;
    let (spool, truth) = Spool::make(&path, shape, options.batch, values, |spans| stage.add(spans))?;
    stage.end();
    ensure!(spool.spans() == truth.spans(), "the requests do not hold every span");
    Ok((Arc::new(spool), queries::kinds(&truth, options.repetitions), truth.spans()))
}

/// Sends, waits until all is sealed and merged.
async fn take_in(options: &Options, server: &Server, connection: &mut Connection, spool: Arc<Spool>) -> Result<Ingest> {
    let spans = spool.spans();
    let before = account::process_cpu(server.pid())?;
    let stage = Stage::begin("spans acknowledged", spans);
    let shown = stage.clone();
    let sent = ingest::send(&server.grpc, spool, options.connections, move |spans| shown.add(spans)).await?;
    let acknowledged = account::process_cpu(server.pid())?;
    stage.end();
    let stage = Stage::begin("sealing and merging", 0);
    let settled = ingest::settle(connection, spans).await?;
    let merged = account::process_cpu(server.pid())?;
    stage.end();
    let per_span = |cpu: Duration| us(cpu) / spans as f64;
    Ok(Ingest {
        cpu_us_per_span: per_span(merged - before),
        cpu_decode_units: 0.0,
        cpu_us_per_span_until_acknowledged: per_span(acknowledged - before),
        spans_per_second: spans as f64 / sent.took.as_secs_f64(),
        request_p50_ms: ms(percentile(&sent.latencies, 50)),
        request_p99_ms: ms(percentile(&sent.latencies, 99)),
        refused_requests: sent.refused,
        settle_seconds: settled.as_secs_f64(),
        written_bytes_per_span: 0.0,
    })
}

/// Sizes, once the files of merged segments are gone.
async fn disk(data: &Path, connection: &mut Connection, spans: u64) -> Result<Disk> {
    let mut folder = Folder::of(data)?;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let again = Folder::of(data)?;
        if again == folder {
            break;
        }
        folder = again;
    }
    let stored = connection.metric("hoptrail_store_segment_spans").await?;
    Ok(Disk {
        files_bytes_per_span: folder.without_logs as f64 / spans as f64,
        with_logs_bytes_per_span: folder.all as f64 / spans as f64,
        segments_bytes_per_span: connection.metric("hoptrail_store_segment_bytes").await? / stored,
        segments: connection.metric("hoptrail_store_segments").await? as u64,
        merges: connection.metric("hoptrail_store_merges_total").await? as u64,
    })
}

async fn ask_all(connection: &mut Connection, server: &Server, kinds: &[Kind], label: &str) -> Result<Vec<Answered>> {
    let stage = Stage::begin(label, kinds.iter().map(|kind| kind.len() as u64).sum());
    let mut answered = Vec::new();
    for kind in kinds {
        answered.push(queries::ask(connection, server.pid(), kind).await?);
        stage.add(kind.len() as u64);
    }
    stage.end();
    Ok(answered)
}

/// Starts again: how long until ready, and the first question of each kind.
async fn restarted(launch: &Launch, kinds: &[Kind]) -> Result<(Duration, Vec<Duration>)> {
    let server = Server::start(launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    let mut firsts = Vec::new();
    for kind in kinds {
        firsts.push(queries::ask_first(&mut connection, kind).await.context("after the restart")?);
    }
    ask_all(&mut connection, &server, kinds, "queries after the restart").await?;
    drop(connection);
    let ready = server.start_up;
    server.stop()?;
    Ok((ready, firsts))
}

fn query(answered: &Answered, first: Duration) -> Query {
    Query {
        name: answered.name.to_owned(),
        repetitions: answered.latencies.len(),
        p50_ms: ms(percentile(&answered.latencies, 50)),
        p99_ms: ms(percentile(&answered.latencies, 99)),
        cpu_ms: ms(answered.cpu),
        traces: answered.traces,
        first_after_restart_ms: ms(first),
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn first_number(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

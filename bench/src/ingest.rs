//! Sends the requests as exporters do: each connection waits for its answer before the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::http::Connection;
use crate::server::Server;
use crate::spool::Spool;
use crate::transport::{Exporter, Transport};

/// How long the server may take to seal and merge after the last answer.
const PATIENCE: Duration = Duration::from_secs(900);

/// What sending showed.
#[derive(Debug)]
pub(crate) struct Sent {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Time of each request to its answer, refusals and pauses included, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that were asked to come back.
    pub(crate) refused: u64,
    /// Spans acknowledged.
    pub(crate) spans: u64,
}

/// Sends the first `requests` requests over this many connections; `progress` hears of acknowledged spans.
pub(crate) async fn send(
    server: &Server,
    transport: Transport,
    spool: &Arc<Spool>,
    requests: usize,
    connections: usize,
    progress: impl Fn(u64) + Clone + Send + 'static,
) -> Result<Sent> {
    let mut exporters = Vec::new();
    for _ in 0..connections {
        exporters.push(Exporter::connect(server, transport).await?);
    }
    let work = Work { spool: Arc::clone(spool), next: Arc::default(), requests, transport };
    let started = Instant::now();
    let tasks: Vec<_> =
        exporters.into_iter().map(|exporter| tokio::spawn(work.clone().drive(exporter, progress.clone()))).collect();
    let mut sent = Sent { took: Duration::ZERO, latencies: Vec::new(), refused: 0, spans: 0 };
    for task in tasks {
        let part = task.await??;
        sent.latencies.extend(part.latencies);
        sent.refused += part.refused;
        sent.spans += part.spans;
    }
    sent.took = started.elapsed();
    sent.latencies.sort_unstable();
    Ok(sent)
}

/// What the connections share.
#[derive(Debug, Clone)]
struct Work {
    spool: Arc<Spool>,
    next: Arc<AtomicUsize>,
    requests: usize,
    transport: Transport,
}

impl Work {
    async fn drive(self, mut exporter: Exporter, progress: impl Fn(u64)) -> Result<Sent> {
        let mut sent = Sent { took: Duration::ZERO, latencies: Vec::new(), refused: 0, spans: 0 };
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(ready) = self.spool.get(number)?.filter(|_| number < self.requests) else { return Ok(sent) };
            let body = self.transport.prepare(ready.body)?;
            let asked = Instant::now();
            sent.refused += exporter.export(&body).await?;
            sent.latencies.push(asked.elapsed());
            sent.spans += u64::from(ready.spans);
            progress(u64::from(ready.spans));
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

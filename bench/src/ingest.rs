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
const SETTLE_TIMEOUT: Duration = Duration::from_secs(900);

/// What sending showed.
#[derive(Debug)]
pub(crate) struct Sent {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Time of each request to its answer, refusals and pauses included, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// How often the server asked to retry a request.
    pub(crate) refused: u64,
    /// Spans acknowledged.
    pub(crate) spans: u64,
}

/// Sends the first `requests` requests over this many connections; `progress` is called with the number of spans that were
/// acknowledged.
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
        exporters.push(Exporter::new(server, transport)?);
    }
    let work = Work { spool: Arc::clone(spool), next: Arc::default(), requests };
    let started = Instant::now();
    let tasks: Vec<_> =
        exporters.into_iter().map(|exporter| tokio::spawn(work.clone().drive(exporter, progress.clone()))).collect();
    let mut sent = Sent { took: Duration::ZERO, latencies: Vec::new(), refused: 0, spans: 0 };
    for task in tasks {
        let one = task.await??;
        sent.latencies.extend(one.latencies);
        sent.refused += one.refused;
        sent.spans += one.spans;
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
}

impl Work {
    async fn drive(self, exporter: Exporter, progress: impl Fn(u64)) -> Result<Sent> {
        let mut sent = Sent { took: Duration::ZERO, latencies: Vec::new(), refused: 0, spans: 0 };
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(ready) = self.spool.get(index)?.filter(|_| index < self.requests) else { return Ok(sent) };
            let started = Instant::now();
            sent.refused += exporter.export(&ready.body).await?;
            sent.latencies.push(started.elapsed());
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
            started.elapsed() < SETTLE_TIMEOUT,
            "{sealed} of {spans} spans are sealed, {head} are not, after {SETTLE_TIMEOUT:?}"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

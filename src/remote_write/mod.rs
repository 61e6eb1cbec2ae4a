//! Writes span metrics to receivers of Prometheus' remote write.
//!
//! ```text
//!  every interval:  Exporter ──> requests ──> Queue (on the disk) ──> Sender ──> receiver
//! ```
//!
//! A snapshot has everything that was counted since the beginning. So a receiver that is away misses nothing: what waits for it is on the
//! disk, and what would not fit there is in the later counters.

mod config;
mod message;
mod metrics;
mod queue;
mod samples;
mod send;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use hoptrail_proto::model::{TenantId, Tenants};
use hoptrail_query::Service;
use hoptrail_query::prom::export::{self, Exporter, Overflowed, Snapshot};
use hoptrail_storage::{Clock, MINUTE};
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use config::{BasicAuth, Histograms, Target, Version};
use message::Moments;
use metrics::{Metrics, TargetMetrics};
use queue::Queue;
use samples::{Written, millis};
use send::{Outcome, Sender};

/// The folder of the queues, in the data folder.
const FOLDER: &str = "remote_write";
/// What the exporter remembers, in the folder of the queue.
const FLOORS: &str = "floors.json";
/// Most series of a request.
const MOST_SERIES: usize = 2000;

/// What writing needs.
#[derive(Debug)]
pub struct Parts<'p> {
    /// Answers what was counted.
    pub service: &'p Arc<Service>,
    /// The time.
    pub clock: &'p Arc<dyn Clock>,
    /// Settings of span metrics.
    pub config: &'p export::Config,
    /// The metric of what did not fit.
    pub overflowed: &'p Overflowed,
}

/// One receiver.
#[derive(Debug)]
struct Writer {
    target: Target,
    tenants: Tenants,
    exporter: Exporter,
    sender: Sender,
    queue: Arc<Mutex<Queue>>,
    pushed: Notify,
    metrics: TargetMetrics,
}

/// All receivers, not yet written to.
#[derive(Debug, Default)]
pub struct Writers(Vec<Writer>);

impl Writers {
    /// Opens the queues in the data folder.
    pub fn open(targets: &[Target], data: &Path, parts: &Parts<'_>, registry: &mut Registry) -> anyhow::Result<Self> {
        let metrics = Metrics::register(registry);
        let open = |target: &Target| {
            Writer::open(target.clone(), data, parts, metrics.of(target.name()))
                .with_context(|| format!("cannot write metrics to {}", target.url))
        };
        Ok(Self(targets.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Writes until `stop` is cancelled. What then waits is sent after the next start.
    pub fn spawn(self, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
        for writer in self.0 {
            let (writer, stop) = (Arc::new(writer), stop.clone());
            tasks.spawn(async move {
                let both = async { tokio::join!(writer.collect_always(), writer.send_always()) };
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = both => {}
                }
            });
        }
    }
}

impl Writer {
    fn open(target: Target, data: &Path, parts: &Parts<'_>, metrics: TargetMetrics) -> anyhow::Result<Self> {
        let folder = data.join(FOLDER).join(target.folder());
        let floors = folder.join(FLOORS);
        let queue = Queue::open(folder, target.queue_size as u64, metrics.clone())?;
        // What was counted in the minute of the last snapshot may be in it.
        let now = parts.clock.now_unix_nano() / MINUTE * MINUTE;
        let since = queue.last().map_or(now, |last| (last / MINUTE + 1) * MINUTE);
        let exporter =
            Exporter::new(Arc::clone(parts.service), Arc::clone(parts.clock), parts.config, (since, parts.overflowed))
                .remembering(&floors);
        let sender = Sender::new(target.clone()).map_err(|reason| anyhow!(reason))?;
        Ok(Self {
            tenants: TenantId::new(&target.tenant)?.into(),
            target,
            exporter,
            sender,
            queue: Arc::new(Mutex::new(queue)),
            pushed: Notify::new(),
            metrics,
        })
    }

    /// Puts a snapshot into the queue each interval.
    async fn collect_always(&self) {
        let mut ticks = tokio::time::interval(self.target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.collect().await {
                self.metrics.request("skipped");
                tracing::warn!(error = format!("{error:#}"), target = self.target.url, "no metrics this time");
            }
        }
    }

    async fn collect(&self) -> anyhow::Result<()> {
        let snapshot = self.exporter.snapshot(&self.tenants).await?;
        let interval = u64::try_from(self.target.interval.as_nanos()).unwrap_or(u64::MAX);
        let (version, histograms) = (self.target.version, self.target.histograms);
        self.on_queue(move |queue| {
            let after_last = queue.last().map_or(0, |last| millis(last) + 1);
            let before = millis(snapshot.time.saturating_sub(interval)).max(after_last);
            let moments = Moments { now: millis(snapshot.time), before };
            for body in requests(version, histograms, &snapshot, moments)? {
                queue.push(&body)?;
            }
            Ok(queue.note_last(snapshot.time)?)
        })
        .await?;
        self.pushed.notify_one();
        Ok(())
    }

    /// Sends what is in the queue, the oldest first.
    async fn send_always(&self) {
        let mut failures = 0;
        loop {
            match self.send_oldest().await {
                Ok(Some(Outcome::Failed { reason, pause })) => {
                    failures += 1;
                    self.metrics.request("failed");
                    let pause = send::pause(failures, pause);
                    let seconds = pause.as_secs_f64();
                    tracing::warn!(
                        reason,
                        seconds,
                        target = self.target.url,
                        "metrics were not taken: sending them again"
                    );
                    tokio::time::sleep(pause).await;
                }
                Ok(Some(_)) => failures = 0,
                Ok(None) => self.pushed.notified().await,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the queue of metrics cannot be used");
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
            }
        }
    }

    /// Sends the oldest request, and takes it away unless it is to be sent again.
    async fn send_oldest(&self) -> anyhow::Result<Option<Outcome>> {
        let Some((number, body)) = self.on_queue(|queue| Ok(queue.oldest())).await? else { return Ok(None) };
        let outcome = self.sender.send(body).await;
        match &outcome {
            Outcome::Failed { .. } => return Ok(Some(outcome)),
            Outcome::Taken => self.metrics.request("taken"),
            Outcome::Refused { status, text } => {
                self.metrics.request("refused");
                self.metrics.dropped(status.as_str());
                tracing::error!(%status, text, target = self.target.url, "metrics were refused for good and are dropped");
            }
        }
        self.on_queue(move |queue| Ok(queue.remove(number)?)).await?;
        Ok(Some(outcome))
    }

    /// Works with files off the async threads.
    async fn on_queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Queue) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let queue = Arc::clone(&self.queue);
        let work = move || work(&mut queue.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await?
    }
}

/// The requests of a snapshot, compressed.
fn requests(
    version: Version,
    histograms: Histograms,
    snapshot: &Snapshot,
    moments: Moments,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut encoder = snap::raw::Encoder::new();
    let mut bodies = Vec::new();
    let mut series = samples::written(snapshot, histograms).peekable();
    while series.peek().is_some() {
        let some: Vec<Written<'_>> = series.by_ref().take(MOST_SERIES).collect();
        bodies.push(encoder.compress_vec(&message::request(version, &some, moments))?);
    }
    Ok(bodies)
}

//! Runs queries on the store: off the async threads, bounded in number, time and memory, cancelled when the client leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hoptrail_proto::model::{TenantId, Trace, TraceId};
use hoptrail_storage::{
    AttributeScope, FieldValuesRequest, QueryContext, ReadError, SearchAnswer, SearchRequest, TimeRange, TraceReader,
    Value,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;

/// Bounds of queries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seconds a query may take.
    pub timeout_seconds: u64,
    /// Megabytes one query may hold.
    pub memory_mb: usize,
    /// Queries that run at once.
    pub concurrency: usize,
    /// Queries that may wait for their turn; more are refused with 429.
    pub waiting: usize,
    /// Most traces one search may ask for.
    pub max_limit: usize,
    /// Whether the tenant comes from the header `X-Scope-OrgID` (required then) or is always the same one.
    pub multi_tenant: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout_seconds: 30,
            memory_mb: 256,
            concurrency: 4,
            waiting: 200,
            max_limit: 262_144,
            multi_tenant: false,
        }
    }
}

/// What the store said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Damaged places of the store that it is without; empty when it is complete.
    pub left_out: Vec<String>,
}

impl<T> Answer<T> {
    /// Says in words what the answer is without; `None` when it is complete.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let first = self.left_out.first()?;
        let more = match self.left_out.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("stored data is damaged at {first}{more}: what it held is missing here"))
    }
}

/// Asks the store.
#[derive(Debug)]
pub struct Service {
    config: Config,
    reader: Arc<dyn TraceReader>,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    metrics: Metrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug)]
struct Metrics {
    queries: Family<QueryLabels, Counter>,
    seconds: Histogram,
    running: Gauge,
}

/// A place among the running queries, held until the store is done with it: also when the client has gone.
struct Turn {
    _permit: OwnedSemaphorePermit,
    running: Gauge,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.running.dec();
    }
}

/// Tells the running query that nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    /// A service over `reader`; its metrics go to `registry`.
    pub fn new(config: &Config, reader: Arc<dyn TraceReader>, registry: &mut Registry) -> Arc<Self> {
        let seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        let metrics = Metrics { queries: Family::default(), seconds, running: Gauge::default() };
        registry.register("hoptrail_queries", "Queries by kind and outcome", metrics.queries.clone());
        registry.register("hoptrail_query_duration_seconds", "Time a query took", metrics.seconds.clone());
        registry.register("hoptrail_queries_running", "Queries that run now", metrics.running.clone());
        Arc::new(Self {
            config: config.clone(),
            reader,
            running: Arc::new(Semaphore::new(config.concurrency)),
            waiting: AtomicUsize::new(0),
            metrics,
        })
    }

    /// The bounds in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All spans of a trace; `None` when none is known.
    pub async fn trace(&self, tenant: &TenantId, id: TraceId) -> Result<Answer<Option<Trace>>, Error> {
        let tenant = tenant.clone();
        self.run("trace", move |reader, context| reader.trace(&tenant, id, context)).await
    }

    /// The newest traces that match.
    pub async fn search(&self, tenant: &TenantId, request: SearchRequest) -> Result<Answer<SearchAnswer>, Error> {
        let tenant = tenant.clone();
        self.run("search", move |reader, context| reader.search(&tenant, &request, context)).await
    }

    /// The attribute keys in use.
    pub async fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<TimeRange>,
    ) -> Result<Answer<Vec<(AttributeScope, String)>>, Error> {
        let tenant = tenant.clone();
        self.run("attribute_keys", move |reader, context| reader.attribute_keys(&tenant, range, context)).await
    }

    /// The distinct values of a field.
    pub async fn field_values(
        &self,
        tenant: &TenantId,
        request: FieldValuesRequest,
    ) -> Result<Answer<Vec<Value>>, Error> {
        let tenant = tenant.clone();
        self.run("field_values", move |reader, context| reader.field_values(&tenant, &request, context)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        kind: &'static str,
        question: impl FnOnce(&dyn TraceReader, &QueryContext) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Answer<T>, Error> {
        let started = Instant::now();
        let answer = self.run_bounded(question).await;
        let outcome = match &answer {
            Ok(answer) if answer.left_out.is_empty() => "ok",
            Ok(_) => "incomplete",
            Err(Error::Invalid(_)) => "invalid",
            Err(Error::Busy) => "busy",
            Err(Error::Read(ReadError::Deadline { .. })) => "deadline",
            Err(Error::Read(ReadError::Cancelled)) => "cancelled",
            Err(Error::Read(_) | Error::Internal(_)) => "error",
        };
        self.metrics.queries.get_or_create(&QueryLabels { kind, outcome }).inc();
        self.metrics.seconds.observe(started.elapsed().as_secs_f64());
        answer
    }

    async fn run_bounded<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn TraceReader, &QueryContext) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Answer<T>, Error> {
        let limit = Duration::from_secs(self.config.timeout_seconds);
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = CancelOnDrop(Arc::clone(&cancelled));
        let context = QueryContext::new(limit, self.config.memory_mb << 20, cancelled);
        let turn = self.turn(limit).await?;
        let reader = Arc::clone(&self.reader);
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let value = question(reader.as_ref(), &context)?;
            Ok(Answer { value, left_out: context.left_out() })
        });
        answer.await.map_err(|error| Error::Internal(error.to_string()))?.map_err(|error: ReadError| Error::from(error))
    }

    /// Waits for a place among the running queries.
    async fn turn(&self, limit: Duration) -> Result<Turn, Error> {
        let permit = self.permit(limit).await?;
        self.metrics.running.inc();
        Ok(Turn { _permit: permit, running: self.metrics.running.clone() })
    }

    async fn permit(&self, limit: Duration) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.waiting, self.config.waiting).ok_or(Error::Busy)?;
        let permit = tokio::time::timeout(limit, Arc::clone(&self.running).acquire_owned()).await;
        permit.map_err(|_| ReadError::Deadline { limit })?.map_err(|error| Error::Internal(error.to_string()))
    }
}

/// A place in the queue, given back also when the client leaves.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

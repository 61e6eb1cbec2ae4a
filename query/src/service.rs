//! Runs queries on the store: off the async threads, bounded in number, time and memory, cancelled when the client leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hoptrail_proto::model::{Tenancy, TenantId, Tenants, Trace, TraceId, TraceSpan};
use hoptrail_proto::units::{self, Size};
use hoptrail_storage::{
    AttributeKeysRequest, AttributeScope, CallPaths, Contrast, ContrastRequest, Exceptions, ExceptionsRequest,
    Explanation, FieldValuesRequest, PathsRequest, QueryContext, ReadError, RollupRequest, Rollups, SearchAnswer,
    SearchRequest, TraceReader, Union, Value, clock,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::slow::{SlowQueries, SlowQuery};
use crate::{Error, rollups, why};

/// Bounds of queries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time a query may take.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Bytes one query may hold.
    #[serde(with = "units::size")]
    pub memory: usize,
    /// Queries that run at once.
    pub concurrency: usize,
    /// Queries that may wait for their turn; more are refused with 429.
    pub waiting: usize,
    /// Most traces one search may ask for.
    pub max_limit: usize,
    /// Whether searches of the Tempo API answer trace ids with all their digits, or as Tempo does without leading zeros.
    pub left_pad_trace_ids: bool,
    /// Attribute keys that are no answer to why some traces differ: ids and times. A `*` at either end stands for anything.
    pub why_ignored: Vec<String>,
    /// Whether there are tenants. Not a setting of this section: collector and queries must agree.
    #[serde(skip)]
    pub tenancy: Tenancy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            memory: 256 << 20,
            concurrency: 4,
            waiting: 200,
            max_limit: 262_144,
            left_pad_trace_ids: false,
            why_ignored: why::ignored(),
            tenancy: Tenancy::Single,
        }
    }
}

/// What the store answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Damaged locations of the store whose content is missing; empty when nothing is.
    pub left_out: Vec<String>,
    /// How many of a trace's spans there was memory for, when not for all.
    pub cut: Option<Cut>,
}

/// A trace that is larger than `query.memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Spans in the answer.
    pub spans: usize,
    /// Spans that are known.
    pub known: usize,
    /// The bound, bytes.
    pub memory: usize,
}

impl<T> Answer<T> {
    /// Says in words what the answer is without; `None` when it is complete.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let damage = self.left_out.first().map(|first| {
            let more = match self.left_out.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("stored data is damaged at {first}{more}: what it held is missing here")
        });
        let cut = self.cut.map(|Cut { spans, known, memory }| {
            let memory = Size(memory as u64);
            format!(
                "the trace has {known} spans, and query.memory={memory} has room for the first {spans} by start; \
                 the others are missing here, and the download in the web UI has all"
            )
        });
        let parts: Vec<String> = damage.into_iter().chain(cut).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Downloads that run at once: they take as long as their clients do.
const DOWNLOADS: usize = 2;
/// Batches of a download that wait for its client.
const AHEAD: usize = 2;
/// How long a download may take. What bounds it is `query.timeout`, in which the client must take each batch.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(3600);

/// Runs queries on a store for everything that answers people: Tempo's API, the web UI, and the APIs to come.
///
/// # Contract
///
/// - **Off the async threads.** The store is asked on a thread of its own. A caller may await any number of queries.
/// - **Bounded in number.** At most `concurrency` queries run and at most `waiting` wait; further ones fail with [`Error::Busy`] at
///   once. Downloads have slots of their own, since they last as long as their clients do.
/// - **Bounded in time and memory.** A query past its timeout fails with [`ReadError::Deadline`], and one that would hold too much
///   fails with [`ReadError::Memory`]. Only a whole trace is cut instead: [`Answer::cut`] then says so.
/// - **Cancelled with its caller.** Whoever drops the future ends the query. Its slot is free when the store has stopped.
/// - **Honest.** What is damaged is missing in the answer and named in [`Answer::left_out`]. An answer without either has
///   all that was asked for, out of everything that was acknowledged before the query began.
/// - **For the tenants that are named.** No answer has anything of others. Those that one query names are read as one ([`Union`]).
///
/// ```
/// use std::sync::Arc;
/// use hoptrail_proto::model::{TenantId, TraceId};
/// use hoptrail_query::{Config, Service};
/// use hoptrail_storage::MemoryStore;
/// use prometheus_client::registry::Registry;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryStore::default());
/// let service = Service::new(&Config::default(), store, &mut Registry::default());
/// let answer = service.trace(&TenantId::single(), TraceId([1; 16])).await.unwrap();
/// assert_eq!((answer.value, answer.left_out.len()), (None, 0));
/// # });
/// ```
#[derive(Debug)]
pub struct Service {
    config: Config,
    reader: Arc<dyn TraceReader>,
    running: Arc<Semaphore>,
    downloading: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    metrics: Metrics,
    slow: Arc<SlowQueries>,
    /// Gets what the queries of this handle do.
    explanation: Option<Explanation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone)]
struct Metrics {
    queries: Family<QueryLabels, Counter>,
    seconds: Histogram,
    running: Gauge,
}

/// A slot among the running queries. It is held until the store is done, also when the client has gone.
struct Slot {
    _permit: OwnedSemaphorePermit,
    running: Gauge,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.running.dec();
    }
}

/// Cancels the running query when nobody waits for it any more.
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
            downloading: Arc::new(Semaphore::new(DOWNLOADS)),
            waiting: Arc::default(),
            metrics,
            slow: Arc::default(),
            explanation: None,
        })
    }

    /// The same service, whose queries note in `explanation` what they do.
    #[must_use]
    pub fn explaining(&self, explanation: &Explanation) -> Self {
        Self {
            config: self.config.clone(),
            reader: Arc::clone(&self.reader),
            running: Arc::clone(&self.running),
            downloading: Arc::clone(&self.downloading),
            waiting: Arc::clone(&self.waiting),
            metrics: self.metrics.clone(),
            slow: Arc::clone(&self.slow),
            explanation: Some(explanation.clone()),
        }
    }

    /// The slowest queries of the last hour, whoever asked them.
    #[must_use]
    pub fn slow_queries(&self) -> Vec<SlowQuery> {
        self.slow.of_late()
    }

    /// Whether a query that can wait would keep nobody else waiting: half of the slots are free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.running.available_permits() * 2 >= self.config.concurrency
    }

    /// The bounds in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All spans of a trace; `None` when none is known.
    pub async fn trace(&self, tenants: impl Into<Tenants>, id: TraceId) -> Result<Answer<Option<Trace>>, Error> {
        let trace = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.trace(tenant, id, context)
        };
        self.run_worded("trace", &id.to_string(), tenants.into(), trace).await
    }

    /// All spans of a trace, however many there are, batch by batch: what `make` makes of each batch, and then `end`. Without `end` the
    /// download has failed. Nothing is sent when no span is known.
    pub async fn download<T: Send + 'static>(
        &self,
        tenants: impl Into<Tenants>,
        id: TraceId,
        mut make: impl FnMut(Vec<TraceSpan>) -> T + Send + 'static,
        end: T,
    ) -> Result<mpsc::Receiver<Result<T, Error>>, Error> {
        let tenants = tenants.into();
        let limit = self.config.timeout;
        let permit = self.permit(&self.downloading, limit).await?;
        let context = QueryContext::new(LONGEST_DOWNLOAD, self.config.memory, Arc::default());
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (reader, queries) = (Arc::clone(&self.reader), self.metrics.queries.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let wait = |made| tokio::runtime::Handle::current().block_on(sender.send_timeout(made, limit));
            let mut is_known = false;
            let reader = Union::new(reader.as_ref(), &tenants);
            let done = reader.each_span(tenants.first(), id, &context, &mut |spans| {
                is_known = true;
                wait(Ok(make(spans))).map_err(|error| match error {
                    SendTimeoutError::Timeout(_) => ReadError::Deadline { limit },
                    SendTimeoutError::Closed(_) => ReadError::Cancelled,
                })
            });
            let damage = context.left_out();
            let done = match (done, damage.first()) {
                // Nobody knows whether it was there.
                (Ok(()), Some(location)) if !is_known => Err(ReadError::Corrupt {
                    location: location.clone(),
                    reason: "nothing of the trace can be read".to_owned(),
                }),
                (done, _) => done,
            };
            let done = done.map(|()| damage.is_empty()).map_err(Error::from);
            let outcome = outcome(done.as_ref().copied());
            queries.get_or_create(&QueryLabels { kind: "download", outcome }).inc();
            // When the client has gone nobody hears it.
            _ = match done {
                Err(error) => wait(Err(error)),
                Ok(_) if is_known => wait(Ok(end)),
                Ok(_) => Ok(()),
            };
        });
        Ok(receiver)
    }

    /// The newest traces that match.
    pub async fn search(
        &self,
        tenants: impl Into<Tenants>,
        request: SearchRequest,
    ) -> Result<Answer<SearchAnswer>, Error> {
        let text = request.spans.to_string();
        let search = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.search(tenant, &request, context)
        };
        self.run_worded("search", &text, tenants.into(), search).await
    }

    /// Numbers of rollups, for each request in turn.
    pub async fn rollups(
        &self,
        tenants: impl Into<Tenants>,
        requests: Vec<RollupRequest>,
    ) -> Result<Answer<Vec<Rollups>>, Error> {
        let mut tables: Vec<&str> = requests.iter().map(|request| rollups::table_name(request.table)).collect();
        tables.dedup();
        let text = tables.join(", ");
        let rollups = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            requests.iter().map(|request| reader.rollups(tenant, request, context)).collect()
        };
        self.run_worded("rollups", &text, tenants.into(), rollups).await
    }

    /// What tells the traces of one search apart from those of another.
    pub async fn contrast(
        &self,
        tenants: impl Into<Tenants>,
        request: ContrastRequest,
    ) -> Result<Answer<Contrast>, Error> {
        let text = format!("{} against {}", request.selected, request.others);
        let contrast = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.contrast(tenant, &request, context)
        };
        self.run_worded("contrast", &text, tenants.into(), contrast).await
    }

    /// The traces that a search finds as one.
    pub async fn call_paths(
        &self,
        tenants: impl Into<Tenants>,
        request: PathsRequest,
    ) -> Result<Answer<CallPaths>, Error> {
        let text = request.selected.to_string();
        let paths = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.call_paths(tenant, &request, context)
        };
        self.run_worded("call_paths", &text, tenants.into(), paths).await
    }

    /// The exceptions that spans recorded, in groups.
    pub async fn exceptions(
        &self,
        tenants: impl Into<Tenants>,
        request: ExceptionsRequest,
    ) -> Result<Answer<Exceptions>, Error> {
        let text = request.spans.to_string();
        let exceptions = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.exceptions(tenant, &request, context)
        };
        self.run_worded("exceptions", &text, tenants.into(), exceptions).await
    }

    /// The attribute keys in use.
    pub async fn attribute_keys(
        &self,
        tenants: impl Into<Tenants>,
        request: AttributeKeysRequest,
    ) -> Result<Answer<Vec<(AttributeScope, String)>>, Error> {
        let keys = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.attribute_keys(tenant, &request, context)
        };
        self.run("attribute_keys", tenants.into(), keys).await
    }

    /// The distinct values of a field.
    pub async fn field_values(
        &self,
        tenants: impl Into<Tenants>,
        request: FieldValuesRequest,
    ) -> Result<Answer<Vec<Value>>, Error> {
        let text = request.field.to_string();
        let values = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            reader.field_values(tenant, &request, context)
        };
        self.run_worded("field_values", &text, tenants.into(), values).await
    }

    /// Asks the store for the tenants.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: &'static str,
        tenants: Tenants,
        question: impl FnOnce(&dyn TraceReader, &TenantId, &QueryContext) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Answer<T>, Error> {
        self.run_worded(kind, "", tenants, question).await
    }

    /// The same for a question that has words.
    pub(crate) async fn run_worded<T: Send + 'static>(
        &self,
        kind: &'static str,
        text: &str,
        tenants: Tenants,
        question: impl FnOnce(&dyn TraceReader, &TenantId, &QueryContext) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Answer<T>, Error> {
        let started = clock::instant();
        let question = move |reader: &dyn TraceReader, context: &QueryContext| match tenants.is_single() {
            true => question(reader, tenants.first(), context),
            false => question(&Union::new(reader, &tenants), tenants.first(), context),
        };
        let answer = self.run_bounded(question).await;
        let is_whole = answer.as_ref().map(|answer| answer.left_out.is_empty() && answer.cut.is_none());
        let outcome = outcome(is_whole);
        self.metrics.queries.get_or_create(&QueryLabels { kind, outcome }).inc();
        let took = started.elapsed();
        self.metrics.seconds.observe(took.as_secs_f64());
        self.slow.note(kind, text, took, outcome);
        answer
    }

    async fn run_bounded<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn TraceReader, &QueryContext) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Answer<T>, Error> {
        let limit = self.config.timeout;
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = CancelOnDrop(Arc::clone(&cancelled));
        let memory = self.config.memory;
        let mut context = QueryContext::new(limit, memory, cancelled);
        if let Some(explanation) = &self.explanation {
            context = context.explained(explanation.clone());
        }
        let slot = self.slot(limit).await?;
        let reader = Arc::clone(&self.reader);
        let answer = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let value = question(reader.as_ref(), &context)?;
            let cut = context.cut_to().map(|(spans, known)| Cut { spans, known, memory });
            Ok(Answer { value, left_out: context.left_out(), cut })
        });
        answer.await.map_err(Error::internal)?.map_err(Error::Read)
    }

    /// Waits for a slot among the running queries.
    async fn slot(&self, limit: Duration) -> Result<Slot, Error> {
        let permit = self.permit(&self.running, limit).await?;
        self.metrics.running.inc();
        Ok(Slot { _permit: permit, running: self.metrics.running.clone() })
    }

    async fn permit(&self, slots: &Arc<Semaphore>, limit: Duration) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.waiting, self.config.waiting).ok_or(Error::Busy)?;
        let permit = tokio::time::timeout(limit, Arc::clone(slots).acquire_owned()).await;
        permit.map_err(|_| ReadError::Deadline { limit })?.map_err(Error::internal)
    }
}

/// How a query ended, for its metric; `Ok` says whether the answer is whole.
fn outcome(answer: Result<bool, &Error>) -> &'static str {
    match answer {
        Ok(true) => "ok",
        Ok(false) => "incomplete",
        Err(Error::Busy) => "busy",
        Err(Error::Read(ReadError::Deadline { .. })) => "deadline",
        Err(Error::Read(ReadError::Cancelled)) => "cancelled",
        Err(Error::Read(_) | Error::Internal(_)) => "error",
    }
}

/// A slot in the queue. It is given back also when the client leaves.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let slot = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(slot)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

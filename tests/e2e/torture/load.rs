//! Writers that know exactly what was acknowledged: each sends numbered batches over a connection of its own, and a batch without an
//! answer again, byte for byte, until it has one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tonic::{Code, Status};

use crate::e2e::api::{Http, escape};
use crate::e2e::export::{Grpc, request, span};
use crate::e2e::spans::{hex, pair, text_pair};
use crate::harness::Server;

/// Batches that share one trace, so that traces grow across kills and restarts.
const BATCHES_IN_TRACE: u64 = 8;
/// Every so many batches one is sent once more after its answer, as a client does whose answer got lost.
const REPEATS: u64 = 7;
/// A refused batch is sent again much earlier than asked for: the tests are in a hurry.
const AGAIN: Duration = Duration::from_millis(20);

/// One connection's worth of load.
#[derive(Debug)]
pub(crate) struct Writer {
    number: u64,
    /// Batches 0 to this, exclusive, are acknowledged.
    acknowledged: u64,
    /// Batches 0 to this, exclusive, were dropped by retention.
    dropped: u64,
    /// The batch in flight, numbered `acknowledged`.
    pending: Option<ExportTraceServiceRequest>,
    /// Acknowledgements of all writers together.
    total: Arc<AtomicU64>,
}

impl Writer {
    /// This many writers that count their acknowledged batches together.
    pub(crate) fn many(count: u64) -> (Vec<Self>, Arc<AtomicU64>) {
        let total = Arc::new(AtomicU64::new(0));
        let new = |number| Self { number, acknowledged: 0, dropped: 0, pending: None, total: Arc::clone(&total) };
        ((0..count).map(new).collect(), Arc::clone(&total))
    }

    /// `service.name` of its spans.
    pub(crate) fn service(&self) -> String {
        format!("writer-{}", self.number)
    }

    /// Sends until the connection breaks or `most` batches more are acknowledged.
    pub(crate) async fn write(mut self, address: String, most: u64) -> Self {
        let until = self.acknowledged.saturating_add(most);
        let Ok(mut connection) = Grpc::connect(&address).await else { return self };
        while self.acknowledged < until {
            let batch = self.pending.take().unwrap_or_else(|| self.next());
            match connection.export(batch.clone()).await {
                Ok(answer) => assert_eq!(answer.partial_success.unwrap_or_default().rejected_spans, 0),
                Err(status) => {
                    self.pending = Some(batch);
                    if !says_when_to_retry(&status) {
                        break;
                    }
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            if self.acknowledged.is_multiple_of(REPEATS) {
                _ = connection.export(batch).await;
            }
            self.acknowledged += 1;
            self.total.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// The next batch.
    fn next(&self) -> ExportTraceServiceRequest {
        let batch = self.acknowledged;
        let trace = self.trace_id(batch / BATCHES_IN_TRACE);
        let spans = self.span_ids(batch).map(|id| {
            let mut span = span(trace, id, "load");
            let number = i64::try_from(batch).expect("few batches");
            span.attributes.push(text_pair("load.batch", &batch.to_string()));
            span.attributes.push(pair("load.number", Value::IntValue(number)));
            span
        });
        request(&self.service(), spans.collect())
    }

    fn trace_id(&self, trace: u64) -> u128 {
        u128::from(self.number + 1) << 64 | u128::from(trace + 1)
    }

    /// The spans of a batch: 1 to 40, with ids that nobody else has.
    fn span_ids(&self, batch: u64) -> impl Iterator<Item = u64> + use<> {
        let first = (self.number + 1) << 48 | batch << 8;
        (0..1 + batch % 40).map(move |at| first | at)
    }

    /// How many spans are acknowledged.
    pub(crate) fn spans(&self) -> usize {
        (0..self.acknowledged).map(|batch| self.span_ids(batch).count()).sum()
    }

    /// Whether its last batch waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Checks that every acknowledged batch is there, each span once, and nothing else; only the oldest ones may be missing, when
    /// retention dropped them. The number of spans that are there.
    pub(crate) async fn check(&mut self, http: &Http, server: &Server) -> usize {
        let mut found: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let mut traces = 0;
        for trace in self.dropped / BATCHES_IN_TRACE..=self.acknowledged / BATCHES_IN_TRACE {
            let id = hex(&self.trace_id(trace).to_be_bytes());
            let got = http.trace(server, &id).await;
            traces += usize::from(!got.is_empty());
            for span in got {
                let span_id = u64::from_be_bytes(span.span.span_id.try_into().expect("an id has 8 bytes"));
                let new = found.entry(span_id >> 8 & 0xff_ffff_ffff).or_default().insert(span_id);
                assert!(new, "{}: trace {id} holds a span twice", self.service());
            }
        }
        for (batch, spans) in &found {
            let sent = *batch < self.acknowledged || (*batch == self.acknowledged && self.is_waiting());
            assert!(sent && *batch >= self.dropped, "{}: batch {batch} must not be there", self.service());
            assert!(self.span_ids(*batch).eq(spans.iter().copied()), "{}: batch {batch} is in parts", self.service());
        }
        self.dropped = found.keys().next().copied().unwrap_or(self.acknowledged).min(self.acknowledged);
        let lost: Vec<_> = (self.dropped..self.acknowledged).filter(|batch| !found.contains_key(batch)).collect();
        assert!(lost.is_empty(), "{}: acknowledged batches are lost: {lost:?}", self.service());
        let query = format!(r#"{{ resource.service.name = "{}" }}"#, self.service());
        let url = format!("http://{}/api/search?limit=100000&spss=1&q={}", server.tempo, escape(&query));
        let answer = http.get(&url).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.json()["traces"].as_array().map(Vec::len), Some(traces), "{}", self.service());
        found.values().map(BTreeSet::len).sum()
    }

    /// The same where nothing was dropped and no batch waits for an answer.
    pub(crate) async fn check_all(&mut self, http: &Http, server: &Server) {
        assert!(!self.is_waiting());
        let found = self.check(http, server).await;
        assert_eq!((found, self.dropped), (self.spans(), 0), "{}", self.service());
    }

    /// Its newest traces that do not grow any more: their ids, and the numbers of their batches.
    pub(crate) fn settled(&self, most: u64) -> (Vec<String>, Range<u64>) {
        let complete = self.acknowledged / BATCHES_IN_TRACE;
        let whole = self.dropped.div_ceil(BATCHES_IN_TRACE);
        let traces = complete.saturating_sub(most).max(whole).min(complete)..complete;
        let batches = traces.start * BATCHES_IN_TRACE..traces.end * BATCHES_IN_TRACE;
        (traces.map(|trace| hex(&self.trace_id(trace).to_be_bytes())).collect(), batches)
    }
}

/// Whether a refusal carries a `google.rpc.RetryInfo`, without which a client must give up.
pub(crate) fn says_when_to_retry(status: &Status) -> bool {
    let details = status.details().windows(20).any(|window| window == b"google.rpc.RetryInfo");
    details && matches!(status.code(), Code::ResourceExhausted | Code::Unavailable)
}

/// Lets all write at once; back when every connection broke or wrote its part.
pub(crate) async fn write_all(writers: Vec<Writer>, address: &str, most: u64) -> Vec<Writer> {
    let tasks: Vec<_> =
        writers.into_iter().map(|writer| tokio::spawn(writer.write(address.to_owned(), most))).collect();
    let mut writers = Vec::new();
    for task in tasks {
        writers.push(task.await.expect("a writer does not fail"));
    }
    writers
}

//! Writers that know exactly what was acknowledged: each sends numbered batches over a connection of its own, and a batch without an
//! answer again, byte for byte, until it has one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use super::api::Http;
use super::export::{Grpc, request, span};
use super::spans::{hex, text_pair};
use crate::harness::Server;

/// Batches that share one trace, so that traces grow across kills and restarts.
const BATCHES_IN_TRACE: u64 = 8;
/// Every so many batches one is sent once more after its answer, as a client does whose answer got lost.
const REPEATS: u64 = 7;

/// One connection's worth of load.
#[derive(Debug)]
pub(crate) struct Writer {
    number: u64,
    /// Batches 0 to this, exclusive, are acknowledged.
    acknowledged: u64,
    /// The batch in flight.
    pending: Option<ExportTraceServiceRequest>,
    /// Spans by trace, of every batch that was ever sent.
    sent: BTreeMap<u128, BTreeSet<u64>>,
    /// Acknowledgements of all writers together.
    total: Arc<AtomicU64>,
}

impl Writer {
    /// This many writers that count their acknowledged batches together.
    pub(crate) fn many(count: u64) -> (Vec<Self>, Arc<AtomicU64>) {
        let total = Arc::new(AtomicU64::new(0));
        let new = |number| {
            let total = Arc::clone(&total);
            Self { number, acknowledged: 0, pending: None, sent: BTreeMap::new(), total }
        };
        ((0..count).map(new).collect(), total)
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
            let answer = connection.export(batch.clone()).await;
            let Ok(answer) = answer else {
                self.pending = Some(batch);
                break;
            };
            assert_eq!(answer.partial_success.unwrap_or_default().rejected_spans, 0);
            if self.acknowledged.is_multiple_of(REPEATS) {
                _ = connection.export(batch).await;
            }
            self.acknowledged += 1;
            self.total.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// The next batch: 1 to 40 spans with ids that nobody else has.
    fn next(&mut self) -> ExportTraceServiceRequest {
        let batch = self.acknowledged;
        let trace = u128::from(self.number + 1) << 64 | u128::from(batch / BATCHES_IN_TRACE + 1);
        let spans = (0..1 + batch % 40).map(|at| {
            let id = (self.number + 1) << 48 | batch << 8 | at;
            self.sent.entry(trace).or_default().insert(id);
            let mut span = span(trace, id, "load");
            span.attributes.push(text_pair("load.batch", &batch.to_string()));
            span
        });
        let spans = spans.collect();
        request(&self.service(), spans)
    }

    /// How many spans are acknowledged.
    pub(crate) fn spans(&self) -> usize {
        self.sent.values().map(BTreeSet::len).sum()
    }

    /// Whether its last batch waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Checks its newest `traces`: each holds every acknowledged span once, and nothing that was never sent.
    pub(crate) async fn check_newest(&self, http: &Http, server: &Server, traces: usize) {
        let unsure = self.pending.iter().flat_map(|request| &request.resource_spans);
        let unsure = unsure.flat_map(|group| &group.scope_spans).flat_map(|scoped| &scoped.spans);
        let unsure: BTreeSet<u64> = unsure.map(|span| number(&span.span_id)).collect();
        for (trace, sent) in self.sent.iter().rev().take(traces) {
            let id = hex(&trace.to_be_bytes());
            let got = http.trace(server, &id).await;
            let distinct: BTreeSet<u64> = got.iter().map(|seen| number(&seen.span.span_id)).collect();
            assert_eq!(got.len(), distinct.len(), "trace {id} holds a span twice");
            let lost: Vec<_> = sent.difference(&distinct).filter(|id| !unsure.contains(id)).collect();
            assert!(lost.is_empty(), "trace {id} lost {} of {} acknowledged spans", lost.len(), sent.len());
            let strange: Vec<_> = distinct.difference(sent).collect();
            assert!(strange.is_empty(), "trace {id} holds {} spans that nobody sent", strange.len());
        }
    }

    /// Checks every trace, and that search counts them.
    pub(crate) async fn check_all(&self, http: &Http, server: &Server) {
        assert!(!self.is_waiting());
        self.check_newest(http, server, usize::MAX).await;
        let url = format!("http://{}/api/search?limit=100000&spss=1&q={}", server.tempo, self.query());
        let answer = http.get(&url).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.json()["traces"].as_array().map(Vec::len), Some(self.sent.len()), "{}", self.service());
    }

    fn query(&self) -> String {
        super::api::escape(&format!(r#"{{ resource.service.name = "{}" }}"#, self.service()))
    }
}

fn number(id: &[u8]) -> u64 {
    u64::from_be_bytes(id.try_into().expect("an id has 8 bytes"))
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

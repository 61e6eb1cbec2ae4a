//! Counters of the collector.

use hoptrail_proto::otlp::{Refusals, Signal, Warnings};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a request came in, named as in `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTransport {
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    transport: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySignal {
    signal: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWhat {
    what: &'static str,
}

/// What the collector counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    spans: Family<ByTransport, Counter>,
    refused: Family<ByReason, Counter>,
    repaired: Counter,
    requests: Family<ByOutcome, Counter>,
    bytes: Family<ByTransport, Counter>,
    dropped: Family<BySignal, Counter>,
    unread: Family<ByWhat, Counter>,
    /// Bytes of requests in flight.
    pub(crate) in_flight: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { spans, refused, repaired, requests, bytes, dropped, unread, in_flight } = &metrics;
        registry.register("hoptrail_spans_received", "Spans taken and durable", spans.clone());
        registry.register("hoptrail_spans_refused", "Spans refused, by reason", refused.clone());
        registry.register("hoptrail_spans_repaired", "Spans taken with a repair", repaired.clone());
        registry.register("hoptrail_requests", "OTLP requests answered, by outcome", requests.clone());
        registry.register("hoptrail_received_bytes", "Bytes of request bodies as they arrived", bytes.clone());
        let help = "Requests of metrics, logs and profiles that were taken and dropped";
        registry.register("hoptrail_other_signals", help, dropped.clone());
        registry.register(
            "hoptrail_unread",
            "Requests for traces with content that is not read, by what",
            unread.clone(),
        );
        registry.register("hoptrail_in_flight_bytes", "Bytes reserved by requests in flight", in_flight.clone());
        metrics
    }

    pub(crate) fn arrived(&self, transport: Transport, bytes: usize) {
        self.bytes.get_or_create(&ByTransport { transport: transport.name() }).inc_by(bytes as u64);
    }

    pub(crate) fn taken(&self, transport: Transport, spans: u32, repaired: u32) {
        self.spans.get_or_create(&ByTransport { transport: transport.name() }).inc_by(u64::from(spans));
        self.repaired.inc_by(u64::from(repaired));
    }

    pub(crate) fn dropped(&self, signal: Signal) {
        self.dropped.get_or_create(&BySignal { signal: signal.name() }).inc();
    }

    pub(crate) fn refused(&self, refusals: &Refusals) {
        for (reason, spans) in refusals.counts() {
            self.refused.get_or_create(&ByReason { reason: reason.name() }).inc_by(u64::from(spans));
        }
    }

    /// Counts a request in which something is not read.
    pub(crate) fn unread(&self, warnings: &Warnings) {
        for (warning, _) in warnings.counts() {
            self.unread.get_or_create(&ByWhat { what: warning.name() }).inc();
        }
    }

    pub(crate) fn answered(&self, transport: Transport, outcome: &'static str) {
        self.requests.get_or_create(&ByOutcome { transport: transport.name(), outcome }).inc();
    }
}

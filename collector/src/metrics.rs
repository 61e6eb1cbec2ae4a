//! Counters of the collector.

use std::fmt::{self, Write};

use hoptrail_proto::otlp::{Refusals, Signal, Warnings};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::format::Format;

/// What carries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP/2 with gRPC's framing.
    Grpc,
    /// HTTP/1.1 and HTTP/2.
    Http,
}

/// How a request came in. Its label is written as in `OTEL_EXPORTER_OTLP_PROTOCOL`: `grpc`, `http/protobuf`, `http/json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Protocol {
    transport: Transport,
    /// The name of the format.
    format: &'static str,
}

impl Protocol {
    pub(crate) fn new(transport: Transport, format: &dyn Format) -> Self {
        Self { transport, format: format.name() }
    }
}

impl EncodeLabelValue for Protocol {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self.transport {
            Transport::Grpc => encoder.write_str("grpc"),
            Transport::Http => write!(encoder, "http/{}", self.format),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTransport {
    transport: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    transport: Protocol,
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
    /// Spans of all transports.
    stored: Counter,
    /// Bytes of requests in flight.
    pub(crate) in_flight: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { spans, refused, repaired, requests, bytes, dropped, unread, stored: _, in_flight } = &metrics;
        registry.register("hoptrail_spans_received", "Spans that are durable, by transport", spans.clone());
        registry.register("hoptrail_spans_refused", "Spans refused, by reason", refused.clone());
        registry.register(
            "hoptrail_spans_repaired",
            "Spans that were repaired before they were stored",
            repaired.clone(),
        );
        registry.register("hoptrail_requests", "Requests answered, by transport and outcome", requests.clone());
        let help = "Bytes of request bodies before decompression, by transport";
        registry.register("hoptrail_received_bytes", help, bytes.clone());
        let help = "Requests with metrics, logs or profiles that were answered with success and dropped, by signal";
        registry.register("hoptrail_other_signals", help, dropped.clone());
        registry.register(
            "hoptrail_unread",
            "Requests for traces with content that is not read, by kind of content",
            unread.clone(),
        );
        let help = "Bytes reserved by requests that are being received, checked or written";
        registry.register("hoptrail_in_flight_bytes", help, in_flight.clone());
        metrics
    }

    pub(crate) fn arrived(&self, transport: Protocol, bytes: usize) {
        self.bytes.get_or_create(&ByTransport { transport }).inc_by(bytes as u64);
    }

    pub(crate) fn taken(&self, transport: Protocol, spans: u32, repaired: u32) {
        self.spans.get_or_create(&ByTransport { transport }).inc_by(u64::from(spans));
        self.stored.inc_by(u64::from(spans));
        self.repaired.inc_by(u64::from(repaired));
    }

    /// Spans that are durable.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.get()
    }

    /// Spans that were repaired.
    pub(crate) fn repaired(&self) -> u64 {
        self.repaired.get()
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

    pub(crate) fn answered(&self, transport: Protocol, outcome: &'static str) {
        self.requests.get_or_create(&ByOutcome { transport, outcome }).inc();
    }
}

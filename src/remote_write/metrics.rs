//! What hoptrail says of its writing.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    target: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    target: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Target {
    target: String,
}

/// Of all receivers.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    requests: Family<Outcome, Counter>,
    dropped: Family<Reason, Counter>,
    waiting: Family<Target, Gauge>,
}

/// Of one receiver.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetMetrics {
    target: String,
    all: Metrics,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "hoptrail_remote_write_requests",
            "Requests of remote write by receiver and outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "hoptrail_remote_write_dropped",
            "Requests of remote write that were dropped, by receiver and reason",
            metrics.dropped.clone(),
        );
        registry.register(
            "hoptrail_remote_write_waiting_bytes",
            "Bytes on the disk that wait for a receiver",
            metrics.waiting.clone(),
        );
        metrics
    }

    pub(super) fn of(&self, target: String) -> TargetMetrics {
        TargetMetrics { target, all: self.clone() }
    }
}

impl TargetMetrics {
    pub(super) fn request(&self, outcome: &'static str) {
        self.all.requests.get_or_create(&Outcome { target: self.target.clone(), outcome }).inc();
    }

    pub(super) fn dropped(&self, reason: impl Into<String>) {
        self.all.dropped.get_or_create(&Reason { target: self.target.clone(), reason: reason.into() }).inc();
    }

    pub(super) fn waiting(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.all.waiting.get_or_create(&Target { target: self.target.clone() }).set(bytes);
    }
}

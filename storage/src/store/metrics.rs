//! Metrics of the store.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::Task;

/// The metrics of one store. Clones share their values.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) spans: Counter,
    pub(super) log_bytes: Counter,
    pub(super) commit_seconds: Histogram,
    pub(super) seal_seconds: Histogram,
    pub(super) merges: Counter,
    pub(super) segments: Gauge,
    pub(super) segment_spans: Gauge,
    pub(super) segment_bytes: Gauge,
    pub(super) rollups: Gauge,
    pub(super) rollup_bytes: Gauge,
    pub(super) rollup_seconds: Histogram,
    pub(super) dropped_segments: Counter,
    pub(super) head_spans: Gauge,
    pub(super) head_bytes: Gauge,
    pub(super) damaged: Counter,
    pub(super) memory: Gauge,
    failures: Family<ByTask, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTask {
    task: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            spans: Counter::default(),
            log_bytes: Counter::default(),
            commit_seconds: seconds(),
            seal_seconds: seconds(),
            merges: Counter::default(),
            segments: Gauge::default(),
            segment_spans: Gauge::default(),
            segment_bytes: Gauge::default(),
            rollups: Gauge::default(),
            rollup_bytes: Gauge::default(),
            rollup_seconds: seconds(),
            dropped_segments: Counter::default(),
            head_spans: Gauge::default(),
            head_bytes: Gauge::default(),
            damaged: Counter::default(),
            memory: Gauge::default(),
            failures: Family::default(),
        };
        let m = &metrics;
        registry.register("hoptrail_store_spans", "Spans made durable", m.spans.clone());
        registry.register("hoptrail_store_log_bytes", "Bytes appended to the log", m.log_bytes.clone());
        registry.register("hoptrail_store_commit_seconds", "Time of a group commit", m.commit_seconds.clone());
        registry.register("hoptrail_store_seal_seconds", "Time to seal a generation", m.seal_seconds.clone());
        registry.register("hoptrail_store_merges", "Merges of segments", m.merges.clone());
        registry.register("hoptrail_store_segments", "Segments", m.segments.clone());
        registry.register("hoptrail_store_segment_spans", "Spans in segments", m.segment_spans.clone());
        registry.register("hoptrail_store_segment_bytes", "Bytes of segments on disk", m.segment_bytes.clone());
        registry.register("hoptrail_store_rollups", "Rollups", m.rollups.clone());
        registry.register("hoptrail_store_rollup_bytes", "Bytes of rollups on disk", m.rollup_bytes.clone());
        registry.register(
            "hoptrail_store_rollup_seconds",
            "Time to count a generation and write its rollup",
            m.rollup_seconds.clone(),
        );
        registry.register(
            "hoptrail_store_dropped_segments",
            "Segments dropped by retention",
            m.dropped_segments.clone(),
        );
        registry.register("hoptrail_store_head_spans", "Spans in memory", m.head_spans.clone());
        registry.register("hoptrail_store_head_bytes", "Memory of these spans", m.head_bytes.clone());
        registry.register("hoptrail_store_damaged", "Log records and catalog entries left out", m.damaged.clone());
        registry.register("hoptrail_store_memory_bytes", "Memtables and cached pages", m.memory.clone());
        registry.register("hoptrail_store_failures", "Failed writes to the disk, by task", m.failures.clone());
        metrics
    }

    /// Counts a failure of the task.
    pub(super) fn count<T, E>(&self, task: Task, outcome: Result<T, E>) -> Result<T, E> {
        outcome.inspect_err(|_| _ = self.failures.get_or_create(&ByTask { task: task.name() }).inc())
    }
}

/// A histogram from half a millisecond to 16 seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

//! Settings of the store.

use serde::{Deserialize, Serialize};

use super::state::Bounds;

/// What the store may use and how long it keeps spans.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Spans in memory before they are sealed into segments.
    pub head_spans: usize,
    /// Megabytes of memory of these spans, whatever their number, before they are sealed. Spans that come while three times
    /// as much waits to be sealed are refused for a while.
    pub head_mb: usize,
    /// Seconds after which spans are sealed even when they are few.
    pub seal_after_seconds: u64,
    /// Megabytes of requests that may wait for the log; more are refused for a while.
    pub queue_mb: usize,
    /// Megabytes of pages kept in memory for queries.
    pub cache_mb: usize,
    /// Spans up to which small segments are merged.
    pub merge_spans: usize,
    /// Hours to keep spans, counted from their arrival; 0 keeps them for ever.
    pub retention_hours: u64,
    /// Megabytes of segments to keep, oldest dropped first; 0 sets no bound.
    pub retention_mb: u64,
    /// Megabytes of the disk that must stay free: with fewer, writes are refused for a while, and nothing is merged.
    pub min_free_mb: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head_spans: 256 << 10,
            head_mb: 128,
            seal_after_seconds: 300,
            queue_mb: 64,
            cache_mb: 128,
            merge_spans: 1 << 20,
            retention_hours: 14 * 24,
            retention_mb: 0,
            min_free_mb: 512,
        }
    }
}

/// Merging leaves at least so many segments in what a bound of bytes keeps.
const LEAST_SEGMENTS: u64 = 8;

impl Config {
    /// What one generation of the head may hold.
    pub(super) fn head_bounds(&self) -> Bounds {
        Bounds { spans: self.head_spans, bytes: self.head_mb.saturating_mul(1 << 20) }
    }

    /// Bytes of segments to keep; `None` without a bound.
    pub(super) fn retention_bytes(&self) -> Option<u64> {
        (self.retention_mb > 0).then(|| self.retention_mb.saturating_mul(1 << 20))
    }

    /// Bytes of segment files that are merged at once: with the spans in memory, and memory is what the head may have. Segments are
    /// dropped whole, so they stay a small part of what is kept.
    pub(super) fn merge_bytes(&self) -> u64 {
        let memory = (self.head_mb as u64).saturating_mul(1 << 20) / 4;
        memory.min(self.retention_bytes().map_or(u64::MAX, |bytes| bytes / LEAST_SEGMENTS))
    }
}

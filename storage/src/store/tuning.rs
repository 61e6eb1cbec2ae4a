//! Sizes and times that are no settings: they follow from measurements, and nobody has to know them.

use std::time::Duration;

use crate::segment::GROUP_SPANS;

/// How the store does its work. Answers do not depend on it: tests use small values, so that few spans take every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// Spans after which a row group of a segment is closed.
    pub(crate) group_spans: usize,
    /// Bytes of decoded groups that a merge holds, about.
    pub(crate) merge_buffer: usize,
    /// How long a query works on one thread. Most end sooner, and waking a thread that does work for nothing in the end costs them
    /// more than it saves.
    pub(crate) parallel_after: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { group_spans: GROUP_SPANS, merge_buffer: 64 << 20, parallel_after: Duration::from_millis(2) }
    }
}

#[cfg(test)]
impl Tuning {
    /// Segments of several groups, merges that let go of groups, and parallel queries, with few spans.
    pub(crate) fn small() -> Self {
        Self { group_spans: 16, merge_buffer: 64 << 10, parallel_after: Duration::ZERO }
    }
}

//! Sizes and times that are no settings: they follow from measurements, and no user has to know them.

use std::time::Duration;

use crate::rollup::MINUTE;
use crate::segment::GROUP_SPANS;

/// How the store works. No answer depends on it, but for how calls of very late spans are counted. Tests use small values, so that few spans are enough to reach every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// Spans after which a row group of a segment is closed.
    pub(crate) group_spans: usize,
    /// Bytes of decoded groups that a merge holds, about.
    pub(crate) merge_buffer: usize,
    /// How long a query works on one thread. Most queries end sooner, and would lose more by waking threads than they save.
    pub(crate) parallel_after: Duration,
    /// How far apart two spans of a trace may be for one to be counted as the other's call, in nanoseconds. Only segments with spans that
    /// near are asked when a new span of a trace is counted.
    pub(crate) call_distance: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            group_spans: GROUP_SPANS,
            merge_buffer: 64 << 20,
            parallel_after: Duration::from_millis(2),
            call_distance: 10 * MINUTE,
        }
    }
}

#[cfg(test)]
impl Tuning {
    /// With few spans: segments of several groups, merges that drop groups, and parallel queries.
    pub(crate) fn small() -> Self {
        Self { group_spans: 16, merge_buffer: 64 << 10, parallel_after: Duration::ZERO, call_distance: u64::MAX }
    }
}

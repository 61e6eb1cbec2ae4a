//! Questions and answers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hoptrail_proto::model::{SpanId, TraceId};

use crate::{Field, Filter, ReadError, Value};

/// A half-open range of time: `start <= t < end`, nanoseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First nanosecond inside.
    pub start: u64,
    /// First nanosecond after.
    pub end: u64,
}

impl TimeRange {
    /// Whether `t` lies inside.
    #[must_use]
    pub fn contains(&self, t: u64) -> bool {
        self.start <= t && t < self.end
    }
}

/// Which traces to find and what to tell of them.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// What at least one span must satisfy.
    pub filter: Filter,
    /// Where that span's start must lie; everywhere when `None`.
    pub range: Option<TimeRange>,
    /// Most traces to return.
    pub limit: usize,
    /// Most matching spans to list for each trace, earliest first.
    pub spans_per_trace: usize,
    /// Fields to tell of each listed span, where present.
    pub select: Vec<Field>,
}

/// Which values to list.
#[derive(Debug, Clone)]
pub struct FieldValuesRequest {
    /// Whose values.
    pub field: Field,
    /// Only on spans that satisfy this.
    pub filter: Filter,
    /// Only on spans that start here.
    pub range: Option<TimeRange>,
    /// Most values to return.
    pub limit: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchAnswer {
    /// Newest first.
    pub hits: Vec<TraceHit>,
    /// What it took.
    pub inspected: Inspected,
}

/// The work behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspected {
    /// Traces looked at.
    pub traces: u64,
    /// Spans looked at.
    pub spans: u64,
    /// Bytes of pages read.
    pub bytes: u64,
    /// Segments that could not be ruled out.
    pub segments: u64,
}

/// A trace with spans that match.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceHit {
    /// The trace.
    pub trace_id: TraceId,
    /// Service and span name of the root span; `None` while it has not arrived.
    pub root: Option<(String, String)>,
    /// Earliest start of all its spans.
    pub start_unix_nano: u64,
    /// Latest end minus earliest start of all its spans.
    pub duration_nanos: u64,
    /// Its services, sorted by name.
    pub services: Vec<ServiceStats>,
    /// How many spans match.
    pub matched: u64,
    /// The earliest of them.
    pub spans: Vec<SpanHit>,
}

/// A service's part in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStats {
    /// Its name; empty when the resource does not say.
    pub service: String,
    /// Its spans in the trace.
    pub spans: u32,
    /// Those with status error.
    pub errors: u32,
}

/// A span that matches.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanHit {
    /// Its id.
    pub span_id: SpanId,
    /// Its name.
    pub name: String,
    /// Its start.
    pub start_unix_nano: u64,
    /// Its duration; 0 when it ends before it starts.
    pub duration_nanos: u64,
    /// The selected fields that it has, in the order of the request.
    pub fields: Vec<(Field, Value)>,
}

/// Damaged places that an answer lists.
const MOST_LEFT_OUT: usize = 16;

/// The bounds of one query, and what its answer had to do without.
#[derive(Debug, Clone)]
pub struct QueryContext {
    limit: Duration,
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
    /// Bytes the query may hold.
    pub memory: usize,
    left_out: Arc<Mutex<BTreeSet<String>>>,
}

impl QueryContext {
    /// A query that may take `limit` from now and hold `memory` bytes, until `cancelled` is set.
    #[must_use]
    pub fn new(limit: Duration, memory: usize, cancelled: Arc<AtomicBool>) -> Self {
        Self { limit, deadline: Instant::now() + limit, cancelled, memory, left_out: Arc::default() }
    }

    /// Bounds that no test meets.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(Duration::from_secs(3600), usize::MAX, Arc::default())
    }

    /// Fails once the time is up or the client has gone. Called every few thousand rows.
    pub fn check(&self) -> Result<(), ReadError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        if Instant::now() > self.deadline { Err(ReadError::Deadline { limit: self.limit }) } else { Ok(()) }
    }

    /// Says that stored bytes at `place` are damaged, so that the answer is without what they held.
    pub fn leave_out(&self, place: String) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if left_out.len() < MOST_LEFT_OUT {
            left_out.insert(place);
        }
    }

    /// The damaged places that the answer is without; empty when it is complete. Some suffice to say that it is not.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Fails when `bytes` is more than the query may hold.
    pub fn check_memory(&self, bytes: usize) -> Result<(), ReadError> {
        if bytes > self.memory { Err(ReadError::Memory { limit: self.memory }) } else { Ok(()) }
    }
}

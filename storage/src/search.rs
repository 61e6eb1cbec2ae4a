//! Questions and answers.

use hoptrail_proto::model::{SpanId, TraceId};

use crate::{Field, Filter, Value};

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

    /// Whether both times, and so all between them, lie inside.
    pub(crate) fn covers(&self, (first, last): (u64, u64)) -> bool {
        self.contains(first) && self.contains(last)
    }
}

/// Which traces to find, and what to say of them.
///
/// ```
/// use hoptrail_proto::model::StatusCode;
/// use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, SearchRequest, Value};
///
/// // The 20 newest traces in which the service `cart` failed, and the paths of the first three spans in which it did.
/// let request = SearchRequest {
///     filter: Filter::And(vec![
///         Filter::compare(Field::service(), CompareOp::Eq, Value::string("cart")),
///         Filter::compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error)),
///     ]),
///     range: None,
///     limit: 20,
///     spans_per_trace: 3,
///     select: vec![Field::attribute(AttributeScope::Span, "url.path")],
/// };
/// assert!(!request.filter.needs_trace());
/// ```
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
    /// Fields to list for each of these spans, where present.
    pub select: Vec<Field>,
}

/// Which values to list.
#[derive(Debug, Clone)]
pub struct FieldValuesRequest {
    /// The field whose values to list.
    pub field: Field,
    /// Only spans that satisfy this count.
    pub filter: Filter,
    /// Only spans that start in this range count.
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
    /// Earliest start of all its spans, by the rule of [`Extent`](hoptrail_proto::model::Extent).
    pub start_unix_nano: u64,
    /// Latest end minus earliest start of all its spans, by the same rule.
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

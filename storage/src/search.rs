//! Questions and answers.

use hoptrail_proto::model::{SpanId, TraceId};

use crate::{Expr, Field, Filter, Pipeline, Value};

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

    /// Whether something that starts and ends then runs in the range.
    pub(crate) fn is_met(&self, start: u64, end: u64) -> bool {
        start < self.end && self.start <= end
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
/// let failed = Filter::And(vec![
///     Filter::compare(Field::service(), CompareOp::Eq, Value::string("cart")),
///     Filter::compare(Field::Intrinsic(Intrinsic::Status), CompareOp::Eq, Value::Status(StatusCode::Error)),
/// ]);
/// let request = SearchRequest {
///     spans: failed.into(),
///     select: vec![Field::attribute(AttributeScope::Span, "url.path")],
///     ..SearchRequest::default()
/// };
/// assert_eq!((request.limit, request.spans_per_set), (20, 3));
/// ```
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// Which spans of a trace are the answer. A trace without such spans is not found.
    pub spans: Pipeline,
    /// When at least one span of the answer must run: it starts before the end of the range, and ends at its start or later. The whole
    /// trace is judged, so other spans of the answer may lie outside; but with [`Rows::Spans`] each span must run then.
    pub range: Option<TimeRange>,
    /// Most traces to return, or most spans.
    pub limit: usize,
    /// Most spans to list for each spanset, earliest first. With [`Rows::Spans`] the one span is always listed.
    pub spans_per_set: usize,
    /// Fields to list for each of these spans, where present: the first value of each.
    pub select: Vec<Field>,
    /// Which come first.
    pub order: Order,
    /// Whether a row of the answer is a trace or a span.
    pub rows: Rows,
    /// Only what comes after this place.
    pub after: Option<Place>,
    /// Only these traces; all of them when `None`. Nothing else is read.
    pub traces: Option<Vec<TraceId>>,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            spans: Pipeline::default(),
            range: None,
            limit: 20,
            spans_per_set: 3,
            select: Vec::new(),
            order: Order::Newest,
            rows: Rows::Traces,
            after: None,
            traces: None,
        }
    }
}

/// The order of answers. Those without a value for it come last. Equal traces are ordered by order key, then trace id; equal spans by start,
/// trace id, then span id: the greatest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Order {
    /// Newest traces first; with [`Rows::Spans`] the spans that start last first.
    #[default]
    Newest,
    /// By a value of the spans of the answer that run in the range. A trace counts by its greatest value when the order descends, else by
    /// its least. Numbers and durations count, booleans, and strings; where types differ, they ascend in this order. NaN, bytes, arrays and
    /// lists, status and kind do not count.
    By {
        /// The value.
        value: Expr,
        /// Whether the greatest comes first.
        descending: bool,
    },
}

/// What a row of the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// A trace with its spansets.
    #[default]
    Traces,
    /// A span. The answer has its trace with one spanset of one span, as often as it has spans.
    Spans,
}

/// A place between two answers in an order. Asking for what comes after the place of the last answer gives the next page. What comes to the
/// store meanwhile moves no page: an answer that was there before comes once, as long as it keeps its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The value of [`Order::By`], or one that is equal to it.
    pub value: Option<Value>,
    /// Order key of the trace, or start of the span when rows are spans.
    pub start: u64,
    /// The trace.
    pub trace_id: TraceId,
    /// The span, when rows are spans. Spans that share start and id are on one page, which may make it longer.
    pub span_id: Option<SpanId>,
}

/// Which attribute keys to list.
#[derive(Debug, Clone)]
pub struct AttributeKeysRequest {
    /// Only the keys of spans that satisfy this. With [`Filter::True`] keys of spans outside of the range may be named as well.
    pub filter: Filter,
    /// Only spans that start in this range count.
    pub range: Option<TimeRange>,
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
    /// In the order of the request.
    pub hits: Vec<TraceHit>,
    /// What it took.
    pub inspected: Inspected,
    /// Where the next page begins. `None` when there is none, or when a limit of 0 left no place.
    pub next: Option<Place>,
}

/// What a search has found since the part before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchPart {
    /// The next hits in the order of the request.
    pub hits: Vec<TraceHit>,
    /// What all took so far.
    pub inspected: Inspected,
    /// How many pieces of the work are done.
    pub done: usize,
    /// How many there are; the search may end before all of them are done.
    pub all: usize,
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
    /// Its spansets, at least one.
    pub sets: Vec<SetHit>,
}

impl SearchRequest {
    /// The condition on one span that the request is; all spans when it is more than that.
    pub(crate) fn filter(&self) -> &Filter {
        self.spans.as_filter().unwrap_or(&Filter::True)
    }
}

impl TraceHit {
    /// How many spans are in its spansets.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.sets.iter().map(|set| set.matched).sum()
    }

    /// The spans that its spansets list.
    pub fn spans(&self) -> impl Iterator<Item = &SpanHit> {
        self.sets.iter().flat_map(|set| &set.spans)
    }
}

/// A spanset of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SetHit {
    /// What stages say of it: by its label, in the order of the stages. A missing value is the string `nil`. Each label is there once: when
    /// another stage says it again, it keeps its place and gets the new value.
    pub attributes: Vec<(String, Value)>,
    /// How many spans it has.
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

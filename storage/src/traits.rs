//! What a trace store promises.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use hoptrail_proto::model::{TenantId, Trace, TraceId, TraceSpan};

use crate::contrast::{Contrast, ContrastRequest};
use crate::exceptions::{Exceptions, ExceptionsRequest};
use crate::paths::{CallPaths, PathsRequest};
use crate::rollup::{RollupRequest, Rollups};
use crate::search::{AttributeKeysRequest, FieldValuesRequest, SearchAnswer, SearchPart, SearchRequest};
use crate::series::{MetricsAnswer, MetricsRequest};
use crate::{AttributeScope, QueryContext, ReadError, Value, WriteError};

/// Spans of one tenant that arrived together.
#[derive(Debug, Clone)]
pub struct SpanBatch {
    /// Whose spans they are.
    pub tenant: TenantId,
    /// An OTLP `ExportTraceServiceRequest`, every span of it valid (see `hoptrail_proto::otlp::validate`).
    pub body: Bytes,
    /// How many spans `body` holds.
    pub spans: u32,
}

/// The answer to a write, when it is certain.
pub type WriteFuture = Pin<Box<dyn Future<Output = Result<(), WriteError>> + Send>>;

/// Takes spans in.
///
/// # Contract
///
/// - `Ok` means durable and visible: the spans survive a crash or power loss that happens after it, and every query that
///   starts after it finds them.
/// - An error means that nothing of the batch is stored. There are two exceptions: after [`WriteError::Unknown`] it may be stored, and
///   after [`WriteError::Unavailable`] a crash may make it visible.
/// - Writing the same batch again is harmless: exact copies of a span collapse to one.
/// - The future may be dropped; the batch may then be stored or not.
/// - Memory is bounded: a store that cannot keep up answers [`WriteError::Overloaded`] at once.
pub trait SpanWriter: Send + Sync + Debug {
    /// Hands over a batch.
    fn write(&self, batch: SpanBatch) -> WriteFuture;
}

/// Answers questions about stored spans.
///
/// # Contract
///
/// - Calls block the calling thread and never mix tenants.
/// - An exact copy of a span counts once in every answer, wherever the copies are stored. Spans that only share an id all count.
/// - Traces are in the order of their order keys: the earliest start of all their spans that are stored, by the rule of
///   [`Extent`](hoptrail_proto::model::Extent). A trace whose first spans were dropped is ordered by those that are left.
/// - The same question over the same spans has the same answer.
/// - An unknown id, tenant or field is an empty answer and no error.
/// - A query ends with an error once its time is up, its client has gone or its memory is used up ([`QueryContext`]). Damage of stored
///   bytes is no error: the answer leaves them out, and [`QueryContext::left_out`] says so.
pub trait TraceReader: Send + Sync + Debug {
    /// All spans of a trace in any order, or `None` when no span of it is known. If the trace is larger than the query's memory, the answer
    /// has only the first spans by start, and [`QueryContext::cut_to`] says so.
    fn trace(&self, tenant: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError>;

    /// Gives all spans of a trace, however many and in any order, to `take` in batches. An error of `take` ends it.
    fn each_span(
        &self,
        tenant: &TenantId,
        id: TraceId,
        context: &QueryContext,
        take: &mut dyn FnMut(Vec<TraceSpan>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.trace(tenant, id, context)?.map_or(Ok(()), |trace| take(trace.spans))
    }

    /// The traces or spans that the request asks for, the first ones in its order. Exact: `limit` hits are returned whenever that many
    /// exist.
    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError>;

    /// The same search. Hits go to `take` as soon as it is certain that no other comes before them; the answer has those that are left. An
    /// error of `take` ends it.
    fn search_in_parts(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
        take: &mut dyn FnMut(SearchPart) -> Result<(), ReadError>,
    ) -> Result<SearchAnswer, ReadError> {
        _ = take;
        self.search(tenant, request, context)
    }

    /// Numbers over time, computed of the spans that the request asks for.
    fn metrics(
        &self,
        tenant: &TenantId,
        request: &MetricsRequest,
        context: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError>;

    /// Numbers of rollups: everything that is stored, and what was stored once and has been dropped since.
    fn rollups(
        &self,
        tenant: &TenantId,
        request: &RollupRequest,
        context: &QueryContext,
    ) -> Result<Rollups, ReadError> {
        _ = (tenant, request, context);
        Err(ReadError::Unsupported("this store has no rollups".to_owned()))
    }

    /// What tells the traces of one search apart from those of another, counted over all of them.
    fn contrast(
        &self,
        tenant: &TenantId,
        request: &ContrastRequest,
        context: &QueryContext,
    ) -> Result<Contrast, ReadError> {
        _ = (tenant, request, context);
        Err(ReadError::Unsupported("this store does not compare traces".to_owned()))
    }

    /// The exceptions that spans recorded, in groups.
    fn exceptions(
        &self,
        tenant: &TenantId,
        request: &ExceptionsRequest,
        context: &QueryContext,
    ) -> Result<Exceptions, ReadError> {
        _ = (tenant, request, context);
        Err(ReadError::Unsupported("this store does not group exceptions".to_owned()))
    }

    /// The traces that a search finds as one, folded by call path.
    fn call_paths(
        &self,
        tenant: &TenantId,
        request: &PathsRequest,
        context: &QueryContext,
    ) -> Result<CallPaths, ReadError> {
        _ = (tenant, request, context);
        Err(ReadError::Unsupported("this store does not put traces together".to_owned()))
    }

    /// The attribute keys of the spans that match, sorted by scope and key.
    fn attribute_keys(
        &self,
        tenant: &TenantId,
        request: &AttributeKeysRequest,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError>;

    /// The distinct values of a field on the spans that match, sorted by type and value, at most `limit`.
    fn field_values(
        &self,
        tenant: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError>;
}

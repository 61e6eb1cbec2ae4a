//! `/api/search`.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use hoptrail_storage::{CompareOp, Field, Filter, Intrinsic, Pipeline, SearchRequest, SetExpr, Stage, Value};

use super::answer::search_response;
use super::{range, tags};
use crate::http::{Api, ApiError, Ask, Params, message, truncated, warned};
use crate::traceql::{Compiled, compile, render_errors};
use crate::{place_from_text, place_text};

const DEFAULT_LIMIT: usize = 20;
const DEFAULT_SPANS: usize = 3;
const MAX_SPANS: usize = 100;

/// Parameters that are never taken for attributes.
const KNOWN: [&str; 11] = [
    "q",
    "tags",
    "start",
    "end",
    "since",
    "limit",
    "spss",
    "minDuration",
    "maxDuration",
    "skip_ast_transformations",
    "after",
];

/// Where the next page begins. The message has no field for it.
const NEXT: HeaderName = HeaderName::from_static("x-hoptrail-next");

/// The newest traces that match.
pub(super) async fn search(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let request = request(&api, &ask.params)?;
    let limit = request.limit;
    let answer = api.service.search(&ask.tenants, request).await?;
    let notice = answer.notice();
    let next = answer.value.next.as_ref().map(place_text);
    let cut = next.is_some().then(|| format!("limit={limit}"));
    let mut response = message(ask.format, &search_response(answer.value, api.service.config()))?;
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(warned(truncated(response, cut), notice))
}

/// What the store is asked.
pub(super) fn request(api: &Api, params: &Params) -> Result<SearchRequest, ApiError> {
    let limit = limit(params, api.service.config().max_limit)?;
    let compiled = condition(params)?;
    let after = params.get("after").map(|text| place_from_text(text, &compiled.order, compiled.rows)).transpose();
    let after = after.map_err(|error| ApiError::invalid(format!("invalid after: {error}")))?;
    Ok(SearchRequest {
        spans: with_trace_duration(compiled.spans, params)?,
        range: range::of_search(params, api.clock.now_unix_nano())?,
        limit,
        spans_per_set: spans_per_set(params)?,
        select: compiled.select,
        order: compiled.order,
        rows: compiled.rows,
        after,
        traces: None,
    })
}

fn limit(params: &Params, most: usize) -> Result<usize, ApiError> {
    Ok(params.count("limit", 1, most)?.unwrap_or(DEFAULT_LIMIT))
}

fn spans_per_set(params: &Params) -> Result<usize, ApiError> {
    Ok(params.count("spss", 0, MAX_SPANS)?.filter(|spans| *spans > 0).unwrap_or(DEFAULT_SPANS))
}

/// What a span must satisfy: `q`, `tags`, or in the oldest form every parameter that is none of the others.
fn condition(params: &Params) -> Result<Compiled, ApiError> {
    let everything = Compiled::default();
    match (params.get("q"), params.get("tags")) {
        (Some(_), Some(_)) => Err(ApiError::invalid("q and tags cannot be given together")),
        (Some(q), None) => compile(q)
            .map_err(|errors| ApiError::invalid(format!("invalid TraceQL query\n{}", render_errors(q, &errors)))),
        (None, Some(text)) => tags::condition(&tags::logfmt(text)?),
        (None, None) if params.get("start").is_some() || params.get("end").is_some() => Ok(everything),
        (None, None) => {
            let pairs = params.iter().filter(|(name, _)| !KNOWN.contains(name));
            let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            tags::condition(&pairs)
        }
    }
}

/// Adds the bounds of the whole trace's duration.
fn with_trace_duration(mut spans: Pipeline, params: &Params) -> Result<Pipeline, ApiError> {
    let (least, most) = (params.duration("minDuration")?, params.duration("maxDuration")?);
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        return Err(ApiError::invalid("invalid maxDuration: it is shorter than minDuration"));
    }
    let least = least.map(|nanos| trace_duration(CompareOp::Ge, nanos));
    let most = most.map(|nanos| trace_duration(CompareOp::Le, nanos));
    let bounds: Vec<Filter> = least.into_iter().chain(most).collect();
    if bounds.is_empty() {
        return Ok(spans);
    }
    match spans.as_filter() {
        Some(filter) => Ok(Filter::And(std::iter::once(filter.clone()).chain(bounds).collect()).into()),
        None => {
            spans.stages.insert(0, Stage::Sets(SetExpr::Filter(Filter::And(bounds))));
            Ok(spans)
        }
    }
}

fn trace_duration(op: CompareOp, nanos: u64) -> Filter {
    Filter::compare(Field::Intrinsic(Intrinsic::TraceDuration), op, Value::Duration(nanos))
}

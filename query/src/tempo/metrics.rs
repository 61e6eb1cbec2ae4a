//! `/api/metrics/query_range` and `/api/metrics/query`.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use hoptrail_storage::Steps;

use super::range;
use super::series::{instant_response, range_response};
use crate::http::{Api, ApiError, Ask, Params, json, shown, warned};
use crate::metrics::{RangeRequest, StepsError, instant_steps, range_steps};
use crate::traceql::{CompiledMetrics, compile_metrics, render_errors};

const MAX_EXEMPLARS: usize = 100;
/// Series of an answer when the request does not say how many.
const DEFAULT_SERIES: usize = 1000;
const SECOND: u64 = 1_000_000_000;

/// Says how far a quantile may be off, as a share of its value. The messages have no field for it.
const QUANTILE_ERROR: HeaderName = HeaderName::from_static("hoptrail-quantile-error");

/// Numbers for each interval.
pub(super) async fn query_range(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let request = range_request(&api, &ask.params)?;
    let steps = request.steps;
    let said = request.query.notices.clone();
    let answer = api.service.metrics(&ask.tenants, request).await?;
    let (notice, error) = (answer.notice(), answer.value.quantile_error);
    let message = range_response(&answer.value, steps, notice.clone());
    let warning = warning(notice, said, answer.value.unweighted);
    Ok(with_error(warned(json(&message)?, warning), error))
}

/// One number for the whole time.
pub(super) async fn query(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let request = instant_request(&api, &ask.params)?;
    let said = request.query.notices.clone();
    let answer = api.service.metrics(&ask.tenants, request).await?;
    let (notice, error) = (answer.notice(), answer.value.quantile_error);
    let message = instant_response(&answer.value, notice.clone());
    let warning = warning(notice, said, answer.value.unweighted);
    Ok(with_error(warned(json(&message)?, warning), error))
}

/// What is computed for each interval.
pub(super) fn range_request(api: &Api, params: &Params) -> Result<RangeRequest, ApiError> {
    let query = query_of(params)?;
    let steps = steps(params, api.clock.now_unix_nano())?;
    let exemplars = params.count("exemplars", 0, u32::MAX as usize)?.unwrap_or(MAX_EXEMPLARS).min(MAX_EXEMPLARS);
    Ok(RangeRequest { query, steps, exemplars, max_series: max_series(params)? })
}

/// What is computed for the whole time.
pub(super) fn instant_request(api: &Api, params: &Params) -> Result<RangeRequest, ApiError> {
    let query = query_of(params)?;
    let (start, end) = range::of_metrics(params, api.clock.now_unix_nano())?;
    let steps = instant_steps(start, end).map_err(|error| invalid_steps(&error))?;
    Ok(RangeRequest { query, steps, exemplars: 0, max_series: max_series(params)? })
}

/// What is missing, what the query says that has no effect, and which spans count differently than it asks for.
fn warning(notice: Option<String>, said: Vec<String>, unweighted: u64) -> Option<String> {
    let unweighted =
        (unweighted > 0).then(|| format!("{unweighted} spans do not say how many they stand for; each counts once"));
    let all: Vec<String> = notice.into_iter().chain(said).chain(unweighted).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The query in `q`, which may also be called `query`.
fn query_of(params: &Params) -> Result<CompiledMetrics, ApiError> {
    let q = params.get("q").or_else(|| params.get("query"));
    let q =
        q.ok_or_else(|| ApiError::invalid("q is missing: expected a TraceQL metrics query such as { } | rate()"))?;
    compile_metrics(q)
        .map_err(|errors| ApiError::invalid(format!("invalid TraceQL query\n{}", render_errors(q, &errors))))
}

fn max_series(params: &Params) -> Result<usize, ApiError> {
    Ok(params.count("maxSeries", 0, u32::MAX as usize)?.unwrap_or(DEFAULT_SERIES))
}

fn steps(params: &Params, now: u64) -> Result<Steps, ApiError> {
    let (start, end) = range::of_metrics(params, now)?;
    range_steps(start, end, step(params)?, now).map_err(|error| invalid_steps(&error))
}

fn invalid_steps(error: &StepsError) -> ApiError {
    let name = if matches!(error, StepsError::Empty { .. }) { "end" } else { "step" };
    ApiError::invalid(format!("invalid {name}: {error}"))
}

/// The length of an interval in nanoseconds, given as a duration or in seconds.
fn step(params: &Params) -> Result<Option<u64>, ApiError> {
    let Some(text) = params.get("step") else { return Ok(None) };
    let nanos = match text.parse::<f64>() {
        Ok(seconds) => Some(seconds * SECOND as f64)
            .filter(|nanos| (1.0..u64::MAX as f64).contains(nanos))
            .map(|nanos| nanos as u64),
        Err(_) => params.duration("step")?.filter(|nanos| *nanos > 0),
    };
    let invalid = || {
        ApiError::invalid(format!("invalid step {}: expected a duration such as 30s, or seconds, above 0", shown(text)))
    };
    nanos.map(Some).ok_or_else(invalid)
}

fn with_error(mut response: Response, error: f64) -> Response {
    if let Some(error) = (error > 0.0).then(|| HeaderValue::try_from(error.to_string()).ok()).flatten() {
        response.headers_mut().insert(QUANTILE_ERROR, error);
    }
    response
}

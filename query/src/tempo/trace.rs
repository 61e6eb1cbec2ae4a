//! `/api/traces/{id}` and `/api/v2/traces/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::{Distinct, Trace, TraceId, TraceSpan};
use hoptrail_proto::tempo::{self, Batches, PartialStatus, TraceByIdMetrics, TraceByIdResponse};

use super::part::Part;
use super::{llm, range};
use crate::Error;
use crate::http::{Api, ApiError, Ask, Format, Named, Params, json, message, protobuf, shown, warned};

/// `/api/traces/{id}`: 404 without a body when no span is known.
pub(super) async fn by_id(State(api): State<Api>, Named(id): Named, ask: Ask) -> Result<Response, ApiError> {
    let id = checked(&id, &ask.params)?;
    let answer = api.service.trace(&ask.tenants, id).await?;
    let notice = answer.notice();
    let Some(found) = answer.value else {
        return Ok(warned(StatusCode::NOT_FOUND.into_response(), notice));
    };
    let response = encode(move || {
        let trace = tempo::Trace::new(&side_by_side(found.spans));
        match ask.format {
            Format::Json | Format::Llm => json(&Batches::of(&trace)),
            Format::Protobuf => Ok(protobuf(&trace)),
        }
    });
    Ok(warned(response.await?, notice))
}

/// `/api/v2/traces/{id}`: 200 with an empty trace when no span is known.
pub(super) async fn by_id_v2(State(api): State<Api>, Named(id): Named, ask: Ask) -> Result<Response, ApiError> {
    let id = checked(&id, &ask.params)?;
    let part = Part::of(&ask.params)?;
    let answer = api.service.trace(&ask.tenants, id).await?;
    let notice = answer.notice();
    let found = answer.value.unwrap_or(Trace { id, spans: Vec::new() });
    let wanted = part.wanted(&api, &ask, id).await?;
    let said = notice.clone();
    let response = encode(move || {
        let trace = part.take(found, wanted.as_ref());
        if ask.format == Format::Llm {
            return llm::trace(&trace, said);
        }
        let status = if said.is_some() { PartialStatus::Partial } else { PartialStatus::Complete };
        let answer = TraceByIdResponse {
            trace: Some(tempo::Trace::new(&side_by_side(trace.spans))),
            metrics: Some(TraceByIdMetrics::default()),
            status: status.into(),
            message: said.unwrap_or_default(),
        };
        message(ask.format, &answer)
    });
    Ok(warned(response.await?, notice))
}

/// The id, when it and the other parameters are valid. To Tempo, the time and the kind of server to ask are hints. Here a trace is
/// always looked for everywhere.
fn checked(id: &str, params: &Params) -> Result<TraceId, ApiError> {
    range::open(params)?;
    if let Some(mode) = params.get("mode").filter(|mode| !["all", "blocks", "ingesters", "external"].contains(mode)) {
        return Err(ApiError::invalid(format!(
            "invalid mode {}; there are all, blocks, ingesters and external",
            shown(mode)
        )));
    }
    check_times(range::seconds(params, "start")?, range::seconds(params, "end")?)?;
    trace_id(id)
}

/// Times must not be in the wrong order.
pub(super) fn check_times(start: Option<u32>, end: Option<u32>) -> Result<(), ApiError> {
    match (start, end) {
        (Some(start), Some(end)) if end <= start => {
            Err(ApiError::invalid(format!("invalid end {end}: it must lie after start {start}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn trace_id(text: &str) -> Result<TraceId, ApiError> {
    text.parse().map_err(|error| ApiError::invalid(format!("invalid trace id {}: {error}", shown(text))))
}

/// Large traces take a while to encode: not on a thread that others wait for.
pub(super) async fn encode(
    work: impl FnOnce() -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Error::internal)?
}

/// The spans by start, but those of one resource together, and in it those of one scope.
fn side_by_side(mut spans: Vec<TraceSpan>) -> Vec<TraceSpan> {
    spans.sort_by_key(|span| (span.span.start_unix_nano, span.span.span_id));
    let mut resources = Distinct::default();
    let mut scopes = Distinct::default();
    let mut placed: Vec<((usize, usize), TraceSpan)> = spans
        .into_iter()
        .map(|span| {
            let resource = resources.index_of(&span.resource);
            let scope = scopes.index_of(&span.scope);
            ((resource, scope), span)
        })
        .collect();
    placed.sort_by_key(|(order, _)| *order);
    placed.into_iter().map(|(_, span)| span).collect()
}

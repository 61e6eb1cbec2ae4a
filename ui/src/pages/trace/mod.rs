//! One trace: its facts, its waterfall, and the detail of a span.

mod build;
mod detail;
mod find;
mod rows;
mod value;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hoptrail_proto::model::{Trace, TraceId};
use hoptrail_proto::otlp::json;

use crate::chrome::page;
use crate::context::Visit;
use crate::error::PageError;
use crate::url::Params;
use crate::waterfall::View;

/// `GET /trace?id=...`: the box at the top of every page.
pub(crate) async fn open(params: Params) -> Result<Redirect, PageError> {
    let id = trace_id(params.first(&["id", "traceID"]))?;
    Ok(Redirect::to(&format!("/trace/{id}")))
}

/// `GET /trace/{id}`.
pub(crate) async fn show(
    visit: Visit,
    params: Params,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, PageError> {
    let (trace, damage) = fetch(&visit, path).await?;
    let view = View::read(&params);
    // A large trace takes a while to assemble: not on a thread that serves others.
    let work =
        tokio::task::spawn_blocking(move || page(StatusCode::OK, &build::trace_page(&trace, &view, &visit, damage)));
    work.await.map_err(|error| {
        tracing::error!(%error, "a trace could not be drawn");
        PageError::Internal
    })
}

/// `GET /trace/{id}/json`: the trace as OTLP/JSON, to keep or to load elsewhere.
pub(crate) async fn download(visit: Visit, path: Result<Path<String>, PathRejection>) -> Result<Response, PageError> {
    let (trace, _) = fetch(&visit, path).await?;
    let id = trace.id;
    let text = tokio::task::spawn_blocking(move || json::write_trace(&trace)).await.map_err(|error| {
        tracing::error!(%error, "a trace could not be written");
        PageError::Internal
    })?;
    let name = format!("attachment; filename=\"trace-{id}.json\"");
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

/// The trace, and what of it the store could not read.
async fn fetch(visit: &Visit, path: Result<Path<String>, PathRejection>) -> Result<(Trace, Option<String>), PageError> {
    let Path(text) = path.map_err(|error| PageError::Invalid(error.body_text()))?;
    if let Some((first, second)) = text.split_once("...") {
        return Err(PageError::Compare(trace_id(first)?, trace_id(second)?));
    }
    let id = trace_id(&text)?;
    let answer = visit.service().trace(&visit.tenant, id).await?;
    let damage = answer.notice();
    match answer.value.filter(|trace| !trace.spans.is_empty()) {
        Some(trace) => Ok((trace, damage)),
        // Nobody knows whether it was there.
        None if damage.is_some() => Err(PageError::Store),
        None => Err(PageError::UnknownTrace(id)),
    }
}

fn trace_id(text: &str) -> Result<TraceId, PageError> {
    let text = text.trim();
    text.parse().map_err(|reason| PageError::BadTraceId { text: crate::format::shortened(text, 100), reason })
}

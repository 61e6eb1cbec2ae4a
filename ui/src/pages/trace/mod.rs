//! One trace: its facts, its waterfall, and the detail of a span.

mod build;
mod detail;
mod find;
mod open;
mod rows;
mod value;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp::json::TraceWriter;

use super::{compare, dropped};
use super::known::{known, trace_id};
use crate::chrome::page;
use crate::context::Visit;
use crate::error::PageError;
use crate::url::{Named, Params};
use crate::waterfall::View;

pub(crate) use self::open::open;

/// `GET /trace/{id}`.
pub(crate) async fn show(visit: Visit, params: Params, Named(id): Named<String>) -> Result<Response, PageError> {
    if let Some((base, compare)) = id.split_once("...") {
        return compare::show(visit, params, (trace_id(base)?, trace_id(compare)?)).await;
    }
    let (trace, damage) = known(&visit, trace_id(&id)?).await?;
    let view = View::read(&params);
    // A large trace takes a while to assemble: not on a thread that serves others.
    let work =
        tokio::task::spawn_blocking(move || page(StatusCode::OK, &build::trace_page(&trace, &view, &visit, damage)));
    work.await.map_err(PageError::NotDrawn)
}

/// `GET /trace/{id}/json`: the trace as OTLP/JSON, to keep or to load elsewhere.
pub(crate) async fn download(visit: Visit, Named(id): Named<String>) -> Result<Response, PageError> {
    let id = trace_id(&id)?;
    let mut writer = TraceWriter::default();
    let write = move |spans: Vec<TraceSpan>| writer.batch(&spans);
    let mut batches = visit.service().download(&visit.tenant, id, write, TraceWriter::END.to_owned()).await?;
    // The first batch tells whether there is such a trace; after it the status is sent.
    let unknown = || PageError::UnknownTrace(id, dropped::dropped(&visit));
    let first = batches.recv().await.ok_or_else(unknown)??;
    let rest = stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches)));
    let text = stream::once(async { Ok(first) }).chain(rest);
    let name = format!("attachment; filename=\"trace-{id}.json\"");
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(text)).into_response())
}

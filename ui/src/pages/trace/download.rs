//! The trace to keep or to load elsewhere.

use std::str::FromStr;

use axum::body::Body;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use hoptrail_proto::model::{SpanId, Trace, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_proto::otlp::json::{TraceWriter, write_trace};
use hoptrail_query::assemble::{Clocks, assemble};

use super::{ai, file, jaeger};
use crate::context::Visit;
use crate::error::PageError;
use crate::format;
use crate::pages::dropped;
use crate::pages::known::{known, opened, trace_id};
use crate::url::{Named, Params};

/// `GET /trace/{id}/json`: the trace as OTLP/JSON, or with `span` that span alone.
pub(crate) async fn as_json(visit: Visit, params: Params, Named(id): Named<String>) -> Result<Response, PageError> {
    if let Some(span) = span_of(&params)? {
        let (mut trace, _) = known(&visit, trace_id(&id)?).await?;
        trace.spans.retain(|one| one.span.span_id == span);
        has_span(&trace, span)?;
        let name = format!("span-{span}.json");
        return Ok(attachment("application/json", &name, Body::from(write_trace(&trace))));
    }
    let id = trace_id(&id)?;
    let mut writer = TraceWriter::default();
    let write = move |spans: Vec<TraceSpan>| writer.batch(&spans).into_bytes();
    let whole = |trace: &Trace| write_trace(trace).into_bytes();
    let body = streamed(&visit, id, write, TraceWriter::END.into(), whole).await?;
    Ok(attachment("application/json", &format!("trace-{id}.json"), body))
}

/// `GET /trace/{id}/otlp`: the same as protobuf. Messages of the same kind one after the other are one message.
pub(crate) async fn as_protobuf(visit: Visit, Named(id): Named<String>) -> Result<Response, PageError> {
    let id = trace_id(&id)?;
    let write = |spans: Vec<TraceSpan>| otlp::encode(&spans);
    let body = streamed(&visit, id, write, vec![], |trace| otlp::encode(&trace.spans)).await?;
    Ok(attachment("application/x-protobuf", &format!("trace-{id}.pb"), body))
}

/// `GET /trace/{id}/jaeger`: the trace as Jaeger's web UI writes and reads it.
pub(crate) async fn as_jaeger(visit: Visit, Named(id): Named<String>) -> Result<Response, PageError> {
    let (trace, _) = known(&visit, trace_id(&id)?).await?;
    let name = format!("trace-{}-jaeger.json", trace.id);
    let text = drawn(move || jaeger::write(&trace)).await?;
    Ok(attachment("application/json", &name, Body::from(text)))
}

/// `GET /trace/{id}/html`: the trace as one page that needs nothing else.
pub(crate) async fn as_html(visit: Visit, Named(id): Named<String>) -> Result<Response, PageError> {
    let (trace, damage) = known(&visit, trace_id(&id)?).await?;
    let name = format!("trace-{}.html", trace.id);
    let text = drawn(move || file::write(&assemble(&trace, Clocks::AsSent), &visit, damage.as_deref())).await?;
    Ok(attachment("text/html; charset=utf-8", &name, Body::from(text)))
}

/// `GET /trace/{id}/value?span=ID&key=KEY`: the whole of one attribute of a span, or of its events, as plain text.
pub(crate) async fn raw_value(visit: Visit, params: Params, Named(id): Named<String>) -> Result<Response, PageError> {
    let (trace, _) = known(&visit, trace_id(&id)?).await?;
    let span = span_of(&params)?
        .ok_or_else(|| PageError::BadParameter("span is missing: it is the id of a span".to_owned()))?;
    let key = params.text("key");
    let of_id = has_span(&trace, span)?;
    if visit.app.config.hide_ai_content && ai::is_ai(&of_id.span) && ai::is_content(key) {
        return Err(PageError::BadParameter(format!("{key} is hidden by ui.hide_ai_content")));
    }
    let events = || of_id.span.events.iter().flat_map(|event| event.attributes.iter());
    let mut all = of_id.span.attributes.iter().chain(events()).chain(of_id.resource.attributes.iter());
    let found = all.find(|attribute| attribute.key == key);
    let found = found.ok_or_else(|| {
        PageError::BadParameter(format!("the span has no attribute {:?}", format::shortened(key, 100)))
    })?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, format::value(&found.value)).into_response())
}

fn span_of(params: &Params) -> Result<Option<SpanId>, PageError> {
    let text = params.text("span");
    if text.is_empty() {
        return Ok(None);
    }
    let wrong =
        |reason| PageError::BadParameter(format!("span {:?} is no span id: {reason}", format::shortened(text, 60)));
    SpanId::from_str(text).map(Some).map_err(wrong)
}

fn has_span(trace: &Trace, span: SpanId) -> Result<&TraceSpan, PageError> {
    let found = trace.spans.iter().find(|one| one.span.span_id == span);
    found.ok_or_else(|| PageError::BadParameter(format!("span {span} is not in this trace")))
}

async fn drawn(draw: impl FnOnce() -> String + Send + 'static) -> Result<String, PageError> {
    tokio::task::spawn_blocking(draw).await.map_err(PageError::NotDrawn)
}

/// All spans of the trace, batch by batch; of a file's trace at once, as `whole` writes it.
async fn streamed(
    visit: &Visit,
    id: TraceId,
    make: impl FnMut(Vec<TraceSpan>) -> Vec<u8> + Send + 'static,
    end: Vec<u8>,
    whole: impl FnOnce(&Trace) -> Vec<u8>,
) -> Result<Body, PageError> {
    let mut batches = visit.service().download(&visit.tenant, id, make, end).await?;
    // The first batch tells whether there is such a trace; after it the status is sent.
    let Some(first) = batches.recv().await else {
        let trace = opened(visit, id).ok_or_else(|| PageError::UnknownTrace(id, dropped::dropped(visit)))?;
        return Ok(Body::from(whole(&trace)));
    };
    let first = first?;
    let rest = stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches)));
    Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(rest)))
}

fn attachment(kind: &str, name: &str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers: [(HeaderName, String); 2] =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, body).into_response()
}

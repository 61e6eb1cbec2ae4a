//! `GET /search/tail`: new matches as they arrive, as server-sent events whose data are rows of the list.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hoptrail_proto::model::{SpanId, TraceId};
use hoptrail_query::{Order, Rows, SearchRequest, TimeRange, TraceHit};

use super::entry;
use super::form::Form;
use super::question::Question;
use super::results::{self, Row, Shown};
use crate::context::Visit;
use crate::error::PageError;
use crate::filters;
use crate::url::Params;

/// How often there are news.
const PACE: Duration = Duration::from_secs(1);
/// One answer has so many, then the browser asks again: so a server that stops need not wait for those who watch.
const TICKS: usize = 10;
/// How long before the last look a span that is found now may have ended: senders wait for a batch.
const LATE: u64 = 30_000_000_000;
const AHEAD: u64 = 60_000_000_000;
/// Most rows of a tick.
const MOST: usize = 50;

/// Rows of the list.
#[derive(Debug, Template)]
#[template(path = "tail.html")]
struct TailRows {
    rows: Vec<Row>,
    is_compact: bool,
}

/// Somebody who watches.
struct Tail {
    visit: Visit,
    form: Form,
    request: SearchRequest,
    /// What was told of each row: how many spans it had.
    told: HashMap<(TraceId, Option<SpanId>), u64>,
    since: u64,
    ticks: usize,
}

/// `GET /search/tail`: the fields of the form, and the moment of the last look as the last event's id.
pub(crate) async fn show(visit: Visit, params: Params, headers: HeaderMap) -> Result<Response, PageError> {
    let form = Form::read(&params, &visit.zone);
    let request = match form.question(visit.now, &visit.zone) {
        Ok(Question::Traces(question)) if question.request.order == Order::Newest => question.request,
        Ok(_) => return Err(PageError::BadParameter("only a search with the newest first has news".to_owned())),
        Err(errors) => {
            let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            return Err(PageError::BadParameter(messages.join(" ")));
        }
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let request = SearchRequest { limit: MOST, after: None, ..request };
    let since = last.unwrap_or(visit.now).min(visit.now);
    let tail = Tail { visit, form, request, told: HashMap::new(), since, ticks: 0 };
    Ok(Sse::new(stream::unfold(tail, async |mut tail| Some((tail.next().await?, tail)))).into_response())
}

impl Tail {
    async fn next(&mut self) -> Option<Result<Event, Infallible>> {
        if self.ticks == TICKS {
            return None;
        }
        if self.ticks > 0 {
            tokio::time::sleep(PACE).await;
        }
        self.ticks += 1;
        let now = self.visit.app.now();
        let range = TimeRange { start: self.since.saturating_sub(LATE), end: now.saturating_add(AHEAD) };
        let request = SearchRequest { range: Some(range), ..self.request.clone() };
        let hits = self.visit.service().search(&self.visit.tenant, request).await;
        // When the server has no room for it now, the next look finds it.
        let news: Vec<TraceHit> = hits.map(|answer| answer.value.hits).unwrap_or_default();
        let news: Vec<TraceHit> = news.into_iter().filter(|hit| self.is_new(hit)).collect();
        let event = Event::default().retry(PACE).id(now.to_string());
        let html = if news.is_empty() { String::new() } else { self.html(&news, now).await };
        Some(Ok(if html.is_empty() { event.comment("nothing new") } else { event.data(html) }))
    }

    /// Whether the row is not there yet, or has other numbers now.
    fn is_new(&mut self, hit: &TraceHit) -> bool {
        let span = (self.request.rows == Rows::Spans).then(|| hit.spans().next().map(|span| span.span_id)).flatten();
        let spans = results::totals(hit).0;
        self.told.insert((hit.trace_id, span), spans) != Some(spans)
    }

    async fn html(&self, hits: &[TraceHit], now: u64) -> String {
        let entries = match self.request.rows {
            Rows::Traces => entry::entries(&self.visit, self.visit.service(), hits).await,
            Rows::Spans => HashMap::new(),
        };
        let palette = results::palette(hits, &[]);
        let (zone, rows) = (&self.visit.zone, self.request.rows);
        let shown = Shown { form: &self.form, rows, palette: &palette, entries: &entries, zone, now, by_time: true };
        let page = TailRows { rows: results::rows(hits, &shown), is_compact: self.form.view == "compact" };
        // An event may have no carriage return.
        page.render().unwrap_or_default().replace('\r', "&#13;")
    }
}

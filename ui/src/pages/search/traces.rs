//! The traces or spans that a search found.

use hoptrail_query::{Answer, Order, Rows, SearchAnswer, SearchRequest};

use super::form::Form;
use super::question::{MOST, Traces};
use super::results::{self, Row};
use super::scatter::{self, Scatter};
use super::{advice, inspected};
use crate::context::Visit;
use crate::error::PageError;
use crate::format;

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) scatter: Option<Scatter>,
    pub(crate) heading: String,
    /// Whether the reader may choose an order: a query that says its own has that one.
    pub(crate) is_ordered: bool,
    /// Whether a row is a span.
    pub(crate) is_spans: bool,
    /// What to do about further ones; empty when these are all.
    pub(crate) older: &'static str,
    pub(crate) traceql: Option<String>,
    pub(crate) inspected: String,
    /// What the store could not read.
    pub(crate) damage: Option<String>,
    /// Wider searches, when nothing was found.
    pub(crate) advice: Vec<(String, &'static str)>,
}

/// Asks the store and shows what it says.
pub(super) async fn found(
    visit: &Visit,
    form: &Form,
    question: Traces,
    services: &[String],
) -> Result<Found, PageError> {
    // One more than is shown says whether there are others.
    let request = SearchRequest { limit: question.request.limit + 1, ..question.request.clone() };
    let answer = visit.service().search(&visit.tenant, request).await?;
    Ok(show(visit, form, question, answer, services))
}

fn show(visit: &Visit, form: &Form, question: Traces, answer: Answer<SearchAnswer>, services: &[String]) -> Found {
    let damage = answer.notice();
    let SearchAnswer { mut hits, inspected: work, .. } = answer.value;
    let request = question.request;
    let cut = hits.len() > request.limit;
    hits.truncate(request.limit);
    let is_ordered = request.order == Order::Newest && request.rows == Rows::Traces;
    let is_spans = request.rows == Rows::Spans;
    let scatter = scatter::plot(&hits, request.range.map_or(0, |range| range.start), &visit.zone);
    if is_ordered {
        results::sort(&mut hits, &form.sort);
    }
    let palette = results::palette(&hits, services);
    Found {
        scatter: scatter.filter(|_| !is_spans),
        rows: results::rows(&hits, request.rows, &palette, &visit.zone, visit.now),
        heading: heading(hits.len(), cut, &request),
        is_ordered,
        is_spans,
        older: match cut {
            false => "",
            true if request.limit < MOST => "There are more: raise the limit or narrow the search.",
            true => "There are more: narrow the search.",
        },
        traceql: Some(question.traceql).filter(|traceql| form.is_restricted() && *traceql != form.query),
        inspected: inspected(work),
        damage,
        advice: if hits.is_empty() { advice(form) } else { vec![] },
    }
}

fn heading(hits: usize, cut: bool, request: &SearchRequest) -> String {
    let (one, many) = if request.rows == Rows::Spans { ("span", "spans") } else { ("trace", "traces") };
    let counted = format::counted(hits, one, many);
    match (hits, cut, &request.order) {
        (0, ..) => format!("No {many} found"),
        (_, true, Order::Newest) => format!("The newest {counted}"),
        (_, true, Order::By { .. }) => format!("The first {counted}"),
        (1, false, _) => counted,
        (_, false, _) => format!("All {counted}"),
    }
}

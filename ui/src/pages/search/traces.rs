//! The traces or spans that a search found.

use hoptrail_query::{Answer, Order, Rows, SearchAnswer, SearchRequest, Service, place_text};

use super::form::Form;
use super::question::Traces;
use super::results::{self, Row};
use super::scatter::{self, Scatter};
use super::{WIDER, advice, inspected};
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
    /// The next page; empty when there is none.
    pub(crate) next: String,
    /// The first page; empty when this is it.
    pub(crate) first: String,
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
    service: &Service,
    form: &Form,
    question: Traces,
    services: &[String],
) -> Result<Found, PageError> {
    let answer = service.search(&visit.tenant, question.request.clone()).await?;
    Ok(show(visit, form, question, answer, services))
}

fn show(visit: &Visit, form: &Form, question: Traces, answer: Answer<SearchAnswer>, services: &[String]) -> Found {
    let damage = answer.notice();
    let SearchAnswer { mut hits, inspected: work, next } = answer.value;
    let request = question.request;
    let page = match (&request.after, &next) {
        (None, None) => Page::Whole,
        (None, Some(_)) => Page::First,
        (Some(_), _) => Page::Later,
    };
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
        heading: heading(hits.len(), page, &request),
        is_ordered,
        is_spans,
        next: next.map(|place| form.with("after", &place_text(&place))).unwrap_or_default(),
        first: if page == Page::Later { form.with("after", "") } else { String::new() },
        traceql: Some(question.traceql).filter(|traceql| form.is_restricted() && *traceql != form.query),
        inspected: inspected(work),
        damage,
        advice: if hits.is_empty() { advice(form, &WIDER) } else { vec![] },
    }
}

/// Which part of an answer a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Whole,
    First,
    Later,
}

fn heading(hits: usize, page: Page, request: &SearchRequest) -> String {
    let (one, many) = if request.rows == Rows::Spans { ("span", "spans") } else { ("trace", "traces") };
    let counted = format::counted(hits, one, many);
    match (hits, page, &request.order) {
        (0, Page::Later, _) => format!("No further {many}"),
        (0, ..) => format!("No {many} found"),
        (_, Page::Later, _) => format!("The next {counted}"),
        (_, Page::First, Order::Newest) => format!("The newest {counted}"),
        (_, Page::First, Order::By { .. }) => format!("The first {counted}"),
        (1, Page::Whole, _) => counted,
        (_, Page::Whole, _) => format!("All {counted}"),
    }
}

//! The traces or spans that a search found.

use std::collections::HashMap;

use hoptrail_query::{Answer, Order, Rows, SearchAnswer, SearchRequest, Service, TimeRange, place_text};

use super::choice::Choice;
use super::form::{Form, write_name};
use super::names::{self, Of};
use super::overview::{self, Overview};
use super::question::Traces;
use super::results::{self, Row, Shown};
use super::scatter::{self, Scatter};
use super::{WIDER, advice, entry, inspected, order, quiet};
use crate::context::Visit;
use crate::error::PageError;
use crate::format;

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) scatter: Option<Scatter>,
    pub(crate) heading: String,
    /// Why the time is not the usual one; empty when it is.
    pub(crate) widened: String,
    /// Orders, rows and views to choose from, with their links.
    pub(crate) orders: Vec<(String, Choice)>,
    pub(crate) kinds: Vec<(String, Choice)>,
    pub(crate) views: Vec<(String, Choice)>,
    /// Whether a row is a span.
    pub(crate) is_spans: bool,
    /// How rows are shown.
    pub(crate) view: &'static str,
    /// The zone of the times, and the day when it is the same for all rows.
    pub(crate) started: String,
    /// Whether all rows are of one day.
    pub(crate) is_one_day: bool,
    /// What the query lists of spans, as columns of a table.
    pub(crate) columns: Vec<String>,
    /// Whether new matches are shown as they arrive, and where they come from; empty when there can be none.
    pub(crate) is_live: bool,
    pub(crate) tail: String,
    /// The page that begins to show them, or ends it, and the one that looks again.
    pub(crate) live: String,
    pub(crate) refresh: String,
    /// This search with the times that it has now; empty when it has those already.
    pub(crate) absolute: String,
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
    /// This search for other span names that have the text of the one that was asked for, with their links and numbers of spans.
    pub(crate) alike: Vec<(String, String, String)>,
    /// All matches, counted.
    pub(crate) overview: Overview,
}

/// Asks the store and shows what it says. When nobody chose the time and there is nothing in the usual one, the form gets the time of the
/// newest answer.
pub(super) async fn found(
    visit: &Visit,
    service: &Service,
    form: &mut Form,
    mut question: Traces,
    services: &[String],
) -> Result<Found, PageError> {
    let mut answer = service.search(&visit.tenant, question.request.clone()).await?;
    let mut widened = String::new();
    if answer.value.hits.is_empty()
        && question.request.after.is_none()
        && let Some(quiet) = quiet::wider(visit, form, &question.request).await
    {
        question.request.range = Some(quiet.range);
        widened = quiet.notice;
        answer = service.search(&visit.tenant, question.request.clone()).await?;
    }
    let overview = match answer.value.hits.is_empty() {
        true => Overview::default(),
        false => overview::overview(visit, form, &question).await,
    };
    let entries = match question.request.rows {
        Rows::Traces => entry::entries(visit, visit.service(), &answer.value.hits).await,
        Rows::Spans => HashMap::new(),
    };
    let hits = &answer.value.hits;
    let palette = results::palette(hits, services);
    let by_time = question.request.order == Order::Newest || form.sort == "oldest";
    let shown = Shown {
        form,
        rows: question.request.rows,
        palette: &palette,
        entries: &entries,
        zone: &visit.zone,
        now: visit.now,
        by_time,
    };
    let rows = results::rows(hits, &shown);
    let earliest = question.request.range.map_or(0, |range| range.start);
    let scatter = scatter::plot(hits, &entries, earliest, &visit.zone);
    let alike = if hits.is_empty() { alike(visit, form, question.request.range).await? } else { vec![] };
    Ok(show(visit, form, question, answer, Shows { rows, scatter, widened, overview, alike }))
}

/// Names like one that nothing has.
async fn alike(
    visit: &Visit,
    form: &Form,
    range: Option<TimeRange>,
) -> Result<Vec<(String, String, String)>, PageError> {
    if form.name.is_empty() {
        return Ok(vec![]);
    }
    let found = names::like(visit, Of::Spans(&form.service), &form.name, range).await?;
    let others = found.into_iter().filter(|(name, _)| *name != form.name);
    Ok(others.map(|(name, spans)| (form.with("name", &write_name(&name)), name, spans)).collect())
}

/// What the page shows besides words.
struct Shows {
    rows: Vec<Row>,
    scatter: Option<Scatter>,
    widened: String,
    overview: Overview,
    alike: Vec<(String, String, String)>,
}

fn show(visit: &Visit, form: &Form, question: Traces, answer: Answer<SearchAnswer>, shows: Shows) -> Found {
    let damage = answer.notice();
    let SearchAnswer { hits, inspected: work, next } = answer.value;
    let request = question.request;
    let page = match (&request.after, &next) {
        (None, None) => Page::Whole,
        (None, Some(_)) => Page::First,
        (Some(_), _) => Page::Later,
    };
    let is_spans = request.rows == Rows::Spans;
    let live = Live::of(form, &request, page);
    let Shows { rows, scatter, widened, overview, alike } = shows;
    // All matches say more than those of the page.
    let is_drawn = overview.heat.is_some() && page != Page::Whole;
    let free = |choices: Vec<(String, Choice)>| if question.is_free && !hits.is_empty() { choices } else { vec![] };
    Found {
        scatter: scatter.filter(|_| !is_spans && !is_drawn),
        heading: heading(hits.len(), page, &request),
        widened,
        orders: free(order::orders(form)),
        kinds: free(order::linked(form, "rows", &form.rows, order::ROWS)),
        views: if hits.is_empty() { vec![] } else { order::linked(form, "view", &form.view, order::VIEWS) },
        is_spans,
        view: order::VIEWS.iter().find(|(word, _)| *word == form.view).map_or("", |(word, _)| word),
        started: started(&rows, visit),
        is_one_day: rows.iter().skip(1).all(|row| row.day.is_empty()),
        columns: results::columns(&rows),
        is_live: live.is_on,
        tail: live.tail,
        live: live.toggle,
        refresh: form.with("live", "1"),
        absolute: absolute(visit, form, &request),
        rows,
        next: next.map(|place| form.with("after", &place_text(&place))).unwrap_or_default(),
        first: if page == Page::Later { form.with("after", "") } else { String::new() },
        traceql: Some(question.traceql).filter(|traceql| form.is_restricted() && *traceql != form.query),
        inspected: inspected(work),
        damage,
        advice: if hits.is_empty() { advice(form, &WIDER) } else { vec![] },
        alike,
        overview: Overview { heat: overview.heat.filter(|_| is_drawn || is_spans), ..overview },
    }
}

/// The links of a list that grows.
#[derive(Debug, Default)]
struct Live {
    is_on: bool,
    tail: String,
    toggle: String,
}

impl Live {
    /// Nothing for a list that ends before now, or that has another order, and for tables.
    fn of(form: &Form, request: &SearchRequest, page: Page) -> Self {
        if request.order != Order::Newest || page == Page::Later || form.lookback == "custom" || form.view == "table" {
            return Self::default();
        }
        let is_on = !form.live.is_empty();
        let toggle = form.with("live", if is_on { "" } else { "1" });
        Self { is_on, tail: form.link("/search/tail", &[("limit", "")]), toggle }
    }
}

/// This search with its time from one moment to another, for who shares the link.
fn absolute(visit: &Visit, form: &Form, request: &SearchRequest) -> String {
    let Some(range) = request.range.filter(|_| form.lookback != "custom") else { return String::new() };
    let [from, to] = [range.start, range.end.min(visit.now)].map(|time| format::exact_time(time, &visit.zone));
    form.link(super::form::SEARCH, &[("lookback", ""), ("from", &from), ("to", &to), ("after", &form.after)])
}

/// `9 Oct 2025, UTC`
fn started(rows: &[Row], visit: &Visit) -> String {
    let zone = rows.first().map(|row| row.start.zone.as_str()).unwrap_or_default();
    let zone =
        if rows.iter().all(|row| row.start.zone == zone) { zone.to_owned() } else { format::zone_name(&visit.zone) };
    let days: Vec<&str> = rows.iter().map(|row| row.day.as_str()).filter(|day| !day.is_empty()).collect();
    match days.as_slice() {
        [day] => format!("{day}, {zone}"),
        _ => zone,
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

//! Find traces: the form, what it found, and what to do when it found nothing.

mod attributes;
pub(crate) mod choice;
pub(crate) mod complete;
mod entry;
pub(crate) mod field_error;
pub(crate) mod form;
mod memory;
mod names;
mod order;
mod overview;
pub(crate) mod question;
mod quiet;
pub(crate) mod range;
mod results;
mod scatter;
pub(crate) mod series;
mod sets;
pub(crate) mod tail;
mod text;
mod traces;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use hoptrail_query::{Explanation, Inspected};

use self::choice::{Choice, choices};
use self::field_error::FieldError;
use self::form::{Form, write_name};
use self::names::Names;
use self::question::{Question, Series};
use self::range::{Edge, TimeInput};
use self::series::Plotted;
use self::traces::Found;
use super::start::StartPage;
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::ids::{self, Named};
use crate::url::Params;
use crate::views::View;
use crate::{filters, format};

pub(crate) use self::entry::{Title, shown_service};
pub(crate) use self::memory::label;
pub(crate) use self::names::store_is_empty;
pub(crate) use self::overview::{Facet, FacetValue, Overview};

const LOOKBACKS: [(&str, &str); 9] = [
    ("5m", "Last 5 minutes"),
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("6h", "Last 6 hours"),
    ("24h", "Last 24 hours"),
    ("2d", "Last 2 days"),
    ("7d", "Last 7 days"),
    ("all", "All time"),
    ("custom", "From … to …"),
];
const LIMITS: [&str; 5] = ["20", "50", "100", "200", "500"];
const STEPS: [(&str, &str); 9] = [
    ("", "Automatic"),
    ("1s", "1 s"),
    ("10s", "10 s"),
    ("30s", "30 s"),
    ("1m", "1 min"),
    ("5m", "5 min"),
    ("15m", "15 min"),
    ("1h", "1 h"),
    ("1d", "1 d"),
];
const STATUSES: [(&str, &str); 4] = [("", "Any status"), ("error", "Error"), ("ok", "OK"), ("unset", "Unset")];
const KINDS: [(&str, &str); 6] = [
    ("", "Any kind"),
    ("server", "Server"),
    ("client", "Client"),
    ("producer", "Producer"),
    ("consumer", "Consumer"),
    ("internal", "Internal"),
];

/// The search page.
#[derive(Debug, Template)]
#[template(path = "search.html")]
struct SearchPage {
    chrome: Chrome,
    form: Form,
    services: Vec<Choice>,
    /// The service as its field holds it.
    service: String,
    /// How many services are offered, when there are more.
    services_cut: Option<String>,
    /// The span name as its field holds it.
    name: String,
    /// Span names, each with how many spans have it.
    names: Vec<(String, String)>,
    /// How many span names are offered, when there are more.
    names_cut: Option<String>,
    statuses: Vec<Choice>,
    kinds: Vec<Choice>,
    lookbacks: Vec<Choice>,
    limits: Vec<Choice>,
    from: TimeInput,
    to: TimeInput,
    zone: String,
    outcome: Outcome,
    /// Lengths of intervals; empty unless numbers are shown.
    step_choices: Vec<Choice>,
    /// The same page with what the store did.
    explain: String,
    /// What the store did, when it was asked.
    explained: Option<String>,
    /// Why new spans are refused.
    refused: Option<String>,
    /// The other zone to see times in, and the page that does; empty when there is none.
    other_zone: (&'static str, String),
    /// Searches of this browser, with their links.
    recent: Vec<(String, String)>,
    /// Named searches, with their links.
    views: Vec<View>,
    /// The address of this page.
    here: String,
}

/// What came of a search.
#[derive(Debug)]
enum Outcome {
    /// It was not run.
    Errors(Vec<FieldError>),
    Traces(Box<Found>),
    Series(Box<Plotted>),
}

impl SearchPage {
    fn errors(&self) -> &[FieldError] {
        match &self.outcome {
            Outcome::Errors(errors) => errors,
            _ => &[],
        }
    }

    fn error(&self, field: &str) -> Option<&FieldError> {
        self.errors().iter().find(|error| error.field == field)
    }

    fn traces(&self) -> Option<&Found> {
        match &self.outcome {
            Outcome::Traces(found) => Some(found),
            _ => None,
        }
    }

    /// Whether the page has the field that adds an attribute to count.
    fn has_facets(&self) -> bool {
        self.traces().is_some_and(|found| found.overview.is_asked)
    }

    fn series(&self) -> Option<&Plotted> {
        match &self.outcome {
            Outcome::Series(plotted) => Some(plotted),
            _ => None,
        }
    }

    /// What was found, in a few words; empty when nothing was asked.
    fn heading(&self) -> &str {
        match &self.outcome {
            Outcome::Errors(_) => "",
            Outcome::Traces(found) => &found.heading,
            Outcome::Series(plotted) => &plotted.heading,
        }
    }
}

/// `GET /search`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let mut form = Form::read(&params, &visit.zone);
    if let Some(redirect) = typed_trace_id(&form) {
        return Ok(redirect);
    }
    let range = form.range(visit.now, &visit.zone).unwrap_or_default();
    let services = names::services(&visit, range).await?;
    if services.names.is_empty() && names::store_is_empty(&visit).await? {
        return Ok(page(StatusCode::OK, &StartPage::empty_store(&visit)));
    }
    let notes = (!form.explain.is_empty()).then(Explanation::default);
    let explaining = notes.as_ref().map(|notes| visit.service().explaining(notes));
    let service = explaining.as_ref().unwrap_or_else(|| visit.service());
    let outcome = match form.question(visit.now, &visit.zone) {
        Err(errors) => Outcome::Errors(errors),
        Ok(Question::Traces(question)) => {
            Outcome::Traces(Box::new(traces::found(&visit, service, &mut form, question, &services.names).await?))
        }
        Ok(Question::Series(question)) => {
            Outcome::Series(Box::new(series::plotted(&visit, service, &form, &question).await?))
        }
    };
    answer(&visit, form, services, outcome, notes.map(|notes| notes.to_string())).await
}

/// `GET /search/csv`: the numbers of a metrics query as a file.
pub(crate) async fn csv(visit: Visit, params: Params) -> Result<Response, PageError> {
    let form = Form::read(&params, &visit.zone);
    match series_question(&form, &visit) {
        Ok(question) => series::csv(&visit, &question).await,
        Err(errors) => wrong(&visit, form, errors).await,
    }
}

/// `GET /search/json`: the same as JSON.
pub(crate) async fn json(visit: Visit, params: Params) -> Result<Response, PageError> {
    let form = Form::read(&params, &visit.zone);
    match series_question(&form, &visit) {
        Ok(question) => series::json(&visit, &question).await,
        Err(errors) => wrong(&visit, form, errors).await,
    }
}

fn series_question(form: &Form, visit: &Visit) -> Result<Series, Vec<FieldError>> {
    match form.question(visit.now, &visit.zone)? {
        Question::Series(question) => Ok(question),
        Question::Traces(_) => {
            Err(vec![FieldError::new("q", "Only a metrics query has numbers, such as { } | rate().")])
        }
    }
}

/// The page that says what is wrong.
async fn wrong(visit: &Visit, form: Form, errors: Vec<FieldError>) -> Result<Response, PageError> {
    let services = names::services(visit, form.range(visit.now, &visit.zone).unwrap_or_default()).await?;
    answer(visit, form, services, Outcome::Errors(errors), None).await
}

async fn answer(
    visit: &Visit,
    form: Form,
    services: Names,
    outcome: Outcome,
    explained: Option<String>,
) -> Result<Response, PageError> {
    let range = form.range(visit.now, &visit.zone).unwrap_or_default();
    let names = names::span_names(visit, &form.service, range).await?;
    let status = if matches!(outcome, Outcome::Errors(_)) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let explain = form.with("explain", "1");
    let here = form.with("after", &form.after);
    let kept = Some(&outcome).filter(|outcome| !matches!(outcome, Outcome::Errors(_)) && form.is_restricted());
    let kept = kept.and_then(|_| visit.recent.with(&form.with("view", "")));
    let recent = memory::labelled(visit, &here);
    let other_zone = memory::other_zone(visit, &here);
    let page_of = search_page(visit, form, &services, &names, outcome);
    let answer = page(status, &SearchPage { explain, explained, other_zone, recent, here, ..page_of });
    Ok(memory::keeping(answer, kept))
}

/// A trace id typed into the query box opens the trace.
fn typed_trace_id(form: &Form) -> Option<Response> {
    let Named::Trace(id, _) = ids::word(&form.query)? else { return None };
    Some(Redirect::to(&format!("/trace/{id}")).into_response())
}

fn inspected(work: Inspected) -> String {
    let counted = |count: u64, one, many| format::counted(usize::try_from(count).unwrap_or(usize::MAX), one, many);
    let spans = counted(work.spans, "span", "spans");
    // Numbers are counted without a look at traces.
    if work.traces == 0 {
        return format!("{spans} looked at");
    }
    format!("{spans} in {} looked at", counted(work.traces, "trace", "traces"))
}

/// Longer times, and what they are called.
const WIDER: [(&str, &str); 3] = [("24h", "the last 24 hours"), ("7d", "the last 7 days"), ("all", "all time")];

/// Wider searches than one that found nothing.
fn advice(form: &Form, wider: &[(&'static str, &'static str)]) -> Vec<(String, &'static str)> {
    let mut advice = Vec::new();
    for (value, text) in wider.iter().copied() {
        if form.lookback != value && form.lookback != "all" {
            advice.push((form.with("lookback", value), text));
        }
    }
    if form.is_restricted() {
        advice.push((
            crate::url::href("/search", [("lookback", form.lookback.as_str())]),
            "everything, without conditions",
        ));
    }
    advice
}

fn search_page(visit: &Visit, form: Form, services: &Names, names: &Names, outcome: Outcome) -> SearchPage {
    let offered: Vec<String> = services.names.iter().map(|name| write_name(name)).collect();
    let labels: Vec<String> = services.names.iter().map(|name| with_count(name, &services.spans(name))).collect();
    let choosable = offered.iter().map(String::as_str).zip(labels.iter().map(String::as_str));
    let time = |text, edge| range::input(text, &visit.zone, edge);
    SearchPage {
        chrome: Chrome::at(Place::Search),
        services: choices(std::iter::once(("", "All services")).chain(choosable), &write_name(&form.service)),
        service: write_name(&form.service),
        services_cut: services.cut(),
        names_cut: names.cut(),
        name: write_name(&form.name),
        names: names.names.iter().map(|name| (write_name(name), names.spans(name))).collect(),
        statuses: choices(STATUSES, &form.status),
        kinds: choices(KINDS, &form.kind),
        lookbacks: choices(LOOKBACKS, &form.lookback),
        limits: choices(LIMITS.map(|limit| (limit, limit)), &form.limit),
        from: time(&form.from, Edge::From),
        to: time(&form.to, Edge::To),
        zone: format::zone_name(&visit.zone),
        step_choices: if has_steps(&form, &outcome) { choices(STEPS, &form.step) } else { vec![] },
        form,
        outcome,
        explain: String::new(),
        explained: None,
        refused: (visit.app.notices)().refused,
        other_zone: ("", String::new()),
        recent: vec![],
        views: visit.app.views.of(visit.tenant.as_str()),
        here: String::new(),
    }
}

/// `cart (12 spans)`
fn with_count(name: &str, spans: &str) -> String {
    if spans.is_empty() { name.to_owned() } else { format!("{name} ({spans})") }
}

/// Whether the form offers lengths of intervals: for numbers, and while one that was chosen is wrong.
fn has_steps(form: &Form, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Series(_) => true,
        Outcome::Traces(_) => false,
        Outcome::Errors(_) => !form.step.is_empty(),
    }
}

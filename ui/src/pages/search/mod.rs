//! Find traces: the form, what it found, and what to do when it found nothing.

mod attributes;
mod field_error;
mod form;
mod range;
mod results;
mod scatter;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use hoptrail_proto::model::{AnyValue, TraceId};
use hoptrail_query::{
    Answer, CompareOp, Field, FieldValuesRequest, Filter, Intrinsic, SearchAnswer, SearchRequest, Value,
};

use self::field_error::FieldError;
use self::form::{Form, Question, write_name};
use self::range::{Edge, TimeInput};
use self::results::Row;
use self::scatter::Scatter;
use super::start::StartPage;
use crate::chrome::{Chrome, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::url::Params;
use crate::{filters, format};

pub(crate) use self::results::shown_service;

/// Most services and span names offered.
const MOST_NAMES: usize = 1_000;
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
const STATUSES: [(&str, &str); 4] = [("", "Any status"), ("error", "Error"), ("ok", "OK"), ("unset", "Unset")];
const KINDS: [(&str, &str); 6] = [
    ("", "Any kind"),
    ("server", "Server"),
    ("client", "Client"),
    ("producer", "Producer"),
    ("consumer", "Consumer"),
    ("internal", "Internal"),
];

/// An entry of a list to choose from.
#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// The names that a field has, as many as are offered.
#[derive(Debug, Default)]
struct Names {
    names: Vec<String>,
    /// Whether there are more.
    cut: bool,
}

impl Names {
    /// How many there are, when there are more.
    fn count_when_cut(&self) -> Option<String> {
        self.cut.then(|| format::count(self.names.len() as u64))
    }
}

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
    names: Vec<String>,
    /// How many span names are offered, when there are more.
    names_cut: Option<String>,
    statuses: Vec<Choice>,
    kinds: Vec<Choice>,
    lookbacks: Vec<Choice>,
    limits: Vec<Choice>,
    orders: Vec<(String, Choice)>,
    from: TimeInput,
    to: TimeInput,
    zone: String,
    errors: Vec<FieldError>,
    found: Option<Found>,
    /// Why new spans are refused.
    refused: Option<String>,
}

/// What a search found.
#[derive(Debug)]
struct Found {
    rows: Vec<Row>,
    scatter: Option<Scatter>,
    heading: String,
    /// What to do about older ones; empty when these are all.
    older: &'static str,
    traceql: Option<String>,
    inspected: String,
    /// What the store could not read.
    damage: Option<String>,
    /// Wider searches, when nothing was found.
    advice: Vec<(String, &'static str)>,
}

impl SearchPage {
    fn error(&self, field: &str) -> Option<&FieldError> {
        self.errors.iter().find(|error| error.field == field)
    }
}

/// `GET /search`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let form = Form::read(&params, &visit.zone);
    if let Some(redirect) = typed_trace_id(&form) {
        return Ok(redirect);
    }
    let services = values(&visit, Field::service(), Filter::True).await?;
    if services.names.is_empty() && store_is_empty(&visit).await? {
        return Ok(page(StatusCode::OK, &StartPage::empty_store(&visit)));
    }
    let names = names(&visit, &form.service).await?;
    let (status, errors, found) = match form.question(visit.now, &visit.zone) {
        Err(errors) => (StatusCode::BAD_REQUEST, errors, None),
        Ok(question) => {
            // One more than is shown says whether there are older ones.
            let request = SearchRequest { limit: question.request.limit + 1, ..question.request.clone() };
            let answer = visit.service().search(&visit.tenant, request).await?;
            (StatusCode::OK, vec![], Some(found(&visit, &form, question, answer, &services.names)))
        }
    };
    Ok(page(status, &search_page(&visit, form, &services, &names, errors, found)))
}

/// A trace id typed into the query box opens the trace.
fn typed_trace_id(form: &Form) -> Option<Response> {
    let id: TraceId = form.query.parse().ok().filter(|_| form.query.len() == 32)?;
    Some(Redirect::to(&format!("/trace/{id}")).into_response())
}

/// Whether there is no span at all; spans without a service name are spans, too.
async fn store_is_empty(visit: &Visit) -> Result<bool, PageError> {
    Ok(values(visit, Field::Intrinsic(Intrinsic::Name), Filter::True).await?.names.is_empty())
}

async fn names(visit: &Visit, service: &str) -> Result<Names, PageError> {
    let filter = match service {
        "" => Filter::True,
        service => Filter::compare(Field::service(), CompareOp::Eq, Value::string(service)),
    };
    values(visit, Field::Intrinsic(Intrinsic::Name), filter).await
}

/// The strings a field has, over all time.
async fn values(visit: &Visit, field: Field, filter: Filter) -> Result<Names, PageError> {
    let request = FieldValuesRequest { field, filter, range: None, limit: MOST_NAMES + 1 };
    let mut values = visit.service().field_values(&visit.tenant, request).await?.value;
    let cut = values.len() > MOST_NAMES;
    values.truncate(MOST_NAMES);
    Ok(Names { names: values.into_iter().filter_map(text_of).collect(), cut })
}

/// The text of a value; `None` when it is empty or no text.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Any(AnyValue::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn found(visit: &Visit, form: &Form, question: Question, answer: Answer<SearchAnswer>, services: &[String]) -> Found {
    let damage = answer.notice();
    let SearchAnswer { mut hits, inspected, .. } = answer.value;
    let limit = question.request.limit;
    let cut = hits.len() > limit;
    hits.truncate(limit);
    let scatter = scatter::plot(&hits, question.request.range.map_or(0, |range| range.start), &visit.zone);
    results::sort(&mut hits, &form.sort);
    let palette = results::palette(&hits, services);
    Found {
        scatter,
        rows: results::rows(&hits, &palette, &visit.zone, visit.now),
        heading: heading(hits.len(), cut),
        older: match cut {
            false => "",
            true if limit < form::MOST => "There are older ones: raise the limit or narrow the search.",
            true => "There are older ones: narrow the search.",
        },
        traceql: question.traceql.filter(|_| form.is_restricted()),
        inspected: format!(
            "{} in {} looked at",
            format::counted(usize::try_from(inspected.spans).unwrap_or(usize::MAX), "span", "spans"),
            format::counted(usize::try_from(inspected.traces).unwrap_or(usize::MAX), "trace", "traces"),
        ),
        damage,
        advice: if hits.is_empty() { advice(form) } else { vec![] },
    }
}

fn heading(hits: usize, cut: bool) -> String {
    match (hits, cut) {
        (0, _) => "No traces found".to_owned(),
        (hits, true) => format!("The newest {}", format::counted(hits, "trace", "traces")),
        (hits, false) => format!("All {}", format::counted(hits, "trace", "traces")).replace("All 1 ", "1 "),
    }
}

/// Wider searches than one that found nothing.
fn advice(form: &Form) -> Vec<(String, &'static str)> {
    let mut advice = Vec::new();
    for (value, text) in [("24h", "the last 24 hours"), ("7d", "the last 7 days"), ("all", "all time")] {
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

fn search_page(
    visit: &Visit,
    form: Form,
    services: &Names,
    names: &Names,
    errors: Vec<FieldError>,
    found: Option<Found>,
) -> SearchPage {
    let offered: Vec<String> = services.names.iter().map(|name| write_name(name)).collect();
    let choosable = offered.iter().map(String::as_str).zip(services.names.iter().map(String::as_str));
    let time = |text, edge| range::input(text, &visit.zone, edge);
    SearchPage {
        chrome: Chrome::new(),
        services: choices(std::iter::once(("", "All services")).chain(choosable), &write_name(&form.service)),
        service: write_name(&form.service),
        services_cut: services.count_when_cut(),
        names_cut: names.count_when_cut(),
        name: write_name(&form.name),
        names: names.names.iter().map(|name| write_name(name)).collect(),
        statuses: choices(STATUSES, &form.status),
        kinds: choices(KINDS, &form.kind),
        lookbacks: choices(LOOKBACKS, &form.lookback),
        limits: choices(LIMITS.map(|limit| (limit, limit)), &form.limit),
        orders: choices(results::ORDERS, &form.sort)
            .into_iter()
            .map(|choice| (form.with("sort", &choice.value), choice))
            .collect(),
        from: time(&form.from, Edge::From),
        to: time(&form.to, Edge::To),
        zone: format::zone_name(&visit.zone),
        form,
        errors,
        found,
        refused: (visit.app.notices)().refused,
    }
}

/// The choices, with the chosen value among them even when it is not on the list.
fn choices<'a>(offered: impl IntoIterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> = offered
        .into_iter()
        .map(|(value, label)| Choice { value: value.into(), label: label.into(), chosen: value == chosen })
        .collect();
    if !choices.iter().any(|choice| choice.chosen) {
        choices.push(Choice { value: chosen.into(), label: chosen.into(), chosen: true });
    }
    choices
}

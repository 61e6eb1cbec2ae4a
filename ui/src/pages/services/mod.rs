//! All services: which one is unwell.

pub(super) mod health;
pub(super) mod json;
pub(super) mod rows;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::rollups::{DAY, RollupRequest, RollupSteps, RollupTable};

use self::health::{Health, Lengths, Order};
use self::rows::{Header, Row};
use super::search::field_error::FieldError;
use super::start::StartPage;
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::pages::red::{Asked, SERVICES, TimeBar, Times, Window, ask, is_json};
use crate::url::{Params, href};
use crate::{filters, format};

/// About how many steps a line of rates has.
const STEPS: usize = 40;
/// Most rows of a page. The JSON has all.
const MOST: usize = 500;

/// The page of all services.
#[derive(Debug, Template)]
#[template(path = "services.html")]
struct ServicesPage {
    chrome: Chrome,
    time: TimeBar,
    /// The parameters of the range.
    range: Vec<(&'static str, String)>,
    /// A part of the names that are shown.
    query: String,
    /// What is wrong with the address; then nothing was asked.
    wrong: Option<String>,
    heading: String,
    about: String,
    notices: Vec<String>,
    headers: Vec<Header>,
    rows: Vec<Row>,
    /// How many rows are left out.
    more: usize,
    /// The order of what is wrong, when it is another one.
    wrong_first: String,
    json: String,
    /// Wider ranges, when nothing is there.
    advice: Vec<(String, &'static str)>,
}

/// What the URL says.
struct Question {
    times: Times,
    query: String,
    sort: String,
    order: Order,
    is_turned: bool,
    window: Window,
}

impl Question {
    fn read(params: &Params, visit: &Visit) -> Result<Self, FieldError> {
        let times = Times::read(params, visit);
        let window = times.window(visit, STEPS)?;
        let sort = params.text("sort").to_owned();
        let (order, is_turned) = Order::read(&sort).ok_or_else(|| {
            let words = "wrong, name, rate, errors, p50, p95 or p99";
            FieldError::new("sort", format!("{:?} is no order. Sort by {words}.", format::shortened(&sort, 60)))
        })?;
        Ok(Self { times, query: params.text("q").to_owned(), sort, order, is_turned, window })
    }

    /// The page with other parameters.
    fn link(&self, sort: &str, form: &str) -> String {
        let own = [("q", self.query.as_str()), ("sort", sort)];
        href(SERVICES, own.into_iter().chain(self.times.pairs()).chain([("format", form)]))
    }
}

/// The numbers of all services.
struct Found {
    healths: Vec<Health>,
    lengths: Lengths,
    /// The steps of the window, as they are kept.
    window: Window,
    notices: Vec<String>,
}

/// `GET /services`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let is_json = is_json(&params)?;
    let question = match Question::read(&params, &visit) {
        Ok(question) => question,
        Err(error) if is_json => return Err(PageError::BadParameter(error.message)),
        Err(error) => return Ok(page(StatusCode::BAD_REQUEST, &wrong(&visit, &params, &error))),
    };
    let found = found(&visit, &question).await?;
    if is_json {
        return Ok(json::answer(&found));
    }
    if found.healths.is_empty() && super::search::store_is_empty(&visit).await? {
        return Ok(page(StatusCode::OK, &StartPage::empty_store(&visit)));
    }
    Ok(page(StatusCode::OK, &services(&visit, &question, found)))
}

async fn found(visit: &Visit, question: &Question) -> Result<Found, PageError> {
    let window = question.window;
    let request = |steps: RollupSteps| RollupRequest { table: RollupTable::Services, steps, service: None };
    let requests = vec![request(window.steps), request(window.before(DAY)), request(window.before(7 * DAY))];
    let asked = ask(visit, requests).await?;
    let end = window.end;
    let lengths =
        Lengths { now: asked.seconds(0, end), yesterday: asked.seconds(1, end), last_week: asked.seconds(2, end) };
    let notices =
        asked.damage.iter().map(|damage| format::sentence(&format!("this is incomplete: {damage}"))).collect();
    let Asked { answers, .. } = asked;
    let [(steps, now), (_, yesterday), (_, last_week)] = answers.as_slice() else {
        return Ok(Found { healths: vec![], lengths, window, notices });
    };
    let mut healths = health::healths(now, yesterday, last_week);
    let wanted = question.query.to_lowercase();
    healths.retain(|health| super::search::shown_service(&health.service).to_lowercase().contains(&wanted));
    health::sort(&mut healths, question.order, lengths);
    if question.is_turned {
        healths.reverse();
    }
    Ok(Found { healths, lengths, window: Window { steps: *steps, end }, notices })
}

fn services(visit: &Visit, question: &Question, found: Found) -> ServicesPage {
    let Question { times, query, sort, .. } = question;
    let shown = found.healths.get(..MOST).unwrap_or(&found.healths);
    let kept = [("q", query.as_str()), ("sort", sort)];
    let link = |sort: &str| question.link(sort, "");
    ServicesPage {
        chrome: Chrome::at(Place::Services),
        time: times.bar(visit, SERVICES, &kept, None),
        range: times.owned_pairs(),
        query: query.clone(),
        wrong: None,
        heading: format::counted(found.healths.len(), "service", "services"),
        about: found.window.text(visit),
        headers: rows::headers(sort, link),
        rows: rows::rows(shown, &found, times),
        more: found.healths.len() - shown.len(),
        wrong_first: if question.order == Order::Wrong { String::new() } else { link("") },
        json: question.link(sort, "json"),
        advice: advice(question),
        notices: found.notices,
    }
}

/// The page that says what is wrong with its address.
fn wrong(visit: &Visit, params: &Params, error: &FieldError) -> ServicesPage {
    let times = Times::read(params, visit);
    let query = params.text("q").to_owned();
    ServicesPage {
        chrome: Chrome::at(Place::Services),
        time: times.bar(visit, SERVICES, &[("q", &query)], Some(error)),
        range: vec![],
        query,
        wrong: Some(error.message.clone()),
        heading: "Services".to_owned(),
        about: String::new(),
        notices: vec![],
        headers: vec![],
        rows: vec![],
        more: 0,
        wrong_first: String::new(),
        json: String::new(),
        advice: vec![],
    }
}

fn advice(question: &Question) -> Vec<(String, &'static str)> {
    let mut advice = Vec::new();
    if !question.query.is_empty() {
        advice.push((href(SERVICES, question.times.pairs()), "all names"));
    }
    for (lookback, text) in [("24h", "the last 24 hours"), ("30d", "the last 30 days")] {
        advice.push((href(SERVICES, [("q", question.query.as_str()), ("lookback", lookback)]), text));
    }
    advice
}

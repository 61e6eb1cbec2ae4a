//! Exceptions in groups: which are new, which are many, and where they come from.

mod json;
mod rows;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::exceptions::{ExceptionGroup, Exceptions, ExceptionsRequest, spans_with_exceptions};
use hoptrail_query::{Answer, Steps};

use self::rows::{Row, rows};
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::pages::red::{TimeBar, Times, Window, is_json};
use crate::pages::search::form::write_name;
use crate::url::{Params, href};
use crate::{filters, format};

const EXCEPTIONS: &str = "/exceptions";
/// About how many steps a trend has.
const STEPS: usize = 40;
/// Most rows of a page. The JSON has all.
const MOST: usize = 200;
/// Example traces of a group.
const EXAMPLES: usize = 3;

/// The page.
#[derive(Debug, Template)]
#[template(path = "exceptions.html")]
struct ExceptionsPage {
    chrome: Chrome,
    time: TimeBar,
    /// The parameters of the range.
    range: Vec<(&'static str, String)>,
    /// A part of the texts that are shown.
    query: String,
    service: String,
    /// The page without a service.
    all_services: String,
    wrong: Option<String>,
    notices: Vec<String>,
    heading: String,
    about: String,
    orders: Vec<Order>,
    rows: Vec<Row>,
    more: usize,
    json: String,
    /// Wider ranges, when nothing is there.
    advice: Vec<(String, &'static str)>,
}

/// An order that is a link away.
#[derive(Debug)]
struct Order {
    label: &'static str,
    href: String,
    chosen: bool,
}

const ORDERS: [(&str, &str); 3] = [("", "Most"), ("new", "Newest kind"), ("last", "Seen last")];

/// What the address asks.
struct Question {
    times: Times,
    window: Option<Window>,
    query: String,
    service: String,
    sort: String,
}

impl Question {
    /// What is asked, and what is wrong with it.
    fn read(params: &Params, visit: &Visit) -> (Self, Option<String>) {
        let times = Times::read(params, visit);
        let (window, mut wrong) = match times.window(visit, STEPS) {
            Ok(window) => (Some(window), None),
            Err(error) => (None, Some(error.message)),
        };
        let text = |name| params.text(name).to_owned();
        let (query, service, sort) =
            (text("q"), crate::pages::search::form::read_name(params.text("service")), text("sort"));
        if !ORDERS.iter().any(|(value, _)| *value == sort) {
            let sort = format::shortened(&sort, 60);
            wrong = Some(format!("{sort:?} is no order. Sort by new or last, or leave it out for the most."));
        }
        (Self { times, window, query, service, sort }, wrong)
    }

    fn link(&self, changes: &[(&'static str, &str)]) -> String {
        let service = write_name(&self.service);
        let own = [("q", self.query.as_str()), ("service", &service), ("sort", &self.sort), ("format", "")];
        let value = |name, own| changes.iter().find(|(changed, _)| *changed == name).map_or(own, |(_, value)| *value);
        href(EXCEPTIONS, own.into_iter().map(|(name, own)| (name, value(name, own))).chain(self.times.pairs()))
    }
}

/// `GET /exceptions`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let is_json = is_json(&params)?;
    let (question, wrong) = Question::read(&params, &visit);
    let (Some(window), None) = (question.window, &wrong) else {
        let wrong = wrong.unwrap_or_default();
        if is_json {
            return Err(PageError::BadParameter(wrong));
        }
        return Ok(page(StatusCode::BAD_REQUEST, &ExceptionsPage::empty(&visit, &question, Some(wrong))));
    };
    let answer = ask(&visit, &question, window).await?;
    let groups = wanted(&answer.value.groups, &question);
    if is_json {
        return Ok(json::answer(&window, &groups, answer.notice().as_deref()));
    }
    let mut made = ExceptionsPage::empty(&visit, &question, None);
    made.notices.extend(answer.notice().map(|damage| format::sentence(&format!("this is incomplete: {damage}"))));
    let all: u64 = groups.iter().map(|group| group.count()).sum();
    made.heading = format!(
        "{} in {}",
        format::counted(usize::try_from(all).unwrap_or(usize::MAX), "exception", "exceptions"),
        format::counted(groups.len(), "group", "groups")
    );
    made.more = groups.len().saturating_sub(MOST);
    made.rows = rows(groups.into_iter().take(MOST), &question.times, &window, &visit);
    made.about = window.text(&visit);
    Ok(page(StatusCode::OK, &made))
}

async fn ask(visit: &Visit, question: &Question, window: Window) -> Result<Answer<Exceptions>, PageError> {
    let service = Some(question.service.as_str()).filter(|service| !service.is_empty());
    // A step has its end and not its start; a window is the other way round.
    let steps =
        Steps { start: window.steps.start.saturating_sub(1), step: window.steps.step, count: window.steps.count };
    let request = ExceptionsRequest { spans: spans_with_exceptions(service), steps, examples: EXAMPLES };
    Ok(visit.service().exceptions(&visit.tenant, request).await?)
}

/// The groups that have the text, in the order that is asked for.
fn wanted<'g>(groups: &'g [ExceptionGroup], question: &Question) -> Vec<&'g ExceptionGroup> {
    let wanted = question.query.to_lowercase();
    let has_it = |group: &&ExceptionGroup| {
        [&group.service, &group.kind, &group.template].iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let mut groups: Vec<&ExceptionGroup> = groups.iter().filter(has_it).collect();
    match question.sort.as_str() {
        "new" => groups.sort_by_key(|group| std::cmp::Reverse(group.seen.0)),
        "last" => groups.sort_by_key(|group| std::cmp::Reverse(group.seen.1)),
        _ => groups.sort_by_key(|group| std::cmp::Reverse(group.count())),
    }
    groups
}

impl ExceptionsPage {
    fn empty(visit: &Visit, question: &Question, wrong: Option<String>) -> Self {
        let service = write_name(&question.service);
        let kept = [("q", question.query.as_str()), ("service", &service), ("sort", &question.sort)];
        let order = |(value, label): (&'static str, &'static str)| Order {
            label,
            href: question.link(&[("sort", value)]),
            chosen: value == question.sort,
        };
        let wider = |(lookback, text): (&'static str, &'static str)| {
            (href(EXCEPTIONS, kept.into_iter().chain([("lookback", lookback)])), text)
        };
        Self {
            chrome: Chrome::at(Place::Exceptions),
            time: question.times.bar(visit, EXCEPTIONS, &kept, None),
            range: question.times.owned_pairs(),
            query: question.query.clone(),
            service: format::shortened(&question.service, 80),
            all_services: question.link(&[("service", "")]),
            wrong,
            notices: Vec::new(),
            heading: String::new(),
            about: String::new(),
            orders: ORDERS.map(order).into(),
            rows: Vec::new(),
            more: 0,
            json: question.link(&[("format", "json")]),
            advice: [("24h", "the last 24 hours"), ("30d", "the last 30 days")].map(wider).into(),
        }
    }
}

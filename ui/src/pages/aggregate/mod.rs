//! Many traces as one: the waterfall of all that a search finds, folded by call path.

mod json;
mod rows;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::why::{CallPaths, Compared};

use self::rows::{Row, rows};
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::pages::asked::{ALL, Asked, Asking, FAILED, Set, Wrong};
use crate::pages::red::{TimeBar, is_json};
use crate::url::Params;
use crate::{filters, format};

/// Nothing to compare with, unless the address says so.
const ASKING: Asking = Asking {
    path: "/aggregate",
    selected: ALL,
    others: "",
    sets: &[("all", ALL, "All"), ("failed", FAILED, "Failed"), ("slow", "", "Slowest 5 %")],
};

/// Most steps that are shown: those that most traces have. The JSON has more.
const MOST: usize = 300;

/// The page.
#[derive(Debug, Template)]
#[template(path = "aggregate.html")]
struct AggregatePage {
    chrome: Chrome,
    time: TimeBar,
    /// The parameters of the range.
    range: Vec<(&'static str, String)>,
    selected: String,
    others: String,
    sets: Vec<Set>,
    wrong: Option<Wrong>,
    notices: Vec<String>,
    about: String,
    /// How many traces there are: in question, and others.
    traces: Option<[String; 2]>,
    is_empty: bool,
    /// Whether there are two sides.
    is_double: bool,
    rows: Vec<Row>,
    left_out: usize,
    /// Steps that the answer does not have.
    untold: usize,
    /// How long the drawing is.
    scale: String,
    json: String,
    list: String,
    why: String,
    /// The same beside all others, or alone.
    beside: String,
    inspected: String,
}

/// `GET /aggregate`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let is_json = is_json(&params)?;
    let mut asked = Asked::read(&params, &visit, ASKING);
    let sides = if asked.question.others.is_empty() { Compared::Alone } else { Compared::Both };
    let request = match asked.settle(&visit).await? {
        Ok(()) => asked.question.paths(sides).map_err(|faults| asked.wrong(&faults)),
        Err(wrong) => Err(wrong),
    };
    let request = match request {
        Ok(request) => request,
        Err(wrong) if is_json => return Err(PageError::BadParameter(format!("{}\n{}", wrong.message, wrong.excerpt))),
        Err(wrong) => return Ok(page(StatusCode::BAD_REQUEST, &AggregatePage::empty(&visit, &asked, Some(wrong)))),
    };
    let answer = visit.service().call_paths(&visit.tenant, request).await?;
    if is_json {
        return Ok(json::answer(&asked, &answer.value, answer.notice().as_deref()));
    }
    let mut made = AggregatePage::of(&visit, &asked, &answer.value);
    made.notices.extend(answer.notice().map(|damage| format::sentence(&format!("this is incomplete: {damage}"))));
    Ok(page(StatusCode::OK, &made))
}

impl AggregatePage {
    fn empty(visit: &Visit, asked: &Asked, wrong: Option<Wrong>) -> Self {
        let is_double = !asked.question.others.is_empty();
        Self {
            chrome: Chrome::at(Place::Search),
            time: asked.bar(visit),
            range: asked.times.owned_pairs(),
            selected: asked.question.selected.clone(),
            others: asked.question.others.clone(),
            sets: asked.sets(),
            wrong,
            notices: Vec::new(),
            about: asked.about(visit),
            traces: None,
            is_empty: true,
            is_double,
            rows: Vec::new(),
            left_out: 0,
            untold: 0,
            scale: String::new(),
            json: asked.link("json"),
            list: asked.search(&asked.question.selected),
            why: asked.elsewhere("/why", &asked.question.others),
            beside: asked.with(&[("rest", if is_double { "" } else { ALL })]),
            inspected: String::new(),
        }
    }

    fn of(visit: &Visit, asked: &Asked, found: &CallPaths) -> Self {
        let (rows, scale) = rows(found, asked);
        Self {
            traces: Some([format::count(found.traces.selected), format::count(found.traces.others)]),
            is_empty: found.paths.is_empty(),
            left_out: found.paths.len().saturating_sub(rows.len()),
            untold: found.left_out,
            rows,
            scale: format::duration(scale),
            inspected: format!("{} spans looked at", format::count(found.inspected.spans)),
            ..Self::empty(visit, asked, None)
        }
    }
}

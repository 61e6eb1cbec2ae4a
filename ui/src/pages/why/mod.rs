//! Why some traces differ: what any of their spans has more often than the spans of the others.

mod examples;
mod json;
mod rows;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::why::{Findings, findings};

use self::rows::{Row, rows};
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::pages::asked::{ALL, Asked, Asking, FAILED, Set, Wrong};
use crate::pages::red::{TimeBar, is_json};
use crate::url::Params;
use crate::{filters, format};

/// The page, as others link to it.
const ASKING: Asking = Asking {
    path: "/why",
    selected: FAILED,
    others: ALL,
    sets: &[("failed", FAILED, "Failed"), ("slow", "", "Slowest 5 %")],
};
/// Most findings of each kind that are shown. The JSON has all.
const MOST: usize = 20;

/// The page.
#[derive(Debug, Template)]
#[template(path = "why.html")]
struct WhyPage {
    chrome: Chrome,
    time: TimeBar,
    /// The parameters of the range.
    range: Vec<(&'static str, String)>,
    selected: String,
    others: String,
    sets: Vec<Set>,
    /// What is wrong with the address; then nothing was asked.
    wrong: Option<Wrong>,
    notices: Vec<String>,
    about: String,
    facts: Option<Facts>,
    more: Vec<Row>,
    fewer: Vec<Row>,
    /// How many are left out.
    left_out: usize,
    json: String,
    /// The traces in question as a list, and as one.
    traces: String,
    together: String,
    inspected: String,
}

/// How many traces there are.
#[derive(Debug)]
struct Facts {
    selected: String,
    others: String,
    /// Part of all.
    share: String,
    is_empty: bool,
    /// Whether there is nothing to compare with.
    is_all: bool,
}

/// `GET /why`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let is_json = is_json(&params)?;
    let mut asked = Asked::read(&params, &visit, ASKING);
    let request = match asked.settle(&visit).await? {
        Ok(()) => asked.question.request(&visit.service().config().why_ignored).map_err(|faults| asked.wrong(&faults)),
        Err(wrong) => Err(wrong),
    };
    let request = match request {
        Ok(request) => request,
        Err(wrong) if is_json => return Err(PageError::BadParameter(format!("{}\n{}", wrong.message, wrong.excerpt))),
        Err(wrong) => return Ok(page(StatusCode::BAD_REQUEST, &WhyPage::empty(&visit, &asked, Some(wrong)))),
    };
    let answer = visit.service().contrast(&visit.tenant, request).await?;
    let found = findings(&asked.question, &answer.value);
    if is_json {
        return Ok(json::answer(&asked, &found, answer.notice().as_deref()));
    }
    let mut made = WhyPage::of(&visit, &asked, found).await;
    made.notices.extend(answer.notice().map(|damage| format::sentence(&format!("this is incomplete: {damage}"))));
    made.inspected = format!("{} spans looked at", format::count(answer.value.inspected.spans));
    Ok(page(StatusCode::OK, &made))
}

impl WhyPage {
    fn empty(visit: &Visit, asked: &Asked, wrong: Option<Wrong>) -> Self {
        Self {
            chrome: Chrome::at(Place::Search),
            time: asked.bar(visit),
            range: asked.times.owned_pairs(),
            selected: asked.question.selected.clone(),
            others: asked.others().to_owned(),
            sets: asked.sets(),
            wrong,
            notices: Vec::new(),
            about: asked.about(visit),
            facts: None,
            more: Vec::new(),
            fewer: Vec::new(),
            left_out: 0,
            json: asked.link("json"),
            traces: asked.search(&asked.question.selected),
            together: asked.elsewhere("/aggregate", &asked.question.others),
            inspected: String::new(),
        }
    }

    async fn of(visit: &Visit, asked: &Asked, found: Findings) -> Self {
        let all = found.traces;
        let (mut more, fewer) = (rows(&found.more, &found, asked), rows(&found.fewer, &found, asked));
        examples::add(visit, asked, &found.more, &mut more).await;
        let facts = Facts {
            selected: format::count(all.selected),
            others: format::count(all.others),
            share: format::percent(all.selected, all.selected + all.others),
            is_empty: all.selected == 0,
            is_all: all.selected > 0 && all.others == 0,
        };
        Self {
            facts: Some(facts),
            left_out: (found.more.len() - more.len()) + (found.fewer.len() - fewer.len()),
            more,
            fewer,
            ..Self::empty(visit, asked, None)
        }
    }
}

//! What the server holds and how it is.

mod clocks;
mod stored;
mod unweighted;

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_proto::model::Tenancy;
use hoptrail_query::SlowQuery;
use hoptrail_query::rollups::{DAY, RollupRequest, RollupTable};

use self::clocks::Skews;
use self::stored::{AttributeRow, Fact, ServiceRow};
use super::search::field_error::FieldError;
use crate::chrome::{Chrome, Place, page};
use crate::context::{Notices, Visit};
use crate::error::PageError;
use crate::pages::red::{TimeBar, Times, ask};
use crate::system::{Refused, System};
use crate::url::Params;
use crate::{filters, format};

const SYSTEM: &str = "/system";
/// Most characters of a text on the page.
const TEXT: usize = 200;

/// The page of the server.
#[derive(Debug, Template)]
#[template(path = "system.html")]
struct SystemPage {
    chrome: Chrome,
    time: TimeBar,
    /// What is wrong with the address; then nothing was asked.
    wrong: Option<String>,
    notices: Notices,
    damage: Option<String>,
    /// Whether the page tells of the whole server: there is only one tenant.
    is_whole: bool,
    stored: Vec<Fact>,
    intake: Vec<Fact>,
    refused: Vec<RefusedRow>,
    dropped: Vec<RefusedRow>,
    about: String,
    services: Vec<ServiceRow>,
    more_services: usize,
    attributes: Vec<AttributeRow>,
    about_attributes: String,
    clocks: Skews,
    slow: Vec<SlowRow>,
}

/// What was refused or dropped.
#[derive(Debug)]
struct RefusedRow {
    reason: String,
    sender: String,
    requests: String,
    spans: String,
    example: String,
}

/// A slow query.
#[derive(Debug)]
struct SlowRow {
    kind: String,
    text: String,
    took: String,
    outcome: &'static str,
    ago: String,
}

/// `GET /system`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let times = Times::read(&params, &visit);
    let window = match times.window(&visit, 60) {
        Ok(window) => window,
        Err(error) => return Ok(page(StatusCode::BAD_REQUEST, &empty(&visit, &times, Some(&error)))),
    };
    let day = window.before(0);
    let whole = RollupRequest { table: RollupTable::Services, steps: day, service: None };
    let today = RollupRequest { steps: stored::last(visit.now, DAY), ..whole.clone() };
    let asked = ask(&visit, vec![whole, today]).await?;
    let mut page_of = empty(&visit, &times, None);
    let [(_, range), (_, today)] = asked.answers.as_slice() else { return Ok(page(StatusCode::OK, &page_of)) };
    page_of.about = window.text(&visit);
    page_of.damage = asked.damage.as_ref().map(|damage| format::sentence(&format!("this is incomplete: {damage}")));
    (page_of.services, page_of.more_services) = stored::services(range, &times, asked.seconds(0, window.end));
    page_of.clocks = clocks::find(&visit, window.range()).await;
    if page_of.is_whole {
        // It may read from the disk: not on a thread that serves others.
        let source = Arc::clone(&visit.app.system);
        let system = tokio::task::spawn_blocking(move || source()).await.map_err(PageError::NotDrawn)?;
        page_of.stored = system.stored.map(|stored| stored::facts(&stored, today)).unwrap_or_default();
        page_of.fill(&system);
        page_of.intake.extend(unweighted::fact(&visit).await);
        page_of.slow = visit.service().slow_queries().iter().map(slow).collect();
    }
    Ok(page(StatusCode::OK, &page_of))
}

impl SystemPage {
    fn fill(&mut self, system: &System) {
        (self.attributes, self.about_attributes) = stored::attributes(&system.attributes);
        let Some(intake) = &system.intake else { return };
        self.intake = stored::intake(intake, system.running);
        self.refused = intake.refused.iter().map(refused).collect();
        self.dropped = intake.dropped.iter().map(refused).collect();
    }
}

fn empty(visit: &Visit, times: &Times, error: Option<&FieldError>) -> SystemPage {
    let is_whole = visit.service().config().tenancy == Tenancy::Single;
    SystemPage {
        chrome: Chrome::at(Place::System),
        time: times.bar(visit, SYSTEM, &[], error),
        wrong: error.map(|error| error.message.clone()),
        notices: if is_whole { (visit.app.notices)() } else { Notices::default() },
        damage: None,
        is_whole,
        stored: vec![],
        intake: vec![],
        refused: vec![],
        dropped: vec![],
        about: String::new(),
        services: vec![],
        more_services: 0,
        attributes: vec![],
        about_attributes: String::new(),
        clocks: Skews::default(),
        slow: vec![],
    }
}

fn refused(refused: &Refused) -> RefusedRow {
    let Refused { reason, service, address, agent, requests, spans, example } = refused;
    let parts = [service, address, agent].into_iter().filter(|part| !part.is_empty()).map(String::as_str);
    let sender: Vec<&str> = parts.collect();
    RefusedRow {
        reason: reason.clone(),
        sender: if sender.is_empty() {
            "other senders".to_owned()
        } else {
            format::shortened(&sender.join(", "), TEXT)
        },
        requests: format::count(*requests),
        spans: if *spans == 0 { "–".to_owned() } else { format::count(*spans) },
        example: format::shortened(example, TEXT),
    }
}

fn slow(query: &SlowQuery) -> SlowRow {
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    SlowRow {
        kind: query.kind.replace('_', " "),
        text: format::shortened(&query.text, TEXT),
        took: format::duration(nanos(query.took)),
        outcome: query.outcome,
        ago: format::age(0, nanos(query.ago)),
    }
}

//! The map: who calls whom.

pub(crate) mod draw;
mod graph;
mod json;
mod table;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::pairs;
use hoptrail_query::rollups::{RollupRequest, RollupTable, Rollups};

use self::draw::Drawing;
use self::graph::{Graph, Shown};
use self::table::CallRow;
use super::search::choice::{Choice, choices};
use super::search::field_error::FieldError;
use super::search::form::write_name;
use super::start::StartPage;
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::pages::red::{TimeBar, Times, Window, ask, is_json};
use crate::url::{Params, href};
use crate::{filters, format};

/// The range begins at a whole step of about so many.
const STEPS: usize = 60;
const MAP: &str = "/dependencies";
/// Most nodes of a drawing. The table has all edges up to its own bound.
const MOST_NODES: usize = 400;
/// Most rows of the table. The JSON has all.
const MOST_ROWS: usize = 1_000;
const DEPTHS: [(&str, &str); 5] =
    [("", "All steps"), ("1", "1 step"), ("2", "2 steps"), ("3", "3 steps"), ("4", "4 steps")];
const COLOURS: [(&str, &str); 3] = [("", "Errors"), ("latency", "Latency"), ("rate", "Rate")];

/// The page of the map.
#[derive(Debug, Template)]
#[template(path = "map.html")]
struct MapPage {
    chrome: Chrome,
    time: TimeBar,
    range: Vec<(&'static str, String)>,
    service: String,
    /// Names to choose from.
    names: Vec<String>,
    depths: Vec<Choice>,
    colours: Vec<Choice>,
    only_errors: bool,
    /// What is wrong with the address; then nothing was asked.
    wrong: Option<String>,
    heading: String,
    about: String,
    notices: Vec<String>,
    drawing: Option<Drawing>,
    rows: Vec<CallRow>,
    more_rows: usize,
    json: String,
    advice: Vec<(String, &'static str)>,
}

/// What colours the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Errors,
    Latency,
    Rate,
}

/// What the URL says.
struct Question {
    times: Times,
    window: Window,
    /// The service around which the map is drawn; empty for all.
    service: String,
    /// How many steps from it; none for all.
    depth: Option<usize>,
    only_errors: bool,
    colour: Colour,
    /// The words of depth, colour and errors.
    words: [(&'static str, String); 3],
}

impl Question {
    fn read(params: &Params, visit: &Visit) -> Result<Self, FieldError> {
        let times = Times::read(params, visit);
        let window = times.window(visit, STEPS)?;
        let words = ["depth", "colour", "errors"].map(|name| (name, params.text(name).to_owned()));
        let [(_, depth), (_, colour), (_, errors)] = &words;
        let depth = match depth.as_str() {
            "" => None,
            text => Some(text.parse().ok().filter(|depth| (1..=20).contains(depth)).ok_or_else(|| {
                FieldError::new(
                    "depth",
                    format!("{:?} is no number of steps. Write 1 to 20.", format::shortened(text, 60)),
                )
            })?),
        };
        let colour = match colour.as_str() {
            "" | "errors" => Colour::Errors,
            "latency" => Colour::Latency,
            "rate" => Colour::Rate,
            other => {
                let shown = format::shortened(other, 60);
                return Err(FieldError::new(
                    "colour",
                    format!("{shown:?} colours nothing. Choose errors, latency or rate."),
                ));
            }
        };
        let only_errors = match errors.as_str() {
            "" | "0" => false,
            "1" => true,
            other => {
                let shown = format::shortened(other, 60);
                return Err(FieldError::new("errors", format!("{shown:?} is neither 0 nor 1.")));
            }
        };
        Ok(Self { times, window, service: pairs::read_name(params.text("service")), depth, only_errors, colour, words })
    }

    /// The map around a service.
    fn around(&self, service: &str) -> String {
        let name = write_name(service);
        let words = self.words.iter().map(|(name, word)| (*name, word.as_str()));
        href(MAP, [("service", name.as_str())].into_iter().chain(words).chain(self.times.pairs()))
    }
}

/// `GET /dependencies`.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    let is_json = is_json(&params)?;
    let question = match Question::read(&params, &visit) {
        Ok(question) => question,
        Err(error) if is_json => return Err(PageError::BadParameter(error.message)),
        Err(error) => return Ok(page(StatusCode::BAD_REQUEST, &wrong(&visit, &params, &error))),
    };
    let request = |table| RollupRequest { table, steps: question.window.whole(), service: None };
    let asked = ask(&visit, vec![request(RollupTable::Edges), request(RollupTable::Services)]).await?;
    let seconds = asked.seconds(0, question.window.end);
    let nothing = Rollups::default();
    let answer = |at: usize| asked.answers.get(at).map_or(&nothing, |(_, rollups)| rollups);
    let whole = Graph::of(answer(0), answer(1));
    if whole.nodes.is_empty() && !is_json && super::search::store_is_empty(&visit).await? {
        return Ok(page(StatusCode::OK, &StartPage::empty_store(&visit)));
    }
    let names = whole.services().iter().map(|name| write_name(name)).collect();
    let graph = whole.around(&question.service, question.depth).with_errors(question.only_errors);
    if is_json {
        return Ok(json::answer(&graph, &question, seconds));
    }
    // A large map takes some time to draw.
    let window = question.window.text(&visit);
    let base = without_numbers(&visit, &question, names, window);
    let damage = asked.damage.map(|damage| format::sentence(&format!("this is incomplete: {damage}")));
    let drawn = tokio::task::spawn_blocking(move || filled(base, &graph, &question, (seconds, damage)));
    Ok(page(StatusCode::OK, &drawn.await.map_err(PageError::NotDrawn)?))
}

/// The page with what there is.
fn filled(mut page: MapPage, graph: &Graph, question: &Question, (seconds, damage): (f64, Option<String>)) -> MapPage {
    let shown: Shown = graph.most(MOST_NODES);
    page.notices.extend(damage);
    if shown.left_out > 0 {
        page.notices.push(format!(
            "The {MOST_NODES} busiest of {} are drawn. Choose a service to see what is around it.",
            format::counted(graph.nodes.len(), "node", "nodes")
        ));
    }
    let nodes = format::counted(graph.nodes.len(), "node", "nodes");
    page.heading = format!("{nodes}, {}", format::counted(graph.edges.len(), "connection", "connections"));
    page.rows = table::rows(graph, question, seconds, MOST_ROWS);
    page.more_rows = graph.edges.len().saturating_sub(page.rows.len());
    page.drawing = (!graph.nodes.is_empty()).then(|| draw::drawing(&shown.graph, question, seconds));
    page
}

/// The page without numbers.
fn without_numbers(visit: &Visit, question: &Question, names: Vec<String>, about: String) -> MapPage {
    let Question { times, service, words, .. } = question;
    let name = write_name(service);
    let own = || words.iter().map(|(name, word)| (*name, word.as_str()));
    let kept: Vec<(&'static str, &str)> = [("service", name.as_str())].into_iter().chain(own()).collect();
    let json = href(MAP, kept.iter().copied().chain(times.pairs()).chain([("format", "json")]));
    let [(_, depth), (_, colour), _] = words;
    let colour = if colour == "errors" { "" } else { colour };
    let mut advice = Vec::new();
    if !service.is_empty() || question.only_errors {
        advice.push((href(MAP, times.pairs()), "all services and calls"));
    }
    for (lookback, text) in [("24h", "the last 24 hours"), ("30d", "the last 30 days")] {
        advice.push((href(MAP, kept.iter().copied().chain([("lookback", lookback)])), text));
    }
    MapPage {
        chrome: Chrome::at(Place::Map),
        time: times.bar(visit, MAP, &kept, None),
        range: times.owned_pairs(),
        service: name.clone(),
        names,
        depths: choices(DEPTHS, depth),
        colours: choices(COLOURS, colour),
        only_errors: question.only_errors,
        wrong: None,
        heading: String::new(),
        about,
        notices: vec![],
        drawing: None,
        rows: vec![],
        more_rows: 0,
        json,
        advice,
    }
}

/// The page that says what is wrong with its address.
fn wrong(visit: &Visit, params: &Params, error: &FieldError) -> MapPage {
    let times = Times::read(params, visit);
    MapPage {
        chrome: Chrome::at(Place::Map),
        time: times.bar(visit, MAP, &[], Some(error)),
        range: vec![],
        service: params.text("service").to_owned(),
        names: vec![],
        depths: choices(DEPTHS, ""),
        colours: choices(COLOURS, ""),
        only_errors: false,
        wrong: Some(error.message.clone()),
        heading: String::new(),
        about: String::new(),
        notices: vec![],
        drawing: None,
        rows: vec![],
        more_rows: 0,
        json: String::new(),
        advice: vec![],
    }
}

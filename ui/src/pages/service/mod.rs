//! One service: how it is over time, what it does, who calls it and whom it calls.

mod charts;
mod examples;
mod neighbours;
mod spans;
mod versions;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use hoptrail_query::rollups::{Cell, DAY, RollupKey, RollupRequest, RollupSteps, RollupTable, Rollups};
use hoptrail_query::{TimeRange, quoted};

use self::charts::RedChart;
use self::examples::{ExampleRow, Examples};
use self::neighbours::Neighbours;
pub(super) use self::neighbours::{icon, word};
use self::spans::SpanRow;
use self::versions::{InstanceRow, Release, VersionRow};
use super::search::field_error::FieldError;
use super::search::form::write_name;
use super::search::shown_service;
use super::services::health::{self, Health, Lengths};
use super::services::rows::{Change, change};
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::links::{Link, On, Subject};
use crate::pages::red::{
    Asked, RateUnit, TimeBar, Times, Window, ask, error_rate, named, percent, rate, seconds_text, service_href,
};
use crate::url::{Named, Params, href};
use crate::{filters, format};

/// About how many steps a chart has.
const STEPS: usize = 60;
/// Longer names are cut on the page.
const NAME: usize = 200;

/// The page of a service.
#[derive(Debug, Template)]
#[template(path = "service.html")]
struct ServicePage {
    chrome: Chrome,
    time: TimeBar,
    name: String,
    /// What is wrong with the address; then nothing was asked.
    wrong: Option<String>,
    links: Vec<(String, &'static str)>,
    /// Where more is known of the service, as the settings say.
    elsewhere: Vec<Link>,
    about: String,
    notices: Vec<String>,
    /// Whether the service has spans here.
    is_there: bool,
    advice: Vec<(String, &'static str)>,
    facts: Facts,
    charts: Vec<RedChart>,
    releases: Vec<Release>,
    examples: Vec<ExampleRow>,
    spans: Vec<SpanRow>,
    more_spans: usize,
    neighbours: Vec<Neighbours>,
    versions: Vec<VersionRow>,
    instances: Vec<InstanceRow>,
    more_instances: usize,
}

/// The numbers of the whole time.
#[derive(Debug, Default)]
struct Facts {
    rate: String,
    errors: String,
    has_errors: bool,
    p50: String,
    p95: String,
    p99: String,
    yesterday: Option<Change>,
    last_week: Option<Change>,
}

/// What the page asks for.
struct Question {
    service: String,
    times: Times,
    window: Window,
}

/// `GET /services/{name}`.
pub(crate) async fn show(visit: Visit, Named(name): Named<String>, params: Params) -> Result<Response, PageError> {
    let service = named(&name);
    let times = Times::read(&params, &visit);
    let window = match times.window(&visit, STEPS) {
        Ok(window) => window,
        Err(error) => {
            return Ok(page(StatusCode::BAD_REQUEST, &empty(&visit, &service, &times, Some(&error))));
        }
    };
    let question = Question { service, times, window };
    let asked = ask(&visit, requests(&question)).await?;
    let examples = examples::find(&visit, &question).await;
    Ok(page(StatusCode::OK, &service_page(&visit, &question, &asked, examples)))
}

fn requests(question: &Question) -> Vec<RollupRequest> {
    let Question { service, window, .. } = question;
    let request = |table, steps: RollupSteps| RollupRequest { table, steps, service: Some(service.clone()) };
    vec![
        request(RollupTable::Services, window.steps),
        request(RollupTable::Services, window.before(DAY)),
        request(RollupTable::Services, window.before(7 * DAY)),
        request(RollupTable::Instances, window.steps),
        request(RollupTable::Spans, window.whole()),
        request(RollupTable::Edges, window.whole()),
    ]
}

fn service_page(visit: &Visit, question: &Question, asked: &Asked, examples: Examples) -> ServicePage {
    let Question { service, times, window } = question;
    let mut page = empty(visit, service, times, None);
    page.notices =
        asked.damage.iter().map(|damage| format::sentence(&format!("this is incomplete: {damage}"))).collect();
    let [(steps, now), (_, yesterday), (_, last_week), (instance_steps, instances), (_, spans), (_, edges)] =
        asked.answers.as_slice()
    else {
        return page;
    };
    let end = window.end;
    let lengths =
        Lengths { now: asked.seconds(0, end), yesterday: asked.seconds(1, end), last_week: asked.seconds(2, end) };
    let health = health::healths(now, yesterday, last_week).into_iter().next().unwrap_or_default();
    let window = Window { steps: *steps, end };
    let unit = RateUnit::of(rate(health.now.count, lengths.now));
    let seen = versions::seen(instances, instance_steps);
    page.about = window.text(visit);
    page.elsewhere = elsewhere(visit, service, &window);
    page.is_there = !now.series.is_empty() || !edges.series.is_empty();
    page.notices.extend(notices(service, spans, now));
    page.facts = facts(&health, lengths, unit);
    page.releases = versions::releases(&seen, instance_steps, &visit.zone);
    page.charts = charts::charts(visit, question, &health, (&window, unit), (&page.releases, &examples));
    (page.spans, page.more_spans) = spans::rows(spans, question, asked.seconds(4, end));
    page.neighbours = neighbours::both(edges, question, asked.seconds(5, end));
    page.versions = versions::version_rows(&seen, instance_steps, &visit.zone);
    (page.instances, page.more_instances) = versions::instance_rows(&seen, instance_steps, &visit.zone);
    page.notices.extend(examples.notice);
    page.examples = examples.rows;
    page
}

/// The page without numbers.
fn empty(visit: &Visit, service: &str, times: &Times, error: Option<&FieldError>) -> ServicePage {
    let path = service_href(service, []);
    let advice = [("24h", "the last 24 hours"), ("30d", "the last 30 days")];
    ServicePage {
        chrome: Chrome::at(Place::Service),
        time: times.bar(visit, &path, &[], error),
        name: format::shortened(&shown_service(service), NAME),
        wrong: error.map(|error| error.message.clone()),
        links: links(service, times),
        elsewhere: vec![],
        about: String::new(),
        notices: vec![],
        is_there: false,
        advice: advice.map(|(lookback, text)| (href(&path, [("lookback", lookback)]), text)).into(),
        facts: Facts::default(),
        charts: vec![],
        releases: vec![],
        examples: vec![],
        spans: vec![],
        more_spans: 0,
        neighbours: vec![],
        versions: vec![],
        instances: vec![],
        more_instances: 0,
    }
}

/// The links of the settings that fit the service, with the time of the page.
fn elsewhere(visit: &Visit, service: &str, window: &Window) -> Vec<Link> {
    let TimeRange { start, end } = window.steps.range();
    let attribute = |scope: &str, key: &str| (scope == "resource" && key == "service.name").then(|| service.to_owned());
    let subject = Subject { trace_id: None, span_id: None, service, name: None, start, end, attribute: &attribute };
    visit.app.links.of(On::Service, &subject)
}

fn links(service: &str, times: &Times) -> Vec<(String, &'static str)> {
    let name = write_name(service);
    let own = format!("{{ resource.service.name = {} }}", quoted(service));
    let failed = format!("{{ resource.service.name = {} && status = error }}", quoted(service));
    let search = |more: &[(&'static str, &'static str)]| {
        let own = [("service", name.as_str())].into_iter().chain(more.iter().copied());
        href("/search", own.chain(times.pairs()))
    };
    vec![
        (search(&[]), "Traces"),
        (search(&[("status", "error")]), "Failed spans"),
        (search(&[("q", "{ } | histogram_over_time(duration)")]), "Heatmap"),
        (href("/dependencies", [("service", name.as_str())].into_iter().chain(times.pairs())), "Map"),
        (href("/exceptions", [("service", name.as_str())].into_iter().chain(times.pairs())), "Exceptions"),
        (
            href("/why", [("q", failed.as_str()), ("rest", own.as_str())].into_iter().chain(times.pairs())),
            "Why failures?",
        ),
    ]
}

fn notices(service: &str, spans: &Rollups, now: &Rollups) -> Vec<String> {
    let mut notices = Vec::new();
    if spans.folded.iter().any(|folded| folded == service) {
        notices.push(
            "This service has very many span names. Those with ids in them are put together, with {} in place of the id, \
             and what is left is called other."
                .to_owned(),
        );
    }
    let mut total = Cell::default();
    now.series.iter().for_each(|series| total.add(&series.total()));
    if (total.weight - total.count as f64).abs() > 0.01 * total.count as f64 {
        let stored = format::count(total.count.unsigned_abs());
        let all = format::count(total.weight.round().max(0.0) as u64);
        notices.push(format!(
            "Only some traces were sampled: {stored} spans stand for about {all}. Numbers are those of stored spans."
        ));
    }
    let is_entered = |key: &RollupKey| matches!(key, RollupKey::Service { entry: true, .. });
    if !now.series.is_empty() && !now.series.iter().any(|series| is_entered(&series.key)) {
        notices.push("No span here is one by which the service is entered, so all its spans count.".to_owned());
    }
    notices
}

fn facts(health: &Health, lengths: Lengths, unit: RateUnit) -> Facts {
    let now = &health.now;
    let quantile = |q| seconds_text(now.durations.quantile(q));
    let of = |before: &Option<Cell>, length| {
        before.as_ref().map(|before| change(health, before, (lengths.now, length), lengths))
    };
    Facts {
        rate: unit.text(rate(now.count, lengths.now)),
        errors: error_rate(now).map_or_else(|| "–".to_owned(), percent),
        has_errors: now.errors > 0,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        yesterday: of(&health.yesterday, lengths.yesterday),
        last_week: of(&health.last_week, lengths.last_week),
    }
}

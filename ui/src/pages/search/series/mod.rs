//! What a metrics query gave: a plot, its legend, and its numbers.

mod chart;
mod compare;
mod download;
mod entries;
mod given;
mod heatmap;
mod measure;
mod narrow;
mod numbers;

use axum::response::Response;
use hoptrail_query::metrics::{RangeRequest, SeriesSet};
use hoptrail_query::{Answer, Service, Steps};
use jiff::tz::TimeZone;

use self::chart::Mark;
pub(crate) use self::chart::{Chart, Frame, times};
use self::compare::Comparison;
use self::entries::Entry;
pub(crate) use self::given::{Example, Given, GivenLine};
pub(crate) use self::heatmap::{CellShown, Heatmap, bucket, range_text, row_ticks, smallest};
use self::measure::{Measure, Shape};
use self::narrow::Narrow;
pub(crate) use self::narrow::condition;
use self::numbers::Numbers;
pub(crate) use self::numbers::time_text;
use super::choice::Choice;
use super::form::Form;
use super::question::Series;
use crate::context::Visit;
use crate::error::PageError;
use crate::format::{self, Unit};
use crate::plot::Columns;

/// Most series of a page and of a download.
const MOST: usize = 250;
const MOST_IN_FILE: usize = 10_000;
const EXEMPLARS: usize = 50;

/// How numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Bars,
    Heatmap,
    Ranking,
    Table,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Bars => "bars",
            Self::Heatmap => "heatmap",
            Self::Ranking => "ranking",
            Self::Table => "table",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Lines => "Lines",
            Self::Bars => "Bars",
            Self::Heatmap => "Heatmap",
            Self::Ranking => "Ranking",
            Self::Table => "Table",
        }
    }
}

/// The kinds that suit a shape, the usual one first.
fn kinds(shape: Shape) -> &'static [Kind] {
    match shape {
        Shape::Numbers => &[Kind::Lines, Kind::Bars, Kind::Table],
        Shape::Histogram => &[Kind::Heatmap, Kind::Bars, Kind::Lines, Kind::Table],
        Shape::Comparison => &[Kind::Ranking, Kind::Table],
    }
}

/// What was asked, for everything that shows the answer.
struct Asked<'a> {
    steps: Steps,
    measure: Measure,
    zone: &'a TimeZone,
    narrow: Narrow<'a>,
}

/// What a page shows of a metrics query.
#[derive(Debug)]
pub(crate) struct Plotted {
    pub(crate) heading: String,
    /// Other ways to draw it.
    pub(crate) kinds: Vec<(String, Choice)>,
    /// Which intervals, and what the numbers are.
    pub(crate) about: String,
    pub(crate) traceql: Option<String>,
    pub(crate) notices: Vec<String>,
    pub(crate) is_empty: bool,
    pub(crate) chart: Option<Chart>,
    pub(crate) heatmaps: Vec<Heatmap>,
    pub(crate) comparison: Option<Comparison>,
    pub(crate) numbers: Option<Numbers>,
    /// Whether the table is all there is to see.
    pub(crate) is_table: bool,
    pub(crate) marks: Vec<Mark>,
    pub(crate) csv: String,
    pub(crate) json: String,
    pub(crate) inspected: String,
    /// Wider searches, when nothing was found.
    pub(crate) advice: Vec<(String, &'static str)>,
}

/// Asks the store and shows what it says.
pub(super) async fn plotted(
    visit: &Visit,
    service: &Service,
    form: &Form,
    question: &Series,
) -> Result<Plotted, PageError> {
    let answer = ask(visit, service, question, MOST, EXEMPLARS).await?;
    let measure = measure::measure(&question.query.series);
    let kind = *kinds(measure.shape).iter().find(|kind| kind.word() == form.plot).unwrap_or(&kinds(measure.shape)[0]);
    let notices = notices(question, &answer);
    let set = answer.value;
    let asked = Asked { steps: question.steps, measure, zone: &visit.zone, narrow: Narrow::new(form, &visit.zone) };
    let is_empty = !set.series.iter().any(|series| series.values.iter().any(|value| value.is_finite()));
    let mut plotted = Plotted {
        heading: heading(&set, measure.shape, is_empty),
        kinds: choices(form, measure.shape, kind),
        about: about(question.steps, measure.unit, visit),
        traceql: Some(question.traceql.clone()).filter(|traceql| *traceql != form.query),
        notices,
        is_empty,
        chart: None,
        heatmaps: vec![],
        comparison: None,
        numbers: None,
        is_table: kind == Kind::Table,
        marks: vec![],
        csv: form.link("/search/csv", &[("plot", ""), ("limit", "")]),
        json: form.link("/search/json", &[("plot", ""), ("limit", "")]),
        inspected: super::inspected(set.inspected),
        // A plot of all time has no beginning.
        advice: if is_empty { super::advice(form, &super::WIDER[..2]) } else { vec![] },
    };
    if !is_empty {
        plotted.draw(&asked, &set, kind);
    }
    Ok(plotted)
}

impl Plotted {
    fn draw(&mut self, asked: &Asked<'_>, set: &SeriesSet, kind: Kind) {
        if asked.measure.shape == Shape::Comparison {
            self.comparison = Some(compare::comparison(&set.series, &asked.narrow));
            return;
        }
        let (key, entries) = entries::entries(&set.series, asked.measure.values());
        match kind {
            Kind::Lines => self.chart = Some(chart::lines(asked, &entries, key)),
            Kind::Bars => self.chart = Some(chart::bars(asked, &entries, key)),
            Kind::Heatmap => {
                let (maps, more) = heatmap::heatmaps(asked, &entries);
                self.heatmaps = maps;
                if more > 0 {
                    self.notices.push(format!("{more} more groups are in the table and in the downloads."));
                }
            }
            Kind::Ranking | Kind::Table => {}
        }
        self.marks = chart::marks(asked, &entries, |_, _| 0.0);
        self.numbers = Some(numbers_of(asked, entries));
    }
}

/// The table. Numbers of a histogram lead to their spans, and its columns are ordered by size.
fn numbers_of(asked: &Asked<'_>, mut entries: Vec<Entry<'_>>) -> Numbers {
    let is_histogram = asked.measure.shape == Shape::Histogram;
    let upto = |entry: &Entry<'_>| heatmap::bucket(&entry.series.labels).unwrap_or(f64::INFINITY);
    if is_histogram {
        entries.sort_by(|one, other| upto(one).total_cmp(&upto(other)));
    }
    let smallest = heatmap::smallest(asked.measure.buckets);
    let link = |interval: usize, entry: &Entry<'_>, value: f64| {
        if !is_histogram || value.is_nan() || value <= 0.0 {
            return String::new();
        }
        let upto = upto(entry);
        let above = Some(upto / 2.0).filter(|_| upto > smallest);
        let times = Columns(asked.steps).times(interval);
        asked.narrow.to(times, &entry.series.labels, Some(((above, upto), asked.measure.buckets)))
    };
    numbers::numbers(&entries, asked.steps, asked.measure.unit, asked.zone, link)
}

/// `GET /search/csv`.
pub(super) async fn csv(visit: &Visit, question: &Series) -> Result<Response, PageError> {
    let set = ask(visit, visit.service(), question, MOST_IN_FILE, 0).await?.value;
    Ok(download::csv(&set.series, question.steps))
}

/// `GET /search/json`.
pub(super) async fn json(visit: &Visit, question: &Series) -> Result<Response, PageError> {
    let set = ask(visit, visit.service(), question, MOST_IN_FILE, EXEMPLARS).await?.value;
    let unit = measure::measure(&question.query.series).unit;
    Ok(download::json(&set.series, question.steps, &question.traceql, unit))
}

async fn ask(
    visit: &Visit,
    service: &Service,
    question: &Series,
    most: usize,
    exemplars: usize,
) -> Result<Answer<SeriesSet>, PageError> {
    let is_comparison = measure::measure(&question.query.series).shape == Shape::Comparison;
    let max_series = if is_comparison { MOST_IN_FILE } else { most };
    let request = RangeRequest { query: question.query.clone(), steps: question.steps, exemplars, max_series };
    Ok(service.metrics(&visit.tenant, request).await?)
}

fn heading(set: &SeriesSet, shape: Shape, is_empty: bool) -> String {
    match shape {
        _ if is_empty => "No numbers found".to_owned(),
        Shape::Comparison => "What the selection has more of".to_owned(),
        Shape::Histogram => "How values are distributed over time".to_owned(),
        Shape::Numbers => format::counted(set.cut.unwrap_or(set.series.len()), "series", "series"),
    }
}

fn choices(form: &Form, shape: Shape, chosen: Kind) -> Vec<(String, Choice)> {
    let usual = kinds(shape)[0];
    let choice = |kind: &Kind| {
        let word = if *kind == usual { "" } else { kind.word() };
        let choice = Choice { value: word.to_owned(), label: kind.label().to_owned(), chosen: *kind == chosen };
        (form.with("plot", word), choice)
    };
    kinds(shape).iter().map(choice).collect()
}

/// `count, 60 intervals of 1 min, 2026-11-29 13:00:00 to 14:00:00 UTC`
fn about(steps: Steps, unit: Unit, visit: &Visit) -> String {
    let zone = &visit.zone;
    let (first, _) = Columns(steps).times(0);
    let (_, last) = Columns(steps).times(steps.count.saturating_sub(1));
    let [from, to] = [first, last].map(|time| numbers::time_text(time, steps.step, zone));
    let day = |text: &str| text.split(' ').next().map(str::to_owned);
    let to = if day(&from) == day(&to) { to.split(' ').nth(1).map_or(to.clone(), str::to_owned) } else { to };
    let is_open = last > visit.now;
    format!(
        "{}, {} of {}, {from} to {to} {}{}",
        unit.name(),
        format::counted(steps.count, "interval", "intervals"),
        format::duration(steps.step),
        format::zone_between(first, last, zone),
        if is_open { "; the last one is not over yet" } else { "" },
    )
}

fn notices(question: &Series, answer: &Answer<SeriesSet>) -> Vec<String> {
    let mut notices: Vec<String> =
        answer.notice().map(|damage| format!("this is incomplete: {damage}")).into_iter().collect();
    let set = &answer.value;
    if let Some(all) = set.cut {
        let shown = format::count(set.series.len() as u64);
        notices
            .push(format!("{shown} of {} series are shown; narrow the query or use topk()", format::count(all as u64)));
    }
    if set.quantile_error > 0.0 {
        notices.push(format!(
            "quantiles are off by up to {:.1} %: there are too many values to keep all",
            100.0 * set.quantile_error
        ));
    }
    if set.unweighted > 0 {
        let spans = format::counted(usize::try_from(set.unweighted).unwrap_or(usize::MAX), "span does", "spans do");
        notices.push(format!("{spans} not say with which probability they were sampled, and count once"));
    }
    notices.extend(question.query.notices.iter().cloned());
    notices.iter().map(|notice| format::sentence(notice)).collect()
}

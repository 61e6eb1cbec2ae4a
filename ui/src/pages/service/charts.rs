//! Rate, errors and durations over time.

use hoptrail_query::Steps;
use hoptrail_query::rollups::Cell;

use super::examples::Examples;
use super::versions::Release;
use super::{Health, Question};
use crate::context::Visit;
use crate::format::Unit;
use crate::pages::red::{RateUnit, Window, error_rate};
use crate::pages::search::form::Form;
use crate::pages::search::series::{Chart, Example, Given, GivenLine};

const NANOS: f64 = 1e9;

/// A chart with its title.
#[derive(Debug)]
pub(super) struct RedChart {
    pub(super) title: &'static str,
    pub(super) about: String,
    pub(super) chart: Chart,
}

pub(super) fn charts(
    visit: &Visit,
    question: &Question,
    health: &Health,
    (window, unit): (&Window, RateUnit),
    (releases, examples): (&[Release], &Examples),
) -> Vec<RedChart> {
    let steps = Steps { start: window.steps.start, step: window.steps.step, count: window.steps.count };
    let numbers = Numbers { health, window };
    let form = |status: &str| Form { service: question.service.clone(), status: status.to_owned(), ..Form::default() };
    let (all, failed) = (form(""), form("error"));
    let events: Vec<(u64, String)> = releases.iter().map(|release| (release.time, release.text.clone())).collect();
    let chart = |form: &Form, unit: Unit, lines: Vec<GivenLine>, examples: Vec<Example>| {
        Given { steps, unit, zone: &visit.zone, form, lines, examples, events: &events }.chart()
    };
    let rate_unit = if unit == RateUnit::Second { Unit::PerSecond } else { Unit::Plain };
    let rates = numbers.each(Some(0.0), |cell, seconds| Some(cell.count as f64 / seconds * unit.factor()));
    let errors = numbers.each(None, |cell, _| error_rate(cell).map(|part| 100.0 * part));
    let quantiles = [("p99", "p5", 0.99), ("p95", "p1", 0.95), ("p50", "p0", 0.5)];
    let quantile = |(name, class, q): (&'static str, &'static str, f64)| {
        let values = numbers.each(None, |cell, _| cell.durations.quantile(q).map(|nanos| nanos / NANOS));
        GivenLine { name, class, values }
    };
    let failures = examples.failed.iter().map(|example| Example { value: 100.0, ..example.clone() });
    vec![
        RedChart {
            title: "Rate",
            about: unit.name().to_owned(),
            chart: chart(&all, rate_unit, vec![GivenLine { name: "rate", class: "p0", values: rates }], vec![]),
        },
        RedChart {
            title: "Errors",
            about: "percent of calls".to_owned(),
            chart: chart(
                &failed,
                Unit::Plain,
                vec![GivenLine { name: "errors", class: "failed", values: errors.clone() }],
                failures.map(|example| at_line(example, &errors, window)).collect(),
            ),
        },
        RedChart {
            title: "Durations",
            about: "at most 4.5 % off".to_owned(),
            chart: chart(&all, Unit::Seconds, quantiles.map(quantile).into(), examples.slowest.clone()),
        },
    ]
}

/// An example on the line of its interval.
fn at_line(example: Example, values: &[f64], window: &Window) -> Example {
    let value = window.steps.of(example.time).and_then(|step| values.get(step)).copied();
    Example { value: value.filter(|value| value.is_finite()).unwrap_or_default(), ..example }
}

/// The numbers of a service by step.
struct Numbers<'h> {
    health: &'h Health,
    window: &'h Window,
}

impl Numbers<'_> {
    /// A number for each step that is over for the most part; `nothing` where there are no spans.
    fn each(&self, nothing: Option<f64>, number: impl Fn(&Cell, f64) -> Option<f64>) -> Vec<f64> {
        let over = |step| self.window.seconds_of(step);
        let count = self.window.steps.count;
        let mut values: Vec<f64> = (0..count).map(|step| over(step).and(nothing).unwrap_or(f64::NAN)).collect();
        for (step, cell) in &self.health.steps {
            if let (Some(value), Some(seconds)) = (values.get_mut(*step), over(*step)) {
                *value = number(cell, seconds).unwrap_or(f64::NAN);
            }
        }
        values
    }
}

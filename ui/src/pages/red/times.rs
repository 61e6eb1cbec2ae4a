//! The time range of a page of numbers.

use hoptrail_query::TimeRange;
use hoptrail_query::rollups::{DAY, MINUTE, RollupSteps};

use crate::context::Visit;
use crate::format;
use crate::pages::search::field_error::FieldError;
use crate::pages::search::form::Form;
use crate::pages::search::range::{self, Edge, TimeInput};
use crate::url::{Params, href};

const SECOND: f64 = 1e9;
/// The longest range. Numbers are kept for 13 months unless the settings say otherwise.
const LONGEST: u64 = 400 * DAY;
const DEFAULT: &str = "1h";
const PRESETS: [(&str, &str); 6] =
    [("15m", "15 min"), ("1h", "1 h"), ("6h", "6 h"), ("24h", "24 h"), ("7d", "7 days"), ("30d", "30 days")];

/// The range as the URL says it.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    form: Form,
}

/// The range in steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) steps: RollupSteps,
    /// Where it ends: now, or before.
    pub(crate) end: u64,
}

impl Times {
    pub(crate) fn read(params: &Params, visit: &Visit) -> Self {
        Self { form: Form::read(params, &visit.zone) }
    }

    /// The parameters of a link to the same time.
    pub(crate) fn pairs(&self) -> [(&str, &str); 3] {
        let Form { lookback, from, to, .. } = &self.form;
        let is_custom = lookback == "custom";
        let lookback = if lookback == DEFAULT || is_custom { "" } else { lookback };
        [("lookback", lookback), ("from", from), ("to", to)]
    }

    /// The same, for hidden fields of a form.
    pub(crate) fn owned_pairs(&self) -> Vec<(&'static str, String)> {
        let [(_, lookback), (_, from), (_, to)] = self.pairs();
        [("lookback", lookback), ("from", from), ("to", to)].map(|(name, value)| (name, value.to_owned())).into()
    }

    /// The range in about `most` steps.
    pub(crate) fn window(&self, visit: &Visit, most: usize) -> Result<Window, FieldError> {
        let found = self.form.range(visit.now, &visit.zone)?;
        let Some(found) = found else {
            return Err(FieldError::new("lookback", "Rates need a time range: choose one, or write from when."));
        };
        if found.start == 0 {
            return Err(FieldError::new("from", "Rates need a start: write from when."));
        }
        let end = found.end.min(visit.now).max(found.start.saturating_add(1));
        if end - found.start > LONGEST {
            return Err(FieldError::new("from", "That is more than 400 days. Choose a later start."));
        }
        let steps = RollupSteps::over(TimeRange { start: found.start, end }, most);
        Ok(Window { steps, end })
    }

    /// Just the range that was asked for, up to now; none when it is open or cannot be read.
    pub(crate) fn exact(&self, visit: &Visit) -> Option<TimeRange> {
        let found = self.form.range(visit.now, &visit.zone).ok().flatten()?;
        Some(TimeRange { start: found.start, end: found.end.min(visit.now).max(found.start.saturating_add(1)) })
    }

    /// What the page shows of the range; `kept` are the other parameters of the page.
    pub(crate) fn bar(
        &self,
        visit: &Visit,
        path: &str,
        kept: &[(&'static str, &str)],
        error: Option<&FieldError>,
    ) -> TimeBar {
        let Form { lookback, from, to, .. } = &self.form;
        let link = |value: &str| {
            let own = if value == DEFAULT { "" } else { value };
            href(path, kept.iter().copied().chain([("lookback", own)]))
        };
        let preset =
            |(value, label): (&str, &'static str)| Preset { href: link(value), label, chosen: value == lookback };
        let input = |text: &str, edge| range::input(text, &visit.zone, edge);
        TimeBar {
            action: path.to_owned(),
            presets: PRESETS.into_iter().map(preset).collect(),
            is_custom: lookback == "custom",
            from: input(from, Edge::From),
            to: input(to, Edge::To),
            zone: format::zone_name(&visit.zone),
            kept: kept.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            error: error.map(|error| error.message.clone()),
        }
    }
}

impl Window {
    /// One step that has all of it.
    pub(crate) fn whole(&self) -> RollupSteps {
        RollupSteps::whole(self.range())
    }

    /// The same time so long before.
    pub(crate) fn before(&self, distance: u64) -> RollupSteps {
        let TimeRange { start, end } = self.range();
        let end = end.div_ceil(MINUTE) * MINUTE;
        RollupSteps::whole(TimeRange { start: start.saturating_sub(distance), end: end.saturating_sub(distance) })
    }

    pub(crate) fn range(&self) -> TimeRange {
        TimeRange { start: self.steps.start, end: self.end }
    }

    /// How much of a step is over, in seconds; none of one that has just begun.
    pub(crate) fn seconds_of(&self, step: usize) -> Option<f64> {
        let start = self.steps.start_of(step);
        let over = self.end.min(start.saturating_add(self.steps.step)).saturating_sub(start);
        (over.saturating_mul(4) >= self.steps.step).then_some(over as f64 / SECOND)
    }

    /// `2026-11-29 13:00 to 14:00 UTC`
    pub(crate) fn text(&self, visit: &Visit) -> String {
        let [from, to] = [self.steps.start, self.end].map(|time| format::Moment::new(time, &visit.zone).text);
        let minute = |text: &str| text.get(..16).unwrap_or(text).to_owned();
        let [from, to] = [minute(&from), minute(&to)];
        let is_same_day = from.get(..10) == to.get(..10);
        let to = to.get(11..).filter(|_| is_same_day).map_or(to.clone(), str::to_owned);
        let zone = format::zone_between(self.steps.start, self.end, &visit.zone);
        format!("{from} to {to} {zone}")
    }
}

/// How many seconds steps have up to an end.
pub(super) fn seconds(steps: &RollupSteps, end: u64) -> f64 {
    let range = steps.range();
    (range.end.min(end).saturating_sub(range.start) as f64 / SECOND).max(1.0)
}

/// The choice of a time range.
#[derive(Debug)]
pub(crate) struct TimeBar {
    pub(crate) action: String,
    pub(crate) presets: Vec<Preset>,
    pub(crate) is_custom: bool,
    pub(crate) from: TimeInput,
    pub(crate) to: TimeInput,
    pub(crate) zone: String,
    /// Other parameters of the page.
    pub(crate) kept: Vec<(&'static str, String)>,
    pub(crate) error: Option<String>,
}

/// A usual range.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) href: String,
    pub(crate) label: &'static str,
    pub(crate) chosen: bool,
}

//! What the addresses of pages ask that look at sets of traces: why some differ, and many as one.

use hoptrail_query::metrics::{RangeRequest, instant_steps};
use hoptrail_query::traceql::{compile_metrics, render_errors};
use hoptrail_query::why::{Faults, Question};

use crate::context::Visit;
use crate::error::PageError;
use crate::format;
use crate::pages::red::{TimeBar, Times};
use crate::url::{Params, href};

/// Every trace.
pub(super) const ALL: &str = "{ }";
pub(super) const FAILED: &str = "{ status = error }";
/// Roots that last longer than 95 of 100 are slow.
const SLOW: &str = "{ parent = nil } | quantile_over_time(duration, 0.95)";

/// A page that asks about sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) path: &'static str,
    /// The traces in question, and the others, when the address says nothing.
    pub(super) selected: &'static str,
    pub(super) others: &'static str,
    /// Usual sets: value, query and label. One without a query is made of what is stored.
    pub(super) sets: &'static [(&'static str, &'static str, &'static str)],
}

/// A question, as the address has it.
pub(super) struct Asked {
    asking: Asking,
    pub(super) question: Question,
    pub(super) times: Times,
    /// `slow`, when the query is not written but made of what is stored.
    set: String,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    /// The query with carets under its faults.
    pub(super) excerpt: String,
    /// The field, when it is one of the two queries.
    pub(super) field: &'static str,
}

/// A set that is a link away.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) chosen: bool,
}

impl Asked {
    pub(super) fn read(params: &Params, visit: &Visit, asking: Asking) -> Self {
        let (selected, others) = (params.text("q"), params.first(&["rest", "others"]));
        let set = if selected.is_empty() { params.text("set") } else { "" };
        let known = asking.sets.iter().find(|(value, ..)| *value == set).map_or("", |(_, query, _)| query);
        let text_or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let selected = text_or(&text_or(selected, known), asking.selected);
        let question = Question { selected, others: text_or(others, asking.others), range: None };
        Self { asking, question, times: Times::read(params, visit), set: set.to_owned() }
    }

    /// Fills in what is only known of what is stored, or says what is wrong.
    pub(super) async fn settle(&mut self, visit: &Visit) -> Result<Result<(), Wrong>, PageError> {
        let window = match self.times.window(visit, 1) {
            Ok(window) => window,
            Err(error) => return Ok(Err(Wrong::plain(error.message))),
        };
        // Steps are whole minutes; the range is just what was asked for.
        self.question.range = Some(self.times.exact(visit).unwrap_or(window.range()));
        if self.set == "slow" {
            if let Some(slow) = self.slow(visit).await? {
                self.question.selected = slow;
            }
        } else if !self.set.is_empty() && !self.asking.sets.iter().any(|(value, ..)| *value == self.set) {
            let other = format::shortened(&self.set, 60);
            let known: Vec<&str> = self.asking.sets.iter().map(|(value, ..)| *value).collect();
            let known = known.join(", ");
            return Ok(Err(Wrong::plain(format!("{other:?} is no set. There are {known}; or write a query as q."))));
        }
        Ok(Ok(()))
    }

    /// Says what is wrong in a query.
    pub(super) fn wrong(&self, faults: &Faults) -> Wrong {
        let (text, field, of) = match faults.of_selection {
            true => (&self.question.selected, "q", "traces in question"),
            false => (&self.question.others, "rest", "traces to compare with"),
        };
        let message = format!("The query for the {of} is not valid.");
        Wrong { message, excerpt: render_errors(text, &faults.errors), field }
    }

    /// The slowest of all traces by their roots; none when there are none.
    async fn slow(&self, visit: &Visit) -> Result<Option<String>, PageError> {
        let (Some(range), Ok(query)) = (self.question.range, compile_metrics(SLOW)) else { return Ok(None) };
        let Ok(steps) = instant_steps(range.start, range.end) else { return Ok(None) };
        let request = RangeRequest { query, steps, exemplars: 0, max_series: 1 };
        let answer = visit.service().metrics(&visit.tenant, request).await?;
        let seconds = answer.value.series.first().and_then(|series| series.values.first().copied());
        let seconds = seconds.filter(|seconds| seconds.is_finite());
        Ok(seconds.map(|seconds| format!("{{ parent = nil && duration > {:.0}us }}", seconds * 1e6)))
    }

    /// The other side, when it is not the usual one.
    pub(super) fn others(&self) -> &str {
        if self.question.others == self.asking.others { "" } else { &self.question.others }
    }

    /// The query in the address: none for a set that is made of what is stored.
    fn selected(&self) -> &str {
        let is_usual = self.question.selected == self.asking.selected;
        if self.set.is_empty() && !is_usual { &self.question.selected } else { "" }
    }

    pub(super) fn sets(&self) -> Vec<Set> {
        let set = |(value, query, label): &(&'static str, &'static str, &'static str)| {
            let is_usual = *query == self.asking.selected;
            let pairs = [("set", if is_usual { "" } else { *value }), ("rest", self.others())];
            let chosen = self.set == *value || self.set.is_empty() && *query == self.question.selected;
            Set { label, href: href(self.asking.path, pairs.into_iter().chain(self.times.pairs())), chosen }
        };
        self.asking.sets.iter().map(set).collect()
    }

    pub(super) fn bar(&self, visit: &Visit) -> TimeBar {
        let kept = [("q", self.selected()), ("set", self.set.as_str()), ("rest", self.others())];
        self.times.bar(visit, self.asking.path, &kept, None)
    }

    /// `2026-11-29 13:00 to 14:00 UTC`
    pub(super) fn about(&self, visit: &Visit) -> String {
        self.times.window(visit, 1).map(|window| window.text(visit)).unwrap_or_default()
    }

    /// The same question in another form.
    pub(super) fn link(&self, form: &str) -> String {
        self.with(&[("format", form)])
    }

    /// The same page with other parameters.
    pub(super) fn with(&self, changes: &[(&'static str, &str)]) -> String {
        let own = [("q", self.selected()), ("set", self.set.as_str()), ("rest", self.others()), ("format", "")];
        let value = |name, own| changes.iter().find(|(changed, _)| *changed == name).map_or(own, |(_, value)| *value);
        href(self.asking.path, own.into_iter().map(|(name, own)| (name, value(name, own))).chain(self.times.pairs()))
    }

    /// The same question on another page.
    pub(super) fn elsewhere(&self, path: &str, rest: &str) -> String {
        let own = [("q", self.question.selected.as_str()), ("rest", rest)];
        href(path, own.into_iter().chain(self.times.pairs()))
    }

    /// The same page for another query.
    pub(super) fn narrowed(&self, query: &str) -> String {
        href(self.asking.path, [("q", query), ("rest", self.others())].into_iter().chain(self.times.pairs()))
    }

    /// A list of traces of the same time.
    pub(super) fn search(&self, query: &str) -> String {
        href("/search", [("q", query)].into_iter().chain(self.times.pairs()))
    }
}

impl Wrong {
    pub(super) fn plain(message: String) -> Self {
        Self { message, excerpt: String::new(), field: "" }
    }
}

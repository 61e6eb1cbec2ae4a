//! Findings as rows.

use hoptrail_query::any_value;
use hoptrail_query::traceql::field_text;
use hoptrail_query::why::{Finding, Findings, Term};

use super::MOST;
use crate::format;
use crate::pages::asked::Asked;

/// Characters of a value that are shown.
const VALUE: usize = 160;
/// Other values of the same traces that are named.
const ALIKE: usize = 12;

/// A finding.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) terms: Vec<ShownTerm>,
    /// Between two terms.
    pub(super) between: &'static str,
    pub(super) selected: Share,
    pub(super) others: Share,
    /// `+89 pp`
    pub(super) difference: String,
    /// `×31`
    pub(super) lift: String,
    pub(super) confidence: &'static str,
    /// The traces, and the same page for them; empty when there is no query for them.
    pub(super) traces: String,
    pub(super) narrowed: String,
    pub(super) alike: Vec<ShownTerm>,
    pub(super) more_alike: usize,
    pub(super) examples: Vec<Example>,
}

/// A field with its value.
#[derive(Debug)]
pub(super) struct ShownTerm {
    pub(super) key: String,
    pub(super) value: String,
}

/// A part of the traces of a side.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) count: String,
    pub(super) percent: String,
    /// Width of the bar, percent.
    pub(super) width: String,
}

/// A trace that has it.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) href: String,
    pub(super) trace: String,
    pub(super) about: String,
}

/// The first findings.
pub(super) fn rows(findings: &[Finding], found: &Findings, asked: &Asked) -> Vec<Row> {
    findings.iter().take(MOST).map(|finding| row(finding, found, asked)).collect()
}

fn row(finding: &Finding, found: &Findings, asked: &Asked) -> Row {
    let all = found.traces;
    let difference = 100.0 * finding.traces.difference(&all);
    let link = |make: &dyn Fn(&str) -> String| finding.query.as_deref().map(make).unwrap_or_default();
    Row {
        terms: finding.terms.iter().map(shown).collect(),
        between: if finding.is_of_one_span { "on one span with" } else { "and, on any span," },
        selected: share(finding.traces.selected, all.selected),
        others: share(finding.traces.others, all.others),
        difference: format!("{}{:.0} pp", if difference < 0.0 { '−' } else { '+' }, difference.abs()),
        lift: lift(finding.lift(&all)),
        confidence: finding.confidence(&all).word(),
        traces: link(&|query| asked.search(query)),
        narrowed: link(&|query| asked.narrowed(query)),
        alike: finding.alike.iter().take(ALIKE).map(shown).collect(),
        more_alike: finding.alike.len().saturating_sub(ALIKE),
        examples: Vec::new(),
    }
}

fn shown(term: &Term) -> ShownTerm {
    let value = format::value(&any_value(&term.value));
    ShownTerm {
        key: format::shortened(&field_text(&term.field), 80),
        value: if value.is_empty() { "(empty)".to_owned() } else { format::shortened(&value, VALUE) },
    }
}

fn share(count: u64, all: u64) -> Share {
    let part = if all == 0 { 0.0 } else { count as f64 / all as f64 };
    Share { count: format::count(count), percent: format::percent(count, all), width: format!("{:.1}", 100.0 * part) }
}

fn lift(lift: f64) -> String {
    match lift {
        lift if lift.is_infinite() => "only here".to_owned(),
        lift if lift >= 10.0 => format!("×{lift:.0}"),
        lift if lift >= 0.1 => format!("×{lift:.1}"),
        lift if lift > 0.0 => format!("×{lift:.2}"),
        _ => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifts_read_well() {
        let texts = [f64::INFINITY, 30.7, 4.25, 0.5, 0.031, 0.0].map(lift);
        assert_eq!(texts, ["only here", "×31", "×4.2", "×0.5", "×0.03", "never"]);
    }
}

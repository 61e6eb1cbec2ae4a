//! What a service does: its spans by name.

use std::collections::BTreeMap;

use hoptrail_proto::model::SpanKind;
use hoptrail_query::rollups::{Cell, RollupKey, Rollups};

use super::{NAME, Question};
use crate::format;
use crate::pages::red::{RateUnit, error_rate, percent, rate, seconds_text};
use crate::pages::search::form::write_name;
use crate::url::href;

/// Most rows.
const MOST: usize = 200;
/// Names of templates and of what is left have no spans to search.
const FOLDED: [&str; 2] = ["{}", "other"];

/// The spans of a name.
#[derive(Debug)]
pub(super) struct SpanRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) kind: &'static str,
    pub(super) is_entry: bool,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) rate: String,
    pub(super) errors: String,
    pub(super) has_errors: bool,
    pub(super) p50: String,
    pub(super) p95: String,
    pub(super) p99: String,
}

/// Entries first, then by how many there are; and how many rows are left out.
pub(super) fn rows(spans: &Rollups, question: &Question, seconds: f64) -> (Vec<SpanRow>, usize) {
    let mut all: BTreeMap<(&str, SpanKind, bool), Cell> = BTreeMap::new();
    for series in &spans.series {
        if let RollupKey::Span { name, kind, entry, .. } = &series.key {
            all.entry((name, *kind, *entry)).or_default().add(&series.total());
        }
    }
    let total: i64 = all.values().map(|cell| cell.count).sum();
    let most = all.values().map(|cell| rate(cell.count, seconds)).fold(0.0, f64::max);
    let unit = RateUnit::of(most);
    let is_folded = spans.folded.contains(&question.service);
    let mut sorted: Vec<_> = all.into_iter().collect();
    sorted.sort_by_key(|((name, kind, entry), cell)| (!entry, -cell.count, (*name).to_owned(), *kind));
    let more = sorted.len().saturating_sub(MOST);
    let row = |((name, kind, is_entry), cell): ((&str, SpanKind, bool), Cell)| {
        let quantile = |q| seconds_text(cell.durations.quantile(q));
        let is_template = is_folded && FOLDED.iter().any(|folded| name.contains(folded));
        SpanRow {
            name: format::shortened(if name.is_empty() { "(no name)" } else { name }, NAME),
            href: if is_template { String::new() } else { search(question, name) },
            kind: kind.name(),
            is_entry,
            count: format::count(cell.count.unsigned_abs()),
            share: percent(cell.count as f64 / total.max(1) as f64),
            rate: unit.text(rate(cell.count, seconds)),
            errors: error_rate(&cell).map_or_else(|| "–".to_owned(), percent),
            has_errors: cell.errors > 0,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    };
    (sorted.into_iter().take(MOST).map(row).collect(), more)
}

/// The search for spans of a name; empty for a name that no form can hold.
fn search(question: &Question, name: &str) -> String {
    if name.is_empty() || name.len() > 1_000 {
        return String::new();
    }
    let (service, name) = (write_name(&question.service), write_name(name));
    let own = [("service", service.as_str()), ("name", name.as_str())];
    href("/search", own.into_iter().chain(question.times.pairs()))
}

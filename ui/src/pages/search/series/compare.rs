//! What `compare()` found, as ranked lists: which values are more or less frequent in the selection than elsewhere.

use std::collections::HashMap;

use hoptrail_proto::model::AnyValue;
use hoptrail_query::metrics::LabelledSeries;

use super::entries::shown;
use super::narrow::Narrow;
use crate::format::{self, Unit};

/// Most attributes, and most values of each, that are shown with bars.
const ATTRIBUTES: usize = 20;
const VALUES: usize = 5;
/// Most rows of the table.
const MOST_ROWS: usize = 500;
const META: &str = "__meta";

/// Attributes, those that differ most first.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) selection: String,
    pub(crate) baseline: String,
    pub(crate) attributes: Vec<Compared>,
    /// How many attributes are only in the table.
    pub(crate) more: usize,
    pub(crate) rows: Vec<(String, ComparedValue)>,
    pub(crate) more_rows: usize,
}

/// An attribute.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) key: String,
    pub(crate) values: Vec<ComparedValue>,
}

/// A value: how many spans have it.
#[derive(Debug, Clone)]
pub(crate) struct ComparedValue {
    pub(crate) value: String,
    /// Spans with it; empty when it cannot be asked for.
    pub(crate) href: String,
    pub(crate) selection: Share,
    pub(crate) baseline: Share,
    /// `+12 %`
    pub(crate) difference: String,
    pub(crate) is_more: bool,
}

/// A part of all spans.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) count: String,
    pub(crate) percent: String,
    /// Width of the bar, percent.
    pub(crate) width: String,
}

/// Spans of the selection and the others.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    selection: f64,
    baseline: f64,
}

impl Counts {
    fn add(&mut self, is_selection: bool, values: &[f64]) {
        let sum: f64 = values.iter().filter(|value| value.is_finite()).sum();
        if is_selection { self.selection += sum } else { self.baseline += sum }
    }

    /// How much more frequent in the selection, from -1 to 1.
    fn difference(self, totals: Counts) -> f64 {
        part(self.selection, totals.selection) - part(self.baseline, totals.baseline)
    }
}

fn part(count: f64, total: f64) -> f64 {
    if total > 0.0 { count / total } else { 0.0 }
}

/// The comparison that these series are.
pub(super) fn comparison(series: &[LabelledSeries], narrow: &Narrow<'_>) -> Comparison {
    let (totals, values) = counts(series);
    let mut attributes: Vec<(&str, Vec<(&AnyValue, Counts)>)> = values.into_iter().collect();
    let weight = |counts: &Counts| counts.difference(totals).abs();
    for (_, values) in &mut attributes {
        values.sort_by(|one, other| {
            let by_text = || format::value(one.0).cmp(&format::value(other.0));
            weight(&other.1).total_cmp(&weight(&one.1)).then_with(by_text)
        });
    }
    let first = |values: &[(&AnyValue, Counts)]| values.first().map_or(0.0, |(_, counts)| weight(counts));
    attributes.sort_by(|one, other| first(&other.1).total_cmp(&first(&one.1)).then_with(|| one.0.cmp(other.0)));
    let shown_value = |key: &str, (value, counts): &(&AnyValue, Counts)| compared(key, value, *counts, totals, narrow);
    let rows = || {
        attributes
            .iter()
            .flat_map(|(key, values)| values.iter().map(|value| (format::shortened(key, 80), shown_value(key, value))))
    };
    let all: usize = attributes.iter().map(|(_, values)| values.len()).sum();
    let attribute = |(key, values): &(&str, Vec<(&AnyValue, Counts)>)| Compared {
        key: format::shortened(key, 80),
        values: values.iter().take(VALUES).map(|value| shown_value(key, value)).collect(),
    };
    Comparison {
        selection: spans(totals.selection),
        baseline: spans(totals.baseline),
        attributes: attributes.iter().take(ATTRIBUTES).map(attribute).collect(),
        more: attributes.len().saturating_sub(ATTRIBUTES),
        rows: rows().take(MOST_ROWS).collect(),
        more_rows: all.saturating_sub(MOST_ROWS),
    }
}

fn spans(count: f64) -> String {
    format::counted(count as usize, "span", "spans")
}

type Values<'a> = HashMap<&'a str, Vec<(&'a AnyValue, Counts)>>;

/// All spans, and those with each value of each attribute. Every span has a kind, so the greatest total counts all of them.
fn counts(series: &[LabelledSeries]) -> (Counts, Values<'_>) {
    let mut totals = Counts::default();
    let mut values: Values<'_> = HashMap::new();
    let mut places: HashMap<(&str, String), usize> = HashMap::new();
    for series in series {
        let meta = series.labels.iter().find(|(key, _)| key == "__meta_type").and_then(|(_, value)| value.as_str());
        let field = series.labels.iter().find(|(key, _)| !key.starts_with(META));
        let (Some(meta), Some((key, value))) = (meta, field) else { continue };
        let mut counts = Counts::default();
        counts.add(meta.starts_with("selection"), &series.values);
        if meta.ends_with("_total") {
            totals.selection = totals.selection.max(counts.selection);
            totals.baseline = totals.baseline.max(counts.baseline);
            continue;
        }
        let of_key = values.entry(key).or_default();
        let place = *places.entry((key, format!("{value:?}"))).or_insert(of_key.len());
        if place == of_key.len() {
            of_key.push((value, Counts::default()));
        }
        if let Some((_, sum)) = of_key.get_mut(place) {
            sum.selection += counts.selection;
            sum.baseline += counts.baseline;
        }
    }
    (totals, values)
}

fn compared(key: &str, value: &AnyValue, counts: Counts, totals: Counts, narrow: &Narrow<'_>) -> ComparedValue {
    let difference = 100.0 * counts.difference(totals);
    let sign = if difference < 0.0 { '−' } else { '+' };
    ComparedValue {
        value: shown(key, value, Unit::Plain),
        href: narrow.with_value(key, value).unwrap_or_default(),
        selection: share(counts.selection, totals.selection),
        baseline: share(counts.baseline, totals.baseline),
        difference: format!("{sign}{:.0} %", difference.abs()),
        is_more: difference >= 0.0,
    }
}

fn share(count: f64, total: f64) -> Share {
    Share {
        count: Unit::Count.text(count),
        percent: format::percent(count as u64, total as u64),
        width: format!("{:.1}", 100.0 * part(count, total)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::pages::search::form::Form;

    fn series(meta: &str, key: &str, value: &str, values: &[f64]) -> LabelledSeries {
        let labels = vec![("__meta_type".to_owned(), meta.into()), (key.to_owned(), value.into())];
        LabelledSeries { labels, values: values.to_vec(), exemplars: vec![] }
    }

    #[test]
    fn what_differs_most_comes_first() {
        let all = [
            series("selection", "kind", "server", &[5.0, 5.0]),
            series("baseline", "kind", "server", &[60.0, 40.0]),
            series("selection", "span.db", "pg", &[8.0, f64::NAN]),
            series("baseline", "span.db", "pg", &[10.0]),
            series("baseline", "span.db", "redis", &[10.0]),
            series("selection_total", "kind", "nil", &[10.0]),
            series("baseline_total", "kind", "nil", &[100.0]),
            series("selection_total", "span.db", "nil", &[8.0]),
            series("baseline_total", "span.db", "nil", &[20.0]),
        ];
        let form = Form { query: "{ } | compare({ status = error })".to_owned(), ..Form::default() };
        let found = comparison(&all, &Narrow::new(&form, &TimeZone::UTC));
        assert_eq!((found.selection.as_str(), found.baseline.as_str()), ("10 spans", "100 spans"));
        let lines: Vec<String> = found
            .rows
            .iter()
            .map(|(key, row)| {
                format!("{key} {} {} {} {}", row.value, row.selection.percent, row.baseline.percent, row.difference)
            })
            .collect();
        assert_eq!(
            lines,
            ["span.db pg 80 % 10 % +70 %", "span.db redis 0 % 10 % −10 %", "kind server 100 % 100 % +0 %"]
        );
        assert_eq!(found.attributes[0].values[0].href, "/search?q=%7B+%7D+%7C+%7B+span.db+%3D+%22pg%22+%7D");
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        let form = Form::default();
        let found = comparison(&[], &Narrow::new(&form, &TimeZone::UTC));
        assert_eq!((found.selection.as_str(), found.rows.len()), ("0 spans", 0));
    }
}

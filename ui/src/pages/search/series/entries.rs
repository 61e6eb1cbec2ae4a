//! Series with their names, in the order in which a reader should see them.

use hoptrail_proto::model::AnyValue;
use hoptrail_query::metrics::LabelledSeries;

use crate::format::{self, Unit};

/// How many series have a colour of their own; as many again have it with a broken line.
pub(super) const COLOURS: usize = 8;
/// The label with the upper end of a bucket.
pub(super) const BUCKET: &str = "__bucket";
/// Most characters of a name.
const NAME: usize = 120;

/// A series.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: String,
    pub(super) series: &'a LabelledSeries,
    /// Classes in the style sheet.
    pub(super) class: String,
}

impl Entry<'_> {
    /// The same series with a colour of its own, or with that of all that have none.
    pub(super) fn with_colour(&self, rank: usize) -> Self {
        let class = if rank < COLOURS { class(rank) } else { "rest".to_owned() };
        Self { class, ..self.again() }
    }

    /// The same series for another list.
    pub(super) fn again(&self) -> Self {
        Self { name: self.name.clone(), series: self.series, class: self.class.clone() }
    }
}

/// All series, the greatest first, and what their names say.
pub(super) fn entries(series: &[LabelledSeries], unit: Unit) -> (String, Vec<Entry<'_>>) {
    let keys = keys(series);
    let mut order: Vec<&LabelledSeries> = series.iter().collect();
    order.sort_by(|one, other| mean(&other.values).total_cmp(&mean(&one.values)));
    let entry = |(rank, series): (usize, &'_ LabelledSeries)| (name(series, &keys, unit), class(rank));
    let named: Vec<(String, String)> = order.iter().enumerate().map(|(rank, series)| entry((rank, series))).collect();
    let entries = named.into_iter().zip(order).map(|((name, class), series)| Entry { name, series, class });
    (heading(&keys), entries.collect())
}

/// The class of the series of a rank.
pub(super) fn class(rank: usize) -> String {
    match rank {
        0..COLOURS => format!("p{rank}"),
        _ if rank < 2 * COLOURS => format!("p{} dashed", rank - COLOURS),
        _ => "rest".to_owned(),
    }
}

/// The mean of what is there; nothing at all comes last.
pub(super) fn mean(values: &[f64]) -> f64 {
    let there = || values.iter().filter(|value| value.is_finite());
    let count = there().count();
    if count == 0 { f64::NEG_INFINITY } else { there().map(|value| value / count as f64).sum() }
}

/// The keys of all labels, in their order.
fn keys(series: &[LabelledSeries]) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in series.iter().flat_map(|series| &series.labels) {
        // A query has a handful of keys; compare() has one page of its own.
        if keys.len() < 16 && !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

fn heading(keys: &[&str]) -> String {
    let shown = keys.iter().map(|key| match *key {
        "__name__" => "series",
        "p" => "quantile",
        BUCKET => "up to",
        key => key,
    });
    format::shortened(&shown.collect::<Vec<_>>().join(" · "), NAME)
}

fn name(series: &LabelledSeries, keys: &[&str], unit: Unit) -> String {
    let value = |key: &&str| {
        let found = series.labels.iter().find(|(label, _)| label == key);
        found.map_or_else(|| "(none)".to_owned(), |(key, value)| shown(key, value, unit))
    };
    let values: Vec<String> = keys.iter().map(value).collect();
    format::shortened(&values.join(" · "), NAME)
}

/// A label's value: `p99` for a quantile, a duration for a bucket of durations.
pub(super) fn shown(key: &str, value: &AnyValue, unit: Unit) -> String {
    match (key, value) {
        ("p", AnyValue::Double(quantile)) => format!("p{}", quantile_text(*quantile)),
        (BUCKET, AnyValue::Double(upto)) => format!("≤ {}", unit.text(*upto)),
        (_, AnyValue::String(text)) if text.is_empty() => "(empty)".to_owned(),
        // A value may have a megabyte.
        (_, AnyValue::String(text)) => format::shortened(text, NAME),
        (_, value) => format::shortened(&format::value(value), NAME),
    }
}

/// `0.99` as `99`, `0.999` as `99.9`.
fn quantile_text(quantile: f64) -> String {
    let text = format!("{:.4}", quantile * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, AnyValue)], values: &[f64]) -> LabelledSeries {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        LabelledSeries { labels, values: values.to_vec(), exemplars: vec![] }
    }

    #[test]
    fn the_greatest_comes_first_and_names_say_what_differs() {
        let all = [
            series(&[("name", "a".into()), ("p", AnyValue::Double(0.5))], &[1.0, f64::NAN]),
            series(&[("name", "b".into()), ("p", AnyValue::Double(0.999))], &[2.0, 8.0]),
            series(&[("p", AnyValue::Double(0.5))], &[f64::NAN]),
        ];
        let (heading, entries) = entries(&all, Unit::Seconds);
        assert_eq!(heading, "name · quantile");
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["b · p99.9", "a · p50", "(none) · p50"]);
        assert_eq!(entries[1].class, "p1");
    }

    #[test]
    fn names_are_cut() {
        let huge = series(&[("x", "é".repeat(1_000_000).into())], &[]);
        let (_, entries) = entries(std::slice::from_ref(&huge), Unit::Count);
        assert_eq!(entries[0].name.chars().count(), NAME + 1);
        assert_eq!((class(7), class(8), class(16)), ("p7".into(), "p0 dashed".into(), "rest".into()));
    }

    #[test]
    fn buckets_have_their_unit() {
        let bucket = AnyValue::Double(0.001_048_576);
        assert_eq!(shown("__bucket", &bucket, Unit::Seconds), "≤ 1.05 ms");
        assert_eq!(shown("__bucket", &AnyValue::Double(1024.0), Unit::Plain), "≤ 1\u{202f}024");
        assert_eq!(shown("x", &"".into(), Unit::Plain), "(empty)");
    }
}

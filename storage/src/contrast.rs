//! What tells the traces of one search apart from those of another: the question, the answer, and the rules by which it is made.
//!
//! A trace *has* a value when any of its spans has it, and counts once for it. A value tells the two sides apart when its shares of them
//! differ enough and chance hardly makes such a difference ([`Bar`]).

use std::cmp::Ordering;

use crate::{Field, Inspected, Pipeline, TimeRange, Value};

/// Most values in an answer.
pub(crate) const MOST_VALUES: usize = 100;
/// Most pairs in an answer.
pub(crate) const MOST_PAIRS: usize = 20;
/// Of the values that are more frequent in the selection, so many are paired with one another.
pub(crate) const PAIRED_VALUES: usize = 32;
/// So many span names that half of the selection has are paired with these: what most traces have may matter only together.
pub(crate) const PAIRED_NAMES: usize = 16;

/// What tells some traces apart from others?
#[derive(Debug, Clone)]
pub struct ContrastRequest {
    /// The selection: traces that a search for this finds.
    pub selected: Pipeline,
    /// The others: traces that a search for this finds, without the selection.
    pub others: Pipeline,
    /// When a span that a search finds runs.
    pub range: Option<TimeRange>,
    /// Attribute keys that are passed over. A `*` at either end stands for anything.
    pub ignored: Vec<String>,
    /// Values that are passed over, such as those that the question itself names.
    pub without: Vec<(Field, Value)>,
    /// What tells the sides apart.
    pub bar: Bar,
}

/// How much a value must differ to tell the sides apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Least difference of the shares of both sides.
    pub difference: f64,
    /// Least [surprise](Sides::surprise).
    pub surprise: f64,
    /// How much more a pair must differ than each of its values alone.
    pub gain: f64,
    /// Fewest traces of the selection, and fewest that have the value.
    pub traces: u64,
}

impl Default for Bar {
    /// One trace in fifty; what chance does to one value in 15,000; one trace in twenty; three traces.
    fn default() -> Self {
        Self { difference: 0.02, surprise: 16.0, gain: 0.05, traces: 3 }
    }
}

impl ContrastRequest {
    /// Whether a field is passed over.
    pub(crate) fn ignores(&self, field: &Field) -> bool {
        let Field::Attribute { key, .. } = field else { return false };
        self.ignored.iter().any(|pattern| fits(pattern, key))
    }
}

/// Whether the key is of a pattern that may have a `*` at either end.
fn fits(pattern: &str, key: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(end), Some(_)) => key.contains(end.strip_suffix('*').unwrap_or(end)),
        (Some(end), None) => key.ends_with(end),
        (None, Some(start)) => key.starts_with(start),
        (None, None) => key == pattern,
    }
}

/// What tells the selection apart from the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contrast {
    /// All traces.
    pub traces: Sides,
    /// Values, those first whose shares differ most.
    pub values: Vec<TellingValue>,
    /// Pairs of values that differ more than each value alone, those first that differ most.
    pub pairs: Vec<TellingPair>,
    /// What it took.
    pub inspected: Inspected,
}

/// How many traces, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// In the selection.
    pub selected: u64,
    /// Among the others.
    pub others: u64,
}

impl Sides {
    /// The shares of all traces that these are, from 0 to 1.
    #[must_use]
    pub fn shares(&self, all: &Self) -> (f64, f64) {
        (share(self.selected, all.selected), share(self.others, all.others))
    }

    /// By how much the share of the selection is greater than that of the others, from -1 to 1.
    #[must_use]
    pub fn difference(&self, all: &Self) -> f64 {
        let (selected, others) = self.shares(all);
        selected - others
    }

    /// How surprising the counts are if the sides do not differ: the statistic G of a table of two by two, `2 * sum(n * ln(n / expected))`.
    ///
    /// ```
    /// use hoptrail_storage::Sides;
    ///
    /// let all = Sides { selected: 10, others: 90 };
    /// assert!(Sides { selected: 1, others: 9 }.surprise(&all) < 1e-9);
    /// assert!(Sides { selected: 9, others: 0 }.surprise(&all) > 40.0);
    /// ```
    #[must_use]
    pub fn surprise(&self, all: &Self) -> f64 {
        let without = Self {
            selected: all.selected.saturating_sub(self.selected),
            others: all.others.saturating_sub(self.others),
        };
        let total = (all.selected + all.others) as f64;
        let term = |count: u64, row: &Self, column: u64| {
            let expected = (row.selected + row.others) as f64 * column as f64 / total;
            if count == 0 { 0.0 } else { count as f64 * (count as f64 / expected).ln() }
        };
        let of_row = |row: &Self| term(row.selected, row, all.selected) + term(row.others, row, all.others);
        2.0 * (of_row(self) + of_row(&without))
    }

    /// Whether they tell the sides apart.
    pub(crate) fn tell(&self, all: &Self, bar: Bar) -> bool {
        let is_enough = all.selected.min(self.selected + self.others) >= bar.traces;
        is_enough && self.difference(all).abs() >= bar.difference && self.surprise(all) >= bar.surprise
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.selected += other.selected;
        self.others += other.others;
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// A value whose share differs.
#[derive(Debug, Clone, PartialEq)]
pub struct TellingValue {
    /// Which field has it.
    pub field: Field,
    /// The value.
    pub value: Value,
    /// How many traces have it.
    pub traces: Sides,
    /// The first value before it that just the same traces have, if any. Only values that are paired are looked at.
    pub same_as: Option<usize>,
}

/// Two values whose common share differs more than that of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TellingPair {
    /// The two.
    pub values: [(Field, Value); 2],
    /// Whether one span has both; else any two spans of the trace have them.
    pub is_of_one_span: bool,
    /// How many traces have both.
    pub traces: Sides,
}

/// Values that tell the sides apart, those first that differ most; of equal ones by field. Those that would be cut apart though they are
/// equal are left out together. `all` are all traces.
pub(crate) fn telling<T>(
    values: impl IntoIterator<Item = (Field, Sides, T)>,
    all: &Sides,
    bar: Bar,
) -> Vec<(Field, Sides, T)> {
    let mut told: Vec<_> = values.into_iter().filter(|(_, traces, _)| traces.tell(all, bar)).collect();
    let order = |one: &(Field, Sides, T), other: &(Field, Sides, T)| {
        by_difference(&one.1, &other.1, all).then_with(|| one.0.cmp(&other.0))
    };
    told.sort_by(order);
    if let Some(first) = told.get(MOST_VALUES) {
        let kept = told.iter().take(MOST_VALUES).position(|own| order(own, first).is_eq()).unwrap_or(MOST_VALUES);
        told.truncate(kept);
    }
    told
}

/// Those that differ most are first.
pub(crate) fn by_difference(one: &Sides, other: &Sides, all: &Sides) -> Ordering {
    other.difference(all).abs().total_cmp(&one.difference(all).abs())
}

/// A value that is paired.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Paired {
    pub(crate) field: Field,
    pub(crate) value: Value,
    pub(crate) traces: Sides,
    /// Whether it tells the sides apart alone.
    pub(crate) tells: bool,
}

/// The values that are paired: the first of those that tell, and then the names that most of the selection has. `names` are the latter by
/// name.
pub(crate) fn paired(values: &[TellingValue], names: Vec<(String, Sides)>, all: &Sides) -> Vec<Paired> {
    let more = values.iter().filter(|own| own.traces.difference(all) > 0.0).take(PAIRED_VALUES);
    let paired = |own: &TellingValue| {
        let TellingValue { field, value, traces, .. } = own.clone();
        Paired { field, value, traces, tells: true }
    };
    let mut pool: Vec<Paired> = more.map(paired).collect();
    if pool.is_empty() {
        return pool;
    }
    let field = Field::Intrinsic(crate::Intrinsic::Name);
    let mut names: Vec<Paired> = names
        .into_iter()
        .map(|(name, traces)| Paired { field: field.clone(), value: Value::string(name), traces, tells: false })
        .filter(|own| !pool.iter().any(|known| known.field == own.field && known.value == own.value))
        .collect();
    names.sort_by_key(|own| std::cmp::Reverse(own.traces.selected));
    pool.extend(names.into_iter().take(PAIRED_NAMES));
    pool
}

/// Whether half of the selection has it.
pub(crate) fn is_frequent(traces: &Sides, all: &Sides) -> bool {
    traces.selected > 0 && traces.selected * 2 >= all.selected
}

/// What is known of two paired values, by their indexes.
pub(crate) trait PairCounts {
    /// Traces of which one span has both.
    fn of_one_span(&self, one: usize, other: usize) -> Sides;
    /// Traces that have both.
    fn of_trace(&self, one: usize, other: usize) -> Sides;
    /// Whether just the same spans have them.
    fn are_on_same_spans(&self, one: usize, other: usize) -> bool;
    /// Whether just the same traces have them.
    fn are_in_same_traces(&self, one: usize, other: usize) -> bool;
}

/// For each paired value the first one before it that just the same traces have.
pub(crate) fn same_as(pool: &[Paired], counts: &dyn PairCounts) -> Vec<Option<usize>> {
    (0..pool.len()).map(|own| (0..own).find(|before| counts.are_in_same_traces(*before, own))).collect()
}

/// The pairs that tell more than their values alone. A value stands in its best pair only: others are mostly echoes of that.
pub(crate) fn telling_pairs(pool: &[Paired], counts: &dyn PairCounts, all: &Sides, bar: Bar) -> Vec<TellingPair> {
    let mut found: Vec<(Sides, TellingPair)> = Vec::new();
    let is_first = |own: usize| !(0..own).any(|before| counts.are_on_same_spans(before, own));
    let firsts: Vec<(usize, &Paired)> = pool.iter().enumerate().filter(|(index, _)| is_first(*index)).collect();
    for (place, (one, first)) in firsts.iter().enumerate() {
        for (other, second) in firsts.iter().skip(place + 1) {
            let alone = first.traces.difference(all).max(second.traces.difference(all));
            let is_telling = |traces: &Sides| traces.difference(all) >= alone + bar.gain && traces.tell(all, bar);
            let (of_span, of_trace) = (counts.of_one_span(*one, *other), counts.of_trace(*one, *other));
            let is_of_one_span = of_span.difference(all) >= of_trace.difference(all);
            let traces = if is_of_one_span { of_span } else { of_trace };
            if (first.tells || second.tells) && is_telling(&traces) {
                let values = [first, second].map(|own| (own.field.clone(), own.value.clone()));
                found.push((traces, TellingPair { values, is_of_one_span, traces }));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| by_difference(one, other, all));
    let mut pairs: Vec<TellingPair> = Vec::new();
    for (_, pair) in found {
        let is_known = |value| pairs.iter().any(|known| known.values.contains(value));
        if pairs.len() < MOST_PAIRS && !pair.values.iter().any(is_known) {
            pairs.push(pair);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_patterns() {
        let fitting =
            [("thread.id", "thread.id"), ("*.id", "a.id"), ("net.*", "net.port"), ("*time*", "a.time.b"), ("*", "x")];
        fitting.iter().for_each(|(pattern, key)| assert!(fits(pattern, key), "{pattern} {key}"));
        let others = [("thread.id", "thread.ids"), ("*.id", "a.ids"), ("net.*", "a.net.port"), ("*time*", "tim")];
        others.iter().for_each(|(pattern, key)| assert!(!fits(pattern, key), "{pattern} {key}"));
    }

    #[test]
    fn few_traces_and_small_differences_tell_nothing() {
        let all = Sides { selected: 100, others: 10_000 };
        let tell = |selected, others| Sides { selected, others }.tell(&all, Bar::default());
        assert!(tell(92, 300) && tell(0, 5_000) && tell(5, 0));
        assert!(!tell(30, 3_000) && !tell(1, 0) && !tell(0, 0) && !tell(100, 10_000));
        let large = Sides { selected: 100_000, others: 100_000 };
        assert!(!Sides { selected: 51_000, others: 50_000 }.tell(&large, Bar::default()), "sure, but small");
        assert!(
            !Sides { selected: 2, others: 0 }.tell(&Sides { selected: 2, others: 90 }, Bar::default()),
            "two traces are too few"
        );
        assert!(!Sides::default().tell(&Sides::default(), Bar::default()));
    }

    #[test]
    fn equal_values_are_cut_together() {
        let all = Sides { selected: 100, others: 100 };
        let field = |key: usize| Field::attribute(crate::AttributeScope::Span, format!("k{key:03}"));
        let strong = (0..70).map(|key| (field(key), Sides { selected: 90, others: 1 }, key));
        let weak = (0..40).map(|value| (field(0), Sides { selected: 50, others: 1 }, 100 + value));
        assert_eq!(telling(strong.clone().chain(weak.clone()), &all, Bar::default()).len(), 70);
        assert_eq!(telling(strong.clone().take(60).chain(weak.clone()), &all, Bar::default()).len(), 100);
        let others = (0..40).map(|key| (field(key), Sides { selected: 50, others: 1 }, 200));
        assert_eq!(telling(strong.chain(others), &all, Bar::default()).len(), 100, "fields have an order");
    }
}

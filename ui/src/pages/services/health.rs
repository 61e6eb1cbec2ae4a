//! How services are: pure functions from rollups to numbers and their order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hoptrail_query::rollups::{Cell, RollupKey, RollupSeries, Rollups};

use crate::pages::red::{error_rate, rate};

/// From how many times what is expected by chance failures are more than chance.
const CHANCE: f64 = 3.0;
/// A p95 that grew by less than this part of itself has not risen.
const SLOWER: f64 = 0.25;

/// A service in a window and at the same time before.
#[derive(Debug, Clone, Default)]
pub(in crate::pages) struct Health {
    pub(in crate::pages) service: String,
    pub(in crate::pages) now: Cell,
    /// The numbers of each step.
    pub(in crate::pages) steps: Vec<(usize, Cell)>,
    pub(in crate::pages) yesterday: Option<Cell>,
    pub(in crate::pages) last_week: Option<Cell>,
}

/// How long the windows are, in seconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::pages) struct Lengths {
    pub(in crate::pages) now: f64,
    pub(in crate::pages) yesterday: f64,
    pub(in crate::pages) last_week: f64,
}

/// The services that were there in any of the windows, by name.
pub(in crate::pages) fn healths(now: &Rollups, yesterday: &Rollups, last_week: &Rollups) -> Vec<Health> {
    let mut all: BTreeMap<&str, Windows<'_>> = BTreeMap::new();
    for (window, rollups) in [now, yesterday, last_week].into_iter().enumerate() {
        for series in &rollups.series {
            if let RollupKey::Service { service, entry, .. } = &series.key {
                let known = all.entry(service).or_default();
                known.has_entries |= entry;
                known.series.push((window, *entry, series));
            }
        }
    }
    all.into_iter().map(|(service, windows)| windows.health(service)).collect()
}

/// The series of a service.
#[derive(Debug, Default)]
struct Windows<'r> {
    has_entries: bool,
    /// Each with its window, and whether it counts entries.
    series: Vec<(usize, bool, &'r RollupSeries)>,
}

impl Windows<'_> {
    /// What counts are the spans by which the service is entered. A service without any counts whole.
    fn of(&self, window: usize) -> impl Iterator<Item = &RollupSeries> {
        let counts = move |entry: bool| entry || !self.has_entries;
        self.series.iter().filter(move |(of, entry, _)| *of == window && counts(*entry)).map(|(.., series)| *series)
    }

    fn health(&self, service: &str) -> Health {
        let mut steps: BTreeMap<usize, Cell> = BTreeMap::new();
        for (step, cell) in self.of(0).flat_map(|series| &series.cells) {
            steps.entry(*step).or_default().add(cell);
        }
        let total = |window| {
            let mut total = Cell::default();
            self.of(window).for_each(|series| total.add(&series.total()));
            total
        };
        let before = |window| Some(total(window)).filter(|cell: &Cell| cell.count > 0);
        Health {
            service: service.to_owned(),
            now: total(0),
            steps: steps.into_iter().collect(),
            yesterday: before(1),
            last_week: before(2),
        }
    }
}

impl Health {
    /// By how much failures per second rose against yesterday. A service without a yesterday had none. What may be chance is no rise:
    /// as many failures come and go by themselves as three times the square root of those expected.
    pub(in crate::pages) fn failure_rise(&self, lengths: Lengths) -> f64 {
        let before = self.yesterday.as_ref().map_or(0.0, |cell| rate(cell.errors, lengths.yesterday));
        let expected = before * lengths.now;
        let more = self.now.errors as f64 - expected;
        if more > CHANCE * expected.max(1.0).sqrt() { more / lengths.now } else { 0.0 }
    }

    /// How many times as long as yesterday the slow ones take; 1 where that is no rise.
    pub(in crate::pages) fn latency_rise(&self) -> f64 {
        let now = self.now.durations.quantile(0.95);
        let before = self.yesterday.as_ref().and_then(|cell| cell.durations.quantile(0.95));
        let rise = now.zip(before).map_or(1.0, |(now, before)| now / before.max(1.0));
        if rise >= 1.0 + SLOWER { rise } else { 1.0 }
    }

    /// Whether it sent spans at the same time yesterday or last week, and sends none now.
    pub(in crate::pages) fn is_silent(&self) -> bool {
        self.now.count == 0
    }
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) enum Order {
    Wrong,
    Name,
    Rate,
    Errors,
    Quantile(u8),
}

impl Order {
    /// The order of a word of the URL, and whether it is turned round.
    pub(in crate::pages) fn read(text: &str) -> Option<(Self, bool)> {
        let word = text.strip_prefix('-').unwrap_or(text);
        let order = match word {
            "" | "wrong" => Self::Wrong,
            "name" => Self::Name,
            "rate" => Self::Rate,
            "errors" => Self::Errors,
            "p50" => Self::Quantile(50),
            "p95" => Self::Quantile(95),
            "p99" => Self::Quantile(99),
            _ => return None,
        };
        Some((order, text.starts_with('-')))
    }
}

/// Sorts: names from A, numbers from the greatest. What is wrong comes first when failures rose most; then by error rate; then by how
/// much slower it became; then what fell silent; then by rate.
pub(in crate::pages) fn sort(healths: &mut [Health], order: Order, lengths: Lengths) {
    let quantile =
        |health: &Health, percent: u8| health.now.durations.quantile(f64::from(percent) / 100.0).unwrap_or(-1.0);
    let errors = |health: &Health| error_rate(&health.now).unwrap_or(-1.0);
    let key = |health: &Health| match order {
        Order::Wrong => {
            let wrong = [health.failure_rise(lengths), errors(health).max(0.0), health.latency_rise()];
            (wrong, Reverse(health.is_silent()))
        }
        Order::Name => ([0.0; 3], Reverse(false)),
        Order::Rate => ([health.now.count as f64, 0.0, 0.0], Reverse(false)),
        Order::Errors => ([errors(health), 0.0, 0.0], Reverse(false)),
        Order::Quantile(percent) => ([quantile(health, percent), 0.0, 0.0], Reverse(false)),
    };
    healths.sort_by_cached_key(|health| {
        let (numbers, silent) = key(health);
        let by_rate = if order == Order::Name { 0 } else { health.now.count };
        (numbers.map(|number| Reverse(ordered(number))), silent, Reverse(by_rate), health.service.clone())
    });
}

/// A number whose order is that of integers. None is less than -1, and thousandths of a millionth are told apart.
fn ordered(number: f64) -> u64 {
    // Numbers that are not negative are ordered as their bits are.
    (number + 1.0).max(0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use hoptrail_query::rollups::Durations;
    use hoptrail_storage::Bucket;

    use super::*;

    const LENGTHS: Lengths = Lengths { now: 100.0, yesterday: 100.0, last_week: 100.0 };

    fn cell(count: i64, errors: i64, bucket: i16) -> Cell {
        let durations = Durations { bounds: Some((0, u64::MAX)), buckets: vec![(Bucket(bucket), count)], sum_nanos: 0 };
        Cell { count, errors, durations, ..Cell::default() }
    }

    fn health(service: &str, now: Cell, yesterday: Option<Cell>) -> Health {
        Health { service: service.to_owned(), now, yesterday, ..Health::default() }
    }

    fn order(mut healths: Vec<Health>, order: Order) -> Vec<String> {
        sort(&mut healths, order, LENGTHS);
        healths.into_iter().map(|health| health.service).collect()
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let all = vec![
            health("calm", cell(9_000, 0, 0), Some(cell(9_000, 0, 0))),
            health("always fails a little", cell(1_000, 100, 0), Some(cell(1_000, 95, 0))),
            health("fails more", cell(1_000, 60, 0), Some(cell(1_000, 2, 0))),
            health("fails much more", cell(1_000, 600, 0), Some(cell(1_000, 2, 0))),
            health("slower", cell(10, 0, 16), Some(cell(10, 0, 0))),
            health("a bit slower", cell(10, 0, 2), Some(cell(10, 0, 0))),
            health("silent", Cell::default(), Some(cell(10, 0, 0))),
            health("new", cell(500, 0, 0), None),
        ];
        let expected = [
            "fails much more",
            "fails more",
            "always fails a little",
            "slower",
            "silent",
            "calm",
            "new",
            "a bit slower",
        ];
        assert_eq!(order(all, Order::Wrong), expected);
    }

    #[test]
    fn chance_is_no_rise() {
        let rise = |now, before| health("x", cell(1_000, now, 0), Some(cell(1_000, before, 0))).failure_rise(LENGTHS);
        assert_eq!([rise(130, 100), rise(131, 100), rise(3, 0), rise(4, 0)], [0.0, 0.31, 0.0, 0.04]);
        assert_eq!(health("new", cell(100, 50, 0), None).failure_rise(LENGTHS), 0.5);
    }

    #[test]
    fn any_column_orders() {
        let all = || {
            vec![
                health("b", cell(10, 1, 8), None),
                health("a", cell(20, 1, 0), None),
                health("c", Cell::default(), None),
            ]
        };
        assert_eq!(order(all(), Order::Name), ["a", "b", "c"]);
        assert_eq!(order(all(), Order::Rate), ["a", "b", "c"]);
        assert_eq!(order(all(), Order::Errors), ["b", "a", "c"]);
        assert_eq!(order(all(), Order::Quantile(95)), ["b", "a", "c"]);
        assert_eq!(Order::read("-p50"), Some((Order::Quantile(50), true)));
        assert_eq!((Order::read("p51"), Order::read("")), (None, Some((Order::Wrong, false))));
    }
}

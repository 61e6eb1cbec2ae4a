//! What was said last, so that no number falls, and which series there is room for.

use std::collections::{BTreeMap, HashMap};

use hoptrail_storage::{Cell, Durations, RollupTable};

use super::{Exported, Key, Snapshot, series_of};
use crate::prom::labels::Labels;

/// The label of what there was no room for, as Tempo names it.
const OVERFLOW: &str = "metric_overflow";

/// What earlier snapshots had.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The sets of labels that have a place.
    known: HashMap<Key, Known>,
    /// Totals that were said, of which something was taken back.
    floors: HashMap<Key, Cell>,
    /// How many snapshots there were.
    snapshots: u64,
}

/// What is known of a set of labels.
#[derive(Debug, Default)]
struct Known {
    /// Its last total, where that can fall.
    total: Option<Cell>,
    /// The last snapshot that had it.
    snapshot: u64,
}

impl State {
    /// A state that begins with these floors.
    pub(super) fn new(floors: HashMap<Key, Cell>) -> Self {
        Self { floors, ..Self::default() }
    }

    pub(super) fn floors(&self) -> &HashMap<Key, Cell> {
        &self.floors
    }

    pub(super) fn knows(&self, key: &Key) -> bool {
        self.known.contains_key(key)
    }

    /// Whether the last snapshot had it.
    pub(super) fn had(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.snapshot == self.snapshots)
    }

    /// A snapshot of `found`. What there is no room for is counted together.
    pub(super) fn snapshot(
        &mut self,
        found: BTreeMap<Key, Cell>,
        mut before: BTreeMap<Key, Cell>,
        most: usize,
    ) -> Snapshot {
        let mut left = most;
        // Those that were there before keep their places.
        let (known, new): (Vec<_>, Vec<_>) = found.into_iter().partition(|(key, _)| self.knows(key));
        self.snapshots += 1;
        let mut snapshot = Snapshot::default();
        let mut rest: BTreeMap<RollupTable, Cell> = BTreeMap::new();
        for (key, total) in known.into_iter().chain(new) {
            match left.checked_sub(series_of(key.0)) {
                Some(still) => {
                    left = still;
                    let before = before.remove(&key);
                    snapshot.series.push(self.exported(key, total, before));
                }
                None => {
                    snapshot.overflowed += 1;
                    rest.entry(key.0).or_default().add(&total);
                }
            }
        }
        for (table, total) in rest {
            let key = (table, Labels::default().with(OVERFLOW, "true"));
            snapshot.series.push(self.exported(key, total, None));
        }
        snapshot.series.sort_by(|one, other| (one.table, &one.labels).cmp(&(other.table, &other.labels)));
        snapshot
    }

    fn exported(&mut self, key: Key, mut total: Cell, mut before: Option<Cell>) -> Exported {
        let can_fall = key.0 == RollupTable::Edges || !key.1.get(OVERFLOW).is_empty();
        let known = self.known.entry(key.clone()).or_default();
        known.snapshot = self.snapshots;
        if can_fall {
            let counted = total.clone();
            let floor = self.floors.remove(&key);
            known.total.iter().chain(&floor).for_each(|last| raise(&mut total, last));
            before.iter_mut().for_each(|before| floor.iter().for_each(|floor| raise(before, floor)));
            known.total = Some(total.clone());
            if total != counted {
                self.floors.insert(key.clone(), total.clone());
            }
        }
        Exported { table: key.0, labels: key.1, total, exemplars: Vec::new(), before }
    }
}

/// Raises each number to that of the last snapshot.
fn raise(total: &mut Cell, last: &Cell) {
    total.count = total.count.max(last.count);
    total.errors = total.errors.max(last.errors);
    total.bytes = total.bytes.max(last.bytes);
    raise_durations(&mut total.durations, &last.durations);
    raise_durations(&mut total.caller, &last.caller);
}

/// Takes away what is part of a total.
pub(super) fn subtract(total: &mut Cell, part: &Cell) {
    total.count -= part.count;
    total.errors -= part.errors;
    total.weight -= part.weight;
    total.bytes -= part.bytes;
    subtract_durations(&mut total.durations, &part.durations);
    subtract_durations(&mut total.caller, &part.caller);
}

fn subtract_durations(total: &mut Durations, part: &Durations) {
    total.sum_nanos -= part.sum_nanos;
    let mut buckets: BTreeMap<_, _> = total.buckets.iter().copied().collect();
    part.buckets.iter().for_each(|(bucket, count)| *buckets.entry(*bucket).or_default() -= count);
    total.buckets = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
}

fn raise_durations(total: &mut Durations, last: &Durations) {
    total.sum_nanos = total.sum_nanos.max(last.sum_nanos);
    let mut buckets: BTreeMap<_, _> = total.buckets.iter().copied().collect();
    for (bucket, count) in &last.buckets {
        let known = buckets.entry(*bucket).or_default();
        *known = (*known).max(*count);
    }
    total.buckets = buckets.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use hoptrail_storage::Bucket;

    use super::*;

    fn cell(count: i64, buckets: &[(i16, i64)]) -> Cell {
        let buckets = buckets.iter().map(|(bucket, count)| (Bucket(*bucket), *count)).collect();
        let durations = Durations { sum_nanos: i128::from(count) * 1000, bounds: None, buckets };
        Cell { count, durations, ..Cell::default() }
    }

    #[test]
    fn a_part_is_taken_away() {
        let mut total = cell(10, &[(1, 6), (2, 4)]);
        subtract(&mut total, &cell(4, &[(2, 4)]));
        assert_eq!(total, cell(6, &[(1, 6)]));
    }

    fn key(table: RollupTable, name: &'static str) -> Key {
        (table, Labels::default().with("client", name))
    }

    #[test]
    fn what_falls_stays_and_then_rises() {
        let mut state = State::default();
        let key = key(RollupTable::Edges, "a");
        let mut counts = Vec::new();
        for total in [cell(10, &[(1, 10)]), cell(8, &[(1, 7), (2, 1)]), cell(12, &[(1, 7), (2, 5)])] {
            let snapshot = state.snapshot(BTreeMap::from([(key.clone(), total)]), BTreeMap::new(), 1000);
            let total = snapshot.series[0].total.clone();
            counts.push((total.count, total.durations.sum_nanos, total.durations.count_all()));
        }
        assert_eq!(counts, [(10, 10_000, 10), (10, 10_000, 11), (12, 12_000, 15)]);
        let mut again = State::new(state.floors().clone());
        let snapshot = again.snapshot(BTreeMap::from([(key, cell(9, &[(1, 9)]))]), BTreeMap::new(), 1000);
        assert_eq!((snapshot.series[0].total.count, again.floors().len()), (12, 1), "also after a restart");
    }

    #[test]
    fn what_is_too_much_is_counted_together_and_those_that_were_there_stay() {
        let mut state = State::default();
        let one = series_of(RollupTable::Spans);
        let of = |names: &[&'static str]| -> BTreeMap<Key, Cell> {
            names.iter().map(|name| (key(RollupTable::Spans, name), cell(3, &[(1, 3)]))).collect()
        };
        let first = state.snapshot(of(&["y", "z"]), BTreeMap::new(), 2 * one);
        assert_eq!((first.series.len(), first.overflowed), (2, 0));
        let second = state.snapshot(of(&["a", "b", "y", "z"]), of(&["a"]), 2 * one);
        let labels: Vec<_> = second.series.iter().map(|one| (one.labels.get("client"), one.total.count)).collect();
        assert_eq!((labels, second.overflowed), (vec![("y", 3), ("z", 3), ("", 6)], 2));
    }

    #[test]
    fn what_was_away_is_not_in_the_last_snapshot() {
        let mut state = State::default();
        let [a, b] = ["a", "b"].map(|name| key(RollupTable::Spans, name));
        let found = |keys: &[&Key]| keys.iter().map(|key| ((*key).clone(), cell(1, &[]))).collect::<BTreeMap<_, _>>();
        let before = BTreeMap::from([(a.clone(), cell(0, &[]))]);
        let snapshot = state.snapshot(found(&[&a, &b]), before, 1000);
        let befores: Vec<_> = snapshot.series.iter().map(|one| one.before.is_some()).collect();
        assert_eq!((befores, state.had(&a)), (vec![true, false], true));
        state.snapshot(found(&[&b]), BTreeMap::new(), 1000);
        assert_eq!((state.had(&a), state.knows(&a), state.had(&b)), (false, true, true));
    }
}

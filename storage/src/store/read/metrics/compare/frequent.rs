//! How often a field has its values, and which are shown.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::listed::Listed;
use super::sieve::Sieve;
use crate::first_values::Ranked;
use crate::{ReadError, Value};

/// Memory of a number of a value, about.
const NUMBER_BYTES: usize = 64;

/// What a unit knows of a field.
#[derive(Default)]
pub(super) struct Counts {
    /// How many spans have the field, by cell.
    pub(super) totals: Vec<(u32, f64)>,
    /// How many spans have a value, by hash and cell.
    pub(super) counted: Vec<(u64, u32, f64)>,
    /// Values that are known already, by hash.
    pub(super) values: Vec<(u64, Value)>,
    /// Values that mostly differ.
    pub(super) listed: Listed,
}

/// What all units know of a field. Units are named by numbers.
#[derive(Default)]
pub(super) struct FieldCounts {
    totals: FxHashMap<u32, f64>,
    counted: FxHashMap<(u64, u32), f64>,
    values: FxHashMap<u64, Value>,
    /// A unit that has the value, of values that are not known.
    holders: FxHashMap<u64, usize>,
    listed: Vec<(usize, Listed)>,
}

/// A value that is shown, with its numbers: cell and count.
pub(super) struct Shown {
    pub(super) value: Value,
    pub(super) counts: Vec<(u32, f64)>,
}

/// How often a value is among the others and in the selection.
type Sides = [f64; 2];

/// Gets values with their hashes.
pub(super) type Visit<'v> = &'v mut dyn FnMut(u64, &dyn Fn() -> Value);

/// A number of a value: cell and count, and the unit and row that have it, as far as that is known.
#[derive(Clone)]
struct Item {
    hash: u64,
    cell: u32,
    count: f64,
    place: Option<(usize, u32)>,
}

impl FieldCounts {
    /// Adds what a unit knows. Returns the memory that this takes, about.
    pub(super) fn add(&mut self, unit: usize, counts: Counts) -> usize {
        let before = self.counted.len();
        for (cell, count) in counts.totals {
            *self.totals.entry(cell).or_default() += count;
        }
        let is_known = !counts.values.is_empty();
        for (hash, value) in counts.values {
            self.values.entry(hash).or_insert(value);
        }
        for (hash, cell, count) in counts.counted {
            *self.counted.entry((hash, cell)).or_default() += count;
            if !is_known {
                self.holders.entry(hash).or_insert(unit);
            }
        }
        let bytes = (self.counted.len() - before) * NUMBER_BYTES + counts.listed.bytes();
        if counts.listed.len() > 0 {
            self.listed.push((unit, counts.listed));
        }
        bytes
    }

    /// The values that are shown: those that are among the `top` most frequent on a side. Of equally frequent ones the first of the order of
    /// values are shown. `values` gives the values of a unit, or of some of its rows.
    pub(super) fn shown(
        &self,
        top: usize,
        values: impl Fn(usize, Option<&[u32]>, Visit<'_>) -> Result<(), ReadError>,
    ) -> Result<Vec<Shown>, ReadError> {
        if top == 0 {
            return Ok(Vec::new());
        }
        let Frequent { items, sides, cuts } = self.frequent(top);
        let wanted = sides.iter().map(|(hash, counts)| (*hash, Wanted::of(counts, &cuts)));
        let wanted: FxHashMap<u64, Wanted> =
            wanted.filter(|(_, own)| own.is_sure || own.is_tied.contains(&true)).collect();
        let (mut found, mut tied) = (HashMap::new(), [(); 2].map(|()| BTreeSet::new()));
        let mut give = |hash: u64, value: &dyn Fn() -> Value| {
            let Some(wanted) = wanted.get(&hash) else { return };
            if wanted.is_sure {
                found.entry(hash).or_insert_with(value);
            }
            for ((tied, cut), is_tied) in tied.iter_mut().zip(&cuts).zip(wanted.is_tied) {
                if is_tied {
                    tied.insert((Ranked(value()), hash));
                }
                if tied.len() > cut.places {
                    tied.pop_last();
                }
            }
        };
        self.values.iter().for_each(|(hash, value)| give(*hash, &|| value.clone()));
        let unknown = wanted.keys().filter(|hash| !self.values.contains_key(*hash)).copied().collect();
        for (unit, rows) in self.holders_of(unknown, &items) {
            values(unit, rows.as_deref(), &mut give)?;
        }
        found.extend(tied.into_iter().flatten().map(|(Ranked(value), hash)| (hash, value)));
        let mut shown: FxHashMap<u64, Shown> = FxHashMap::default();
        shown.extend(found.into_iter().map(|(hash, value)| (hash, Shown { value, counts: Vec::new() })));
        for Item { hash, cell, count, .. } in &items {
            if let Some(own) = shown.get_mut(hash) {
                own.counts.push((*cell, *count));
            }
        }
        Ok(shown.into_values().collect())
    }

    /// Units that together have these values, and which of their rows have them; `None` when that is not known.
    fn holders_of(&self, mut left: FxHashSet<u64>, items: &[Item]) -> BTreeMap<usize, Option<Vec<u32>>> {
        let mut units: BTreeMap<usize, Option<Vec<u32>>> = BTreeMap::new();
        for Item { hash, place, .. } in items {
            if let Some((unit, row)) = place
                && left.remove(hash)
            {
                units.entry(*unit).or_insert_with(|| Some(Vec::new())).get_or_insert_default().push(*row);
            }
        }
        for (hash, unit) in left.iter().filter_map(|hash| self.holders.get_key_value(hash)) {
            if left.contains(hash) {
                units.insert(*unit, None);
            }
        }
        units
    }

    /// All numbers of the values that are as frequent as the `top` most frequent of a side, and of some others; and where the most frequent
    /// end.
    fn frequent(&self, top: usize) -> Frequent {
        let listed = self.listed.iter().map(|(_, listed)| listed.len()).sum::<usize>();
        if listed <= FEW {
            return Frequent::of(self.items(|_| true), top);
        }
        let mut sieve = Sieve::new(listed, 0);
        for ((hash, cell), count) in &self.counted {
            sieve.add(*hash, side_of(*cell), bound(*count));
        }
        self.listed.iter().flat_map(|(_, listed)| listed.sides()).for_each(|(hash, side)| sieve.add(hash, side, 1));
        let high = sieve.high(top);
        let some = Frequent::of(self.items(|hash| sieve.may_reach(hash, high)), top);
        let least = some.least();
        // What was left out is less frequent than `high`.
        if high.iter().zip(least).all(|(high, least)| *high <= least) {
            return some;
        }
        drop(some);
        refined(self.items(|hash| sieve.may_reach(hash, least)), least, top)
    }

    /// The numbers of the values that may count.
    fn items(&self, may_count: impl Fn(u64) -> bool) -> Vec<Item> {
        let counted = self.counted.iter().filter(|((hash, _), _)| may_count(*hash));
        let mut items: Vec<Item> =
            counted.map(|((hash, cell), count)| Item { hash: *hash, cell: *cell, count: *count, place: None }).collect();
        for (unit, listed) in &self.listed {
            let those = listed.those(&may_count);
            items.extend(those.map(|(hash, cell, row)| Item { hash, cell, count: 1.0, place: Some((*unit, row)) }));
        }
        items
    }

    /// For each side how many spans have the field in each interval, if any has.
    pub(super) fn totals(&self, intervals: usize) -> [Option<Vec<f64>>; 2] {
        let totals: Vec<(u32, f64)> = self.totals.iter().map(|(cell, count)| (*cell, *count)).collect();
        by_side(&totals, intervals)
    }
}

/// For each side the numbers of the intervals, if there are any.
pub(super) fn by_side(counts: &[(u32, f64)], intervals: usize) -> [Option<Vec<f64>>; 2] {
    let mut numbers = [None, None];
    counts.iter().for_each(|(cell, count)| add(&mut numbers, *cell, *count, intervals));
    numbers
}

/// Numbers of values, and which values are the most frequent.
struct Frequent {
    items: Vec<Item>,
    sides: FxHashMap<u64, Sides>,
    cuts: [Cut; 2],
}

impl Frequent {
    fn of(items: Vec<Item>, top: usize) -> Self {
        let sides = sides_of(&items);
        let cuts = [0, 1].map(|side| Cut::of(sides.values().map(|counts| of_side(counts, side)).collect(), top));
        Self { items, sides, cuts }
    }

    /// What is less frequent on a side than this is not among its most frequent.
    fn least(&self) -> [u16; 2] {
        let [others, selected] = &self.cuts;
        [others.known(), selected.known()]
    }
}

/// The most frequent of some values, with few others. No value that is less frequent than `least` is among them.
fn refined(mut items: Vec<Item>, mut least: [u16; 2], top: usize) -> Frequent {
    for round in 1..=ROUNDS {
        if items.len() <= FEW {
            break;
        }
        let mut sieve = Sieve::new(items.len(), round);
        items.iter().for_each(|item| sieve.add(item.hash, side_of(item.cell), bound(item.count)));
        let high = sieve.high(top);
        let some = items.iter().filter(|item| sieve.may_reach(item.hash, high)).cloned().collect();
        let [others, selected] = Frequent::of(some, top).least();
        least = [least[0].max(others), least[1].max(selected)];
        let before = items.len();
        items.retain(|item| sieve.may_reach(item.hash, least));
        if items.len() > before / 2 {
            break;
        }
    }
    Frequent::of(items, top)
}

/// 0 for the others, 1 for the selection.
fn side_of(cell: u32) -> usize {
    usize::from(!cell.is_multiple_of(2))
}

fn sides_of(items: &[Item]) -> FxHashMap<u64, Sides> {
    let mut sides: FxHashMap<u64, Sides> = FxHashMap::default();
    for Item { hash, cell, count, .. } in items {
        let [others, selected] = sides.entry(*hash).or_default();
        *(if cell.is_multiple_of(2) { others } else { selected }) += count;
    }
    sides
}

/// Adds to the number of a cell.
fn add(numbers: &mut [Option<Vec<f64>>; 2], cell: u32, count: f64, intervals: usize) {
    let [others, selected] = numbers;
    let side = if cell.is_multiple_of(2) { others } else { selected };
    let own = side.get_or_insert_with(|| vec![0.0; intervals]);
    if let Some(number) = own.get_mut(cell as usize / 2) {
        *number += count;
    }
}

fn of_side(counts: &Sides, side: usize) -> f64 {
    counts.get(side).copied().unwrap_or_default()
}

/// Where the most frequent values of a side end.
struct Cut {
    /// More frequent values are among them.
    count: f64,
    /// Of values that are just as frequent, so many are among them; 0 when all values are.
    places: usize,
}

impl Cut {
    /// What is less frequent than this is not among them.
    fn known(&self) -> u16 {
        if self.places == 0 { 1 } else { bound(self.count.floor()).max(1) }
    }

    fn of(mut counts: Vec<f64>, top: usize) -> Self {
        counts.retain(|count| *count > 0.0);
        let last = top.saturating_sub(1);
        if last >= counts.len() {
            return Self { count: 0.0, places: 0 };
        }
        let (above, count, _) = counts.select_nth_unstable_by(last, |one, other| other.total_cmp(one));
        let above = above.iter().filter(|own| **own > *count).count();
        Self { count: *count, places: top - above }
    }
}

/// Why a value is looked up.
struct Wanted {
    is_sure: bool,
    is_tied: [bool; 2],
}

impl Wanted {
    fn of(counts: &Sides, cuts: &[Cut; 2]) -> Self {
        let [others, selected] = cuts;
        let is_tied =
            [(0, others), (1, selected)].map(|(side, cut)| cut.places > 0 && of_side(counts, side) == cut.count);
        let is_sure = [(0, others), (1, selected)].iter().any(|(side, cut)| of_side(counts, *side) > cut.count);
        Self { is_sure, is_tied }
    }
}

/// Up to so many values all are counted.
const FEW: usize = 1 << 16;
/// How often those that are left are sieved once more.
const ROUNDS: u32 = 3;

/// A whole number that is not less.
fn bound(count: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that is too large becomes the greatest number"
    )]
    let bound = count.ceil() as u16;
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of a field whose values are numbers: `number` comes so often.
    fn field(counts: &[(i64, u16, usize)]) -> FieldCounts {
        let mut field = FieldCounts::default();
        for (number, cell, count) in counts {
            let listed = Listed::of_cells(&vec![(hash(*number), *cell); *count]);
            field.add(usize::try_from(*number % 3).expect("small"), Counts { listed, ..Counts::default() });
        }
        field
    }

    fn hash(number: i64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    fn shown(field: &FieldCounts, top: usize, numbers: std::ops::Range<i64>) -> Vec<i64> {
        let value = |number: i64| Value::Any(number.into());
        let values = |unit: usize, _: Option<&[u32]>, visit: Visit<'_>| {
            numbers
                .clone()
                .filter(|number| *number as usize % 3 == unit)
                .for_each(|number| visit(hash(number), &|| value(number)));
            Ok(())
        };
        let shown = field.shown(top, values).expect("read");
        let is_shown = |own: &i64| shown.iter().any(|shown| shown.value == value(*own));
        let mut found: Vec<i64> = numbers.clone().filter(is_shown).collect();
        assert_eq!(found.len(), shown.len());
        found.sort_unstable();
        found
    }

    #[test]
    fn the_most_frequent_of_each_side_are_shown_and_ties_in_order() {
        let counts = [(5, 0, 4), (6, 2, 4), (7, 0, 4), (8, 0, 9), (9, 0, 1), (9, 1, 1), (10, 3, 1)];
        assert_eq!(shown(&field(&counts), 2, 0..20), [5, 8, 9, 10]);
        assert_eq!(shown(&field(&counts), 1, 0..20), [8, 9]);
        assert_eq!(shown(&field(&counts), 9, 0..20), [5, 6, 7, 8, 9, 10]);
        assert_eq!(shown(&field(&counts), 0, 0..20), [0; 0]);
        let numbers = by_side(&[(0, 1.0), (3, 2.0), (0, 3.0)], 2);
        assert_eq!(numbers, [Some(vec![4.0, 0.0]), Some(vec![0.0, 2.0])]);
    }

    #[test]
    fn among_many_values_the_same_are_shown() {
        let many = (1 << 20) + 20_000;
        let listed = Listed::of_cells(&(0..many).map(|number| (hash(number), 0)).collect::<Vec<_>>());
        let mut field = FieldCounts::default();
        field.add(0, Counts { listed, ..Counts::default() });
        for (number, count) in [(900_001, 3.0), (7, 2.0), (70_000, 2.0), (400, 2.0)] {
            field.add(1, Counts { counted: vec![(hash(number), 0, count)], ..Counts::default() });
        }
        let value = |number: i64| Value::Any(number.into());
        let shown = |top: usize| {
            let values = |unit: usize, _: Option<&[u32]>, visit: Visit<'_>| {
                (0..many).filter(|_| unit < 2).for_each(|number| visit(hash(number), &|| value(number)));
                Ok(())
            };
            let mut found: Vec<String> =
                field.shown(top, values).expect("read").iter().map(|own| format!("{:?}", own.value)).collect();
            found.sort();
            found
        };
        let expected = |numbers: &[i64]| {
            let mut expected: Vec<String> = numbers.iter().map(|number| format!("{:?}", value(*number))).collect();
            expected.sort();
            expected
        };
        assert_eq!(shown(1), expected(&[900_001]));
        assert_eq!(shown(3), expected(&[900_001, 7, 400]));
        assert_eq!(shown(6), expected(&[900_001, 7, 400, 70_000, 0, 1]));
    }
}

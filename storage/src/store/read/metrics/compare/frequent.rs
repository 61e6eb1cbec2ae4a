//! How often a field has its values, and which are shown.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::first_values::Ranked;
use crate::{ReadError, Value};

/// Memory of a number of a value, about.
const NUMBER_BYTES: usize = 64;
/// Memory of a value in a list.
const LISTED_BYTES: usize = 12;

/// What a unit knows of a field.
#[derive(Default)]
pub(super) struct Counts {
    /// How many spans have the field, by cell.
    pub(super) totals: Vec<(u32, f64)>,
    /// How many spans have a value, by hash and cell.
    pub(super) counted: Vec<(u64, u32, f64)>,
    /// Values that are known already, by hash.
    pub(super) values: Vec<(u64, Value)>,
    /// Values that mostly differ, by hash, with the cell of a span that has it.
    pub(super) listed: (Vec<u64>, Vec<u32>),
}

/// What all units know of a field. Units are named by numbers.
#[derive(Default)]
pub(super) struct FieldCounts {
    totals: HashMap<u32, f64>,
    counted: FxHashMap<(u64, u32), f64>,
    values: FxHashMap<u64, Value>,
    /// A unit that has the value, of values that are not known.
    holders: FxHashMap<u64, usize>,
    listed: Vec<(usize, Vec<u64>, Vec<u32>)>,
}

/// How often a value is among the others and in the selection.
type Sides = [f64; 2];

/// Gives the values of a unit.
pub(super) type Visit<'v> = &'v mut dyn FnMut(u64, &dyn Fn() -> Value);

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
        let (hashes, cells) = counts.listed;
        let bytes = (self.counted.len() - before) * NUMBER_BYTES + hashes.len() * LISTED_BYTES;
        if !hashes.is_empty() {
            self.listed.push((unit, hashes, cells));
        }
        bytes
    }

    /// The values that are shown, by hash: those that are among the `top` most frequent on a side. Of equally frequent ones the first of the
    /// order of values are shown. `values` gives the values of a unit.
    pub(super) fn shown(
        &self,
        top: usize,
        values: impl Fn(usize, Visit<'_>) -> Result<(), ReadError>,
    ) -> Result<Vec<(u64, Value)>, ReadError> {
        if top == 0 {
            return Ok(Vec::new());
        }
        let sides = self.frequent(top);
        let cuts = [0, 1].map(|side| Cut::of(sides.values().map(|counts| of_side(counts, side)).collect(), top));
        let mut wanted: FxHashMap<u64, Wanted> = FxHashMap::default();
        for (hash, counts) in &sides {
            let own = Wanted::of(counts, &cuts);
            if own.is_sure || own.is_tied.contains(&true) {
                wanted.insert(*hash, own);
            }
        }
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
        for unit in self.holders_of(unknown) {
            values(unit, &mut give)?;
        }
        found.extend(tied.into_iter().flatten().map(|(Ranked(value), hash)| (hash, value)));
        Ok(found.into_iter().collect())
    }

    /// Units that together have these values.
    fn holders_of(&self, mut left: FxHashSet<u64>) -> BTreeSet<usize> {
        let mut units = BTreeSet::new();
        for (hash, unit) in &self.holders {
            if left.remove(hash) {
                units.insert(*unit);
            }
        }
        for (unit, hashes, _) in &self.listed {
            if left.is_empty() {
                break;
            }
            let before = left.len();
            hashes.iter().for_each(|hash| _ = left.remove(hash));
            if left.len() < before {
                units.insert(*unit);
            }
        }
        units
    }

    /// How often values are on each side, at least of those that are as frequent as the `top` most frequent of a side.
    fn frequent(&self, top: usize) -> FxHashMap<u64, Sides> {
        if self.listed.iter().map(|(_, hashes, _)| hashes.len()).sum::<usize>() <= SLOTS {
            return self.count(|_| true);
        }
        let mut slots = [vec![0u32; SLOTS], vec![0u32; SLOTS]];
        self.each(|hash, cell, count| {
            let [others, selected] = &mut slots;
            let own = if cell.is_multiple_of(2) { others } else { selected };
            if let Some(slot) = own.get_mut(slot(hash)) {
                *slot = slot.saturating_add(bound(count));
            }
        });
        let mut least = [0, 1].map(|side| least_of(slots.get(side).map_or(&[], |slots| slots), top * SLOTS_OF_EACH));
        loop {
            let may_count = |hash| {
                let mut sides = slots.iter().zip(least);
                sides.any(|(slots, least)| slots.get(slot(hash)).is_some_and(|count| *count >= least))
            };
            let sides = self.count(may_count);
            let cuts = [0, 1].map(|side| Cut::of(sides.values().map(|counts| of_side(counts, side)).collect(), top));
            // What was left out is less frequent than `least`.
            let known = cuts.map(|cut| if cut.places == 0 { 1 } else { bound(cut.count.floor()).max(1) });
            if known.iter().zip(least).all(|(known, least)| least <= *known) {
                return sides;
            }
            least = [0, 1].map(|side| known.get(side).copied().unwrap_or(1).min(least.get(side).copied().unwrap_or(1)));
        }
    }

    fn count(&self, may_count: impl Fn(u64) -> bool) -> FxHashMap<u64, Sides> {
        let mut sides: FxHashMap<u64, Sides> = FxHashMap::default();
        self.each(|hash, cell, count| {
            if may_count(hash) {
                let [others, selected] = sides.entry(hash).or_default();
                *(if cell.is_multiple_of(2) { others } else { selected }) += count;
            }
        });
        sides
    }

    /// Calls `visit` with all numbers: hash, cell and count.
    fn each(&self, mut visit: impl FnMut(u64, u32, f64)) {
        self.counted.iter().for_each(|((hash, cell), count)| visit(*hash, *cell, *count));
        for (_, hashes, cells) in &self.listed {
            hashes.iter().zip(cells).for_each(|(hash, cell)| visit(*hash, *cell, 1.0));
        }
    }

    /// For each side how many spans have the field in each interval, if any has.
    pub(super) fn totals(&self, intervals: usize) -> [Option<Vec<f64>>; 2] {
        let mut numbers = [None, None];
        self.totals.iter().for_each(|(cell, count)| add(&mut numbers, *cell, *count, intervals));
        numbers
    }

    /// The same for each of these values.
    pub(super) fn of_values(&self, shown: &[(u64, Value)], intervals: usize) -> Vec<[Option<Vec<f64>>; 2]> {
        let places: FxHashMap<u64, usize> = shown.iter().enumerate().map(|(place, (hash, _))| (*hash, place)).collect();
        let mut numbers = vec![[None, None]; shown.len()];
        self.each(|hash, cell, count| {
            if let Some(own) = places.get(&hash).and_then(|place| numbers.get_mut(*place)) {
                add(own, cell, count, intervals);
            }
        });
        numbers
    }
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

/// Counters of values with the same first bits of their hashes.
const SLOTS: usize = 1 << 20;
/// Counters that are looked at for each value that is shown, the greatest first.
const SLOTS_OF_EACH: usize = 16;
/// Greatest count that is told from greater ones.
const MOST_COUNT: usize = 1 << 16;

fn slot(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - SLOTS.trailing_zeros())).unwrap_or_default()
}

/// A whole number that is not less.
fn bound(count: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that is too large becomes the greatest number"
    )]
    let bound = count.ceil() as u32;
    bound
}

/// A count that so many counters reach, or nearly so; at least 1.
fn least_of(slots: &[u32], wanted: usize) -> u32 {
    let mut of_counts = vec![0usize; MOST_COUNT];
    for slot in slots {
        if let Some(own) = of_counts.get_mut((*slot as usize).min(MOST_COUNT - 1)) {
            *own += 1;
        }
    }
    let mut reached = 0;
    let counts = (0u32..).zip(&of_counts).skip(1).collect::<Vec<_>>();
    let last = counts.into_iter().rev().find(|(_, own)| {
        reached += **own;
        reached >= wanted
    });
    last.map_or(1, |(count, _)| count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of a field whose values are numbers: `number` comes so often.
    fn field(counts: &[(i64, u32, usize)]) -> FieldCounts {
        let mut field = FieldCounts::default();
        for (number, cell, count) in counts {
            let listed = (vec![hash(*number); *count], vec![*cell; *count]);
            field.add(usize::try_from(*number % 3).expect("small"), Counts { listed, ..Counts::default() });
        }
        field
    }

    fn hash(number: i64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    fn shown(field: &FieldCounts, top: usize, numbers: std::ops::Range<i64>) -> Vec<i64> {
        let value = |number: i64| Value::Any(number.into());
        let values = |unit: usize, visit: Visit<'_>| {
            numbers
                .clone()
                .filter(|number| *number as usize % 3 == unit)
                .for_each(|number| visit(hash(number), &|| value(number)));
            Ok(())
        };
        let shown = field.shown(top, values).expect("read");
        let mut found: Vec<i64> = numbers.clone().filter(|own| shown.contains(&(hash(*own), value(*own)))).collect();
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
        let shown = [(hash(6), Value::Any(6i64.into())), (hash(9), Value::Any(9i64.into()))];
        let numbers = field(&counts).of_values(&shown, 2);
        assert_eq!(numbers, [[Some(vec![0.0, 4.0]), None], [Some(vec![1.0, 0.0]), Some(vec![1.0, 0.0])]]);
    }

    #[test]
    fn among_many_values_the_same_are_shown() {
        let many = SLOTS as i64 + 20_000;
        let listed: Vec<u64> = (0..many).map(hash).collect();
        let mut field = FieldCounts::default();
        let all = Counts { listed: (listed.clone(), vec![0; listed.len()]), ..Counts::default() };
        field.add(0, all);
        for (number, count) in [(900_001, 3.0), (7, 2.0), (70_000, 2.0), (400, 2.0)] {
            field.add(1, Counts { counted: vec![(hash(number), 0, count)], ..Counts::default() });
        }
        let value = |number: i64| Value::Any(number.into());
        let shown = |top: usize| {
            let values = |unit: usize, visit: Visit<'_>| {
                (0..many).filter(|_| unit < 2).for_each(|number| visit(hash(number), &|| value(number)));
                Ok(())
            };
            let mut found: Vec<String> =
                field.shown(top, values).expect("read").iter().map(|own| format!("{:?}", own.1)).collect();
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

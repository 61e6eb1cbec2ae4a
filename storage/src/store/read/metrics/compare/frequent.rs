//! How often a field has its values, and which are shown.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::cut::{Cut, Sides, cuts_of, of_side};
use super::listed::Listed;
use super::sieve::{Marks, Seen, sides_of, sifted};
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

/// Gets values with their hashes.
pub(super) type Visit<'v> = &'v mut dyn FnMut(u64, &dyn Fn() -> Value);

/// A number of a value: cell and count, and the unit and row that have it, as far as that is known.
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
        let (wanted, cuts) = self.wanted(top);
        let items = self.items(&wanted);
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

    /// The values that may be shown, and where the most frequent end on each side.
    fn wanted(&self, top: usize) -> (FxHashMap<u64, Wanted>, [Cut; 2]) {
        let sides = self.sides_of_frequent(top);
        let cuts = cuts_of(&sides, top);
        let wanted = sides.iter().map(|(hash, counts)| (*hash, Wanted::of(counts, &cuts)));
        (wanted.filter(|(_, own)| own.is_sure || own.is_tied.contains(&true)).collect(), cuts)
    }

    /// How often the values are on each side that are as frequent as the `top` most frequent of one, and some others.
    fn sides_of_frequent(&self, top: usize) -> FxHashMap<u64, Sides> {
        let listed = self.listed.iter().map(|(_, listed)| listed.len()).sum::<usize>();
        if listed <= FEW { sides_of(self.seen()) } else { sifted(|| self.seen(), listed, top) }
    }

    fn seen(&self) -> impl Iterator<Item = Seen> + '_ {
        let counted = self.counted.iter().map(|((hash, cell), count)| (*hash, side_of(*cell), *count));
        let of_lists = self.listed.iter().flat_map(|(_, listed)| listed.sides());
        counted.chain(of_lists.map(|(hash, side)| (hash, side, 1.0)))
    }

    /// The numbers of these values.
    fn items(&self, wanted: &FxHashMap<u64, Wanted>) -> Vec<Item> {
        let of_hashes = Marks::of(wanted.keys());
        let is_wanted = |hash: u64| of_hashes.may_hold(hash) && wanted.contains_key(&hash);
        let counted = self.counted.iter().filter(|((hash, _), _)| is_wanted(*hash));
        let mut items: Vec<Item> = counted
            .map(|((hash, cell), count)| Item { hash: *hash, cell: *cell, count: *count, place: None })
            .collect();
        for (unit, listed) in &self.listed {
            let those = listed.those(is_wanted);
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

/// 0 for the others, 1 for the selection.
fn side_of(cell: u32) -> usize {
    usize::from(!cell.is_multiple_of(2))
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

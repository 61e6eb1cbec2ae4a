//! How many traces have each value of a field. Of a field with very many values only those are counted that can tell the sides apart.

use rustc_hash::{FxHashMap, FxHashSet};

use super::fields::Found;
use super::marks::{Count, both};
use crate::contrast::Sides;

/// Memory of a value, about.
const VALUE_BYTES: usize = 48;
/// So many values of a field are counted exactly at once.
const FEW: usize = if cfg!(test) { 3 } else { 1 << 13 };
/// Counters of a sieve, in bits.
const SIEVE_BITS: u32 = 14;

/// What all units know of a field.
#[derive(Default)]
pub(super) struct FieldCounts {
    /// With a unit that has the value.
    values: FxHashMap<u64, (Count, usize)>,
    /// Values of traces that may be in several units: trace and hash.
    split: Vec<(u32, u64)>,
    sieve: Option<Sieve>,
}

/// Counters that values share: a value has at most so many traces as its counter says.
struct Sieve(Vec<Count>);

/// Which values may tell.
pub(super) struct Left(FxHashSet<usize>);

impl FieldCounts {
    /// Adds what a unit knows. Returns the memory that this takes, about.
    pub(super) fn add(&mut self, unit: usize, found: Found) -> usize {
        let before = self.bytes();
        if !found.listed.is_empty() {
            self.sieve();
        }
        self.add_exactly(unit, found);
        if self.values.len() > FEW {
            self.sieve();
        }
        self.bytes().saturating_sub(before)
    }

    /// The same, however many values there are.
    pub(super) fn add_exactly(&mut self, unit: usize, found: Found) -> usize {
        let before = self.bytes();
        match &mut self.sieve {
            Some(sieve) => {
                found.counted.iter().chain(&found.listed).for_each(|(hash, count)| sieve.add(*hash, *count));
            }
            None => {
                for (hash, count) in found.counted {
                    add(&mut self.values.entry(hash).or_insert((Count::default(), unit)).0, count);
                }
                for (_, hash) in &found.split {
                    self.values.entry(*hash).or_insert((Count::default(), unit));
                }
            }
        }
        self.split.extend(found.split);
        self.bytes().saturating_sub(before)
    }

    /// Adds a value of a trace that may be in several units.
    pub(super) fn add_split(&mut self, trace: u32, hash: u64) {
        self.split.push((trace, hash));
        if self.sieve.is_none() {
            self.values.entry(hash).or_insert((Count::default(), usize::MAX));
        }
    }

    /// Counts the traces that may be in several units. Returns which values must be counted again, if not all were counted exactly: those
    /// that `least` of a side may have.
    pub(super) fn finish(&mut self, is_selected: &[bool], all: &Sides, least: f64) -> Option<Left> {
        let mut split = std::mem::take(&mut self.split);
        split.sort_unstable();
        split.dedup();
        for (trace, hash) in split {
            let is_selected = is_selected.get(trace as usize).copied().unwrap_or_default();
            let count = [u32::from(is_selected), u32::from(!is_selected)];
            match &mut self.sieve {
                Some(sieve) => sieve.add(hash, count),
                None => {
                    if let Some((known, _)) = self.values.get_mut(&hash) {
                        add(known, count);
                    }
                }
            }
        }
        let left = self.sieve.take().map(|sieve| sieve.left(all, least));
        left.filter(|Left(left)| !left.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Sides)> + '_ {
        self.values.iter().map(|(hash, ([selected, others], _))| {
            (*hash, Sides { selected: u64::from(*selected), others: u64::from(*others) })
        })
    }

    /// A unit that has the value.
    pub(super) fn holder(&self, hash: u64) -> Option<usize> {
        self.values.get(&hash).map(|(_, unit)| *unit)
    }

    fn bytes(&self) -> usize {
        self.values.len() * VALUE_BYTES
            + self.split.len() * size_of::<(u32, u64)>()
            + self.sieve.as_ref().map_or(0, |sieve| size_of_val(sieve.0.as_slice()))
    }

    /// Begins to sieve.
    fn sieve(&mut self) {
        if self.sieve.is_none() {
            let mut sieve = Sieve(vec![Count::default(); 1 << SIEVE_BITS]);
            self.values.drain().for_each(|(hash, (count, _))| sieve.add(hash, count));
            self.sieve = Some(sieve);
        }
    }
}

impl Sieve {
    fn place(hash: u64) -> usize {
        usize::try_from(hash >> (u64::BITS - SIEVE_BITS)).unwrap_or_default()
    }

    #[inline]
    fn add(&mut self, hash: u64, count: Count) {
        if let Some(own) = self.0.get_mut(Self::place(hash)) {
            add(own, count);
        }
    }

    fn left(&self, all: &Sides, least: f64) -> Left {
        let is_enough = |count: u32, all: u64| count > 0 && f64::from(count) >= least * all as f64;
        let may_tell =
            |[selected, others]: &Count| is_enough(*selected, all.selected) || is_enough(*others, all.others);
        Left(self.0.iter().enumerate().filter(|(_, count)| may_tell(count)).map(|(place, _)| place).collect())
    }
}

impl Left {
    pub(super) fn may_tell(&self, hash: u64) -> bool {
        self.0.contains(&Sieve::place(hash))
    }
}

fn add(count: &mut Count, more: Count) {
    *count = both(*count, more);
}

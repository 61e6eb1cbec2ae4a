//! Counters that values share. A value is at most as frequent as its counter says, so most values are known not to be among the most
//! frequent ones without being counted.

use rustc_hash::FxHashMap;

use super::cut::{Sides, bound, cuts_of};
use crate::codec::bits::Bitmap;

/// Counters of values with the same bits of their hashes: for each how often they are among the others, and in the selection.
struct Sieve {
    counters: Vec<[u16; 2]>,
    /// Other bits in each round.
    turn: u32,
    shift: u32,
}

/// Fewest and most counters.
const COUNTERS: (usize, usize) = (1 << 16, 1 << 22);
/// Counters that are looked at for each value that is shown, the greatest first.
const COUNTERS_OF_EACH: usize = 64;
/// Greater counts are not told apart where a good one is looked for.
const HIGH: usize = 1 << 12;

impl Sieve {
    /// For so many values. Each round looks at other bits of the hashes.
    fn new(values: usize, round: u32) -> Self {
        let len = (values / 4).next_power_of_two().clamp(COUNTERS.0, COUNTERS.1);
        Self { counters: vec![[0; 2]; len], turn: round * 21, shift: u64::BITS - len.trailing_zeros() }
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash.rotate_left(self.turn) >> self.shift).unwrap_or_default()
    }

    /// Counts a value on a side.
    #[inline]
    fn add(&mut self, (hash, side, count): Seen) {
        let place = self.place(hash);
        if let Some(counter) = self.counters.get_mut(place).and_then(|sides| sides.get_mut(side)) {
            *counter = counter.saturating_add(bound(count));
        }
    }

    /// Whether the value may be so frequent on one of the sides.
    #[inline]
    fn may_reach(&self, hash: u64, least: [u16; 2]) -> bool {
        let ([others, selected], [of_others, of_selected]) =
            (self.counters.get(self.place(hash)).copied().unwrap_or_default(), least);
        // One branch for both.
        (others >= of_others) | (selected >= of_selected)
    }

    /// For each side a count that some counters for each of `top` values reach, or nearly so; at least 1.
    fn high(&self, top: usize) -> [u16; 2] {
        [0, 1].map(|side| self.high_of(side, top.saturating_mul(COUNTERS_OF_EACH)))
    }

    fn high_of(&self, side: usize, wanted: usize) -> u16 {
        let mut of_counts = vec![0usize; HIGH];
        for counter in self.counters.iter().filter_map(|sides| sides.get(side)) {
            if let Some(own) = of_counts.get_mut(usize::from(*counter).min(HIGH - 1)) {
                *own += 1;
            }
        }
        let mut reached = 0;
        let last = of_counts.iter().enumerate().skip(1).rev().find(|(_, own)| {
            reached += **own;
            reached >= wanted
        });
        last.and_then(|(count, _)| u16::try_from(count).ok()).unwrap_or(1)
    }
}

/// The hash of a value, a side, and how often the value was seen there.
pub(super) type Seen = (u64, usize, f64);

/// The same in less memory, of a whole number.
#[derive(Clone, Copy)]
struct Left {
    hash: u64,
    count: u32,
    is_selected: bool,
}

impl Left {
    fn of((hash, side, count): Seen) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is too large becomes the greatest number"
        )]
        let count = count as u32;
        Self { hash, count, is_selected: side > 0 }
    }

    fn seen(self) -> Seen {
        (self.hash, usize::from(self.is_selected), f64::from(self.count))
    }
}

/// Up to so many are counted without another sieve.
const FEW: usize = 1 << 14;
/// Mostly no more is left than this part.
const PART_LEFT: usize = 16;
/// Most sieves.
const ROUNDS: u32 = 5;

/// How often values are on each side: those that are among the `top` most frequent of one, and few others. There are about `values`, each
/// seen so often as a whole number says.
pub(super) fn sifted<I: Iterator<Item = Seen>>(
    all: impl Fn() -> I,
    values: usize,
    top: usize,
) -> FxHashMap<u64, Sides> {
    let (mut left, mut least) = sift(all, values, [1; 2], 0, top);
    for round in 1..ROUNDS {
        let before = left.len();
        if before <= FEW {
            break;
        }
        (left, least) = sift(|| left.iter().copied().map(Left::seen), before, least, round, top);
        if left.len() > before / 2 {
            break;
        }
    }
    sides_of(left.into_iter().map(Left::seen))
}

/// Those that may be among the most frequent; and counts that these reach on each side, which is no less than before.
fn sift<I: Iterator<Item = Seen>>(
    all: impl Fn() -> I,
    values: usize,
    before: [u16; 2],
    round: u32,
    top: usize,
) -> (Vec<Left>, [u16; 2]) {
    let mut sieve = Sieve::new(values, round);
    all().for_each(|seen| sieve.add(seen));
    let high = sieve.high(top);
    // Any values tell a count that the most frequent reach; frequent ones tell a high one.
    let some = sides_of(all().filter(|(hash, ..)| sieve.may_reach(*hash, high)));
    let ([others, selected], [of_others, of_selected]) = (cuts_of(&some, top).map(|cut| cut.known()), before);
    let least = [others.max(of_others), selected.max(of_selected)];
    let mut left = Vec::with_capacity(values / PART_LEFT);
    all().filter(|(hash, ..)| sieve.may_reach(*hash, least)).for_each(|seen| left.push(Left::of(seen)));
    (left, least)
}

/// How often the values are on each side.
pub(super) fn sides_of(all: impl Iterator<Item = Seen>) -> FxHashMap<u64, Sides> {
    let mut sides: FxHashMap<u64, Sides> = FxHashMap::default();
    all.for_each(|(hash, side, count)| {
        if let Some(own) = sides.entry(hash).or_default().get_mut(side) {
            *own += count;
        }
    });
    sides
}

/// A set of hashes that sometimes says yes to others.
pub(super) struct Marks(Bitmap);

impl Marks {
    pub(super) fn of<'h>(hashes: impl Iterator<Item = &'h u64>) -> Self {
        let mut marks = Bitmap::none(1 << MARK_BITS);
        hashes.for_each(|hash| marks.insert(Self::place(*hash)));
        Self(marks)
    }

    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.0.contains(Self::place(hash))
    }

    #[inline]
    fn place(hash: u64) -> usize {
        usize::try_from(hash >> (u64::BITS - MARK_BITS)).unwrap_or_default()
    }
}

/// So few marks that they are near the processor.
const MARK_BITS: u32 = 17;

//! Counters that values share. A value is at most as frequent as its counter says, so most values are known not to be among the most
//! frequent ones without being counted.

/// Counters of values with the same bits of their hashes: for each how often they are among the others, and in the selection.
pub(super) struct Sieve {
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
    pub(super) fn new(values: usize, round: u32) -> Self {
        let len = (values / 2).next_power_of_two().clamp(COUNTERS.0, COUNTERS.1);
        Self { counters: vec![[0; 2]; len], turn: round * 21, shift: u64::BITS - len.trailing_zeros() }
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash.rotate_left(self.turn) >> self.shift).unwrap_or_default()
    }

    /// Counts a value on a side.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, side: usize, count: u16) {
        let place = self.place(hash);
        if let Some(counter) = self.counters.get_mut(place).and_then(|sides| sides.get_mut(side)) {
            *counter = counter.saturating_add(count);
        }
    }

    /// Whether the value may be so frequent on one of the sides.
    #[inline]
    pub(super) fn may_reach(&self, hash: u64, least: [u16; 2]) -> bool {
        let ([others, selected], [of_others, of_selected]) =
            (self.counters.get(self.place(hash)).copied().unwrap_or_default(), least);
        // One branch for both.
        (others >= of_others) | (selected >= of_selected)
    }

    /// For each side a count that some counters for each of `top` values reach, or nearly so; at least 1.
    pub(super) fn high(&self, top: usize) -> [u16; 2] {
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

//! Where the most frequent values end.

use rustc_hash::FxHashMap;

/// How often a value is among the others and in the selection.
pub(super) type Sides = [f64; 2];

/// How often it is on a side.
pub(super) fn of_side(counts: &Sides, side: usize) -> f64 {
    counts.get(side).copied().unwrap_or_default()
}

/// Where the `top` most frequent values of each side end.
pub(super) fn cuts_of(sides: &FxHashMap<u64, Sides>, top: usize) -> [Cut; 2] {
    [0, 1].map(|side| Cut::of(sides.values().map(|counts| of_side(counts, side)).collect(), top))
}

/// Where the most frequent values of a side end.
pub(super) struct Cut {
    /// More frequent values are among them.
    pub(super) count: f64,
    /// Of values that are just as frequent, so many are among them; 0 when all values are.
    pub(super) places: usize,
}

impl Cut {
    /// What is less frequent than this is not among them.
    pub(super) fn known(&self) -> u16 {
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

/// A whole number that is not less.
pub(super) fn bound(count: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that is too large becomes the greatest number"
    )]
    let bound = count.ceil() as u16;
    bound
}

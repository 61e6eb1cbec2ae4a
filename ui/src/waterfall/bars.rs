//! Stretches of time on a bar, few enough to be drawn.

use hoptrail_query::assemble::Interval;

/// Distances narrower than this are not drawn: about a pixel, in percent.
const NARROW: f64 = 0.12;
/// Most stretches on one bar.
const MOST: usize = 60;

/// Stretches (left edge and width, percent, ascending) without gaps too narrow to be seen, and of very many only what is coarse enough to
/// be few.
pub(crate) fn merged(stretches: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut narrow = NARROW;
    let mut found = joined(stretches, narrow);
    while found.len() > MOST {
        narrow *= 2.0;
        found = joined(found.into_iter(), narrow);
    }
    found
}

fn joined(stretches: impl Iterator<Item = (f64, f64)>, narrow: f64) -> Vec<(f64, f64)> {
    let mut joined: Vec<(f64, f64)> = Vec::new();
    for (x, width) in stretches {
        match joined.last_mut() {
            Some((left, length)) if x - (*left + *length) < narrow => *length = length.max(x + width - *left),
            _ => joined.push((x, width)),
        }
    }
    joined
}

/// The times in which at least one of these runs. They come by start.
pub(crate) fn union(intervals: impl Iterator<Item = Interval>) -> Vec<Interval> {
    let mut union: Vec<Interval> = Vec::new();
    for interval in intervals {
        match union.last_mut() {
            Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
            _ => union.push(interval),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_of_very_many_stretches_is_drawn_with_few() {
        assert_eq!(merged([(0.0, 10.0), (10.05, 5.0), (50.0, 1.0)].into_iter()), [(0.0, 15.05), (50.0, 1.0)]);
        let many = (0..100_000).map(|at| (f64::from(at) / 1_000.0, 0.000_5));
        assert!(merged(many).len() <= MOST);
        let wide = (0..250).map(|at| (f64::from(at) * 0.4, 0.1));
        let found = merged(wide);
        assert!((1..=MOST).contains(&found.len()) && found[0].0 == 0.0, "{found:?}");
    }

    #[test]
    fn what_overlaps_is_one() {
        let of = |pairs: &[(u64, u64)]| union(pairs.iter().map(|&(start, end)| Interval { start, end }));
        let pairs: Vec<(u64, u64)> =
            of(&[(0, 5), (3, 4), (5, 8), (9, 9)]).iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(pairs, [(0, 8), (9, 9)]);
    }
}

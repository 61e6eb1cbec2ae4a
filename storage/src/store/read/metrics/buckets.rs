//! Buckets of histograms: up to a power of two.

use std::cmp::Ordering;

use crate::SeriesPart;
use crate::scan::Number;

/// Buckets of durations. Those of other numbers come after them.
const OF_DURATIONS: u32 = 65;
/// The code of what is no number. Exponents of doubles go up to 1024.
pub(super) const NO_NUMBER: u32 = OF_DURATIONS + 1025;
/// All codes.
pub(super) const CODES: usize = NO_NUMBER as usize + 1;

/// The code of a number's bucket.
#[inline]
pub(super) fn code(number: Option<Number>) -> u32 {
    match number {
        None => NO_NUMBER,
        Some(Number::Nanos(nanos)) => whole_exponent(nanos),
        Some(Number::Int(number)) => OF_DURATIONS + whole_exponent(u64::try_from(number).unwrap_or_default()),
        Some(Number::Double(number)) => OF_DURATIONS + exponent(number),
    }
}

#[inline]
fn whole_exponent(number: u64) -> u32 {
    u64::BITS - number.saturating_sub(1).leading_zeros()
}

/// The least power of two that is not below the number, at most 1024, which is infinite.
fn exponent(number: f64) -> u32 {
    const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;
    if number <= 1.0 {
        return 0;
    }
    let (bits, one) = (number.to_bits(), 1f64.to_bits());
    let above = u64::from(bits.trailing_zeros() < FRACTION);
    u32::try_from(((bits - one) >> FRACTION) + above).unwrap_or_default().min(1024)
}

/// Which series it is.
pub(super) fn part(code: u32) -> SeriesPart {
    SeriesPart::Bucket(greatest(code))
}

/// The order of two buckets.
pub(super) fn order(one: u32, other: u32) -> Ordering {
    greatest(one).total_cmp(&greatest(other))
}

/// The greatest number of a bucket, seconds for durations.
fn greatest(code: u32) -> f64 {
    let power = |exponent: u32| 2f64.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    match code.checked_sub(OF_DURATIONS) {
        None => power(code) / 1e9,
        Some(exponent) => power(exponent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(number: Number) -> f64 {
        greatest(code(Some(number)))
    }

    #[test]
    fn a_bucket_ends_at_a_power_of_two() {
        let nanos =
            [0, 1, 2, 3, 4, 5, 1 << 40, (1 << 40) + 1, u64::MAX].map(|nanos| bucket(Number::Nanos(nanos)) * 1e9);
        let power = |exponent| 2f64.powi(exponent);
        let expected = [1.0, 1.0, 2.0, 4.0, 4.0, 8.0, power(40), power(41), power(64)];
        assert!(nanos.iter().zip(expected).all(|(one, other)| (one / other - 1.0).abs() < 1e-9), "{nanos:?}");
        let plain = [-3.0, 0.2, 1.0, 1.01, 2.0, 2.5, 4.0, 4.1, 1e300, f64::MAX, f64::INFINITY];
        let expected = [1.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, power(997), f64::INFINITY, f64::INFINITY];
        assert_eq!(plain.map(|number| bucket(Number::Double(number))), expected);
        let ints = [i64::MIN, 0, 1, 3, (1 << 53) + 1, i64::MAX].map(|number| bucket(Number::Int(number)));
        assert_eq!(ints, [1.0, 1.0, 1.0, 4.0, power(54), power(63)]);
        assert_eq!(code(None), NO_NUMBER);
        assert!(code(Some(Number::Double(f64::INFINITY))) < NO_NUMBER);
    }
}

//! Numbers of plots, each with its unit.

use super::{digits_of, duration, grouped, trimmed};

/// What stands before a negative number.
const MINUS: char = '−';
/// No number is more exact than this on a page. Downloads have all digits.
const DIGITS: i32 = 4;
/// Smaller and larger numbers are written with an exponent.
const PLAIN: std::ops::Range<f64> = 1e-4..1e15;
/// More seconds than a duration of nanoseconds can hold.
const MOST_SECONDS: f64 = 1e10;
/// From which number on, how many are one of the suffix, and the suffix.
const SUFFIXES: [(f64, f64, &str); 4] = [(1e12, 1e12, " T"), (1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")];

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Anything.
    Plain,
    /// How many.
    Count,
    /// How many in a second.
    PerSecond,
    /// A duration, in seconds.
    Seconds,
}

impl Unit {
    /// The number as a person reads it: `1.25 ms`, `4.2/s`; a dash where there is none.
    pub(crate) fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::Plain | Self::Count => number(value),
            Self::PerSecond => format!("{}/s", number(value)),
            Self::Seconds => signed(value, seconds),
        }
    }

    /// Labels for the ticks of one axis: evenly spaced values, all with the same number of places, so that no two are the same.
    pub(crate) fn ticks(self, values: &[f64], step: f64) -> Vec<String> {
        let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let label = |value: f64| match self {
            _ if value == 0.0 => "0".to_owned(),
            Self::Plain | Self::Count => signed(value, |value| tick(value, largest, step)),
            Self::PerSecond => format!("{}/s", signed(value, |value| tick(value, largest, step))),
            Self::Seconds => signed(value, |value| tick_seconds(value, largest, step)),
        };
        values.iter().map(|value| label(*value)).collect()
    }

    /// What the axis measures, in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "value",
            Self::Count => "count",
            Self::PerSecond => "per second",
            Self::Seconds => "duration",
        }
    }
}

fn signed(value: f64, text: impl Fn(f64) -> String) -> String {
    let text = text(value.abs());
    if value < 0.0 { format!("{MINUS}{text}") } else { text }
}

/// Four digits: `0.1235`, `12.35`, `1 235`, `1.235 M`.
fn number(value: f64) -> String {
    signed(value, |value| match value {
        0.0 => "0".to_owned(),
        _ if !PLAIN.contains(&value) => exponent(value, 2),
        0.0..1e6 => {
            let places = (DIGITS - 1 - value.log10().floor() as i32).max(0) as usize;
            grouped_number(&trimmed(value, places.min(7)))
        }
        _ => {
            let (scale, suffix) = scale_of(value);
            format!("{}{suffix}", trimmed(value / scale, 3))
        }
    })
}

fn seconds(value: f64) -> String {
    match value * 1e9 {
        0.0 => "0 s".to_owned(),
        nanos if nanos < 0.01 => format!("{} s", exponent(value, 2)),
        nanos if nanos < 999.5 => digits_of(nanos, "ns"),
        _ if value >= MOST_SECONDS => format!("{} s", number(value)),
        nanos => duration(nanos.round() as u64),
    }
}

/// `1.25e-7`
fn exponent(value: f64, places: usize) -> String {
    let text = format!("{value:.places$e}");
    match text.split_once('e') {
        Some((mantissa, power)) if mantissa.contains('.') => {
            format!("{}e{power}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

fn scale_of(value: f64) -> (f64, &'static str) {
    let found = SUFFIXES.into_iter().find(|(from, ..)| value >= *from);
    found.map_or((1.0, ""), |(_, scale, suffix)| (scale, suffix))
}

/// How many places behind the point tell values apart that are `step` apart.
fn places(step: f64) -> i32 {
    (-(step.log10() + 1e-9).floor()) as i32
}

fn tick(value: f64, largest: f64, step: f64) -> String {
    if !PLAIN.contains(&largest) {
        let exact = (largest.log10().floor() as i32).saturating_add(places(step));
        // The smallest numbers of all have no digits to spare.
        let digits = if step.is_normal() { exact } else { 2 };
        return exponent(value, digits.clamp(0, 17) as usize);
    }
    let (scale, suffix) = scale_of(largest);
    match places(step / scale) {
        // Values that differ only in their last digits are written whole.
        far @ 5.. if scale > 1.0 => grouped_number(&trimmed(value, (far - scale.log10() as i32).clamp(0, 17) as usize)),
        near => format!("{}{suffix}", grouped_number(&trimmed(value / scale, near.clamp(0, 17) as usize))),
    }
}

fn tick_seconds(value: f64, largest: f64, step: f64) -> String {
    let (unit, name) = match largest {
        0.0..1e-9 => return format!("{} s", tick(value, largest, step)),
        1e-9..1e-6 => (1e-9, "ns"),
        1e-6..1e-3 => (1e-6, "µs"),
        1e-3..1.0 => (1e-3, "ms"),
        1.0..60.0 => (1.0, "s"),
        _ if largest < MOST_SECONDS && step >= 1.0 => return duration((value * 1e9).round() as u64),
        _ => return format!("{} s", tick(value, largest, step)),
    };
    format!("{} {name}", grouped_number(&trimmed(value / unit, places(step / unit).clamp(0, 17) as usize)))
}

/// Thin spaces between the thousands before the point.
fn grouped_number(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", grouped(whole)),
        None => grouped(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (0.000_123_46, "0.0001235"),
            (0.5, "0.5"),
            (12.345_6, "12.35"),
            (1_234.6, "1\u{202f}235"),
            (999_999.0, "999\u{202f}999"),
            (1_234_567.0, "1.235 M"),
            (-2.5e9, "−2.5 G"),
            (1e15, "1e15"),
            (f64::MAX, "1.8e308"),
            (5e-324, "4.94e-324"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(Unit::Count.text(value), text, "{value}");
        }
        assert_eq!(Unit::PerSecond.text(0.25), "0.25/s");
    }

    #[test]
    fn durations_are_read_in_their_unit() {
        let cases = [
            (0.0, "0 s"),
            (1e-9, "1 ns"),
            (1.5e-9, "1.5 ns"),
            (0.001_25, "1.25 ms"),
            (90.0, "1 min 30 s"),
            (-0.5, "−500 ms"),
            (1e300, "1e300 s"),
            (1e-300, "1e-300 s"),
        ];
        for (value, text) in cases {
            assert_eq!(Unit::Seconds.text(value), text, "{value}");
        }
    }

    #[test]
    fn ticks_of_an_axis_are_all_different() {
        let cases: [(Unit, &[f64], f64, &[&str]); 9] = [
            (Unit::Count, &[0.0, 5.0, 10.0], 5.0, &["0", "5", "10"]),
            (Unit::Count, &[0.0, 5_000.0, 10_000.0], 5_000.0, &["0", "5 k", "10 k"]),
            (Unit::PerSecond, &[0.0, 0.05, 0.1], 0.05, &["0", "0.05/s", "0.1/s"]),
            (Unit::Seconds, &[0.0, 0.0005, 0.001], 0.0005, &["0", "0.5 ms", "1 ms"]),
            (Unit::Seconds, &[0.0, 60.0, 120.0], 60.0, &["0", "1 min", "2 min"]),
            (Unit::Plain, &[-1e-9, 0.0, 1e-9], 1e-9, &["−1e-9", "0", "1e-9"]),
            (Unit::Plain, &[0.0, 5e307, 1e308], 5e307, &["0", "5e307", "1e308"]),
            (
                Unit::Plain,
                &[1e9, 1e9 + 1.0],
                1.0,
                &["1\u{202f}000\u{202f}000\u{202f}000", "1\u{202f}000\u{202f}000\u{202f}001"],
            ),
            (
                Unit::Plain,
                &[1e9, 1e9 + 0.5],
                0.5,
                &["1\u{202f}000\u{202f}000\u{202f}000", "1\u{202f}000\u{202f}000\u{202f}000.5"],
            ),
        ];
        for (unit, values, step, labels) in cases {
            assert_eq!(unit.ticks(values, step), labels, "{values:?}");
        }
    }
}

//! Numbers and times as people and spreadsheets read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use hoptrail_ui::duration;

/// A moment in a zone: `2026-11-29 14:20:47.123`.
#[must_use]
pub fn moment(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// The time of day in a zone: `14:20:47`.
#[must_use]
pub fn time_of_day(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// RFC 3339 in UTC, to the nanosecond.
#[must_use]
pub fn machine(unix_nano: u64) -> String {
    format!("{:.9}", timestamp(unix_nano))
}

/// The name of a zone.
#[must_use]
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("local")
}

fn timestamp(unix_nano: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_nano)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A number of a series: whole ones as they are, others with four digits that count.
#[must_use]
pub fn value(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let places = if size >= 1000.0 { 0 } else { 3 - size.log10().floor().max(-4.0) as i32 };
    let text = format!("{value:.*}", usize::try_from(places).unwrap_or_default());
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A count with its noun: `1 span`, `2 spans`.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_four_digits() {
        for (number, text) in [
            (0.0, "0"),
            (-3.0, "-3"),
            (1_234_567.0, "1234567"),
            (1_234.56, "1235"),
            (0.123_456, "0.1235"),
            (12.5, "12.5"),
            (0.000_012_345, "1.234e-5"),
            (1e300, "1.000e300"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(value(number), text);
        }
    }

    #[test]
    fn times_are_read_by_people_and_machines() {
        let time = 1_760_000_000_123_456_789;
        assert_eq!(moment(time, &TimeZone::UTC), "2025-10-09 08:53:20.123");
        assert_eq!(machine(time), "2025-10-09T08:53:20.123456789Z");
        assert!(!moment(u64::MAX, &TimeZone::UTC).is_empty());
    }
}

//! Numbers and times as a person reads them.

mod name;
mod number;
mod value;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use name::Name;
pub(crate) use number::Unit;
pub(crate) use value::value;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Three digits and a unit: `1.23 ms`, `45.6 s`; from a minute on two units: `2 min 5 s`.
#[must_use]
pub fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..999_500 => digits(nanos, 1_000, "µs"),
        999_500..999_500_000 => digits(nanos, 1_000_000, "ms"),
        999_500_000..60_000_000_000 => digits(nanos, SECOND, "s"),
        _ if nanos < HOUR => two_units(nanos, (MINUTE, "min"), (SECOND, "s")),
        _ if nanos < DAY => two_units(nanos, (HOUR, "h"), (MINUTE, "min")),
        _ => two_units(nanos, (DAY, "d"), (HOUR, "h")),
    }
}

/// Whole ones of the larger unit, and of the smaller one unless there are none.
fn two_units(nanos: u64, (large, large_name): (u64, &str), (small, small_name): (u64, &str)) -> String {
    let (whole, rest) = (nanos / large, nanos % large / small);
    if rest == 0 { format!("{whole} {large_name}") } else { format!("{whole} {large_name} {rest} {small_name}") }
}

/// A duration with its sign.
pub(crate) fn signed_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "−" } else { "+" };
    format!("{sign}{}", duration(nanos.unsigned_abs()))
}

fn digits(nanos: u64, unit: u64, name: &str) -> String {
    digits_of(nanos as f64 / unit as f64, name)
}

/// Three significant digits, zeros behind the point cut.
fn digits_of(value: f64, name: &str) -> String {
    let places = match value {
        0.0..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{} {name}", trimmed(value, places))
}

/// Zeros at the end of a fraction are cut.
fn trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A duration in the unit that suits `of`, for the labels of one axis.
pub(crate) fn tick(nanos: u64, of: u64) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    let (unit, name) = match of {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..SECOND => (1_000_000, "ms"),
        SECOND..300_000_000_000 => (SECOND, "s"),
        _ => return duration(nanos),
    };
    format!("{} {name}", trimmed(nanos as f64 / unit as f64, 3))
}

/// A count with thin spaces between thousands.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Digits with thin spaces between thousands.
fn grouped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 span`, `2 spans`.
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// How much of `whole` a part is: `12 %`, `<1 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        0.0..1.0 => "<1 %".to_owned(),
        _ => format!("{percent:.0} %"),
    }
}

/// A moment in a zone.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// `2026-11-23 19:44:02.123`.
    pub(crate) text: String,
    /// `UTC`, `CET`.
    pub(crate) zone: String,
    /// RFC 3339 in UTC, to the nanosecond.
    pub(crate) machine: String,
}

impl Moment {
    pub(crate) fn new(unix_nano: u64, zone: &TimeZone) -> Self {
        let time = timestamp(unix_nano);
        let zoned = time.to_zoned(zone.clone());
        Self {
            text: zoned.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            zone: zoned.strftime("%Z").to_string(),
            machine: format!("{time:.9}"),
        }
    }
}

/// A moment for `<input type="datetime-local">`.
pub(crate) fn local_input(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A moment with the zone's offset at that moment, which means the same everywhere: `2026-10-25T02:30:00+01:00`.
pub(crate) fn exact_time(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

/// The day of a moment: `9 Oct 2025`.
pub(crate) fn day(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%-d %b %Y").to_string()
}

/// The time of day, to the millisecond: `08:52:20.000`.
pub(crate) fn time_of_day(unix_nano: u64, zone: &TimeZone) -> String {
    timestamp(unix_nano).to_zoned(zone.clone()).strftime("%H:%M:%S%.3f").to_string()
}

/// The name of a zone.
pub(crate) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("the server's time zone").to_owned()
}

/// The short name of the zone from one moment to another: `CET`, or `CEST to CET` where clocks change between them.
pub(crate) fn zone_between(first: u64, last: u64, zone: &TimeZone) -> String {
    let [before, after] = [first, last].map(|time| Moment::new(time, zone).zone);
    if before == after { before } else { format!("{before} to {after}") }
}

fn timestamp(unix_nano: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_nano)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How long ago: `12 s ago`, `3 min ago`, `5 d ago`; `in the future` beyond a second.
pub(crate) fn age(unix_nano: u64, now: u64) -> String {
    if unix_nano > now.saturating_add(SECOND) {
        return "in the future".to_owned();
    }
    let ago = now.saturating_sub(unix_nano);
    match ago {
        0..SECOND => "just now".to_owned(),
        SECOND..MINUTE => format!("{} s ago", ago / SECOND),
        _ if ago < HOUR => format!("{} min ago", ago / MINUTE),
        _ if ago < 2 * DAY => format!("{} h ago", ago / HOUR),
        _ => format!("{} d ago", ago / DAY),
    }
}

/// The first `most` characters, with an ellipsis when something is cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The first letter large, a full stop at the end.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = chars.as_str();
    if rest.ends_with(['.', '?', '!']) { format!("{first}{rest}") } else { format!("{first}{rest}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_sentences() {
        assert_eq!(sentence("no span of trace x is known"), "No span of trace x is known.");
        assert_eq!(sentence(""), ".");
    }

    #[test]
    fn durations() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_234, "1.23 µs"),
            (9_999, "10 µs"),
            (99_940, "99.9 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1 ms"),
            (1_230_000, "1.23 ms"),
            (12_340_000, "12.3 ms"),
            (123_400_000, "123 ms"),
            (1_500_000_000, "1.5 s"),
            (59_940_000_000, "59.9 s"),
            (60_000_000_000, "1 min"),
            (125_000_000_000, "2 min 5 s"),
            (2 * HOUR + 3 * MINUTE, "2 h 3 min"),
            (3 * DAY + 4 * HOUR, "3 d 4 h"),
            (u64::MAX, "213503 d 23 h"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(nanos), text);
        }
        assert_eq!(signed_duration(-1_500), "−1.5 µs");
    }

    #[test]
    fn counts_and_ages() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        let shares = [(0, 5), (1, 1_000), (1, 3), (5, 5), (1, 0)].map(|(part, whole)| percent(part, whole));
        assert_eq!(shares, ["0 %", "<1 %", "33 %", "100 %", "<1 %"]);
        assert_eq!((counted(1, "span", "spans"), counted(999, "span", "spans")), ("1 span".into(), "999 spans".into()));
        let now = 100 * DAY;
        let cases = [
            (now, "just now"),
            (now - 59 * SECOND, "59 s ago"),
            (now - HOUR, "1 h ago"),
            (now - 50 * HOUR, "2 d ago"),
            (now + MINUTE, "in the future"),
        ];
        for (then, text) in cases {
            assert_eq!(age(then, now), text);
        }
    }

    #[test]
    fn moments_state_their_zone() {
        let moment = Moment::new(1_760_000_000_123_456_789, &TimeZone::UTC);
        assert_eq!((moment.text.as_str(), moment.zone.as_str()), ("2025-10-09 08:53:20.123", "UTC"));
        assert_eq!(moment.machine, "2025-10-09T08:53:20.123456789Z");
        Moment::new(u64::MAX, &TimeZone::UTC);
    }

    #[test]
    fn zones_that_change_are_told() {
        let berlin = TimeZone::get("Europe/Berlin").expect("zone");
        let summer = 1_760_000_000 * SECOND;
        assert_eq!(zone_between(summer, summer + DAY, &berlin), "CEST");
        assert_eq!(zone_between(summer, summer + 40 * DAY, &berlin), "CEST to CET");
    }

    #[test]
    fn ticks_of_one_axis_share_a_unit() {
        let texts = [0, 250_000, 1_000_000].map(|nanos| tick(nanos, 5_000_000));
        assert_eq!(texts, ["0", "0.25 ms", "1 ms"]);
    }
}

//! Times on the command line.

use std::time::Duration;

use clap::Args;
use hoptrail_query::traceql::parse_duration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::client::Failure;

const SECOND: u64 = 1_000_000_000;

/// Which time to look at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Time")]
pub(super) struct TimeFlags {
    /// Look that far back: 15m, 1h, 7d [default: 1h for metrics; for traces the server decides, and hoptrail looks at all]
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "start")]
    since: Option<Duration>,
    /// Look from here on: 2026-01-31T18:30 (local time), 2026-01-31T18:30:00Z, seconds since 1970, or 2h for two hours ago
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Look until here [default: now]
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

/// Seconds since 1970, the last one inside.
pub(super) type Range = (u64, u64);

impl TimeFlags {
    /// The range that the flags give, at `now` in nanoseconds; none without flags.
    pub(super) fn range(&self, now: u64, zone: &TimeZone) -> Result<Option<Range>, Failure> {
        let read = |flag: &str, text: &Option<String>| {
            let moment = text.as_ref().map(|text| moment(text, now, zone));
            moment.transpose().map_err(|reason| Failure::Mistake(format!("{flag}: {reason}")))
        };
        let (start, end) = (read("--start", &self.start)?, read("--end", &self.end)?);
        let last = end.unwrap_or(now);
        let start = start.or(self.since.map(|since| last.saturating_sub(nanos(since))));
        match (start, end) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Failure::Mistake("--end needs --start or --since".to_owned())),
            (Some(start), _) if start >= last => {
                Err(Failure::Mistake("--start must lie before --end, which is now unless it is given".to_owned()))
            }
            (Some(start), _) => Ok(Some((start / SECOND, last.div_ceil(SECOND)))),
        }
    }
}

/// The range from `since` ago until now.
pub(super) fn last(since: Duration, now: u64) -> Range {
    (now.saturating_sub(nanos(since)) / SECOND, now.div_ceil(SECOND))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads `90s`, `15m`, `1h30m`, `7d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let nanos = parse_duration(text)?;
    let nanos = u64::try_from(nanos).map_err(|_| "it cannot be negative".to_owned())?;
    if nanos == 0 { Err("it must be longer than 0".to_owned()) } else { Ok(Duration::from_nanos(nanos)) }
}

/// Reads a moment, in nanoseconds since 1970.
fn moment(text: &str, now: u64, zone: &TimeZone) -> Result<u64, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(unix) = unix(text) {
        return Ok(unix);
    }
    if let Ok(ago) = parse_duration(text.trim_start_matches('-')) {
        return Ok(now.saturating_sub(ago.unsigned_abs()));
    }
    let invalid =
        || format!("{text:?} is no time: write 2026-01-31T18:30, 2026-01-31T18:30:00Z, seconds since 1970, or 2h");
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let local = text.parse::<DateTime>().ok().and_then(|time| time.to_zoned(zone.clone()).ok());
            local.as_ref().map(Zoned::timestamp).ok_or_else(invalid)?
        }
    };
    u64::try_from(time.as_nanosecond()).map_err(|_| invalid())
}

/// Digits are seconds; as many as today's time has in another unit are that unit.
fn unix(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    let unit = match text.len() {
        0..=11 => SECOND,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        _ => 1,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_760_000_000 * SECOND + 5;

    #[test]
    fn moments_are_read_in_many_forms() {
        let berlin = TimeZone::get("Europe/Berlin").expect("zone");
        for (text, seconds) in [
            ("now", NOW / SECOND),
            ("1760000000", 1_760_000_000),
            ("1760000000000", 1_760_000_000),
            ("1760000000000000000", 1_760_000_000),
            ("2h", 1_760_000_000 - 7_200),
            ("-1d", 1_760_000_000 - 86_400),
            ("2025-10-09T08:53:20Z", 1_760_000_000),
            ("2025-10-09T10:53:20", 1_760_000_000),
            ("2025-10-09 10:53", 1_760_000_000 - 20),
            ("2025-10-09", 1_760_000_000 - 20 - 53 * 60 - 10 * 3_600),
        ] {
            assert_eq!(moment(text, NOW, &berlin).map(|nanos| nanos / SECOND), Ok(seconds), "{text}");
        }
        for text in ["", "yesterday", "25-10-09", "1969-01-01T00:00:00Z", "99999999999999999999999"] {
            assert!(moment(text, NOW, &berlin).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_make_a_range() {
        let flags = |since: Option<u64>, start: &str, end: &str| {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let since = since.map(Duration::from_secs);
            TimeFlags { since, start: text(start), end: text(end) }.range(NOW, &TimeZone::UTC)
        };
        let now = 1_760_000_001;
        assert!(flags(None, "", "").expect("valid").is_none());
        assert_eq!(flags(Some(60), "", "").expect("valid"), Some((now - 61, now)));
        assert_eq!(flags(Some(60), "", "1760000000").expect("valid"), Some((now - 61, now - 1)));
        assert_eq!(flags(None, "2h", "1h").expect("valid"), Some((now - 7_201, now - 3_600)));
        for (start, end) in [("", "1h"), ("1h", "2h"), ("now", ""), ("x", "")] {
            assert!(flags(None, start, end).is_err(), "{start} {end}");
        }
    }
}

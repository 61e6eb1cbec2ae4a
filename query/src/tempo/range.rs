//! Times of a request: whole seconds, except for metrics.

use hoptrail_storage::TimeRange;

use crate::http::{ApiError, Params, shown};

const SECOND: u64 = 1_000_000_000;

/// How many digits the time of today has in other units than seconds: the digits, the unit, and how many of it make a second.
const OTHER_UNITS: [(usize, &str, u64); 3] =
    [(13, "milliseconds", 1_000), (16, "microseconds", 1_000_000), (19, "nanoseconds", SECOND)];

/// A moment in seconds since 1970.
pub(super) fn seconds(params: &Params, name: &str) -> Result<Option<u32>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let invalid = |_| {
        let expected = format!("expected whole seconds since 1970 UTC, from 0 to {}", u32::MAX);
        ApiError::invalid(format!("invalid {name} {}: {expected}{}", shown(text), other_unit(text)))
    };
    text.parse().map(Some).map_err(invalid)
}

/// A moment in nanoseconds since 1970: seconds with or without a fraction, nanoseconds, or a date.
pub(super) fn moment(params: &Params, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let invalid = || {
        let expected = "expected seconds or nanoseconds since 1970 UTC, or a date such as 2026-01-31T12:00:00Z";
        ApiError::invalid(format!("invalid {name} {}: {expected}{}", shown(text), other_unit(text)))
    };
    read_moment(text).map(Some).ok_or_else(invalid)
}

fn read_moment(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        let looks_like_less_than_nanos =
            OTHER_UNITS.iter().any(|(digits, _, unit)| *digits == text.len() && *unit < SECOND);
        return match text.len() {
            0..=10 => Some(number * SECOND),
            _ => (!looks_like_less_than_nanos).then_some(number),
        };
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let nanos = seconds * SECOND as f64;
        return (0.0..u64::MAX as f64).contains(&nanos).then_some(nanos as u64);
    }
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// The time of a metrics query: from `start` to `end`, which is now when it is missing. Without a start, the last `since`, or the last hour.
pub(super) fn of_metrics(params: &Params, now: u64) -> Result<(u64, u64), ApiError> {
    let since = params.duration("since")?.unwrap_or(3600 * SECOND);
    let end = moment(params, "end")?.filter(|end| *end > 0).unwrap_or(now);
    let start = moment(params, "start")?.filter(|start| *start > 0).unwrap_or(end.saturating_sub(since));
    if end <= start {
        let [start, end] = [start, end].map(|time| time / SECOND);
        return Err(ApiError::invalid(format!(
            "invalid end {end}: it must lie after start {start} (seconds since 1970 UTC)"
        )));
    }
    Ok((start, end))
}

/// The time of `start` and `end`, which come together; two zeros are Tempo's way of giving none.
fn closed(params: &Params) -> Result<Option<TimeRange>, ApiError> {
    let alone = |given, missing| {
        let unit = "in seconds since 1970 UTC";
        ApiError::invalid(format!("{given} is there without {missing}: start and end must be given together, {unit}"))
    };
    match (seconds(params, "start")?, seconds(params, "end")?) {
        (None, None) | (Some(0), Some(0)) => Ok(None),
        (Some(start), Some(end)) => range(start, end).map(Some),
        (Some(_), None) => Err(alone("start", "end")),
        (None, Some(_)) => Err(alone("end", "start")),
    }
}

/// The time of `start` and `end`, either of which may be missing.
pub(super) fn open(params: &Params) -> Result<Option<TimeRange>, ApiError> {
    match (seconds(params, "start")?, seconds(params, "end")?) {
        (None | Some(0), None | Some(0)) => Ok(None),
        (start, end) => range(start.unwrap_or_default(), end.unwrap_or(u32::MAX)).map(Some),
    }
}

/// The time of `start` and `end`, or from `since` ago on without an end.
pub(super) fn of_search(params: &Params, now: u64) -> Result<Option<TimeRange>, ApiError> {
    let given = closed(params)?;
    let since = params.duration("since")?;
    Ok(given.or(since.map(|since| TimeRange { start: now.saturating_sub(since), end: u64::MAX })))
}

/// What a number that is too large for seconds probably is, and the seconds that it means.
fn other_unit(text: &str) -> String {
    let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let known = OTHER_UNITS.into_iter().find(|(digits, ..)| *digits == text.len());
    match number.zip(known) {
        Some((number, (_, unit, a_second))) => {
            format!("; these look like {unit}, of which the seconds are {}", number / a_second)
        }
        None => String::new(),
    }
}

/// Seconds, the last one wholly inside: clients cut fractions off, and a span of this very second shall be found.
fn range(start: u32, end: u32) -> Result<TimeRange, ApiError> {
    if end < start {
        return Err(ApiError::invalid(format!("invalid end {end}: it lies before start {start}")));
    }
    Ok(TimeRange { start: u64::from(start) * SECOND, end: (u64::from(end) + 1) * SECOND })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1767225600", Some(1_767_225_600 * SECOND)),
            ("1767225600.5", Some(1_767_225_600 * SECOND + SECOND / 2)),
            ("1767225600000000007", Some(1_767_225_600_000_000_007)),
            ("2026-01-01T00:00:00Z", Some(1_767_225_600 * SECOND)),
            ("2026-01-01T02:00:00.25+02:00", Some(1_767_225_600 * SECOND + SECOND / 4)),
            ("1767225600000", None),
            ("1767225600000000", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("1960-01-01T00:00:00Z", None),
            ("now", None),
            ("2026-01-01", None),
        ] {
            assert_eq!(read_moment(text), expected, "{text}");
        }
    }
}

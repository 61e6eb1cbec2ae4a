//! Times of a request, which are whole seconds in this API.

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

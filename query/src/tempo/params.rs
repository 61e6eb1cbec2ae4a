//! Query parameters.

use std::fmt::Display;
use std::str::FromStr;

use hoptrail_storage::TimeRange;

use super::error::ApiError;
use crate::traceql::parse_duration;

const SECOND: u64 = 1_000_000_000;

/// The parameters of a URL, decoded. One that is empty counts as missing, of a repeated one the first counts.
#[derive(Debug, Clone)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A number.
    pub(super) fn number<T>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: FromStr<Err: Display>,
    {
        let invalid = |text: &str, error: T::Err| ApiError::invalid(format!("invalid {name} {text:?}: {error}"));
        self.get(name).map(|text| text.parse().map_err(|error| invalid(text, error))).transpose()
    }

    /// A duration in nanoseconds.
    pub(super) fn duration(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let nanos = parse_duration(text).map_err(|reason| ApiError::invalid(format!("invalid {name}: {reason}")))?;
        u64::try_from(nanos).map(Some).map_err(|_| ApiError::invalid(format!("invalid {name}: it is negative")))
    }

    /// The time of `start` and `end`, which come together; two zeros are Tempo's way of giving none.
    fn closed_range(&self) -> Result<Option<TimeRange>, ApiError> {
        match (self.number::<u32>("start")?, self.number::<u32>("end")?) {
            (None, None) | (Some(0), Some(0)) => Ok(None),
            (Some(start), Some(end)) => range(start, end).map(Some),
            _ => Err(ApiError::invalid("start and end must be given together")),
        }
    }

    /// The time of `start` and `end`, either of which may be missing.
    pub(super) fn open_range(&self) -> Result<Option<TimeRange>, ApiError> {
        match (self.number::<u32>("start")?, self.number::<u32>("end")?) {
            (None | Some(0), None | Some(0)) => Ok(None),
            (start, end) => range(start.unwrap_or_default(), end.unwrap_or(u32::MAX)).map(Some),
        }
    }

    /// The time of `start` and `end`, or of `since` until any time to come.
    pub(super) fn search_range(&self, now: u64) -> Result<Option<TimeRange>, ApiError> {
        let given = self.closed_range()?;
        let since = self.duration("since")?;
        Ok(given.or(since.map(|since| TimeRange { start: now.saturating_sub(since), end: u64::MAX })))
    }
}

/// Seconds, the last one wholly inside: clients cut fractions off, and a span of this very second shall be found.
fn range(start: u32, end: u32) -> Result<TimeRange, ApiError> {
    if end < start {
        return Err(ApiError::invalid(format!("invalid end {end}: it lies before start {start}")));
    }
    Ok(TimeRange { start: u64::from(start) * SECOND, end: (u64::from(end) + 1) * SECOND })
}

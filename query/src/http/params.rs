//! Query parameters. What is wrong with one is said in words: its name, what was given, and what is allowed with its unit.

use super::error::{ApiError, shown};
use crate::traceql::parse_duration;

/// The parameters of a URL, decoded. An empty one counts as missing; of a repeated one the first counts.
#[derive(Debug, Clone)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A number of things, `least` to `most`.
    pub(crate) fn count(&self, name: &str, least: usize, most: usize) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let count = text.parse().ok().filter(|count| (least..=most).contains(count));
        let expected = || format!("expected a whole number from {least} to {most}");
        count.map(Some).ok_or_else(|| ApiError::invalid(format!("invalid {name} {}: {}", shown(text), expected())))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(ApiError::invalid(format!("invalid {name} {}: expected true or false", shown(text)))),
        }
    }

    /// A length of time in nanoseconds.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let nanos = parse_duration(text).map_err(|reason| ApiError::invalid(format!("invalid {name}: {reason}")))?;
        let negative = |_| ApiError::invalid(format!("invalid {name} {}: it is negative", shown(text)));
        u64::try_from(nanos).map(Some).map_err(negative)
    }
}

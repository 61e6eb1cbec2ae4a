//! What of a request is not read, besides spans that are refused. The sender is warned.

use std::fmt;

/// How many fields are named; the others are only counted.
const NAMED: usize = 5;

/// What is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    /// Fields that no request for traces has.
    Fields,
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Profiles.
    Profiles,
    /// Texts given by their index in a table of strings, which only requests for profiles have.
    StringIndex,
}

impl Warning {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fields, Self::Metrics, Self::Logs, Self::Profiles, Self::StringIndex];

    /// A short name, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fields => "unknown_fields",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Profiles => "profiles",
            Self::StringIndex => "string_index",
        }
    }
}

/// What of one request is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    counts: [u32; Warning::ALL.len()],
    messages: Vec<String>,
}

impl Warnings {
    /// What there is, each with its count of fields.
    pub fn counts(&self) -> impl Iterator<Item = (Warning, u32)> + '_ {
        Warning::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts().next().is_none()
    }

    /// Whether content of the request is not read, and not only a text here and there.
    #[must_use]
    pub(crate) fn lost_content(&self) -> bool {
        self.counts().any(|(warning, _)| warning != Warning::StringIndex)
    }

    /// Notes one.
    pub(crate) fn add(&mut self, warning: Warning, message: impl FnOnce() -> String) {
        self.count(warning, 1);
        if self.messages.len() < NAMED {
            self.messages.push(message());
        }
    }

    /// Notes texts that are given by their index in a table.
    pub(crate) fn string_indexes(&mut self, texts: usize) {
        self.count(Warning::StringIndex, u32::try_from(texts).unwrap_or(u32::MAX));
    }

    /// Notes those of others after its own.
    pub(crate) fn extend(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.messages.extend(other.messages);
        self.messages.truncate(NAMED);
    }

    fn count(&mut self, warning: Warning, more: u32) {
        if let Some(count) = self.counts.get_mut(warning as usize) {
            *count = count.saturating_add(more);
        }
    }
}

/// For people: each message, and the texts that are absent.
impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.counts().find(|(warning, _)| *warning == Warning::StringIndex).map(|(_, count)| {
            format!(
                "{count} texts count as absent: string_value_strindex and key_strindex are indexes into a table of strings, \
                 which only requests for profiles have"
            )
        });
        let named = self.counts().filter(|(warning, _)| *warning != Warning::StringIndex);
        let all: usize = named.map(|(_, count)| count as usize).sum();
        let more = (all > self.messages.len()).then(|| "...".to_owned());
        let parts: Vec<&str> = self.messages.iter().chain(&more).chain(&texts).map(String::as_str).collect();
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted_and_a_few_named() {
        let mut warnings = Warnings::default();
        assert!(warnings.is_empty() && !warnings.lost_content());
        warnings.string_indexes(1);
        assert!(!warnings.is_empty() && !warnings.lost_content());
        (0..50_000).for_each(|number| warnings.add(Warning::Fields, || format!("field {number}")));
        assert_eq!(warnings.counts().collect::<Vec<_>>(), [(Warning::Fields, 50_000), (Warning::StringIndex, 1)]);
        let text = warnings.to_string();
        assert!(
            text.starts_with("field 0; field 1; field 2; field 3; field 4; ...; 1 texts count as absent"),
            "{text}"
        );
        let mut other = Warnings::default();
        other.extend(warnings.clone());
        assert_eq!(other, warnings);
    }
}

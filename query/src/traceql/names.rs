//! Names of fields: intrinsics, scopes, keys.

use hoptrail_storage::{AttributeScope, Field, Intrinsic};

use super::ast::{FieldRef, Name};

/// Names without a scope.
const WORDS: [(&str, Name); 12] = [
    ("duration", Name::Duration),
    ("name", Name::SpanName),
    ("status", Name::Status),
    ("statusMessage", Name::StatusMessage),
    ("kind", Name::Kind),
    ("parent", Name::Parent),
    ("rootName", Name::RootName),
    ("rootServiceName", Name::RootServiceName),
    ("traceDuration", Name::TraceDuration),
    ("nestedSetLeft", Name::NestedSetLeft),
    ("nestedSetRight", Name::NestedSetRight),
    ("nestedSetParent", Name::NestedSetParent),
];

/// Names with `scope:`.
const SCOPED: [(&str, Name); 21] = [
    ("trace:duration", Name::ScopedTraceDuration),
    ("trace:rootName", Name::ScopedRootName),
    ("trace:rootService", Name::ScopedRootService),
    ("trace:id", Name::TraceId),
    ("trace:start", Name::TraceStart),
    ("trace:spanCount", Name::TraceSpans),
    ("trace:errorCount", Name::TraceErrors),
    ("span:duration", Name::ScopedDuration),
    ("span:name", Name::ScopedName),
    ("span:kind", Name::ScopedKind),
    ("span:status", Name::ScopedStatus),
    ("span:statusMessage", Name::ScopedStatusMessage),
    ("span:id", Name::SpanId),
    ("span:parentID", Name::ParentId),
    ("span:childCount", Name::ChildCount),
    ("event:name", Name::EventName),
    ("event:timeSinceStart", Name::EventTimeSinceStart),
    ("link:traceID", Name::LinkTraceId),
    ("link:spanID", Name::LinkSpanId),
    ("instrumentation:name", Name::ScopeName),
    ("instrumentation:version", Name::ScopeVersion),
];

/// How stages and functions begin.
pub(super) const STAGES: [&str; 22] = [
    "{ ",
    "count()",
    "avg(",
    "min(",
    "max(",
    "sum(",
    "by(",
    "coalesce()",
    "select(",
    "sort(",
    "spans",
    "rate()",
    "count_over_time()",
    "min_over_time(",
    "max_over_time(",
    "avg_over_time(",
    "sum_over_time(",
    "quantile_over_time(",
    "histogram_over_time(",
    "compare({ ",
    "topk(",
    "bottomk(",
];
/// Words that are constants.
const CONSTANTS: [&str; 14] = [
    "true",
    "false",
    "nil",
    "ok",
    "error",
    "unset",
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
    "minInt",
    "maxInt",
];

/// All names and constants that may stand alone in a condition.
pub(super) fn condition_words() -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().map(|(text, _)| text).chain(CONSTANTS)
}

/// The words of stages and functions.
pub(super) fn function_words() -> impl Iterator<Item = &'static str> {
    STAGES.into_iter().map(|text| text.trim_end_matches(['(', ')', '{', ' '])).filter(|word| !word.is_empty())
}

/// All names of what every span has, as written.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().chain(SCOPED).map(|(text, _)| text)
}

/// The scopes that `scope.key` may have, in the order of Tempo's answers.
pub(crate) const SCOPES: [(&str, AttributeScope); 5] = [
    ("resource", AttributeScope::Resource),
    ("span", AttributeScope::Span),
    ("event", AttributeScope::Event),
    ("link", AttributeScope::Link),
    ("instrumentation", AttributeScope::Instrumentation),
];

/// Whether a character begins a word, such as a keyword or a scope.
pub(super) fn begins_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a character belongs to a word.
pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a character ends the key of an attribute that stands without quotes.
pub(super) fn ends_key(c: char) -> bool {
    c.is_whitespace() || "{}()=~!<>&|^,".contains(c)
}

impl Name {
    /// The name that a word without a scope is.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        WORDS.into_iter().find(|(text, _)| *text == word).map(|(_, name)| name)
    }

    /// The name that `scope:word` is.
    pub(super) fn of_scoped(text: &str) -> Option<Self> {
        SCOPED.into_iter().find(|(known, _)| *known == text).map(|(_, name)| name)
    }

    /// All names of a scope, as written.
    pub(super) fn all_of_scope(scope: &str) -> Vec<&'static str> {
        let of_scope = |text: &str| text.split(':').next() == Some(scope);
        SCOPED.into_iter().map(|(text, _)| text).filter(|text| of_scope(text)).collect()
    }

    /// As written.
    #[must_use]
    pub fn text(self) -> &'static str {
        let mut all = WORDS.into_iter().chain(SCOPED);
        all.find(|(_, name)| *name == self).map_or("", |(text, _)| text)
    }

    /// What the store calls it. `parent` is the parent's id.
    pub(super) fn intrinsic(self) -> Intrinsic {
        match self {
            Self::Duration | Self::ScopedDuration => Intrinsic::Duration,
            Self::SpanName | Self::ScopedName => Intrinsic::Name,
            Self::Status | Self::ScopedStatus => Intrinsic::Status,
            Self::StatusMessage | Self::ScopedStatusMessage => Intrinsic::StatusMessage,
            Self::Kind | Self::ScopedKind => Intrinsic::Kind,
            Self::RootName | Self::ScopedRootName => Intrinsic::RootName,
            Self::RootServiceName | Self::ScopedRootService => Intrinsic::RootService,
            Self::TraceDuration | Self::ScopedTraceDuration => Intrinsic::TraceDuration,
            Self::TraceId => Intrinsic::TraceId,
            Self::TraceStart => Intrinsic::TraceStart,
            Self::TraceSpans => Intrinsic::TraceSpans,
            Self::TraceErrors => Intrinsic::TraceErrors,
            Self::SpanId => Intrinsic::SpanId,
            Self::Parent | Self::ParentId => Intrinsic::ParentId,
            Self::EventName => Intrinsic::EventName,
            Self::EventTimeSinceStart => Intrinsic::EventTimeSinceStart,
            Self::LinkTraceId => Intrinsic::LinkTraceId,
            Self::LinkSpanId => Intrinsic::LinkSpanId,
            Self::ScopeName => Intrinsic::ScopeName,
            Self::ScopeVersion => Intrinsic::ScopeVersion,
            Self::ChildCount => Intrinsic::ChildCount,
            Self::NestedSetLeft => Intrinsic::NestedSetLeft,
            Self::NestedSetRight => Intrinsic::NestedSetRight,
            Self::NestedSetParent => Intrinsic::NestedSetParent,
        }
    }
}

impl FieldRef {
    /// The store's field.
    pub(super) fn stored(&self) -> Field {
        match self {
            Self::Intrinsic(name) => Field::Intrinsic(name.intrinsic()),
            Self::Attribute { of_parent, scope, key } => {
                let own = Field::attribute(*scope, key.as_str());
                if *of_parent { Field::Parent(Box::new(own)) } else { own }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for (text, name) in WORDS.into_iter().chain(SCOPED) {
            assert_eq!(name.text(), text);
            assert_eq!(Name::of_word(text).or_else(|| Name::of_scoped(text)), Some(name));
        }
    }
}

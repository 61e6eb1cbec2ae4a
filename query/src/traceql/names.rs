//! Names of fields: intrinsics, scopes, keys.

use hoptrail_storage::{AttributeScope, Field, Intrinsic};

use super::ast::{FieldExpr, FieldKind, FieldRef, Name};
use super::parse;
use super::print::attribute_text;

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
const SCOPED: [(&str, Name); 18] = [
    ("trace:duration", Name::ScopedTraceDuration),
    ("trace:rootName", Name::ScopedRootName),
    ("trace:rootService", Name::ScopedRootService),
    ("trace:id", Name::TraceId),
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

/// The scopes that `scope.key` may have.
pub(crate) const SCOPES: [(&str, AttributeScope); 5] = [
    ("resource", AttributeScope::Resource),
    ("span", AttributeScope::Span),
    ("event", AttributeScope::Event),
    ("link", AttributeScope::Link),
    ("instrumentation", AttributeScope::Instrumentation),
];

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

    /// What the store calls it; `None` for what the store does not know yet.
    pub(super) fn intrinsic(self) -> Option<Intrinsic> {
        Some(match self {
            Self::Duration | Self::ScopedDuration => Intrinsic::Duration,
            Self::SpanName | Self::ScopedName => Intrinsic::Name,
            Self::Status | Self::ScopedStatus => Intrinsic::Status,
            Self::StatusMessage | Self::ScopedStatusMessage => Intrinsic::StatusMessage,
            Self::Kind | Self::ScopedKind => Intrinsic::Kind,
            Self::RootName | Self::ScopedRootName => Intrinsic::RootName,
            Self::RootServiceName | Self::ScopedRootService => Intrinsic::RootService,
            Self::TraceDuration | Self::ScopedTraceDuration => Intrinsic::TraceDuration,
            Self::TraceId => Intrinsic::TraceId,
            Self::SpanId => Intrinsic::SpanId,
            Self::ParentId => Intrinsic::ParentId,
            Self::EventName => Intrinsic::EventName,
            Self::EventTimeSinceStart => Intrinsic::EventTimeSinceStart,
            Self::LinkTraceId => Intrinsic::LinkTraceId,
            Self::LinkSpanId => Intrinsic::LinkSpanId,
            Self::ScopeName => Intrinsic::ScopeName,
            Self::ScopeVersion => Intrinsic::ScopeVersion,
            Self::Parent | Self::NestedSetLeft | Self::NestedSetRight | Self::NestedSetParent | Self::ChildCount => {
                return None;
            }
        })
    }
}

impl FieldRef {
    /// The store's field; `None` for what the store does not know yet.
    pub(super) fn stored(&self) -> Option<Field> {
        match self {
            Self::Intrinsic(name) => name.intrinsic().map(Field::Intrinsic),
            Self::Attribute { of_parent: true, .. } => None,
            Self::Attribute { scope, key, .. } => Some(Field::attribute(*scope, key.as_str())),
        }
    }
}

/// Reads the name of one field, such as `resource.service.name`, `.x` or `status`.
///
/// # Errors
/// A text that says why it is none, or none the store knows.
pub fn parse_field(text: &str) -> Result<Field, String> {
    known_field(text)?.ok_or_else(|| format!("{text:?} is not supported yet"))
}

/// Like [`parse_field`]; `None` for a field of the language that the store does not know yet.
///
/// # Errors
/// A text that says why it is no field.
pub fn known_field(text: &str) -> Result<Option<Field>, String> {
    match parse::parse_field_expr(text) {
        Ok(FieldExpr { kind: FieldKind::Field(found), .. }) => Ok(found.stored()),
        _ => Err(format!("{text:?} is no field; write .key, span.key, resource.key or an intrinsic such as name")),
    }
}

/// The name under which Tempo's search answers tell a field: the bare key, or the intrinsic's word.
#[must_use]
pub fn field_label(field: &Field) -> &str {
    match field {
        Field::Attribute { key, .. } => key,
        Field::Intrinsic(intrinsic) => match intrinsic {
            Intrinsic::Name => "name",
            Intrinsic::Duration => "duration",
            Intrinsic::Kind => "kind",
            Intrinsic::Status => "status",
            Intrinsic::StatusMessage => "statusMessage",
            Intrinsic::TraceId => "trace:id",
            Intrinsic::SpanId => "span:id",
            Intrinsic::ParentId => "span:parentID",
            Intrinsic::TraceDuration => "traceDuration",
            Intrinsic::RootName => "rootName",
            Intrinsic::RootService => "rootServiceName",
            Intrinsic::EventName => "event:name",
            Intrinsic::EventTimeSinceStart => "event:timeSinceStart",
            Intrinsic::LinkTraceId => "link:traceID",
            Intrinsic::LinkSpanId => "link:spanID",
            Intrinsic::ScopeName => "instrumentation:name",
            Intrinsic::ScopeVersion => "instrumentation:version",
        },
    }
}

/// How a field is written in a query, quoted where it must be.
#[must_use]
pub fn field_text(field: &Field) -> String {
    match field {
        Field::Attribute { scope, key } => attribute_text(*scope, key),
        Field::Intrinsic(_) => field_label(field).to_owned(),
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

    #[test]
    fn fields_are_read_from_their_text() {
        let attribute = Field::attribute;
        for (text, field) in [
            (".x", attribute(AttributeScope::Any, "x")),
            ("span.http.url/path", attribute(AttributeScope::Span, "http.url/path")),
            ("resource.\"a b\"", attribute(AttributeScope::Resource, "a b")),
            ("status", Field::Intrinsic(Intrinsic::Status)),
            ("trace:rootService", Field::Intrinsic(Intrinsic::RootService)),
            ("instrumentation.x", attribute(AttributeScope::Instrumentation, "x")),
        ] {
            assert_eq!(parse_field(text), Ok(field.clone()), "{text}");
            assert_eq!(parse_field(&field_text(&field)), Ok(field), "{text}");
        }
        for text in ["", "foo", "5", ".a = 1", "span.", "parent", "nestedSetLeft", "{", "span.a span.b", "-.a"] {
            assert!(parse_field(text).is_err(), "{text}");
        }
    }
}

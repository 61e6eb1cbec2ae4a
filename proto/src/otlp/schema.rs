//! What an `ExportTraceServiceRequest` is made of, as tables: field numbers, names and types of OTLP 1.11's trace messages.
//!
//! Validation, repair and OTLP/JSON all read these, so that they cannot disagree.

use super::wire::WireValue;

/// A message type.
#[derive(Debug)]
pub(crate) struct Message {
    /// The field with number `n` is at `n - 1`; gaps are `None`.
    fields: &'static [Option<Field>],
    /// Names that fields had before, in the .proto file of then, with their numbers of now.
    former: &'static [(&'static str, u32)],
    /// Whether it counts as one level of nesting: `AnyValue`, the only message that can hold itself.
    pub(crate) nests: bool,
    /// Whether it is there to hold the messages of its one repeated field: a request, `ResourceSpans`, `ScopeSpans`.
    pub(crate) is_envelope: bool,
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its number.
    pub(crate) number: u32,
    /// Its name in the .proto file.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Whether it may occur several times.
    pub(crate) repeated: bool,
}

/// The type of a field, fine enough to write it from JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes, hex digits in JSON.
    Id,
    /// Bytes, base64 in JSON.
    Base64,
    /// A varint.
    Bool,
    /// A varint.
    Int64,
    /// A varint.
    Uint32,
    /// A varint: an index into a table of strings, which only requests for profiles have. It counts as absent.
    StringIndex,
    /// A varint; its names from 0 on.
    Enum(&'static [&'static str]),
    /// Four bytes.
    Fixed32,
    /// Eight bytes.
    Fixed64,
    /// Eight bytes.
    Double,
    /// A message inside.
    Message(&'static Message),
}

impl Kind {
    /// Whether a field of this kind is written so.
    pub(crate) fn fits(self, value: WireValue<'_>) -> bool {
        match value {
            WireValue::Bytes(_) => matches!(self, Self::Text | Self::Id | Self::Base64 | Self::Message(_)),
            WireValue::Fixed32(_) => matches!(self, Self::Fixed32),
            WireValue::Fixed64(_) => matches!(self, Self::Fixed64 | Self::Double),
            WireValue::Varint(_) => {
                matches!(self, Self::Bool | Self::Int64 | Self::Uint32 | Self::StringIndex | Self::Enum(_))
            }
        }
    }
}

impl Message {
    /// The field with this number.
    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        self.fields.get((number as usize).wrapping_sub(1))?.as_ref()
    }

    /// The field with this name, in lowerCamelCase or as in the .proto file.
    pub(crate) fn named(&self, name: &str) -> Option<&'static Field> {
        let is = |known: &str| known == name || is_camel_case(known, name);
        let former = || self.former.iter().find(|(known, _)| is(known)).and_then(|(_, number)| self.field(*number));
        self.fields.iter().flatten().find(|field| is(field.name)).or_else(former)
    }
}

/// Whether `camel` is the lowerCamelCase form of `snake`.
pub(crate) fn is_camel_case(snake: &str, camel: &str) -> bool {
    let mut rest = camel.bytes();
    let mut upper = false;
    for byte in snake.bytes() {
        if byte == b'_' {
            upper = true;
            continue;
        }
        let wanted = if upper { byte.to_ascii_uppercase() } else { byte };
        upper = false;
        if rest.next() != Some(wanted) {
            return false;
        }
    }
    rest.next().is_none()
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Option<Field> {
    Some(Field { number, name, kind, repeated: false })
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Option<Field> {
    Some(Field { number, name, kind, repeated: true })
}

const fn message(fields: &'static [Option<Field>]) -> Message {
    Message { fields, former: &[], nests: false, is_envelope: false }
}

const fn envelope(fields: &'static [Option<Field>], former: &'static [(&'static str, u32)]) -> Message {
    Message { fields, former, nests: false, is_envelope: true }
}

/// `ExportTraceServiceRequest`, `TracesData`.
pub(crate) static REQUEST: Message = envelope(&[many(1, "resource_spans", Kind::Message(&RESOURCE_SPANS))], &[]);

/// `ResourceSpans`.
pub(crate) static RESOURCE_SPANS: Message = envelope(
    &[
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scope_spans", Kind::Message(&SCOPE_SPANS)),
        one(3, "schema_url", Kind::Text),
    ],
    &[("instrumentation_library_spans", 2)],
);

/// The number in `ResourceSpans` that `scope_spans` had when it was named `instrumentation_library_spans`, up to OTLP 0.19.
pub(crate) const INSTRUMENTATION_LIBRARY_SPANS: u32 = 1000;

/// `ScopeSpans`.
pub(crate) static SCOPE_SPANS: Message = envelope(
    &[one(1, "scope", Kind::Message(&SCOPE)), many(2, "spans", Kind::Message(&SPAN)), one(3, "schema_url", Kind::Text)],
    &[("instrumentation_library", 1)],
);

/// `Resource`.
pub(crate) static RESOURCE: Message = message(&[
    many(1, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "dropped_attributes_count", Kind::Uint32),
    many(3, "entity_refs", Kind::Message(&ENTITY_REF)),
]);

static ENTITY_REF: Message = message(&[
    one(1, "schema_url", Kind::Text),
    one(2, "type", Kind::Text),
    many(3, "id_keys", Kind::Text),
    many(4, "description_keys", Kind::Text),
]);

/// `InstrumentationScope`.
pub(crate) static SCOPE: Message = message(&[
    one(1, "name", Kind::Text),
    one(2, "version", Kind::Text),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "dropped_attributes_count", Kind::Uint32),
]);

/// `Span`.
pub(crate) static SPAN: Message = message(&[
    one(1, "trace_id", Kind::Id),
    one(2, "span_id", Kind::Id),
    one(3, "trace_state", Kind::Text),
    one(4, "parent_span_id", Kind::Id),
    one(5, "name", Kind::Text),
    one(6, "kind", Kind::Enum(SPAN_KINDS)),
    one(7, "start_time_unix_nano", Kind::Fixed64),
    one(8, "end_time_unix_nano", Kind::Fixed64),
    many(9, "attributes", Kind::Message(&KEY_VALUE)),
    one(10, "dropped_attributes_count", Kind::Uint32),
    many(11, "events", Kind::Message(&EVENT)),
    one(12, "dropped_events_count", Kind::Uint32),
    many(13, "links", Kind::Message(&LINK)),
    one(14, "dropped_links_count", Kind::Uint32),
    one(15, "status", Kind::Message(&STATUS)),
    one(16, "flags", Kind::Fixed32),
]);

const SPAN_KINDS: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

static EVENT: Message = message(&[
    one(1, "time_unix_nano", Kind::Fixed64),
    one(2, "name", Kind::Text),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "dropped_attributes_count", Kind::Uint32),
]);

static LINK: Message = message(&[
    one(1, "trace_id", Kind::Id),
    one(2, "span_id", Kind::Id),
    one(3, "trace_state", Kind::Text),
    many(4, "attributes", Kind::Message(&KEY_VALUE)),
    one(5, "dropped_attributes_count", Kind::Uint32),
    one(6, "flags", Kind::Fixed32),
]);

static STATUS: Message = message(&[
    None,
    one(2, "message", Kind::Text),
    one(3, "code", Kind::Enum(&["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"])),
]);

/// `KeyValue`.
pub(crate) static KEY_VALUE: Message = message(&[
    one(1, "key", Kind::Text),
    one(2, "value", Kind::Message(&ANY_VALUE)),
    one(3, "key_strindex", Kind::StringIndex),
]);

/// `AnyValue`: a oneof, so at most one of its fields is set.
pub(crate) static ANY_VALUE: Message = Message {
    fields: &[
        one(1, "string_value", Kind::Text),
        one(2, "bool_value", Kind::Bool),
        one(3, "int_value", Kind::Int64),
        one(4, "double_value", Kind::Double),
        one(5, "array_value", Kind::Message(&ARRAY)),
        one(6, "kvlist_value", Kind::Message(&KV_LIST)),
        one(7, "bytes_value", Kind::Base64),
        one(8, "string_value_strindex", Kind::StringIndex),
    ],
    former: &[],
    nests: true,
    is_envelope: false,
};

static ARRAY: Message = message(&[many(1, "values", Kind::Message(&ANY_VALUE))]);

static KV_LIST: Message = message(&[many(1, "values", Kind::Message(&KEY_VALUE))]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_number_and_by_both_spellings() {
        for table in
            [&REQUEST, &RESOURCE_SPANS, &SCOPE_SPANS, &RESOURCE, &SCOPE, &SPAN, &STATUS, &KEY_VALUE, &ANY_VALUE]
        {
            for field in table.fields.iter().flatten() {
                assert_eq!(table.field(field.number).map(|found| found.name), Some(field.name));
                assert_eq!(table.named(field.name).map(|found| found.number), Some(field.number));
            }
        }
        for former in ["instrumentationLibrarySpans", "instrumentation_library_spans"] {
            assert_eq!(RESOURCE_SPANS.named(former).map(|field| field.number), Some(2));
        }
        assert_eq!(SPAN.named("startTimeUnixNano").map(|field| field.number), Some(7));
        for unknown in ["starttimeunixnano", "startTimeUnixNan", "startTimeUnixNanos", "start_timeUnixNano", ""] {
            assert!(SPAN.named(unknown).is_none(), "{unknown}");
        }
        assert!(SPAN.field(0).is_none() && SPAN.field(17).is_none() && STATUS.field(1).is_none());
    }
}

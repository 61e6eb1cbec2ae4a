//! OTLP messages as Tempo writes them in JSON. Unlike OTLP's own JSON: base64 ids and enum names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Writes a message by these rules.
pub(super) struct Json<'a, T>(pub(super) &'a T);

/// The keys of one object; zero values leave no key.
struct Object<M>(M);

impl<M: SerializeMap> Object<M> {
    fn text(&mut self, key: &str, value: &str) -> Result<(), M::Error> {
        if value.is_empty() { Ok(()) } else { self.0.serialize_entry(key, value) }
    }

    fn bytes(&mut self, key: &str, value: &[u8]) -> Result<(), M::Error> {
        self.text(key, &STANDARD.encode(value))
    }

    fn u32(&mut self, key: &str, value: u32) -> Result<(), M::Error> {
        if value == 0 { Ok(()) } else { self.0.serialize_entry(key, &value) }
    }

    fn u64(&mut self, key: &str, value: u64) -> Result<(), M::Error> {
        if value == 0 { Ok(()) } else { self.0.serialize_entry(key, &value.to_string()) }
    }

    /// A number that the enum does not know is written as it is.
    fn enumeration(&mut self, key: &str, value: i32, name: Option<&str>) -> Result<(), M::Error> {
        match name {
            _ if value == 0 => Ok(()),
            Some(name) => self.0.serialize_entry(key, name),
            None => self.0.serialize_entry(key, &value),
        }
    }

    fn list<'a, T>(&mut self, key: &str, values: &'a [T]) -> Result<(), M::Error>
    where
        Json<'a, T>: Serialize,
    {
        if values.is_empty() { Ok(()) } else { self.0.serialize_entry(key, &List(values)) }
    }

    fn message<'a, T>(&mut self, key: &str, value: &'a Option<T>) -> Result<(), M::Error>
    where
        Json<'a, T>: Serialize,
    {
        value.as_ref().map_or(Ok(()), |value| self.0.serialize_entry(key, &Json(value)))
    }
}

/// A list of messages.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

impl<'a, T> Serialize for List<'a, T>
where
    Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Json))
    }
}

/// Implements `Serialize` for messages: a message's name, how its value is called, and its keys in the order of their numbers.
macro_rules! objects {
    ($($message:ty, $value:ident { $($method:ident $key:literal $($argument:expr),+;)* })*) => {$(
        impl Serialize for Json<'_, $message> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self.0;
                let mut object = Object(serializer.serialize_map(None)?);
                $(object.$method($key, $($argument),+)?;)*
                object.0.end()
            }
        }
    )*};
}

objects! {
    ResourceSpans, value {
        message "resource" &value.resource;
        list "scopeSpans" &value.scope_spans;
        text "schemaUrl" &value.schema_url;
    }

    // Entity references are left out: Tempo's messages have no such field.
    Resource, value {
        list "attributes" &value.attributes;
        u32 "droppedAttributesCount" value.dropped_attributes_count;
    }

    ScopeSpans, value {
        message "scope" &value.scope;
        list "spans" &value.spans;
        text "schemaUrl" &value.schema_url;
    }

    InstrumentationScope, value {
        text "name" &value.name;
        text "version" &value.version;
        list "attributes" &value.attributes;
        u32 "droppedAttributesCount" value.dropped_attributes_count;
    }

    Span, value {
        bytes "traceId" &value.trace_id;
        bytes "spanId" &value.span_id;
        text "traceState" &value.trace_state;
        bytes "parentSpanId" &value.parent_span_id;
        u32 "flags" value.flags;
        text "name" &value.name;
        enumeration "kind" value.kind, SpanKind::try_from(value.kind).ok().map(|kind| kind.as_str_name());
        u64 "startTimeUnixNano" value.start_time_unix_nano;
        u64 "endTimeUnixNano" value.end_time_unix_nano;
        list "attributes" &value.attributes;
        u32 "droppedAttributesCount" value.dropped_attributes_count;
        list "events" &value.events;
        u32 "droppedEventsCount" value.dropped_events_count;
        list "links" &value.links;
        u32 "droppedLinksCount" value.dropped_links_count;
        message "status" &value.status;
    }

    Event, value {
        u64 "timeUnixNano" value.time_unix_nano;
        text "name" &value.name;
        list "attributes" &value.attributes;
        u32 "droppedAttributesCount" value.dropped_attributes_count;
    }

    Link, value {
        bytes "traceId" &value.trace_id;
        bytes "spanId" &value.span_id;
        text "traceState" &value.trace_state;
        list "attributes" &value.attributes;
        u32 "droppedAttributesCount" value.dropped_attributes_count;
        u32 "flags" value.flags;
    }

    Status, value {
        text "message" &value.message;
        enumeration "code" value.code, StatusCode::try_from(value.code).ok().map(|code| code.as_str_name());
    }

    KeyValue, value {
        text "key" &value.key;
        message "value" &value.value;
    }
}

impl Serialize for Json<'_, AnyValue> {
    /// The one key of the value's type, also when the value is zero.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match &self.0.value {
            None | Some(Value::StringValueStrindex(_)) => {}
            Some(Value::StringValue(text)) => object.serialize_entry("stringValue", text)?,
            Some(Value::BoolValue(value)) => object.serialize_entry("boolValue", value)?,
            Some(Value::IntValue(value)) => object.serialize_entry("intValue", &value.to_string())?,
            Some(Value::DoubleValue(value)) => match double_name(*value) {
                Some(name) => object.serialize_entry("doubleValue", name)?,
                None => object.serialize_entry("doubleValue", value)?,
            },
            Some(Value::BytesValue(bytes)) => object.serialize_entry("bytesValue", &STANDARD.encode(bytes))?,
            Some(Value::ArrayValue(array)) => object.serialize_entry("arrayValue", &Values(&array.values))?,
            Some(Value::KvlistValue(list)) => object.serialize_entry("kvlistValue", &Values(&list.values))?,
        }
        object.end()
    }
}

/// The name of a double that JSON has no number for.
pub(super) fn double_name(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_finite() => None,
        _ if value.is_nan() => Some("NaN"),
        _ if value > 0.0 => Some("Infinity"),
        _ => Some("-Infinity"),
    }
}

/// `{"values": […]}`, or `{}` when there are none.
struct Values<'a, T>(&'a [T]);

impl<'a, T> Serialize for Values<'a, T>
where
    Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = Object(serializer.serialize_map(None)?);
        object.list("values", self.0)?;
        object.0.end()
    }
}

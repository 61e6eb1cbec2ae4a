//! A trace as OTLP/JSON: hex ids, enums as integers, 64-bit integers as strings, defaults left out.

use std::hash::Hash;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::{
    AnyValue, Attribute, Distinct, EntityRef, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanLink,
    Status, StatusCode, Trace, TraceId, TraceSpan,
};

/// The trace as `TracesData` in OTLP/JSON, `{"resourceSpans":[...]}`. Spans of equal resources and scopes stand together.
#[must_use]
pub fn write_trace(trace: &Trace) -> String {
    let mut writer = TraceWriter::default();
    writer.batch(&trace.spans) + TraceWriter::END
}

/// Writes the same batch by batch: the texts of the batches and [`TraceWriter::END`], one after the other, are one text.
#[derive(Debug, Default)]
pub struct TraceWriter {
    /// Whether a group was written.
    has_begun: bool,
}

impl TraceWriter {
    /// What follows the last batch; there must be one.
    pub const END: &str = "]}";

    /// Some of the spans, one at least.
    pub fn batch(&mut self, spans: &[TraceSpan]) -> String {
        let mut out = Vec::from(if self.has_begun { "" } else { BEGIN });
        for spans in group(spans, |span| &span.resource) {
            if out != BEGIN.as_bytes() {
                out.push(b',');
            }
            // Writing strings and numbers into memory cannot fail.
            _ = serde_json::to_writer(&mut out, &GroupJson(group(spans, |span| &span.scope)));
        }
        self.has_begun = true;
        String::from_utf8(out).unwrap_or_default()
    }
}

const BEGIN: &str = r#"{"resourceSpans":["#;

/// The spans in groups of equal `part`, each in the order of its first span.
fn group<'a, T: PartialEq + Hash + 'a>(
    spans: impl IntoIterator<Item = &'a TraceSpan>,
    part: impl Fn(&'a TraceSpan) -> &'a Arc<T>,
) -> Vec<Vec<&'a TraceSpan>> {
    let (mut groups, mut distinct) = (Vec::<Vec<&TraceSpan>>::new(), Distinct::default());
    for span in spans {
        match groups.get_mut(distinct.index_of(part(span))) {
            Some(group) => group.push(span),
            None => groups.push(vec![span]),
        }
    }
    groups
}

/// An object of the same kind of values.
fn object<const N: usize, T: Serialize>(fields: [(&'static str, T); N]) -> impl Serialize {
    Fields(fields)
}

struct Fields<const N: usize, T>([(&'static str, T); N]);

impl<const N: usize, T: Serialize> Serialize for Fields<N, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Spans of one resource, by scope.
struct GroupJson<'a>(Vec<Vec<&'a TraceSpan>>);
struct ScopeSpansJson<'a>(&'a [&'a TraceSpan]);
struct Json<'a, T>(&'a T);

/// Each element in its OTLP/JSON form.
struct List<'a, T>(&'a [T]);

impl<'a, T> Serialize for List<'a, T>
where
    Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Json))
    }
}

/// An object whose fields are left out when they hold defaults.
struct Object<M>(M);

impl<M: SerializeMap> Object<M> {
    fn new<S: Serializer<SerializeMap = M>>(serializer: S) -> Result<Self, S::Error> {
        serializer.serialize_map(None).map(Self)
    }

    fn put(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<&mut Self, M::Error> {
        self.0.serialize_entry(name, value)?;
        Ok(self)
    }

    fn text(&mut self, name: &'static str, text: &str) -> Result<&mut Self, M::Error> {
        if text.is_empty() { Ok(self) } else { self.put(name, text) }
    }

    fn count(&mut self, name: &'static str, count: u32) -> Result<&mut Self, M::Error> {
        if count == 0 { Ok(self) } else { self.put(name, &count) }
    }

    fn list<T>(&mut self, name: &'static str, list: &[T]) -> Result<&mut Self, M::Error>
    where
        for<'a> Json<'a, T>: Serialize,
    {
        if list.is_empty() { Ok(self) } else { self.put(name, &List(list)) }
    }
}

macro_rules! json {
    ($type:ty, $value:ident, $object:ident => $fields:expr) => {
        impl Serialize for Json<'_, $type> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self.0;
                let mut $object = Object::new(serializer)?;
                $fields;
                $object.0.end()
            }
        }
    };
}

json!(Resource, resource, object => {
    object
        .list("attributes", &resource.attributes)?
        .count("droppedAttributesCount", resource.dropped_attributes_count)?
        .list("entityRefs", &resource.entity_refs)?;
});

json!(EntityRef, entity, object => {
    object.text("schemaUrl", &entity.schema_url)?.text("type", &entity.kind)?;
    object.put("idKeys", &entity.id_keys)?.put("descriptionKeys", &entity.description_keys)?;
});

json!(InstrumentationScope, scope, object => {
    object
        .text("name", &scope.name)?
        .text("version", &scope.version)?
        .list("attributes", &scope.attributes)?
        .count("droppedAttributesCount", scope.dropped_attributes_count)?;
});

json!(Span, span, object => {
    object.put("traceId", &Json(&span.trace_id))?.put("spanId", &Json(&span.span_id))?;
    if let Some(parent) = &span.parent_span_id {
        object.put("parentSpanId", &Json(parent))?;
    }
    object
        .text("traceState", &span.trace_state)?
        .count("flags", span.flags)?
        .put("name", &span.name)?
        .put("kind", &(span.kind as i32))?
        .put("startTimeUnixNano", &span.start_unix_nano.to_string())?
        .put("endTimeUnixNano", &span.end_unix_nano.to_string())?
        .list("attributes", &span.attributes)?
        .count("droppedAttributesCount", span.dropped_attributes_count)?
        .list("events", &span.events)?
        .count("droppedEventsCount", span.dropped_events_count)?
        .list("links", &span.links)?
        .count("droppedLinksCount", span.dropped_links_count)?
        .put("status", &Json(&span.status))?;
});

json!(SpanEvent, event, object => {
    object
        .put("timeUnixNano", &event.time_unix_nano.to_string())?
        .put("name", &event.name)?
        .list("attributes", &event.attributes)?
        .count("droppedAttributesCount", event.dropped_attributes_count)?;
});

json!(SpanLink, link, object => {
    object
        .put("traceId", &Json(&link.trace_id))?
        .put("spanId", &Json(&link.span_id))?
        .text("traceState", &link.trace_state)?
        .list("attributes", &link.attributes)?
        .count("droppedAttributesCount", link.dropped_attributes_count)?
        .count("flags", link.flags)?;
});

json!(Status, status, object => {
    object.text("message", &status.message)?;
    if status.code != StatusCode::Unset {
        object.put("code", &(status.code as i32))?;
    }
});

json!(Attribute, attribute, object => object.put("key", &attribute.key)?.put("value", &Json(&attribute.value))?);

json!(AnyValue, value, object => match value {
    AnyValue::Empty => &mut object,
    AnyValue::String(text) => object.put("stringValue", text)?,
    AnyValue::Bool(value) => object.put("boolValue", value)?,
    AnyValue::Int(value) => object.put("intValue", &value.to_string())?,
    AnyValue::Double(value) if value.is_finite() => object.put("doubleValue", value)?,
    AnyValue::Double(value) if value.is_nan() => object.put("doubleValue", "NaN")?,
    AnyValue::Double(value) => object.put("doubleValue", if *value > 0.0 { "Infinity" } else { "-Infinity" })?,
    AnyValue::Bytes(bytes) => object.put("bytesValue", &STANDARD.encode(bytes))?,
    AnyValue::Array(values) => object.put("arrayValue", &self::object([("values", List(values))]))?,
    AnyValue::KvList(pairs) => object.put("kvlistValue", &self::object([("values", List(pairs))]))?,
});

impl Serialize for Json<'_, TraceId> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Serialize for Json<'_, SpanId> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Serialize for GroupJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scopes: Vec<_> = self.0.iter().map(|spans| ScopeSpansJson(spans)).collect();
        let mut object = Object::new(serializer)?;
        let first = self.0.first().and_then(|spans| spans.first());
        if let Some(resource) = first.map(|span| span.resource.as_ref()) {
            object
                .put("resource", &Json(resource))?
                .put("scopeSpans", &scopes)?
                .text("schemaUrl", &resource.schema_url)?;
        }
        object.0.end()
    }
}

impl Serialize for ScopeSpansJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spans: Vec<_> = self.0.iter().map(|span| Json(&span.span)).collect();
        let mut object = Object::new(serializer)?;
        if let Some(scope) = self.0.first().map(|span| span.scope.as_ref()) {
            object.put("scope", &Json(scope))?.put("spans", &spans)?.text("schemaUrl", &scope.schema_url)?;
        }
        object.0.end()
    }
}

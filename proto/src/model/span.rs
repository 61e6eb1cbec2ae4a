//! Spans and what surrounds them (OTLP `trace.proto`).

use std::sync::Arc;

use super::{AnyValue, Attribute, Extent, SpanId, TraceId};

/// Who produced telemetry: service, host, pod, SDK.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct Resource {
    /// Attributes such as `service.name`.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// Entities the resource stands for (OTLP 1.6, in development).
    pub entity_refs: Vec<EntityRef>,
    /// Schema of the enclosing `ResourceSpans`.
    pub schema_url: String,
}

impl Resource {
    /// The service's name; empty when the resource does not say.
    #[must_use]
    pub fn service_name(&self) -> &str {
        self.attribute("service.name").and_then(AnyValue::as_str).unwrap_or_default()
    }

    /// The value of its first attribute with this key.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&AnyValue> {
        lookup(&self.attributes, key)
    }
}

/// Names the attributes of a resource that identify or describe one entity.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct EntityRef {
    /// Schema of the entity.
    pub schema_url: String,
    /// For example `service` or `host`.
    pub kind: String,
    /// Keys of identifying attributes.
    pub id_keys: Vec<String>,
    /// Keys of describing attributes.
    pub description_keys: Vec<String>,
}

/// The library that made the spans.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct InstrumentationScope {
    /// Library name.
    pub name: String,
    /// Library version.
    pub version: String,
    /// Attributes of the scope.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// Schema of the enclosing `ScopeSpans`.
    pub schema_url: String,
}

/// The side of the exchange that a span describes. The numbers are OTLP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SpanKind {
    /// Not stated.
    #[default]
    Unspecified = 0,
    /// Work inside one service.
    Internal = 1,
    /// Serves a request.
    Server = 2,
    /// Sends a request and waits.
    Client = 3,
    /// Puts a message into a queue.
    Producer = 4,
    /// Takes a message from a queue.
    Consumer = 5,
}

impl SpanKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Unspecified, Self::Internal, Self::Server, Self::Client, Self::Producer, Self::Consumer];

    /// The kind of an OTLP number; a number that OTLP does not know counts as unspecified.
    #[must_use]
    pub fn from_otlp(number: i32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }

    /// TraceQL's word for the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended. The numbers are OTLP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum StatusCode {
    /// Not stated.
    #[default]
    Unset = 0,
    /// Declared a success.
    Ok = 1,
    /// Failed.
    Error = 2,
}

impl StatusCode {
    /// All codes.
    pub const ALL: [Self; 3] = [Self::Unset, Self::Ok, Self::Error];

    /// The code of an OTLP number; a number that OTLP does not know counts as unset.
    #[must_use]
    pub fn from_otlp(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// TraceQL's word for the code.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// A span's status.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct Status {
    /// How it ended.
    pub code: StatusCode,
    /// What the developer said about it.
    pub message: String,
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct SpanEvent {
    /// Nanoseconds since 1970 UTC.
    pub time_unix_nano: u64,
    /// For example `exception`.
    pub name: String,
    /// Attributes of the event.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
}

/// A pointer to a span of this or another trace. An id of a wrong length counts as all zero.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct SpanLink {
    /// Trace of the linked span.
    pub trace_id: TraceId,
    /// The linked span.
    pub span_id: SpanId,
    /// W3C trace state of the link.
    pub trace_state: String,
    /// Attributes of the link.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// W3C trace flags and OTLP's remote bits.
    pub flags: u32,
}

/// One unit of work of one service.
#[derive(Debug, Clone, PartialEq, Hash, Default)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span that caused it; `None` for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C trace state.
    pub trace_state: String,
    /// W3C trace flags and OTLP's remote bits.
    pub flags: u32,
    /// What was done, in few distinct words.
    pub name: String,
    /// Side of the exchange.
    pub kind: SpanKind,
    /// Nanoseconds since 1970 UTC.
    pub start_unix_nano: u64,
    /// Nanoseconds since 1970 UTC. May lie before the start: senders' clocks are kept as they are.
    pub end_unix_nano: u64,
    /// Attributes as received.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// Events as received.
    pub events: Vec<SpanEvent>,
    /// Events the sender discarded.
    pub dropped_events_count: u32,
    /// Links as received.
    pub links: Vec<SpanLink>,
    /// Links the sender discarded.
    pub dropped_links_count: u32,
    /// How it ended.
    pub status: Status,
}

impl Span {
    /// Nanoseconds from start to end; 0 when the end lies before the start.
    #[must_use]
    pub fn duration_nanos(&self) -> u64 {
        self.end_unix_nano.saturating_sub(self.start_unix_nano)
    }

    /// The time by which it counts.
    #[must_use]
    pub fn extent(&self) -> Extent {
        Extent::of(self.start_unix_nano, self.end_unix_nano)
    }

    /// The value of the first attribute with this key.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&AnyValue> {
        lookup(&self.attributes, key)
    }
}

/// A span with its resource and scope, which many spans share.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSpan {
    /// The span.
    pub span: Span,
    /// Who produced it.
    pub resource: Arc<Resource>,
    /// The library that made it.
    pub scope: Arc<InstrumentationScope>,
}

/// All known spans of one trace id. No order is promised and there is at least one span.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The id all spans share.
    pub id: TraceId,
    /// The spans; exact copies are already collapsed.
    pub spans: Vec<TraceSpan>,
}

fn lookup<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}

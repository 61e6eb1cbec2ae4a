//! OTLP traces read in place: the store appends columns straight from the bytes of a request.
//!
//! The views borrow from the request. They expect bytes that `validate` accepted, yet on others they only ever give
//! [`Malformed`]. Field numbers are those of `trace.proto`, `common.proto` and `resource.proto`, OTLP v1.

use std::borrow::Cow;

use super::wire::{Fields, WireError, WireValue, int32, int64, uint32};

/// Bytes that are no OTLP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed OTLP: {0}")]
pub struct Malformed(WireError);

impl From<WireError> for Malformed {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

/// A `Resource` or `InstrumentationScope` message with the schema of its group, not decoded: equal bytes mean the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin<'a> {
    /// The message.
    pub message: Cow<'a, [u8]>,
    /// The group's schema URL.
    pub schema_url: &'a [u8],
}

/// The scalar fields of a span, and the bytes of what it repeats. Reused from span to span.
#[derive(Debug, Default)]
pub struct SpanView<'a> {
    /// How long its message is.
    pub bytes: usize,
    /// 16 bytes in a valid span.
    pub trace_id: &'a [u8],
    /// 8 bytes in a valid span.
    pub span_id: &'a [u8],
    /// 8 bytes, or none for a root.
    pub parent_span_id: &'a [u8],
    /// W3C trace state.
    pub trace_state: &'a [u8],
    /// W3C trace flags and OTLP's remote bits.
    pub flags: u32,
    /// Span name.
    pub name: &'a [u8],
    /// OTLP number of the kind.
    pub kind: i32,
    /// Nanoseconds since 1970 UTC.
    pub start_unix_nano: u64,
    /// Nanoseconds since 1970 UTC.
    pub end_unix_nano: u64,
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// `Event` messages.
    pub events: Vec<&'a [u8]>,
    /// Events the sender discarded.
    pub dropped_events_count: u32,
    /// `Link` messages.
    pub links: Vec<&'a [u8]>,
    /// Links the sender discarded.
    pub dropped_links_count: u32,
    /// OTLP number of the status code.
    pub status_code: i32,
    /// Status message.
    pub status_message: &'a [u8],
}

/// An event of a span.
#[derive(Debug, Default)]
pub struct EventView<'a> {
    /// Nanoseconds since 1970 UTC.
    pub time_unix_nano: u64,
    /// Event name.
    pub name: &'a [u8],
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
}

/// A link of a span.
#[derive(Debug, Default)]
pub struct LinkView<'a> {
    /// Trace of the linked span.
    pub trace_id: &'a [u8],
    /// The linked span.
    pub span_id: &'a [u8],
    /// W3C trace state of the link.
    pub trace_state: &'a [u8],
    /// `KeyValue` messages.
    pub attributes: Vec<&'a [u8]>,
    /// Attributes the sender discarded.
    pub dropped_attributes_count: u32,
    /// W3C trace flags and OTLP's remote bits.
    pub flags: u32,
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueView<'a> {
    /// No value was set.
    Empty,
    /// UTF-8 text in a valid request.
    Text(&'a [u8]),
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// The `AnyValue` message of an array or a list of attributes.
    Nested(&'a [u8]),
}

/// Calls `visit` for every span of an `ExportTraceServiceRequest`, with its resource and scope; `origin` is called when
/// these change, and what it gives is handed to `visit`.
pub fn each_span<'a, T: Copy>(
    request: &'a [u8],
    mut origin: impl FnMut(&Origin<'a>, &Origin<'a>) -> T,
    mut visit: impl FnMut(T, &SpanView<'a>),
) -> Result<(), Malformed> {
    let mut span = SpanView::default();
    let (mut scopes, mut spans) = (Vec::new(), Vec::new());
    for field in Fields::new(request) {
        let (1, WireValue::Bytes(group)) = field? else { continue };
        let resource = read_group(group, &mut scopes)?;
        for scoped in &scopes {
            let scope = read_group(scoped, &mut spans)?;
            let known = origin(&resource, &scope);
            for message in &spans {
                span.read(message)?;
                visit(known, &span);
            }
        }
    }
    Ok(())
}

/// Field 1 (resource or scope) and field 3 (schema URL) of a group; the messages of field 2 go into `inner`, so that a large group is
/// walked once. A message sent in parts is the parts one after the other.
fn read_group<'a>(group: &'a [u8], inner: &mut Vec<&'a [u8]>) -> Result<Origin<'a>, Malformed> {
    let mut origin = Origin { message: Cow::Borrowed(&[]), schema_url: &[] };
    inner.clear();
    for field in Fields::new(group) {
        match field? {
            (2, WireValue::Bytes(bytes)) => inner.push(bytes),
            (1, WireValue::Bytes(bytes)) if origin.message.is_empty() => origin.message = Cow::Borrowed(bytes),
            (1, WireValue::Bytes(bytes)) => origin.message.to_mut().extend_from_slice(bytes),
            (3, WireValue::Bytes(bytes)) => origin.schema_url = bytes,
            _ => {}
        }
    }
    Ok(origin)
}

impl<'a> SpanView<'a> {
    /// Reads a `Span` message into this value.
    pub fn read(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let Self { mut attributes, mut events, mut links, .. } = std::mem::take(self);
        attributes.clear();
        events.clear();
        links.clear();
        *self = Self { bytes: message.len(), attributes, events, links, ..Self::default() };
        for field in Fields::new(message) {
            match field? {
                (9, WireValue::Bytes(bytes)) => self.attributes.push(bytes),
                (1, WireValue::Bytes(bytes)) => self.trace_id = bytes,
                (2, WireValue::Bytes(bytes)) => self.span_id = bytes,
                (3, WireValue::Bytes(bytes)) => self.trace_state = bytes,
                (4, WireValue::Bytes(bytes)) => self.parent_span_id = bytes,
                (5, WireValue::Bytes(bytes)) => self.name = bytes,
                (6, WireValue::Varint(number)) => self.kind = int32(number),
                (7, WireValue::Fixed64(nanos)) => self.start_unix_nano = nanos,
                (8, WireValue::Fixed64(nanos)) => self.end_unix_nano = nanos,
                (10, WireValue::Varint(count)) => self.dropped_attributes_count = uint32(count),
                (11, WireValue::Bytes(bytes)) => self.events.push(bytes),
                (12, WireValue::Varint(count)) => self.dropped_events_count = uint32(count),
                (13, WireValue::Bytes(bytes)) => self.links.push(bytes),
                (14, WireValue::Varint(count)) => self.dropped_links_count = uint32(count),
                (15, WireValue::Bytes(bytes)) => self.read_status(bytes)?,
                (16, WireValue::Fixed32(flags)) => self.flags = flags,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_status(&mut self, status: &'a [u8]) -> Result<(), Malformed> {
        for field in Fields::new(status) {
            match field? {
                (2, WireValue::Bytes(bytes)) => self.status_message = bytes,
                (3, WireValue::Varint(number)) => self.status_code = int32(number),
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> EventView<'a> {
    /// Reads an `Event` message.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut event = Self::default();
        for field in Fields::new(message) {
            match field? {
                (1, WireValue::Fixed64(nanos)) => event.time_unix_nano = nanos,
                (2, WireValue::Bytes(bytes)) => event.name = bytes,
                (3, WireValue::Bytes(bytes)) => event.attributes.push(bytes),
                (4, WireValue::Varint(count)) => event.dropped_attributes_count = uint32(count),
                _ => {}
            }
        }
        Ok(event)
    }
}

impl<'a> LinkView<'a> {
    /// Reads a `Link` message.
    pub fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut link = Self::default();
        for field in Fields::new(message) {
            match field? {
                (1, WireValue::Bytes(bytes)) => link.trace_id = bytes,
                (2, WireValue::Bytes(bytes)) => link.span_id = bytes,
                (3, WireValue::Bytes(bytes)) => link.trace_state = bytes,
                (4, WireValue::Bytes(bytes)) => link.attributes.push(bytes),
                (5, WireValue::Varint(count)) => link.dropped_attributes_count = uint32(count),
                (6, WireValue::Fixed32(flags)) => link.flags = flags,
                _ => {}
            }
        }
        Ok(link)
    }
}

/// Reads a `KeyValue` message: the key, and what its value is.
#[inline]
pub fn key_value(message: &[u8]) -> Result<(&[u8], ValueView<'_>), Malformed> {
    let (mut key, mut value) = (&[][..], ValueView::Empty);
    for field in Fields::new(message) {
        match field? {
            (1, WireValue::Bytes(bytes)) => key = bytes,
            (2, WireValue::Bytes(bytes)) => value = any_value(bytes)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Reads an `AnyValue` message; of several values the last counts.
#[inline]
pub fn any_value(message: &[u8]) -> Result<ValueView<'_>, Malformed> {
    let mut value = ValueView::Empty;
    for field in Fields::new(message) {
        value = match field? {
            (1, WireValue::Bytes(text)) => ValueView::Text(text),
            (2, WireValue::Varint(number)) => ValueView::Bool(number != 0),
            (3, WireValue::Varint(number)) => ValueView::Int(int64(number)),
            (4, WireValue::Fixed64(bits)) => ValueView::Double(f64::from_bits(bits)),
            (5 | 6, WireValue::Bytes(_)) => ValueView::Nested(message),
            (7, WireValue::Bytes(bytes)) => ValueView::Bytes(bytes),
            _ => value,
        };
    }
    Ok(value)
}

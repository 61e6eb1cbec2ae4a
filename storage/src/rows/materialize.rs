//! Makes model values of rows.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status, StatusCode, TraceSpan,
};
use hoptrail_proto::otlp::decode_value;
use hoptrail_proto::otlp::view::ValueView;

use super::append::fields;
use super::{ColumnKey, Owner, Rows, Shape, Slot, SpanRow, Table, owned_by};

/// The model value of a stored value. Invalid UTF-8, which only damage makes, becomes replacement characters.
pub(crate) fn to_value(value: ValueView<'_>) -> AnyValue {
    match value {
        ValueView::Empty => AnyValue::Empty,
        ValueView::Text(bytes) => AnyValue::String(text(bytes)),
        ValueView::Bool(value) => AnyValue::Bool(value),
        ValueView::Int(value) => AnyValue::Int(value),
        ValueView::Double(value) => AnyValue::Double(value),
        ValueView::Bytes(bytes) => AnyValue::Bytes(bytes.to_vec()),
        ValueView::Nested(message) => decode_value(message).unwrap_or_default(),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn attribute(name: &[u8], value: AnyValue) -> Attribute {
    Attribute { key: text(name), value }
}

fn count(value: &AnyValue) -> u32 {
    match *value {
        AnyValue::Int(count) => u32::try_from(count).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// Makes a span of its scalars and shape, still without columns, events and links.
pub(crate) fn span_of(row: &SpanRow, shape: &Shape, name: &[u8]) -> Span {
    Span {
        trace_id: row.trace_id,
        span_id: row.span_id,
        parent_span_id: (row.parent != SpanId::default()).then_some(row.parent),
        flags: shape.flags,
        name: text(name),
        kind: SpanKind::from_otlp(i32::from(shape.kind)),
        start_unix_nano: row.start,
        end_unix_nano: row.end,
        status: Status { code: StatusCode::from_otlp(i32::from(shape.status)), message: String::new() },
        ..Span::default()
    }
}

/// Puts the value of a column where it belongs.
pub(crate) fn set_on_span(span: &mut Span, key: &ColumnKey, value: AnyValue) {
    match (key.owner, &*key.name) {
        (Owner::Attribute, name) => span.attributes.push(attribute(name, value)),
        (Owner::Field, fields::STATUS_MESSAGE) => span.status.message = string(value),
        (Owner::Field, fields::TRACE_STATE) => span.trace_state = string(value),
        (Owner::Field, fields::DROPPED_ATTRIBUTES) => span.dropped_attributes_count = count(&value),
        (Owner::Field, fields::DROPPED_EVENTS) => span.dropped_events_count = count(&value),
        (Owner::Field, fields::DROPPED_LINKS) => span.dropped_links_count = count(&value),
        (Owner::Field, _) => {}
    }
}

/// Puts the value of a column where it belongs.
pub(crate) fn set_on_event(event: &mut SpanEvent, key: &ColumnKey, value: AnyValue) {
    match (key.owner, &*key.name) {
        (Owner::Attribute, name) => event.attributes.push(attribute(name, value)),
        (Owner::Field, fields::DROPPED_ATTRIBUTES) => event.dropped_attributes_count = count(&value),
        (Owner::Field, _) => {}
    }
}

/// Puts the value of a column where it belongs.
pub(crate) fn set_on_link(link: &mut SpanLink, key: &ColumnKey, value: AnyValue) {
    match (key.owner, &*key.name) {
        (Owner::Attribute, name) => link.attributes.push(attribute(name, value)),
        (Owner::Field, fields::TRACE_STATE) => link.trace_state = string(value),
        (Owner::Field, fields::DROPPED_ATTRIBUTES) => link.dropped_attributes_count = count(&value),
        (Owner::Field, _) => {}
    }
}

fn string(value: AnyValue) -> String {
    match value {
        AnyValue::String(text) => text,
        _ => String::new(),
    }
}

impl Rows {
    /// The span of a row, as it was received.
    pub(crate) fn span(&self, row: u32) -> Option<TraceSpan> {
        let scalars = self.spans.get(row as usize)?;
        let shape = self.span_table.shape(self.span_table.shape_of(row as usize))?;
        let mut span = span_of(scalars, shape, self.span_table.names.get(shape.name));
        self.span_table.each_value(row as usize, |key, value| set_on_span(&mut span, key, value));
        span.events = owned_by(&self.event_owners, row).map(|event| self.event(event)).collect();
        span.links = owned_by(&self.link_owners, row).map(|link| self.link(link)).collect();
        Some(TraceSpan {
            span,
            resource: Arc::clone(self.resources.decoded.get(shape.resource as usize)?),
            scope: Arc::clone(self.scopes.decoded.get(shape.scope as usize)?),
        })
    }

    fn event(&self, row: usize) -> SpanEvent {
        let table = &self.event_table;
        let name = table.shape(table.shape_of(row)).map_or(&[][..], |shape| table.names.get(shape.name));
        let time_unix_nano = self.event_times.get(row).copied().unwrap_or_default();
        let mut event = SpanEvent { time_unix_nano, name: text(name), ..SpanEvent::default() };
        table.each_value(row, |key, value| set_on_event(&mut event, key, value));
        event
    }

    fn link(&self, row: usize) -> SpanLink {
        let table = &self.link_table;
        let (trace_id, span_id) = self.link_ids.get(row).copied().unwrap_or_default();
        let flags = table.shape(table.shape_of(row)).map_or(0, |shape| shape.flags);
        let mut link = SpanLink { trace_id, span_id, flags, ..SpanLink::default() };
        table.each_value(row, |key, value| set_on_link(&mut link, key, value));
        link
    }
}

impl Table {
    /// Calls `visit` with the columns of a row and their values, in the order they were received.
    fn each_value(&self, row: usize, mut visit: impl FnMut(&ColumnKey, AnyValue)) {
        let columns = self.shapes.list().columns(self.shape_of(row));
        for (column, slot) in columns.iter().zip(self.slots(row)) {
            if let Some(known) = self.columns.get(*column as usize) {
                visit(&known.key, to_value(self.value(*column, Slot(*slot))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_spans::{any_batch, encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_appended_comes_back(spans in any_batch()) {
            let mut rows = Rows::default();
            rows.append_request(&encode(&spans)).unwrap();
            let back: Vec<_> = (0..rows.len() as u32).filter_map(|row| rows.span(row)).collect();
            prop_assert_eq!(back, spans);
        }
    }
}

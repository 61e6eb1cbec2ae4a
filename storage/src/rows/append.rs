//! Appends the spans of an OTLP request, from its bytes, as rows.

use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId};
use hoptrail_proto::otlp::view::{EventView, LinkView, Malformed, Origin, SpanView, ValueView, each_span, key_value};
use hoptrail_proto::otlp::{decode_origin_resource, decode_origin_scope};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{OriginBytes, Origins, Owner, Rows, Shape, SpanRow, Table};
use crate::codec::len_u32;

/// Names of the columns for fields that most rows leave at their default.
pub(crate) mod fields {
    pub(crate) const STATUS_MESSAGE: &[u8] = b"status_message";
    pub(crate) const TRACE_STATE: &[u8] = b"trace_state";
    pub(crate) const DROPPED_ATTRIBUTES: &[u8] = b"dropped_attributes_count";
    pub(crate) const DROPPED_EVENTS: &[u8] = b"dropped_events_count";
    pub(crate) const DROPPED_LINKS: &[u8] = b"dropped_links_count";
}

/// Memory of a resource or scope beside its texts, about.
const ORIGIN_BYTES: usize = 512;

impl<T> Origins<T> {
    /// The index of a resource or scope. A new one is decoded.
    pub(crate) fn intern(&mut self, message: &[u8], schema_url: &[u8], decode: impl FnOnce(&[u8], &str) -> T) -> u32 {
        let Self { bytes, decoded, table, held } = self;
        let hash = hash_origin(message, schema_url);
        let known = table.find(hash, |index| bytes.get(*index as usize).is_some_and(|own| own.is(message, schema_url)));
        if let Some(index) = known {
            return *index;
        }
        let index = len_u32(bytes.len());
        *held += ORIGIN_BYTES + message.len() * 4 + schema_url.len() * 2;
        decoded.push(Arc::new(decode(message, &String::from_utf8_lossy(schema_url))));
        bytes.push(OriginBytes { message: message.into(), schema_url: schema_url.into() });
        table.insert_unique(hash, index, |index| {
            bytes.get(*index as usize).map_or(0, |own| hash_origin(&own.message, &own.schema_url))
        });
        index
    }
}

impl OriginBytes {
    fn is(&self, message: &[u8], schema_url: &[u8]) -> bool {
        *self.message == *message && *self.schema_url == *schema_url
    }
}

fn hash_origin(message: &[u8], schema_url: &[u8]) -> u64 {
    xxh3_64_with_seed(message, schema_url.len() as u64)
}

impl Origins<Resource> {
    pub(crate) fn add(&mut self, message: &[u8], schema_url: &[u8]) -> u32 {
        self.intern(message, schema_url, |message, url| decode_origin_resource(message, url).unwrap_or_default())
    }
}

impl Origins<InstrumentationScope> {
    pub(crate) fn add(&mut self, message: &[u8], schema_url: &[u8]) -> u32 {
        self.intern(message, schema_url, |message, url| decode_origin_scope(message, url).unwrap_or_default())
    }
}

impl Rows {
    /// Appends the spans of a request.
    pub(crate) fn append_request(&mut self, request: &[u8]) -> Result<(), Malformed> {
        let Self { resources, scopes, .. } = self;
        let (mut known_resources, mut known_scopes) = (std::mem::take(resources), std::mem::take(scopes));
        let origin = |resource: &Origin<'_>, scope: &Origin<'_>| {
            let resource = known_resources.add(&resource.message, resource.schema_url);
            (resource, known_scopes.add(&scope.message, scope.schema_url))
        };
        let mut malformed = Ok(());
        let walked = each_span(request, origin, |(resource, scope), span| {
            let appended = self.append_span(resource, scope, span);
            if appended.is_err() {
                self.span_table.abandon_row();
                self.event_table.abandon_row();
                self.link_table.abandon_row();
            }
            malformed = malformed.and(appended);
        });
        self.resources = known_resources;
        self.scopes = known_scopes;
        walked.and(malformed)
    }

    fn append_span(&mut self, resource: u32, scope: u32, span: &SpanView<'_>) -> Result<(), Malformed> {
        let row = len_u32(self.spans.len());
        let table = &mut self.span_table;
        push_attributes(table, &span.attributes)?;
        push_text(table, fields::STATUS_MESSAGE, span.status_message);
        push_text(table, fields::TRACE_STATE, span.trace_state);
        push_count(table, fields::DROPPED_ATTRIBUTES, span.dropped_attributes_count);
        push_count(table, fields::DROPPED_EVENTS, span.dropped_events_count);
        push_count(table, fields::DROPPED_LINKS, span.dropped_links_count);
        let (kind, status) = (u8::try_from(span.kind).unwrap_or(0), u8::try_from(span.status_code).unwrap_or(0));
        let shape = Shape { resource, scope, kind, status, flags: span.flags, ..Shape::default() };
        table.finish_row(shape, span.name);
        self.push_span(SpanRow {
            trace_id: TraceId(span.trace_id.try_into().unwrap_or_default()),
            span_id: SpanId(span.span_id.try_into().unwrap_or_default()),
            parent: SpanId(span.parent_span_id.try_into().unwrap_or_default()),
            start: span.start_unix_nano,
            end: span.end_unix_nano,
            bytes: len_u32(span.bytes),
            previous: None,
        });
        span.events.iter().try_for_each(|event| self.append_event(row, &EventView::read(event)?))?;
        span.links.iter().try_for_each(|link| self.append_link(row, &LinkView::read(link)?))
    }

    /// Adds the scalars of rows of one trace. The rows are in the tables already.
    pub(crate) fn push_trace(&mut self, spans: &[SpanRow]) {
        let Some(trace) = spans.first() else { return };
        let first = len_u32(self.spans.len());
        let mut previous = self.traces.insert(trace.trace_id, first + len_u32(spans.len()) - 1);
        for (row, span) in (first..).zip(spans) {
            self.spans.push(SpanRow { previous, ..*span });
            previous = Some(row);
        }
    }

    /// Adds the scalars of a row that is in the table already.
    pub(crate) fn push_span(&mut self, mut span: SpanRow) {
        span.previous = self.traces.insert(span.trace_id, len_u32(self.spans.len()));
        self.spans.push(span);
    }

    fn append_event(&mut self, row: u32, event: &EventView<'_>) -> Result<(), Malformed> {
        push_attributes(&mut self.event_table, &event.attributes)?;
        push_count(&mut self.event_table, fields::DROPPED_ATTRIBUTES, event.dropped_attributes_count);
        self.event_table.finish_row(Shape::default(), event.name);
        self.event_times.push(event.time_unix_nano);
        self.event_owners.push(row);
        Ok(())
    }

    fn append_link(&mut self, row: u32, link: &LinkView<'_>) -> Result<(), Malformed> {
        push_attributes(&mut self.link_table, &link.attributes)?;
        push_text(&mut self.link_table, fields::TRACE_STATE, link.trace_state);
        push_count(&mut self.link_table, fields::DROPPED_ATTRIBUTES, link.dropped_attributes_count);
        self.link_table.finish_row(Shape { flags: link.flags, ..Shape::default() }, b"");
        let trace_id = TraceId(link.trace_id.try_into().unwrap_or_default());
        self.link_ids.push((trace_id, SpanId(link.span_id.try_into().unwrap_or_default())));
        self.link_owners.push(row);
        Ok(())
    }
}

fn push_attributes(table: &mut Table, attributes: &[&[u8]]) -> Result<(), Malformed> {
    for attribute in attributes {
        let (key, value) = key_value(attribute)?;
        table.push(Owner::Attribute, key, value);
    }
    Ok(())
}

fn push_text(table: &mut Table, name: &[u8], text: &[u8]) {
    if !text.is_empty() {
        table.push(Owner::Field, name, ValueView::Text(text));
    }
}

fn push_count(table: &mut Table, name: &[u8], count: u32) {
    if count > 0 {
        table.push(Owner::Field, name, ValueView::Int(i64::from(count)));
    }
}

impl SpanRow {
    /// A row without a link to the other rows of its trace.
    pub(crate) fn new(trace_id: TraceId, span_id: SpanId, parent: SpanId, start: u64, end: u64) -> Self {
        Self { trace_id, span_id, parent, start, end, bytes: 0, previous: None }
    }
}

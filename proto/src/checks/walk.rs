//! Validation and the views against prost, which decodes everything and knows nothing of ours.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::otlp::schema::INSTRUMENTATION_LIBRARY_SPANS;
use crate::otlp::view::{EventView, LinkView, Origin, SpanView, ValueView, each_span, key_value};
use crate::otlp::wire::{Fields, WireError, WireValue};
use crate::otlp::{Limits, Malformation, REPAIRED, Reason, Validated, decode, validate};

/// What validation says of a group. Prost skips groups, which proto3 does not have.
const GROUP: &str = "is not allowed";

/// Any bytes are refused or validated; whatever is accepted, prost decodes and the walk sees as prost does; and of a request that
/// prost decodes, everything is kept that `docs/otlp.md` does not refuse.
pub fn otlp_walk(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    // Not what a caller may do without validation, yet it must not panic.
    let _ = each_span(&body, |_, _| (), |(), _| ());
    let decoded = ExportTraceServiceRequest::decode(body.clone());
    let former = has_former_field(&body);
    match validate(body, &Limits { messages: usize::MAX, ..Limits::default() }) {
        Ok(validated) => {
            if let (Some(kept), Ok(decoded), false) = (promised(&validated), decoded, former) {
                nothing_lost(decoded, kept, &validated);
            }
        }
        Err(error) => {
            // Prost skips groups, which proto3 does not have.
            let is_group = matches!(error.reason, Malformation::Wire(WireError::WireType(_)));
            assert!(decoded.is_err() || is_group, "prost reads it, but: {error}");
        }
    }
}

/// Whether spans stand in a field that prost does not know any more.
fn has_former_field(body: &[u8]) -> bool {
    let groups = Fields::new(body).flatten().filter_map(|(_, value)| match value {
        WireValue::Bytes(group) => Some(group),
        _ => None,
    });
    groups.flat_map(|group| Fields::new(group).flatten()).any(|(number, _)| number == INSTRUMENTATION_LIBRARY_SPANS)
}

/// Holds what [`Validated`] promises of a body, and gives prost's view of it; none where values are deeper than prost reads.
pub(super) fn promised(validated: &Validated) -> Option<ExportTraceServiceRequest> {
    let again = validate(validated.body.clone(), &Limits::default()).expect("accepted bytes are accepted");
    assert_eq!((again.accepted, again.refused.total(), again.repaired), (validated.accepted, 0, 0));
    assert!(again.warnings.is_empty(), "{}", again.warnings);
    assert_eq!(again.body.as_ptr(), validated.body.as_ptr(), "the quick walk is not content with it");
    assert_eq!(decode(&validated.body).map(|spans| spans.len()), Ok(validated.accepted as usize));
    let decoded = match ExportTraceServiceRequest::decode(validated.body.clone()) {
        Err(error) if error.to_string().contains("recursion limit") => return None,
        decoded => decoded.expect("accepted bytes decode"),
    };
    let (mut origins, mut spans) = (decoded_origins(&decoded).into_iter(), decoded_spans(&decoded).into_iter());
    let origin = |resource: &Origin<'_>, scope: &Origin<'_>| {
        let (group, scoped) = origins.next().expect("a scope too many");
        same_origin::<Resource>(resource, group.resource.as_ref(), &group.schema_url);
        same_origin::<InstrumentationScope>(scope, scoped.scope.as_ref(), &scoped.schema_url);
    };
    let mut walked = 0;
    let visit = |(), view: &SpanView<'_>| {
        same_span(view, spans.next().expect("a span too many"));
        walked += 1;
    };
    each_span(&validated.body, origin, visit).expect("accepted bytes can be walked");
    assert_eq!((walked, origins.len(), spans.len()), (validated.accepted, 0, 0));
    Some(decoded)
}

fn decoded_origins(request: &ExportTraceServiceRequest) -> Vec<(&ResourceSpans, &ScopeSpans)> {
    let groups = request.resource_spans.iter();
    groups.flat_map(|group| group.scope_spans.iter().map(move |scoped| (group, scoped))).collect()
}

fn decoded_spans(request: &ExportTraceServiceRequest) -> Vec<&Span> {
    decoded_origins(request).into_iter().flat_map(|(_, scoped)| &scoped.spans).collect()
}

fn same_origin<M: Message + Default + PartialEq>(origin: &Origin<'_>, expected: Option<&M>, schema_url: &str) {
    let message = M::decode(&*origin.message).expect("accepted bytes decode");
    let empty = M::default();
    // As bytes: a NaN is not equal to itself.
    assert_eq!(message.encode_to_vec(), expected.unwrap_or(&empty).encode_to_vec());
    assert_eq!(origin.schema_url, schema_url.as_bytes());
}

fn same_span(view: &SpanView<'_>, span: &Span) {
    assert_eq!((view.trace_id, view.span_id), (&*span.trace_id, &*span.span_id));
    assert_eq!((view.trace_id.len(), view.span_id.len()), (16, 8));
    assert_eq!(view.parent_span_id, span.parent_span_id);
    assert!(matches!(view.parent_span_id.len(), 0 | 8));
    assert_eq!((view.trace_state, view.name), (span.trace_state.as_bytes(), span.name.as_bytes()));
    assert_eq!((view.flags, view.kind), (span.flags, span.kind));
    assert_eq!((view.start_unix_nano, view.end_unix_nano), (span.start_time_unix_nano, span.end_time_unix_nano));
    assert_eq!(view.dropped_attributes_count, span.dropped_attributes_count);
    assert_eq!(view.dropped_events_count, span.dropped_events_count);
    assert_eq!(view.dropped_links_count, span.dropped_links_count);
    let status = span.status.clone().unwrap_or_default();
    assert_eq!((view.status_code, view.status_message), (status.code, status.message.as_bytes()));
    same_attributes(&view.attributes, &span.attributes);
    assert_eq!((view.events.len(), view.links.len()), (span.events.len(), span.links.len()));
    view.events.iter().zip(&span.events).for_each(|(event, expected)| same_event(event, expected));
    view.links.iter().zip(&span.links).for_each(|(link, expected)| same_link(link, expected));
}

fn same_event(message: &[u8], event: &Event) {
    let view = EventView::read(message).expect("accepted bytes can be walked");
    assert_eq!((view.time_unix_nano, view.name), (event.time_unix_nano, event.name.as_bytes()));
    assert_eq!(view.dropped_attributes_count, event.dropped_attributes_count);
    same_attributes(&view.attributes, &event.attributes);
}

fn same_link(message: &[u8], link: &Link) {
    let view = LinkView::read(message).expect("accepted bytes can be walked");
    assert_eq!((view.trace_id, view.span_id), (&*link.trace_id, &*link.span_id));
    assert_eq!((view.trace_state, view.flags), (link.trace_state.as_bytes(), link.flags));
    assert_eq!(view.dropped_attributes_count, link.dropped_attributes_count);
    same_attributes(&view.attributes, &link.attributes);
}

fn same_attributes(messages: &[&[u8]], attributes: &[KeyValue]) {
    assert_eq!(messages.len(), attributes.len());
    for (message, attribute) in messages.iter().zip(attributes) {
        let (key, value) = key_value(message).expect("accepted bytes can be walked");
        assert_eq!(key, attribute.key.as_bytes());
        same_value(value, attribute.value.as_ref().and_then(|value| value.value.as_ref()));
    }
}

fn same_value(view: ValueView<'_>, value: Option<&Value>) {
    match (view, value) {
        (ValueView::Text(text), Some(Value::StringValue(expected))) => assert_eq!(text, expected.as_bytes()),
        (ValueView::Bool(value), Some(Value::BoolValue(expected))) => assert_eq!(value, *expected),
        (ValueView::Int(value), Some(Value::IntValue(expected))) => assert_eq!(value, *expected),
        (ValueView::Double(value), Some(Value::DoubleValue(expected))) => {
            assert_eq!(value.to_bits(), expected.to_bits());
        }
        (ValueView::Bytes(bytes), Some(Value::BytesValue(expected))) => assert_eq!(bytes, expected),
        (ValueView::Nested(message), Some(expected @ (Value::ArrayValue(_) | Value::KvlistValue(_)))) => {
            let decoded = AnyValue::decode(message).expect("accepted bytes decode");
            assert_eq!(decoded.encode_to_vec(), AnyValue { value: Some(expected.clone()) }.encode_to_vec());
        }
        // A value by its index in a table of strings, which requests for traces do not have.
        (ValueView::Empty, None | Some(Value::StringValueStrindex(_))) => {}
        _ => panic!("{view:?} is not {value:?}"),
    }
}

/// A request that prost decodes has no text to repair, and no values that are too deep. Of its spans those are kept that have ids;
/// wrong parents are dropped, and so are texts given by their index in a table.
fn nothing_lost(mut original: ExportTraceServiceRequest, mut kept: ExportTraceServiceRequest, validated: &Validated) {
    let reasons: Vec<Reason> = validated.refused.counts().map(|(reason, _)| reason).collect();
    let malformed = reasons.iter().any(|reason| matches!(reason, Reason::Span | Reason::Resource | Reason::Scope));
    let groups = validated.refused.messages().iter().any(|message| message.contains(GROUP));
    assert!(groups || !malformed, "prost reads it, but: {}", validated.refused);
    original.resource_spans.iter_mut().for_each(|group| {
        group.resource.iter_mut().for_each(|resource| without_tables(&mut resource.attributes));
        for scoped in &mut group.scope_spans {
            scoped.scope.iter_mut().for_each(|scope| without_tables(&mut scope.attributes));
            scoped.spans.retain(is_kept);
            scoped.spans.iter_mut().for_each(as_kept);
        }
    });
    unmark(&mut kept);
    unmark(&mut original);
    let (kept, expected) = (whole_spans(&kept), whole_spans(&original));
    if reasons.iter().all(|reason| matches!(reason, Reason::TraceId | Reason::SpanId)) {
        assert_eq!(kept, expected);
    } else {
        // A field that occurs twice may hold a group, where prost keeps only the other one.
        let mut expected = expected.iter();
        assert!(kept.iter().all(|span| expected.any(|other| other == span)), "a span that was not sent");
    }
}

/// Each span with its resource and scope, as bytes.
fn whole_spans(request: &ExportTraceServiceRequest) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (group, scoped) in decoded_origins(request) {
        let resource = group.resource.clone().unwrap_or_default().encode_to_vec();
        let scope = scoped.scope.clone().unwrap_or_default().encode_to_vec();
        let about = [&*resource, &*scope, group.schema_url.as_bytes(), scoped.schema_url.as_bytes()].concat();
        out.extend(scoped.spans.iter().map(|span| [&*about, &*span.encode_to_vec()].concat()));
    }
    out
}

fn unmark(request: &mut ExportTraceServiceRequest) {
    let spans = request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
    spans.flat_map(|scoped| &mut scoped.spans).for_each(|span| span.attributes.retain(|pair| pair.key != REPAIRED));
}

fn is_kept(span: &Span) -> bool {
    let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
    is_id(&span.trace_id, 16) && is_id(&span.span_id, 8)
}

fn as_kept(span: &mut Span) {
    if !matches!(span.parent_span_id.len(), 0 | 8) {
        span.parent_span_id.clear();
    }
    without_tables(&mut span.attributes);
    span.events.iter_mut().for_each(|event| without_tables(&mut event.attributes));
    span.links.iter_mut().for_each(|link| without_tables(&mut link.attributes));
}

fn without_tables(attributes: &mut [KeyValue]) {
    for pair in attributes {
        pair.key_strindex = 0;
        pair.value.iter_mut().for_each(without_table);
    }
}

fn without_table(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::StringValueStrindex(_)) => value.value = None,
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(without_table),
        Some(Value::KvlistValue(list)) => without_tables(&mut list.values),
        _ => {}
    }
}

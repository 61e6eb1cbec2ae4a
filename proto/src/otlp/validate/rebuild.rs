//! The thorough walk: writes a request anew without the spans that are refused, and with what is repaired.

use bytes::Bytes;

use super::copy::{Fault, copy, not_utf8};
use super::{Notes, Reason, Refusals, Repairs, Validated};
use crate::otlp::malformed::{Malformation, MalformedRequest};
use crate::otlp::schema::{INSTRUMENTATION_LIBRARY_SPANS, Message, RESOURCE, SCOPE, SPAN};
use crate::otlp::warnings::{Warning, Warnings};
use crate::otlp::wire::{Fields, WireError, WireValue, put_field, put_length_before};
use crate::varint::put_varint;

/// Field numbers of attributes in `Resource`, `InstrumentationScope` and `Span`.
const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_ATTRIBUTES: u32 = 3;
const SPAN_ATTRIBUTES: u32 = 9;

/// The field number of spans in `ScopeSpans`.
const SPANS: u32 = 2;

/// Checks and rewrites a request of which something is to be refused or repaired, or has been repaired by who wrote it. What its
/// envelopes hold that OTLP does not know is left out.
pub(super) fn request(
    body: &[u8],
    depth: usize,
    messages: usize,
    repairs: Repairs,
) -> Result<Validated, MalformedRequest> {
    let mut walk = Walk { depth, messages, repairs, ..Walk::default() };
    let mut out = Vec::with_capacity(body.len() + 64);
    each(body, "request", |number, value| {
        match (number, value) {
            (1, WireValue::Bytes(group)) => {
                let path = format!("resource_spans[{}]", walk.groups);
                let start = open(&mut out, 1);
                walk.group(group, &path, &mut out)?;
                put_length_before(&mut out, start);
            }
            (1, _) => return Err(wrong_type("request", "resource_spans")),
            _ => walk.warnings.add(Warning::Fields, || {
                format!("field {number} is no part of a request for traces, which has resource_spans (field 1)")
            }),
        }
        Ok(())
    })?;
    let Walk { accepted, repaired, refused, warnings, .. } = walk;
    Ok(Validated { body: Bytes::from(out), accepted, refused, repaired, warnings })
}

/// Begins a message as a field; its length comes before it when it is whole, so that large ones are not copied.
fn open(out: &mut Vec<u8>, number: u32) -> usize {
    put_varint(out, u64::from(number << 3 | 2));
    out.len()
}

/// The fields of an envelope. Broken framing there is the whole request's end.
fn each<'a>(
    bytes: &'a [u8],
    path: &str,
    mut take: impl FnMut(u32, WireValue<'a>) -> Result<(), MalformedRequest>,
) -> Result<(), MalformedRequest> {
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next() {
        let (number, value) = field.map_err(|error| broken(path, fields.offset(), error))?;
        take(number, value)?;
    }
    Ok(())
}

fn broken(path: &str, offset: usize, error: WireError) -> MalformedRequest {
    MalformedRequest::new(format!("{path}, byte {offset}"), error)
}

fn wrong_type(path: &str, field: &str) -> MalformedRequest {
    MalformedRequest::new(path, Malformation::Content(format!("field {field} has the wrong wire type")))
}

#[derive(Default)]
struct Walk {
    depth: usize,
    messages: usize,
    /// Those of JSON, of which no resource or scope is refused, so that each message has the index it was written with.
    repairs: Repairs,
    groups: usize,
    scopes: usize,
    spans: usize,
    accepted: u32,
    repaired: u32,
    refused: Refusals,
    warnings: Warnings,
}

/// An envelope taken apart. Several occurrences of `about` are one: protobuf merges messages by joining their bytes.
#[derive(Default)]
struct Envelope<'a> {
    about: Option<Vec<u8>>,
    bytes: &'a [u8],
    /// The field number that the inner messages had in old versions of OTLP; else the one that they have now.
    former: u32,
    /// How many inner messages there are: too many small ones to keep a list of them.
    count: u32,
    schema_url: Option<&'a [u8]>,
    unknown: Option<u32>,
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8], path: &str, former: u32) -> Result<Self, MalformedRequest> {
        let mut envelope = Self { bytes, former, ..Self::default() };
        each(bytes, path, |number, value| {
            match (number, value) {
                (1, WireValue::Bytes(about)) => envelope.about.get_or_insert_default().extend_from_slice(about),
                (2, WireValue::Bytes(_)) => envelope.count += 1,
                (number, WireValue::Bytes(_)) if number == former => envelope.count += 1,
                (3, WireValue::Bytes(url)) => envelope.schema_url = Some(url),
                (1..=3, _) => return Err(wrong_type(path, &number.to_string())),
                _ => envelope.unknown = Some(number),
            }
            Ok(())
        })?;
        Ok(envelope)
    }

    fn inner(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let former = self.former;
        Fields::new(self.bytes).flatten().filter_map(move |field| match field {
            (number, WireValue::Bytes(inner)) if number == 2 || number == former => Some(inner),
            _ => None,
        })
    }

    /// The envelope with its resource or scope, and without its inner messages.
    fn write(about: Option<&[u8]>, schema_url: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(about) = about {
            put_field(&mut out, 1, WireValue::Bytes(about));
        }
        if let Some(url) = schema_url {
            put_field(&mut out, 3, WireValue::Bytes(url.as_bytes()));
        }
        out
    }
}

impl Walk {
    fn group(&mut self, bytes: &[u8], path: &str, out: &mut Vec<u8>) -> Result<(), MalformedRequest> {
        let group = Envelope::read(bytes, path, INSTRUMENTATION_LIBRARY_SPANS)?;
        let repairs = self.repairs.resources.remove(&self.groups);
        self.groups += 1;
        let head = self.head(&group, path, &RESOURCE, RESOURCE_ATTRIBUTES, repairs);
        out.extend_from_slice(head.as_deref().unwrap_or_default());
        for (at, bytes) in group.inner().enumerate() {
            let path = format!("{path}.scope_spans[{at}]");
            let scoped = Envelope::read(bytes, &path, SPANS)?;
            if let Err(fault) = &head {
                self.refuse_all(&scoped, &path, Reason::Resource, fault);
                continue;
            }
            let start = open(out, 2);
            self.scoped(&scoped, &path, out);
            put_length_before(out, start);
        }
        Ok(())
    }

    fn scoped(&mut self, scoped: &Envelope<'_>, path: &str, out: &mut Vec<u8>) {
        let repairs = self.repairs.scopes.remove(&self.scopes);
        self.scopes += 1;
        match self.head(scoped, path, &SCOPE, SCOPE_ATTRIBUTES, repairs) {
            Ok(head) => out.extend_from_slice(&head),
            Err(fault) => return self.refuse_all(scoped, path, Reason::Scope, &fault),
        }
        for (at, bytes) in scoped.inner().enumerate() {
            match self.span(bytes) {
                Ok(span) => {
                    put_field(out, 2, WireValue::Bytes(&span));
                    self.accepted += 1;
                }
                Err(fault) => self.refused.add(fault.reason.unwrap_or(Reason::Span), 1, self.messages, || {
                    format!("{path}.spans[{at}]{}: {}", named(bytes), fault.text)
                }),
            }
        }
    }

    /// Resource and schema of a group, or scope and schema: repaired and marked where something is invalid.
    fn head(
        &mut self,
        envelope: &Envelope<'_>,
        path: &str,
        table: &'static Message,
        attributes: u32,
        repairs: Option<Notes>,
    ) -> Result<Vec<u8>, Fault> {
        if let (true, Some(number)) = (envelope.count == 0, envelope.unknown) {
            self.warnings.add(Warning::Fields, || format!("{path}: nothing in it is known, but it has field {number}"));
        }
        let mut copied = match &envelope.about {
            Some(about) => Some(copy(table, about, self.depth)?),
            None => None,
        };
        if let Some(repairs) = repairs {
            copied.get_or_insert_default().notes.extend(repairs);
        }
        let url = envelope.schema_url.map(String::from_utf8_lossy);
        if envelope.schema_url.is_some_and(|url| std::str::from_utf8(url).is_err()) {
            not_utf8(&mut copied.get_or_insert_default().notes, || "schema_url".to_owned());
        }
        if let Some(copied) = &copied {
            self.warnings.string_indexes(copied.string_indexes);
        }
        let about = copied.map(|copied| copied.marked(attributes));
        Ok(Envelope::write(about.as_deref(), url.as_deref()))
    }

    /// The span as it is kept.
    fn span(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let repairs = self.repairs.spans.remove(&self.spans);
        self.spans += 1;
        let mut copied = copy(&SPAN, bytes, self.depth)?;
        let ids = Ids::read(&copied.bytes);
        ids.check()?;
        if let Some(length) = ids.wrong_parent {
            copied.bytes = without_parent(&copied.bytes);
            copied.notes.add(|| format!("parent span id of {length} bytes dropped"));
        }
        copied.notes.extend(repairs.unwrap_or_default());
        self.warnings.string_indexes(copied.string_indexes);
        self.repaired += u32::from(!copied.notes.is_empty());
        Ok(copied.marked(SPAN_ATTRIBUTES))
    }

    fn refuse_all(&mut self, scoped: &Envelope<'_>, path: &str, reason: Reason, fault: &Fault) {
        let what = if reason == Reason::Scope { "scope" } else { "resource" };
        self.refused.add(reason, scoped.count, self.messages, || format!("{path}.spans: their {what}: {}", fault.text));
    }
}

/// The ids of a span, each the last of its kind.
#[derive(Default)]
struct Ids<'a> {
    trace: &'a [u8],
    span: &'a [u8],
    wrong_parent: Option<usize>,
}

impl<'a> Ids<'a> {
    fn read(span: &'a [u8]) -> Self {
        let mut ids = Self::default();
        for (number, value) in Fields::new(span).flatten() {
            match (number, value) {
                (1, WireValue::Bytes(id)) => ids.trace = id,
                (2, WireValue::Bytes(id)) => ids.span = id,
                (4, WireValue::Bytes(id)) => ids.wrong_parent = (!id.is_empty() && id.len() != 8).then_some(id.len()),
                _ => {}
            }
        }
        ids
    }

    fn check(&self) -> Result<(), Fault> {
        check(self.trace, 16, "trace id", Reason::TraceId)?;
        check(self.span, 8, "span id", Reason::SpanId)
    }
}

fn check(id: &[u8], length: usize, what: &str, reason: Reason) -> Result<(), Fault> {
    let text = match id.len() {
        0 => format!("no {what}"),
        found if found != length => format!("{what} of {found} bytes, not {length}"),
        _ if id.iter().all(|byte| *byte == 0) => format!("{what} of only zeros"),
        _ => return Ok(()),
    };
    Err(Fault { reason: Some(reason), text })
}

fn without_parent(span: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(span.len());
    for (number, value) in Fields::new(span).flatten().filter(|(number, _)| *number != 4) {
        put_field(&mut out, number, value);
    }
    out
}

/// ` "GET /cart"`, when the span has a name that can still be read.
fn named(span: &[u8]) -> String {
    let name = Fields::new(span).map_while(Result::ok).find_map(|field| match field {
        (5, WireValue::Bytes(name)) => Some(String::from_utf8_lossy(name).chars().take(80).collect::<String>()),
        _ => None,
    });
    name.filter(|name| !name.is_empty()).map(|name| format!(" {name:?}")).unwrap_or_default()
}

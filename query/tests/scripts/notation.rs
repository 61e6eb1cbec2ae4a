//! Spans in a compact notation.
//!
//! ```text
//! trace 1
//!   a - shop "GET /" 0ms 120ms server error span.code=500 resource.region="eu" scope.name="lib"
//!     event exception 5ms type="X"
//!     link 2 b kind="retry"
//! ```
//! A span: its id, its parent's id or `-`, service or `-`, name, start after the beginning of 2026, duration; then in any order kind,
//! status, `message="…"`, `state="…"` (trace state), `scope="…"`, `version="…"` and attributes.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, StatusCode,
    TraceId, TraceSpan,
};
use hoptrail_query::traceql::parse_duration;

/// The beginning of 2026.
pub(crate) const EPOCH: u64 = 1_767_225_600_000_000_000;

/// Adds the line to the spans; tells what is wrong with it.
pub(crate) fn read_line(line: &str, trace: &mut TraceId, spans: &mut Vec<TraceSpan>) -> Result<(), String> {
    let words = words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["trace", id] => *trace = id.parse().map_err(|error| format!("{id}: {error}"))?,
        ["event", name, at, attributes @ ..] => {
            let span = spans.last_mut().ok_or("an event without a span")?;
            span.span.events.push(SpanEvent {
                time_unix_nano: span.span.start_unix_nano + nanos(at)?,
                name: text(name),
                attributes: attributes.iter().map(|pair| attribute(pair)).collect::<Result<_, _>>()?,
                dropped_attributes_count: 0,
            });
        }
        ["link", trace, id, attributes @ ..] => {
            let span = spans.last_mut().ok_or("a link without a span")?;
            span.span.links.push(SpanLink {
                trace_id: trace.parse().map_err(|error| format!("{trace}: {error}"))?,
                span_id: id.parse().map_err(|error| format!("{id}: {error}"))?,
                attributes: attributes.iter().map(|pair| attribute(pair)).collect::<Result<_, _>>()?,
                ..SpanLink::default()
            });
        }
        [id, parent, service, name, start, duration, more @ ..] => {
            spans.push(span(*trace, [id, parent, service, name, start, duration], more)?);
        }
        _ => return Err("too few words".into()),
    }
    Ok(())
}

fn span(trace_id: TraceId, fixed: [&str; 6], more: &[&str]) -> Result<TraceSpan, String> {
    let [id, parent, service, name, start, duration] = fixed;
    let span_id = |text: &str| text.parse::<SpanId>().map_err(|error| format!("{text}: {error}"));
    let start = EPOCH + nanos(start)?;
    let mut span = Span {
        trace_id,
        span_id: span_id(id)?,
        parent_span_id: if parent == "-" { None } else { Some(span_id(parent)?) },
        name: text(name),
        start_unix_nano: start,
        end_unix_nano: start + nanos(duration)?,
        ..Span::default()
    };
    let mut resource = Resource::default();
    if service != "-" {
        resource.attributes.push(Attribute::new("service.name", service));
    }
    let mut scope = InstrumentationScope::default();
    for word in more {
        let statuses = [StatusCode::Ok, StatusCode::Error];
        if let Some(kind) = SpanKind::ALL.into_iter().find(|kind| kind.name() == *word) {
            span.kind = kind;
        } else if let Some(status) = statuses.into_iter().find(|status| status.name() == *word) {
            span.status.code = status;
        } else {
            match word.split_once('=').ok_or_else(|| format!("{word}: no pair"))? {
                ("message", value) => span.status.message = text(value),
                ("state", value) => span.trace_state = text(value),
                ("scope", value) => scope.name = text(value),
                ("version", value) => scope.version = text(value),
                _ => match word.split_once('.').ok_or_else(|| format!("{word}: no scope"))? {
                    ("span", pair) => span.attributes.push(attribute(pair)?),
                    ("resource", pair) => resource.attributes.push(attribute(pair)?),
                    ("instrumentation", pair) => scope.attributes.push(attribute(pair)?),
                    _ => return Err(format!("{word}: unknown scope")),
                },
            }
        }
    }
    Ok(TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(scope) })
}

fn nanos(text: &str) -> Result<u64, String> {
    Ok(parse_duration(text)?.unsigned_abs())
}

fn attribute(pair: &str) -> Result<Attribute, String> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair}: no pair"))?;
    Ok(Attribute { key: key.replace('"', ""), value: value_of(value) })
}

fn value_of(word: &str) -> AnyValue {
    if let Some(list) = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return AnyValue::Array(list.split(',').filter(|one| !one.is_empty()).map(value_of).collect());
    }
    let int = word.parse::<i64>().map(AnyValue::Int).ok();
    let double = || word.parse::<f64>().map(AnyValue::Double).ok();
    let boolean = || word.parse::<bool>().map(AnyValue::Bool).ok();
    int.or_else(double).or_else(boolean).unwrap_or_else(|| AnyValue::String(text(word)))
}

fn text(word: &str) -> String {
    word.trim_matches('"').to_owned()
}

/// Words at white space outside of quotes; the quotes stay.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        quoted ^= c == '"';
        match (c.is_whitespace() && !quoted, words.last_mut()) {
            (false, Some(word)) => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

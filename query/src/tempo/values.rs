//! `/api/search/tag/{name}/values` and `/api/v2/search/tag/{name}/values`: which values an attribute has.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};
use hoptrail_proto::tempo::{SearchTagValuesResponse, SearchTagValuesV2Response, TagValue};
use hoptrail_storage::{AttributeScope, Field, FieldValuesRequest, Filter, Intrinsic, Value};

use super::names::one_job;
use super::{llm, range, tags};
use crate::http::{Api, ApiError, Ask, Format, Named, message, truncated};
use crate::traceql::{lenient_filter, parse_field};

/// Values listed when no limit is given.
const DEFAULT_LIMIT: usize = 10_000;
/// Most values listed.
const MAX_LIMIT: usize = 100_000;
/// Most bytes of values listed.
const MAX_BYTES: usize = 1_000_000;

/// `/api/search/tag/{name}/values`: values as text, of a key without scope.
pub(super) async fn values(State(api): State<Api>, Named(path): Named, ask: Ask) -> Result<Response, ApiError> {
    let (answer, cut) = texts(&api, &ask, name_of(&path)?).await?;
    Ok(truncated(message(ask.format, &answer)?, cut))
}

/// `/api/v2/search/tag/{name}/values`: values with their types, of a TraceQL identifier.
pub(super) async fn values_v2(State(api): State<Api>, Named(path): Named, ask: Ask) -> Result<Response, ApiError> {
    let name = name_of(&path)?;
    let (answer, cut) = typed_values(&api, &ask, name).await?;
    let response = match ask.format {
        Format::Llm => llm::values(name, &answer.tag_values)?,
        format => message(format, &answer)?,
    };
    Ok(truncated(response, cut))
}

/// The values of a key without scope as text, and what cut the list.
pub(super) async fn texts(
    api: &Api,
    ask: &Ask,
    name: &str,
) -> Result<(SearchTagValuesResponse, Option<String>), ApiError> {
    let field = parse_field(name).unwrap_or_else(|_| tags::field(name));
    let (values, cut) = listed(api, ask, field).await?;
    let mut seen = HashSet::new();
    let tag_values = values.into_iter().map(|value| value.value).filter(|value| seen.insert(value.clone())).collect();
    Ok((SearchTagValuesResponse { tag_values, metrics: Some(one_job()) }, cut))
}

/// The values of a TraceQL identifier with their types, and what cut the list.
pub(super) async fn typed_values(
    api: &Api,
    ask: &Ask,
    name: &str,
) -> Result<(SearchTagValuesV2Response, Option<String>), ApiError> {
    let field = parse_field(name).map_err(|reason| ApiError::invalid(format!("invalid tag name: {reason}")))?;
    let (tag_values, cut) = listed(api, ask, field).await?;
    Ok((SearchTagValuesV2Response { tag_values, metrics: Some(one_job()) }, cut))
}

/// The name in `{name}/values`, which may have slashes itself.
fn name_of(path: &str) -> Result<&str, ApiError> {
    let name = path.strip_suffix("/values").filter(|name| !name.is_empty());
    name.ok_or_else(|| ApiError::invalid(format!("expected {{name}}/values, found {path:?}")))
}

/// The distinct values, and what cut the list.
async fn listed(api: &Api, ask: &Ask, field: Field) -> Result<(Vec<TagValue>, Option<String>), ApiError> {
    let limit = ask.params.count("limit", 0, u32::MAX as usize)?.filter(|limit| *limit > 0);
    let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let range = range::open(&ask.params)?;
    let filter = ask.params.get("q").map_or(Filter::True, lenient_filter);
    let fields = match field {
        Field::Intrinsic(intrinsic) => match known_values(intrinsic) {
            Some(values) => return Ok((values, None)),
            None => vec![Field::Intrinsic(intrinsic)],
        },
        // Without a scope: the values of the two scopes where people look.
        Field::Attribute { scope: AttributeScope::Any, key } => {
            [AttributeScope::Span, AttributeScope::Resource].map(|scope| Field::attribute(scope, key.as_str())).into()
        }
        field => vec![field],
    };
    let mut values = Vec::new();
    for field in fields {
        let request = FieldValuesRequest { field, filter: filter.clone(), range, limit: limit + 1 };
        let found = api.service.field_values(&ask.tenants, request).await?.value;
        found.iter().for_each(|value| push(value, &mut values));
    }
    let mut seen = HashSet::new();
    values.retain(|value: &TagValue| seen.insert((value.kind.clone(), value.value.clone())));
    Ok(cut(values, limit))
}

/// Values that are known without asking the store. Durations, ids and places in the tree have none: there are too many to choose from.
fn known_values(intrinsic: Intrinsic) -> Option<Vec<TagValue>> {
    match intrinsic {
        Intrinsic::Status => {
            Some(keywords(&[StatusCode::Error, StatusCode::Ok, StatusCode::Unset].map(StatusCode::name)))
        }
        Intrinsic::Kind => Some(keywords(&SpanKind::ALL.map(SpanKind::name))),
        Intrinsic::Duration
        | Intrinsic::TraceDuration
        | Intrinsic::TraceStart
        | Intrinsic::TraceSpans
        | Intrinsic::TraceErrors
        | Intrinsic::EventTimeSinceStart
        | Intrinsic::TraceId
        | Intrinsic::SpanId
        | Intrinsic::ParentId
        | Intrinsic::LinkTraceId
        | Intrinsic::LinkSpanId
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => Some(Vec::new()),
        _ => None,
    }
}

fn keywords(names: &[&str]) -> Vec<TagValue> {
    names.iter().map(|name| tag("keyword", *name)).collect()
}

fn tag(kind: &str, value: impl Into<String>) -> TagValue {
    TagValue { kind: kind.to_owned(), value: value.into() }
}

/// Adds the value; of an array, its elements. Bytes and nested lists cannot be written in a query.
fn push(value: &Value, out: &mut Vec<TagValue>) {
    let Value::Any(value) = value else { return };
    out.push(match value {
        AnyValue::String(text) => tag("string", text.as_str()),
        AnyValue::Int(number) => tag("int", number.to_string()),
        AnyValue::Double(number) => tag("float", number.to_string()),
        AnyValue::Bool(value) => tag("bool", value.to_string()),
        AnyValue::Array(elements) => {
            return elements.iter().for_each(|element| push(&Value::Any(element.clone()), out));
        }
        AnyValue::Empty | AnyValue::Bytes(_) | AnyValue::KvList(_) => return,
    });
}

/// At most `limit` values and `MAX_BYTES` of them.
fn cut(mut values: Vec<TagValue>, limit: usize) -> (Vec<TagValue>, Option<String>) {
    let mut bytes = 0;
    let fitting = values.iter().take_while(|value| {
        bytes += value.value.len();
        bytes <= MAX_BYTES
    });
    let fitting = fitting.count();
    let note = if values.len() > limit.min(fitting) {
        Some(if fitting < limit { format!("bytes={MAX_BYTES}") } else { format!("limit={limit}") })
    } else {
        None
    };
    values.truncate(fitting.min(limit));
    (values, note)
}

//! `POST /api/v2/traces/diff`: how one trace differs from another. `docs/tempo.md` has the keys of the answers.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use hoptrail_proto::model::{AnyValue, SpanKind, Trace};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::llm::{millis, object, plain};
use super::status::not_allowed;
use super::trace::{check_times, encode, trace_id};
use crate::assemble::{Clocks, Node, TraceTree, assemble};
use crate::diff::{Change, Changed, Counts, align, changes};
use crate::http::{Api, ApiError, Ask, json, shown, warned};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    base: Side,
    compare: Side,
    format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Side {
    trace_id: String,
    start: Option<u32>,
    end: Option<u32>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The spans that differ.
    Patch,
    /// Numbers by operation.
    Operations,
    /// Both.
    Composed,
}

const FORMS: [(&str, Form); 3] = [
    ("trace-patch-v0", Form::Patch),
    ("trace-summary-v0-native", Form::Operations),
    ("trace-summary-v0-composed", Form::Composed),
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    format: &'static str,
    base: Whole,
    compare: Whole,
    counts: Numbers,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<Operation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Vec<Step>>,
}

/// A trace in numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    trace_id: String,
    start_unix_nano: String,
    duration_ms: f64,
    span_count: usize,
    error_count: usize,
}

#[derive(Debug, Serialize)]
struct Numbers {
    added: usize,
    removed: usize,
    changed: usize,
    same: usize,
}

/// Spans with one service, name and kind.
#[derive(Debug, Serialize)]
struct Operation {
    service: String,
    name: String,
    kind: &'static str,
    base: Total,
    compare: Total,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    span_count: usize,
    error_count: usize,
    duration_ms: f64,
    self_ms: f64,
}

/// A span that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    op: &'static str,
    service: String,
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Span>,
    /// Which of duration, status and attributes differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
}

/// A span in one of the traces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    start_ms: f64,
    duration_ms: f64,
    self_ms: f64,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    status_message: String,
}

/// Compares two traces.
pub(super) async fn diff(State(api): State<Api>, ask: Ask, body: Bytes) -> Result<Response, ApiError> {
    let question: Question = serde_json::from_slice(&body).map_err(|error| {
        let expected = r#"expected {"base": {"traceId": "…"}, "compare": {"traceId": "…"}}, with start, end and format if you like"#;
        ApiError::invalid(format!("invalid body: {error}; {expected}"))
    })?;
    let form = form(question.format.as_deref().or_else(|| ask.params.get("format")))?;
    let (base, one) = asked(&api, &ask, "base", &question.base).await?;
    let (compare, other) = asked(&api, &ask, "compare", &question.compare).await?;
    let notices: Vec<String> = one.into_iter().chain(other).collect();
    let response = encode(move || json(&answer(&base, &compare, form))).await?;
    Ok(warned(response, (!notices.is_empty()).then(|| notices.join("; "))))
}

/// Every method but POST.
pub(super) async fn wrong_method(method: Method) -> Response {
    not_allowed(&method, "POST", "two traces to compare are posted")
}

fn form(asked: Option<&str>) -> Result<(&'static str, Form), ApiError> {
    let Some(asked) = asked else { return Ok(FORMS[0]) };
    let names = FORMS.map(|(name, _)| name).join(", ");
    let unknown = || ApiError::invalid(format!("invalid format {}; there are {names}", shown(asked)));
    FORMS.into_iter().find(|(name, _)| *name == asked).ok_or_else(unknown)
}

/// A trace, and what is missing in it.
async fn asked(api: &Api, ask: &Ask, name: &str, side: &Side) -> Result<(Trace, Option<String>), ApiError> {
    let within = |error: ApiError| ApiError::invalid(format!("{name}: {error}"));
    let id = trace_id(&side.trace_id).map_err(within)?;
    check_times(side.start, side.end).map_err(within)?;
    let answer = api.service.trace(&ask.tenants, id).await?;
    let notice = answer.notice().map(|notice| format!("{name}: {notice}"));
    let trace = answer.value.ok_or_else(|| ApiError::NotFound(format!("{name}: no span of trace {id} is known")))?;
    Ok((trace, notice))
}

fn answer(base: &Trace, compare: &Trace, (format, form): (&'static str, Form)) -> Answer {
    let [base, compare] = [base, compare].map(|trace| assemble(trace, Clocks::AsSent));
    let rows = align(&base, &compare);
    let (changes, Counts { added, removed, changed, same }) = changes(&base, &compare, &rows);
    let step = |changed: &Changed<'_>| step(&base, &compare, changed);
    Answer {
        format,
        base: whole(&base),
        compare: whole(&compare),
        counts: Numbers { added, removed, changed, same },
        operations: (form != Form::Patch).then(|| operations(&base, &compare)),
        patch: (form != Form::Operations).then(|| changes.iter().filter_map(step).collect()),
    }
}

fn whole(tree: &TraceTree<'_>) -> Whole {
    Whole {
        trace_id: tree.id.to_string(),
        start_unix_nano: tree.interval.start.to_string(),
        duration_ms: millis(tree.interval.nanos()),
        span_count: tree.summary.spans,
        error_count: tree.summary.errors,
    }
}

/// Each operation, those whose own time differs most first.
fn operations(base: &TraceTree<'_>, compare: &TraceTree<'_>) -> Vec<Operation> {
    let mut totals: BTreeMap<(&str, &str, SpanKind), [Total; 2]> = BTreeMap::new();
    for (side, tree) in [base, compare].into_iter().enumerate() {
        for node in &tree.nodes {
            let Some(span) = node.span() else { continue };
            let operation = (span.resource.service_name(), span.span.name.as_str(), span.span.kind);
            let total = &mut totals.entry(operation).or_default()[side];
            total.span_count += 1;
            total.error_count += usize::from(node.is_error());
            total.duration_ms += millis(node.interval.nanos());
            total.self_ms += millis(node.self_nanos);
        }
    }
    let mut operations: Vec<Operation> = totals
        .into_iter()
        .map(|((service, name, kind), [base, compare])| Operation {
            service: service.to_owned(),
            name: name.to_owned(),
            kind: kind.name(),
            base,
            compare,
        })
        .collect();
    let difference = |operation: &Operation| (operation.base.self_ms - operation.compare.self_ms).abs();
    operations.sort_by(|one, other| difference(other).total_cmp(&difference(one)));
    operations
}

/// How a span differs; `None` when it does not.
fn step(base: &TraceTree<'_>, compare: &TraceTree<'_>, changed: &Changed<'_>) -> Option<Step> {
    let (op, node, one, other, change) = match changed {
        Changed::Added(node) => ("add", *node, None, Some(*node), None),
        Changed::Removed(node) => ("remove", *node, Some(*node), None, None),
        Changed::Both { base, compare, change } => {
            ("change", *compare, Some(*base), Some(*compare), Some(change.as_ref()?))
        }
    };
    let span = node.span()?;
    Some(Step {
        op,
        service: span.resource.service_name().to_owned(),
        name: span.span.name.clone(),
        kind: span.span.kind.name(),
        base: one.and_then(|node| in_trace(base, node)),
        compare: other.and_then(|node| in_trace(compare, node)),
        changed: change.map(parts).unwrap_or_default(),
        attributes: change.map_or_else(|| object(&span.span.attributes), differing),
    })
}

fn parts(change: &Change<'_>) -> Vec<&'static str> {
    let parts =
        [("duration", change.duration), ("status", change.status), ("attributes", !change.attributes.is_empty())];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// The values that each side has; a side without one has no key.
fn differing(change: &Change<'_>) -> Map<String, Value> {
    let side = |name: &str, value: Option<&AnyValue>| value.map(|value| (name.to_owned(), plain(value)));
    let both = |(key, (one, other)): (&&str, &(Option<&AnyValue>, Option<&AnyValue>))| {
        let sides: Map<String, Value> = side("base", *one).into_iter().chain(side("compare", *other)).collect();
        ((*key).to_owned(), Value::Object(sides))
    };
    change.attributes.iter().map(both).collect()
}

fn in_trace(tree: &TraceTree<'_>, node: &Node<'_>) -> Option<Span> {
    let span = &node.span()?.span;
    Some(Span {
        id: node.key.to_string(),
        parent: node.parent.and_then(|parent| tree.nodes.get(parent)).map(|parent| parent.key.to_string()),
        start_ms: millis(node.interval.start.saturating_sub(tree.interval.start)),
        duration_ms: millis(node.interval.nanos()),
        self_ms: millis(node.self_nanos),
        status: span.status.code.name(),
        status_message: span.status.message.clone(),
    })
}

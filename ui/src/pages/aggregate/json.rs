//! Many traces as one, for machines.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::why::{CallPath, CallPaths, PathNumbers};
use serde_json::{Value, json};

use crate::format;
use crate::pages::asked::Asked;
use crate::pages::red::milliseconds;

/// Times are milliseconds; a parent is an index.
pub(super) fn answer(asked: &Asked, found: &CallPaths, notice: Option<&str>) -> Response {
    let time = |nanos| format::exact_time(nanos, &jiff::tz::TimeZone::UTC);
    let range = asked.question.range;
    let body = json!({
        "selected": { "query": asked.question.selected, "traces": found.traces.selected },
        "others": { "query": asked.question.others, "traces": found.traces.others },
        "from": range.map(|range| time(range.start)),
        "to": range.map(|range| time(range.end)),
        "steps": found.paths.iter().map(step).collect::<Vec<_>>(),
        "left_out": found.left_out,
        "notice": notice,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn step(path: &CallPath) -> Value {
    let [selected, others] = path.sides.map(|own| own.as_ref().map(numbers));
    json!({
        "parent": path.parent,
        "service": path.service,
        "name": path.name,
        "kind": path.kind.name(),
        "selected": selected,
        "others": others,
    })
}

fn numbers(own: &PathNumbers) -> Value {
    let millis = |nanos: u64| milliseconds(nanos as f64);
    json!({
        "traces": own.traces,
        "spans": own.spans,
        "errors": own.errors,
        "total_ms": millis(own.total),
        "critical_ms": millis(own.critical),
        "start_p50_ms": millis(own.start[0]),
        "start_p95_ms": millis(own.start[1]),
        "p50_ms": millis(own.duration[0]),
        "p95_ms": millis(own.duration[1]),
    })
}

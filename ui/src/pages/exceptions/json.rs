//! The groups for machines.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::exceptions::{ExceptionGroup, group_query};
use serde_json::{Value, json};

use crate::format;
use crate::pages::red::Window;

pub(super) fn answer(window: &Window, groups: &[&ExceptionGroup], notice: Option<&str>) -> Response {
    let range = window.range();
    let body = json!({
        "from": time(range.start),
        "to": time(range.end),
        "step_seconds": window.steps.step as f64 / 1e9,
        "groups": groups.iter().map(|own| group(own)).collect::<Vec<_>>(),
        "notice": notice,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn group(group: &ExceptionGroup) -> Value {
    let versions: serde_json::Map<String, Value> =
        group.versions.iter().map(|(version, count)| (version.clone(), (*count).into())).collect();
    let example = |own: &hoptrail_query::exceptions::ExceptionExample| {
        json!({
            "trace": own.trace_id.to_string(),
            "span": own.span_id.to_string(),
            "start": time(own.start_unix_nano),
            "message": own.message,
        })
    };
    json!({
        "service": group.service,
        "type": group.kind,
        "message": group.template,
        "count": group.count(),
        "counts": group.counts,
        "first": time(group.seen.0),
        "last": time(group.seen.1),
        "versions": versions,
        "examples": group.examples.iter().map(example).collect::<Vec<_>>(),
        "query": group_query(group),
    })
}

fn time(nanos: u64) -> String {
    format::exact_time(nanos, &jiff::tz::TimeZone::UTC)
}

//! The numbers of all services for machines.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::rollups::Cell;
use serde_json::{Map, Value, json};

use super::{Found, Health};
use crate::format;
use crate::pages::red::{error_rate, milliseconds, rate};

/// Rates are per second, durations are milliseconds.
pub(super) fn answer(found: &Found) -> Response {
    let time = |nanos| format::exact_time(nanos, &jiff::tz::TimeZone::UTC);
    let range = found.window.range();
    let services: Vec<Value> = found.healths.iter().map(|health| service(health, found)).collect();
    let body = json!({ "from": time(range.start), "to": time(range.end), "services": services });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn service(health: &Health, found: &Found) -> Value {
    let lengths = found.lengths;
    let mut out = numbers(&health.now, lengths.now);
    out.insert("name".to_owned(), health.service.clone().into());
    for (name, before, seconds) in
        [("yesterday", &health.yesterday, lengths.yesterday), ("last_week", &health.last_week, lengths.last_week)]
    {
        out.insert(name.to_owned(), before.as_ref().map_or(Value::Null, |cell| Value::Object(numbers(cell, seconds))));
    }
    Value::Object(out)
}

/// The numbers of a cell.
pub(in crate::pages) fn numbers(cell: &Cell, seconds: f64) -> Map<String, Value> {
    let quantile = |q| cell.durations.quantile(q).map(milliseconds);
    let numbers = json!({
        "count": cell.count,
        "errors": cell.errors,
        "rate": rate(cell.count, seconds),
        "error_rate": error_rate(cell),
        "p50_ms": quantile(0.5),
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
    });
    match numbers {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

//! The map for machines.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::rollups::{Cell, Connection};
use serde_json::{Value, json};

use super::Question;
use super::graph::{Graph, as_seen};
use crate::format;
use crate::pages::red::milliseconds;
use crate::pages::services::json::numbers;

/// Rates are per second, durations are milliseconds. An edge names its ends by their places in the list of nodes.
pub(super) fn answer(graph: &Graph, question: &Question, seconds: f64) -> Response {
    let time = |nanos| format::exact_time(nanos, &jiff::tz::TimeZone::UTC);
    let range = question.window.range();
    let nodes = graph.nodes.iter().map(|(node, cell)| {
        let mut out = numbers(cell, seconds);
        out.insert("name".to_owned(), node.name.clone().into());
        out.insert("kind".to_owned(), node.kind.name().into());
        Value::Object(out)
    });
    let edges = graph.edges.iter().map(|edge| {
        let mut out = numbers(&as_seen(&edge.cell), seconds);
        out.insert("caller".to_owned(), edge.caller.into());
        out.insert("callee".to_owned(), edge.callee.into());
        let connections: Vec<&str> = edge.connections.iter().map(|connection| word(*connection)).collect();
        out.insert("connections".to_owned(), connections.into());
        out.insert("caller_p95_ms".to_owned(), of_caller(&edge.cell));
        Value::Object(out)
    });
    let body = json!({
        "from": time(range.start),
        "to": time(range.end),
        "nodes": nodes.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn of_caller(cell: &Cell) -> Value {
    cell.caller.quantile(0.95).map(milliseconds).into()
}

fn word(connection: Connection) -> &'static str {
    match connection {
        Connection::Request => "request",
        Connection::Message => "message",
        Connection::Database => "database",
        Connection::Virtual => "virtual",
    }
}

//! The spans of a trace as rows, in the order of the tree.

use hoptrail_proto::model::{SpanId, TraceSpan};
use hoptrail_query::assemble::{Node, TraceTree};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::client::Failure;
use crate::output::write;
use crate::terminal::Paint;
use crate::terminal::number::{duration, machine, moment};
use crate::terminal::table::{Cell, Column, Table, csv_record};
use crate::terminal::text::{harmless_json, shown};

/// Bytes that are written at once.
const CHUNK: usize = 64 << 10;

/// Spans with their nodes; what was not received is no row.
fn spans<'t>(tree: &'t TraceTree<'_>) -> impl Iterator<Item = (&'t Node<'t>, &'t TraceSpan)> {
    tree.nodes.iter().filter_map(|node| Some((node, node.span()?)))
}

/// Writes pieces of text, many at once.
pub(super) fn write_all(pieces: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut buffer = String::with_capacity(CHUNK);
    for piece in pieces {
        buffer += &piece;
        if buffer.len() >= CHUNK {
            write(&buffer)?;
            buffer.clear();
        }
    }
    Ok(write(&buffer)?)
}

fn parent(span: &TraceSpan) -> String {
    span.span.parent_span_id.as_ref().map(SpanId::to_string).unwrap_or_default()
}

pub(super) fn csv(tree: &TraceTree<'_>) -> Result<(), Failure> {
    let head = "trace_id,span_id,parent_span_id,depth,start,duration_ns,service,name,kind,status,status_message\r\n";
    let record = |(node, span): (&Node<'_>, &TraceSpan)| {
        let one = &span.span;
        csv_record(&[
            tree.id.to_string(),
            one.span_id.to_string(),
            parent(span),
            node.depth.to_string(),
            machine(one.start_unix_nano),
            one.duration_nanos().to_string(),
            shown(span.resource.service_name()),
            shown(&one.name),
            one.kind.name().to_owned(),
            one.status.code.name().to_owned(),
            shown(&one.status.message),
        ])
    };
    write_all(std::iter::once(head.to_owned()).chain(spans(tree).map(record)))
}

pub(super) fn ndjson(tree: &TraceTree<'_>) -> Result<(), Failure> {
    let line = |(node, span): (&Node<'_>, &TraceSpan)| {
        let one = &span.span;
        let warnings: Vec<String> = node.warnings.iter().map(ToString::to_string).collect();
        let object = json!({
            "trace_id": tree.id.to_string(), "span_id": one.span_id.to_string(), "parent_span_id": parent(span),
            "depth": node.depth, "start": machine(one.start_unix_nano), "duration_ns": one.duration_nanos(),
            "service": span.resource.service_name(), "name": one.name, "kind": one.kind.name(),
            "status": one.status.code.name(), "status_message": one.status.message, "warnings": warnings,
        });
        harmless_json(&object.to_string()) + "\n"
    };
    write_all(spans(tree).map(line))
}

pub(super) fn markdown(tree: &TraceTree<'_>, zone: &TimeZone) -> Result<(), Failure> {
    let mut table = Table {
        columns: vec![
            Column::whole("START"),
            Column::number("DURATION"),
            Column::text("SERVICE"),
            Column::text("NAME"),
            Column::whole("STATUS"),
            Column::whole("SPAN ID"),
        ],
        rows: Vec::new(),
    };
    let head = table.markdown_head();
    let rows = spans(tree).map(|(node, span)| {
        let one = &span.span;
        // Depth is shown as a list of a few dots at most: a chain of 100,000 spans is 100,000 lines, not their square.
        let dots = "· ".repeat(node.depth.min(20));
        table.rows = vec![vec![
            Cell::new(moment(one.start_unix_nano, zone)),
            Cell::new(duration(one.duration_nanos())),
            Cell::painted(shown(span.resource.service_name()), Paint::Service),
            Cell::new(dots + &shown(&one.name)),
            Cell::new(one.status.code.name()),
            Cell::new(one.span_id.to_string()),
        ]];
        table.markdown_rows()
    });
    write_all(std::iter::once(head).chain(rows))
}

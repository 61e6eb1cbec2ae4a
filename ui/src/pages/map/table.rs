//! The same as a table.

use hoptrail_query::rollups::{Node, NodeKind};

use super::Question;
use super::graph::{Graph, as_seen};
use crate::format;
use crate::pages::red::{RateUnit, error_rate, percent, rate, seconds_text, service_href};
use crate::pages::search::shown_service;
use crate::pages::service::{icon, word};

/// Longer names are cut on the page.
const NAME: usize = 80;

/// The calls of one node to another.
#[derive(Debug)]
pub(crate) struct CallRow {
    pub(crate) ends: [End; 2],
    pub(crate) connection: String,
    pub(crate) rate: String,
    pub(crate) errors: String,
    pub(crate) has_errors: bool,
    pub(crate) p50: String,
    pub(crate) p95: String,
}

/// A node in a row.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) icon: &'static str,
    pub(crate) kind: &'static str,
}

/// Failed calls first, then the most frequent ones.
pub(super) fn rows(graph: &Graph, question: &Question, seconds: f64, most: usize) -> Vec<CallRow> {
    let mut edges: Vec<_> = graph.edges.iter().collect();
    edges.sort_by_key(|edge| (-edge.cell.errors, -edge.cell.count));
    let highest = edges.iter().map(|edge| rate(edge.cell.count, seconds)).fold(0.0, f64::max);
    let unit = RateUnit::of(highest);
    let end = |at: usize| graph.nodes.get(at).map(|(node, _)| end(node, question));
    let row = |edge: &&super::graph::Edge| {
        let cell = as_seen(&edge.cell);
        let quantile = |q| seconds_text(cell.durations.quantile(q));
        let words: Vec<&str> = edge.connections.iter().map(|connection| word(*connection)).collect();
        Some(CallRow {
            ends: [end(edge.caller)?, end(edge.callee)?],
            connection: words.join(" ").trim().to_owned(),
            rate: unit.text(rate(cell.count, seconds)),
            errors: error_rate(&cell).map_or_else(|| "–".to_owned(), percent),
            has_errors: cell.errors > 0,
            p50: quantile(0.5),
            p95: quantile(0.95),
        })
    };
    edges.iter().take(most).filter_map(row).collect()
}

fn end(node: &Node, question: &Question) -> End {
    let is_service = node.kind == NodeKind::Service;
    let name = if is_service { shown_service(&node.name) } else { node.name.clone() };
    End {
        name: format::shortened(&name, NAME),
        href: if is_service { service_href(&node.name, question.times.pairs()) } else { String::new() },
        icon: icon(node.kind),
        kind: if is_service { "" } else { node.kind.name() },
    }
}

//! Who calls a service, and whom it calls.

use std::collections::BTreeMap;

use hoptrail_query::rollups::{Cell, Connection, Node, NodeKind, RollupKey, Rollups};

use super::Question;
use crate::format;
use crate::pages::red::{RateUnit, error_rate, percent, rate, seconds_text, service_href};
use crate::pages::search::shown_service;

/// Longer names are cut on the page.
const NAME: usize = 80;

/// Those who call a service, or whom it calls.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) title: &'static str,
    /// What the page says when there are none.
    pub(crate) nobody: &'static str,
    pub(crate) rows: Vec<Neighbour>,
}

/// The other end of calls.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) name: String,
    /// Its page, when it is a service.
    pub(crate) href: String,
    /// The symbol of a peer that sends no spans; empty for a service.
    pub(crate) icon: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) connection: &'static str,
    pub(crate) rate: String,
    pub(crate) errors: String,
    pub(crate) has_errors: bool,
    /// As the service of the page saw it.
    pub(crate) p50: String,
    pub(crate) p95: String,
    /// As the other end saw it.
    pub(crate) p95_there: String,
}

pub(super) fn both(edges: &Rollups, question: &Question, seconds: f64) -> Vec<Neighbours> {
    vec![
        Neighbours {
            title: "Called by",
            nobody: "Nobody is known to call it in this time.",
            rows: rows(edges, question, seconds, true),
        },
        Neighbours {
            title: "Calls",
            nobody: "It is not known to call anybody in this time.",
            rows: rows(edges, question, seconds, false),
        },
    ]
}

/// The callers, or those that are called, by how often.
fn rows(edges: &Rollups, question: &Question, seconds: f64, is_caller: bool) -> Vec<Neighbour> {
    let mut all: BTreeMap<(&Node, Connection), Cell> = BTreeMap::new();
    for series in &edges.series {
        let RollupKey::Edge { caller, callee, connection } = &series.key else { continue };
        let (this, other) = if is_caller { (callee, caller) } else { (caller, callee) };
        if this.kind == NodeKind::Service && this.name == question.service {
            all.entry((other, *connection)).or_default().add(&series.total());
        }
    }
    let most = all.values().map(|cell| rate(cell.count, seconds)).fold(0.0, f64::max);
    let unit = RateUnit::of(most);
    let mut sorted: Vec<((&Node, Connection), Cell)> = all.into_iter().filter(|(_, cell)| cell.count > 0).collect();
    sorted.sort_by(|one, other| other.1.count.cmp(&one.1.count).then_with(|| one.0.cmp(&other.0)));
    sorted
        .iter()
        .map(|((node, connection), cell)| row(node, *connection, cell, (unit, seconds, is_caller), question))
        .collect()
}

fn row(
    node: &Node,
    connection: Connection,
    cell: &Cell,
    (unit, seconds, is_caller): (RateUnit, f64, bool),
    question: &Question,
) -> Neighbour {
    let (here, there) = if is_caller { (&cell.durations, &cell.caller) } else { (&cell.caller, &cell.durations) };
    let is_service = node.kind == NodeKind::Service;
    let name = if is_service { shown_service(&node.name) } else { node.name.clone() };
    Neighbour {
        name: format::shortened(&name, NAME),
        href: if is_service { service_href(&node.name, question.times.pairs()) } else { String::new() },
        icon: icon(node.kind),
        kind: if is_service { "" } else { node.kind.name() },
        connection: word(connection),
        rate: unit.text(rate(cell.count, seconds)),
        errors: error_rate(cell).map_or_else(|| "–".to_owned(), percent),
        has_errors: cell.errors > 0,
        p50: seconds_text(here.quantile(0.5)),
        p95: seconds_text(here.quantile(0.95)),
        p95_there: seconds_text(there.quantile(0.95)),
    }
}

/// The symbol of a node, as in a trace; empty for a service that sends spans.
pub(in crate::pages) fn icon(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Service => "",
        NodeKind::Database => "i-database",
        NodeKind::Queue => "i-queue",
        NodeKind::External => "i-service",
        NodeKind::User => "i-user",
    }
}

/// How calls are made, where that is not said by the node already.
pub(in crate::pages) fn word(connection: Connection) -> &'static str {
    match connection {
        Connection::Message => "message",
        Connection::Request => "request",
        Connection::Database | Connection::Virtual => "",
    }
}

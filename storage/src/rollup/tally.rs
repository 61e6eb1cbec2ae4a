//! Counts spans and hops.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::hops::Hop;
use super::{Cell, Connection, MINUTE, Node, NodeKind, RollupKey, RollupTable};
use crate::codec::len_u32;

/// Most edges of one tally. Calls beyond count for a peer called `other`.
const MOST_EDGES: usize = 10_000;
const OTHER: &str = "other";

/// A span as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) start: u64,
    pub(crate) duration: u64,
    pub(crate) failed: bool,
    pub(crate) weight: f64,
    pub(crate) bytes: u32,
}

/// What spans were counted so far, by minute. Keys and nodes have codes, so that each is hashed once for many spans.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    keys: Vec<RollupKey>,
    codes: HashMap<RollupKey, u32>,
    nodes: Vec<Node>,
    node_codes: HashMap<Node, u32>,
    edges: HashMap<(u32, u32, Connection), u32>,
    /// By key and minute since 1970.
    cells: HashMap<(u32, u32), Cell>,
}

impl Tally {
    /// The code of a key.
    pub(crate) fn key(&mut self, key: RollupKey) -> u32 {
        let Self { keys, codes, .. } = self;
        *codes.entry(key).or_insert_with_key(|key| {
            keys.push(key.clone());
            len_u32(keys.len() - 1)
        })
    }

    /// The code of a node.
    pub(crate) fn node(&mut self, kind: NodeKind, name: &str) -> u32 {
        let Self { nodes, node_codes, .. } = self;
        *node_codes.entry(Node { kind, name: name.to_owned() }).or_insert_with_key(|node| {
            nodes.push(node.clone());
            len_u32(nodes.len() - 1)
        })
    }

    /// Counts a span for a key that counts durations.
    pub(crate) fn add(&mut self, key: u32, span: &Counted) {
        let cell = self.cell(key, span.start);
        cell.durations.note(span.duration, 1);
        note(cell, span);
    }

    /// Counts a span for an instance.
    pub(crate) fn add_to_instance(&mut self, key: u32, span: &Counted) {
        note(self.cell(key, span.start), span);
    }

    /// Counts a hop `times` times; -1 takes it back.
    pub(crate) fn add_hop(&mut self, hop: &Hop, times: i64) {
        let key = self.edge(hop.caller, hop.callee, hop.connection);
        let cell = self.cell(key, hop.start);
        cell.count += times;
        cell.errors += times * i64::from(hop.failed);
        cell.weight += hop.weight * times as f64;
        hop.by_callee.into_iter().for_each(|nanos| cell.durations.note(nanos, times));
        hop.by_caller.into_iter().for_each(|nanos| cell.caller.note(nanos, times));
    }

    fn cell(&mut self, key: u32, time: u64) -> &mut Cell {
        // 32 bits of minutes are 8,000 years; 64 bits of nanoseconds are 584.
        self.cells.entry((key, u32::try_from(time / MINUTE).unwrap_or(u32::MAX))).or_default()
    }

    fn edge(&mut self, caller: u32, callee: u32, connection: Connection) -> u32 {
        if let Some(known) = self.edges.get(&(caller, callee, connection)) {
            return *known;
        }
        let mut ends = [caller, callee].map(|code| self.nodes.get(code as usize).cloned());
        if self.edges.len() >= MOST_EDGES {
            let peers = ends.iter_mut().flatten().filter(|node| node.kind != NodeKind::Service);
            peers.for_each(|node| OTHER.clone_into(&mut node.name));
        }
        let [Some(caller_node), Some(callee_node)] = ends else { return 0 };
        let key = self.key(RollupKey::Edge { caller: caller_node, callee: callee_node, connection });
        if self.edges.len() < MOST_EDGES {
            self.edges.insert((caller, callee, connection), key);
        }
        key
    }

    /// Everything that was counted of a table, by key and by the start of the minute.
    pub(crate) fn cells(&self, table: RollupTable) -> impl Iterator<Item = (RollupKey, u64, &Cell)> {
        let of_spans = table == RollupTable::Services;
        self.cells.iter().filter_map(move |((key, minute), cell)| {
            let key = self.keys.get(*key as usize)?;
            let key = if of_spans { key.of_service()? } else { key.clone() };
            (key.table() == table).then(|| (key, u64::from(*minute) * MINUTE, cell))
        })
    }

    /// The same as a map. What was taken back whole is not in it.
    pub(crate) fn by_key(&self, table: RollupTable) -> BTreeMap<(RollupKey, u64), Cell> {
        let mut all: BTreeMap<(RollupKey, u64), Cell> = BTreeMap::new();
        for (key, minute, cell) in self.cells(table) {
            all.entry((key, minute)).or_default().add(cell);
        }
        all.retain(|_, cell| !cell.is_empty());
        all
    }
}

fn note(cell: &mut Cell, span: &Counted) {
    cell.count += 1;
    cell.errors += i64::from(span.failed);
    cell.weight += span.weight;
    cell.bytes += i64::from(span.bytes);
}

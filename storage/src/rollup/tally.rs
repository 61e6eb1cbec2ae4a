//! Counts spans and hops.

use hashbrown::HashMap;

use super::hops::Hop;
use super::rows::{Rows, push};
use super::{Cell, Connection, MINUTE, Node, NodeKind, RollupKey, RollupTable};
use crate::codec::len_u32;

/// Most edges of one tally. Calls beyond count for a peer called `other`.
const MOST_EDGES: usize = 10_000;
/// The code of no key.
const NONE: u32 = u32::MAX;
const OTHER: &str = "other";
/// The node of a caller that sends no spans.
const USER: &str = "user";

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
    /// For each key of a span that of its service.
    services: Vec<u32>,
    codes: HashMap<RollupKey, u32>,
    nodes: Vec<Node>,
    /// The code of the caller that sends no spans.
    user: Option<u32>,
    node_codes: HashMap<Node, u32>,
    edges: HashMap<(u32, u32, Connection), u32>,
    /// The cells by key and minute since 1970.
    places: HashMap<(u32, u32), u32>,
    cells: Vec<((u32, u32), Cell)>,
    /// For each key the minute and the cell that it had last.
    last: Vec<(u32, u32)>,
}

impl Tally {
    /// The code of a key.
    pub(crate) fn key(&mut self, key: RollupKey) -> u32 {
        if let Some(known) = self.codes.get(&key) {
            return *known;
        }
        let service = key.of_service().map_or(NONE, |service| self.key(service));
        let code = len_u32(self.keys.len());
        self.services.push(service);
        self.last.push((0, NONE));
        self.keys.push(key.clone());
        self.codes.insert(key, code);
        code
    }

    /// The code of a node.
    pub(crate) fn node(&mut self, kind: NodeKind, name: &str) -> u32 {
        let Self { nodes, node_codes, .. } = self;
        *node_codes.entry(Node { kind, name: name.to_owned() }).or_insert_with_key(|node| {
            nodes.push(node.clone());
            len_u32(nodes.len() - 1)
        })
    }

    /// The code of the caller that sends no spans.
    pub(crate) fn user(&mut self) -> u32 {
        let known = self.user.unwrap_or_else(|| self.node(NodeKind::User, USER));
        self.user = Some(known);
        known
    }

    /// Counts a span for a key that counts durations.
    pub(crate) fn add(&mut self, key: u32, span: &Counted) {
        if let Some(cell) = self.cell(key, span.start) {
            cell.durations.note(span.duration, 1);
            note(cell, span);
        }
    }

    /// Counts a span for an instance.
    pub(crate) fn add_to_instance(&mut self, key: u32, span: &Counted) {
        if let Some(cell) = self.cell(key, span.start) {
            note(cell, span);
        }
    }

    /// Counts a hop `times` times; -1 takes it back.
    pub(crate) fn add_hop(&mut self, hop: &Hop, times: i64) {
        let key = self.edge(hop.caller, hop.callee, hop.connection);
        let Some(cell) = self.cell(key, hop.start) else { return };
        cell.count += times;
        cell.errors += times * i64::from(hop.failed);
        cell.weight += hop.weight * times as f64;
        hop.by_callee.into_iter().for_each(|nanos| cell.durations.note(nanos, times));
        hop.by_caller.into_iter().for_each(|nanos| cell.caller.note(nanos, times));
    }

    fn cell(&mut self, key: u32, time: u64) -> Option<&mut Cell> {
        // 32 bits of minutes are 8,000 years; 64 bits of nanoseconds are 584.
        let minute = u32::try_from(time / MINUTE).unwrap_or(u32::MAX);
        self.cell_of(key, minute)
    }

    /// The cell of a key that there is.
    fn cell_of(&mut self, key: u32, minute: u32) -> Option<&mut Cell> {
        let Self { places, cells, last, .. } = self;
        let last = last.get_mut(key as usize)?;
        if *last != (minute, last.1) || last.1 == NONE {
            let new = || {
                cells.push(((key, minute), Cell::default()));
                len_u32(cells.len() - 1)
            };
            *last = (minute, *places.entry((key, minute)).or_insert_with(new));
        }
        cells.get_mut(last.1 as usize).map(|(_, cell)| cell)
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

    /// Calls `visit` with everything that was counted of a table: the code of the key, the start of the minute, the cell.
    pub(crate) fn each<'t>(&'t self, table: RollupTable, mut visit: impl FnMut(u32, u64, &'t Cell)) {
        let of_table: Vec<bool> = self.keys.iter().map(|key| key.table() == table).collect();
        for ((key, minute), cell) in &self.cells {
            let code = if table == RollupTable::Services { self.services.get(*key as usize) } else { Some(key) };
            let Some(code) = code.filter(|code| of_table.get(**code as usize) == Some(&true)) else { continue };
            visit(*code, u64::from(*minute) * MINUTE, cell);
        }
    }

    /// The key of a code.
    pub(crate) fn key_of(&self, code: u32) -> Option<&RollupKey> {
        self.keys.get(code as usize)
    }

    /// Adds what another tally counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let codes: Vec<u32> = other.keys.iter().map(|key| self.key(key.clone())).collect();
        for ((key, minute), cell) in &other.cells {
            let Some(code) = codes.get(*key as usize) else { continue };
            self.cell_of(*code, *minute).into_iter().for_each(|known| known.add(cell));
        }
    }

    /// Everything that was counted of a table. What was taken back whole is not in it.
    pub(crate) fn rows(&self, table: RollupTable) -> Rows {
        let mut by_code: Vec<Vec<(u64, &Cell)>> = vec![Vec::new(); self.keys.len()];
        self.each(table, |code, minute, cell| {
            by_code.get_mut(code as usize).into_iter().for_each(|cells| cells.push((minute, cell)));
        });
        let mut rows = Rows::default();
        for (key, mut cells) in self.keys.iter().zip(by_code).filter(|(_, cells)| !cells.is_empty()) {
            cells.sort_by_key(|(minute, _)| *minute);
            let mut summed = Vec::with_capacity(cells.len());
            cells.into_iter().for_each(|(minute, cell)| push(&mut summed, minute, cell));
            rows.insert(key.clone(), summed);
        }
        rows.leave_out_nothings();
        rows
    }
}

fn note(cell: &mut Cell, span: &Counted) {
    cell.count += 1;
    cell.errors += i64::from(span.failed);
    cell.weight += span.weight;
    cell.bytes += i64::from(span.bytes);
}

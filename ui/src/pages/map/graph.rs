//! Nodes and edges: pure functions from rollups.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hoptrail_query::rollups::{Cell, Connection, Node, NodeKind, RollupKey, Rollups};

use crate::pages::services::health;

/// Who calls whom. Edges name their ends by index.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<(Node, Cell)>,
    pub(super) edges: Vec<Edge>,
}

/// All calls from one node to another.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) caller: usize,
    pub(super) callee: usize,
    pub(super) connections: Vec<Connection>,
    pub(super) cell: Cell,
}

/// The part of a graph that is drawn.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) graph: Graph,
    pub(super) left_out: usize,
}

impl Graph {
    /// The graph of all edges, and of the services that have none. A service counts the spans by which it is entered, a peer the calls
    /// to it, and the user those that it makes.
    pub(super) fn of(edges: &Rollups, services: &Rollups) -> Self {
        let mut cells: BTreeMap<Node, Cell> = BTreeMap::new();
        for health in health::healths(services, &Rollups::default(), &Rollups::default()) {
            cells.insert(Node { kind: NodeKind::Service, name: health.service }, health.now);
        }
        let mut calls: BTreeMap<(&Node, &Node), (BTreeSet<Connection>, Cell)> = BTreeMap::new();
        for series in &edges.series {
            let RollupKey::Edge { caller, callee, connection } = &series.key else { continue };
            let total = series.total();
            if total.count <= 0 {
                continue;
            }
            let (connections, cell) = calls.entry((caller, callee)).or_default();
            connections.insert(*connection);
            cell.add(&total);
            for (node, is_counted) in
                [(caller, caller.kind == NodeKind::User), (callee, callee.kind != NodeKind::Service)]
            {
                let known = cells.entry(node.clone()).or_default();
                if is_counted && node.kind != NodeKind::Service {
                    known.add(&as_seen(&total));
                }
            }
        }
        let index: BTreeMap<&Node, usize> = cells.keys().enumerate().map(|(at, node)| (node, at)).collect();
        let at = |node: &Node| index.get(node).copied().unwrap_or_default();
        let edge = |((caller, callee), (connections, cell)): ((&Node, &Node), (BTreeSet<Connection>, Cell))| Edge {
            caller: at(caller),
            callee: at(callee),
            connections: connections.into_iter().collect(),
            cell,
        };
        let edges = calls.into_iter().map(edge).collect();
        Self { nodes: cells.into_iter().collect(), edges }
    }

    /// The names of the services.
    pub(super) fn services(&self) -> Vec<String> {
        let services = self.nodes.iter().filter(|(node, _)| node.kind == NodeKind::Service && node.name.len() < 1_000);
        services.map(|(node, _)| node.name.clone()).collect()
    }

    /// Those from which a service is reached in so many steps, and those that it reaches.
    pub(super) fn around(self, service: &str, depth: Option<usize>) -> Self {
        if service.is_empty() {
            return self;
        }
        let is_wanted = |(node, _): &(Node, Cell)| node.kind == NodeKind::Service && node.name == service;
        let Some(start) = self.nodes.iter().position(is_wanted) else { return Self::default() };
        let depth = depth.unwrap_or(usize::MAX);
        let mut kept = self.reached(start, depth, |edge| (edge.caller, edge.callee));
        kept.extend(self.reached(start, depth, |edge| (edge.callee, edge.caller)));
        self.keep(&kept)
    }

    fn reached(&self, start: usize, depth: usize, ends: impl Fn(&Edge) -> (usize, usize)) -> BTreeSet<usize> {
        let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        self.edges.iter().map(ends).for_each(|(from, to)| next.entry(from).or_default().push(to));
        let (mut known, mut queue) = (BTreeSet::from([start]), VecDeque::from([(start, 0)]));
        while let Some((node, steps)) = queue.pop_front() {
            let near = next.get(&node).into_iter().flatten().filter(|_| steps < depth);
            for node in near {
                if known.insert(*node) {
                    queue.push_back((*node, steps + 1));
                }
            }
        }
        known
    }

    /// Only calls that failed, with their ends.
    pub(super) fn with_errors(mut self, wanted: bool) -> Self {
        if !wanted {
            return self;
        }
        self.edges.retain(|edge| edge.cell.errors > 0);
        let kept = self.edges.iter().flat_map(|edge| [edge.caller, edge.callee]).collect();
        self.keep(&kept)
    }

    /// The busiest nodes.
    pub(super) fn most(&self, most: usize) -> Shown {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|at| self.nodes.get(*at).map(|(_, cell)| -cell.count));
        let kept: BTreeSet<usize> = order.into_iter().take(most).collect();
        let left_out = self.nodes.len() - kept.len();
        Shown { graph: self.clone().keep(&kept), left_out }
    }

    fn keep(self, kept: &BTreeSet<usize>) -> Self {
        let index: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let edges = self.edges.into_iter().filter_map(|edge| {
            Some(Edge { caller: *index.get(&edge.caller)?, callee: *index.get(&edge.callee)?, ..edge })
        });
        let edges = edges.collect();
        let nodes = self.nodes.into_iter().enumerate().filter(|(at, _)| kept.contains(at));
        Self { nodes: nodes.map(|(_, node)| node).collect(), edges }
    }
}

/// A call with the durations that are known: those of the called side, or else of the caller.
pub(super) fn as_seen(cell: &Cell) -> Cell {
    let is_known = cell.durations.count_all() > 0;
    Cell { durations: if is_known { cell.durations.clone() } else { cell.caller.clone() }, ..cell.clone() }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::rollups::RollupSeries;

    use super::*;

    fn graph(calls: &[(&str, &str, i64)]) -> Graph {
        let node = |name: &str| Node { kind: NodeKind::Service, name: name.to_owned() };
        let series = calls.iter().map(|(caller, callee, errors)| RollupSeries {
            key: RollupKey::Edge { caller: node(caller), callee: node(callee), connection: Connection::Request },
            cells: vec![(0, Cell { count: 10, errors: *errors, ..Cell::default() })],
        });
        let edges = Rollups { series: series.collect(), ..Rollups::default() };
        Graph::of(&edges, &Rollups::default())
    }

    fn names(graph: &Graph) -> String {
        graph.nodes.iter().map(|(node, _)| node.name.as_str()).collect()
    }

    #[test]
    fn a_map_is_narrowed() {
        let all = || graph(&[("a", "b", 0), ("b", "c", 1), ("c", "d", 0), ("x", "c", 0), ("a", "y", 0)]);
        assert_eq!((names(&all()), all().edges.len()), ("abcdxy".to_owned(), 5));
        assert_eq!(names(&all().around("b", None)), "abcd");
        assert_eq!(names(&all().around("b", Some(1))), "abc");
        assert_eq!(names(&all().around("nobody", None)), "");
        let failed = all().with_errors(true);
        assert_eq!((names(&failed), failed.edges.len()), ("bc".to_owned(), 1));
        let shown = all().most(2);
        assert_eq!((shown.graph.nodes.len(), shown.left_out), (2, 4));
    }
}

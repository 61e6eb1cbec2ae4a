//! Draws directed graphs in layers from left to right: a pure function from edges to positions.
//!
//! Cycles are broken by turning edges round. A node stands one layer behind the last of those that lead to it. An edge over several
//! layers has a lane of its own in each, so that no line crosses a label. The order in a layer follows the neighbours, and so does the
//! height.

mod acyclic;
mod heights;
mod order;

use acyclic::acyclic;

/// A graph of nodes from 0 on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: usize,
    /// From one node to another. Edges of a node to itself are not drawn.
    pub(crate) edges: Vec<(usize, usize)>,
}

/// How large things are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Room between two nodes of a layer.
    pub(crate) gap: f64,
    /// Room of a line that passes a layer.
    pub(crate) lane: f64,
    /// Room between layers.
    pub(crate) between: f64,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layout {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// The left end and the middle of each node's height.
    pub(crate) nodes: Vec<(f64, f64)>,
    /// The points of each edge, from its first node to its second; none for an edge of a node to itself.
    pub(crate) edges: Vec<Vec<(f64, f64)>>,
}

/// What stands in a layer: nodes first, then a lane for each layer that an edge passes.
#[derive(Debug, Default)]
struct Items {
    /// The layer of each item.
    layers: Vec<usize>,
    /// The items of each edge, from left to right.
    chains: Vec<Vec<usize>>,
    nodes: usize,
}

impl Items {
    fn of(graph: &Graph) -> Self {
        let forward = acyclic(graph);
        let layers = layers(graph.nodes, &forward);
        let mut items = Self { layers, chains: vec![], nodes: graph.nodes };
        for (from, to) in forward {
            let mut chain = vec![from];
            for layer in items.layer(from) + 1..items.layer(to) {
                chain.push(items.layers.len());
                items.layers.push(layer);
            }
            chain.push(to);
            items.chains.push(if from == to { vec![] } else { chain });
        }
        items
    }

    fn layer(&self, item: usize) -> usize {
        self.layers.get(item).copied().unwrap_or_default()
    }

    fn is_node(&self, item: usize) -> bool {
        item < self.nodes
    }

    /// Pairs of neighbours, left and right.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.chains.iter().flat_map(|chain| chain.iter().copied().zip(chain.iter().skip(1).copied()))
    }

    /// The neighbours of each item to the left and to the right.
    fn neighbours(&self) -> [Vec<Vec<usize>>; 2] {
        let mut both = [vec![vec![]; self.layers.len()], vec![vec![]; self.layers.len()]];
        for (left, right) in self.pairs() {
            let [lefts, rights] = &mut both;
            lefts.get_mut(right).into_iter().for_each(|known: &mut Vec<usize>| known.push(left));
            rights.get_mut(left).into_iter().for_each(|known: &mut Vec<usize>| known.push(right));
        }
        both
    }
}

/// Lays out a graph.
pub(crate) fn layout(graph: &Graph, sizes: Sizes) -> Layout {
    let items = Items::of(graph);
    let order = order::order(&items);
    let heights = heights::heights(&items, &order, sizes);
    let x = |item: usize| items.layer(item) as f64 * (sizes.width + sizes.between);
    let y = |item: usize| heights.get(item).copied().unwrap_or_default();
    let edge = |(chain, (from, _)): (&Vec<usize>, &(usize, usize))| {
        let mut points = Vec::new();
        for item in chain {
            let (left, right) = ((x(*item), y(*item)), (x(*item) + sizes.width, y(*item)));
            let is_first = points.is_empty();
            points.extend((!is_first).then_some(left));
            points.extend((is_first || chain.last() != Some(item)).then_some(right));
        }
        // An edge that was turned round leads from right to left.
        if chain.first().is_some_and(|first| first != from) {
            points.reverse();
        }
        points
    };
    let layers = (0..graph.nodes).map(|node| items.layer(node) + 1).max().unwrap_or_default() as f64;
    let bottom = (0..heights.len()).map(y).fold(0.0, f64::max);
    Layout {
        width: (layers * (sizes.width + sizes.between) - sizes.between).max(0.0),
        height: if graph.nodes == 0 { 0.0 } else { bottom + sizes.height / 2.0 },
        nodes: (0..graph.nodes).map(|node| (x(node), y(node))).collect(),
        edges: items.chains.iter().zip(&graph.edges).map(edge).collect(),
    }
}

/// The layer of each node: behind all that lead to it. What nothing leads to stands right before the first that it leads to.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let edges: Vec<(usize, usize)> = edges.iter().copied().filter(|(from, to)| from != to).collect();
    let mut layers = vec![0_usize; nodes];
    // Without cycles a path has fewer edges than there are nodes.
    for _ in 0..nodes {
        let mut is_done = true;
        for (from, to) in &edges {
            let least = layers.get(*from).map_or(0, |layer| layer + 1);
            if let Some(layer) = layers.get_mut(*to).filter(|layer| **layer < least) {
                *layer = least;
                is_done = false;
            }
        }
        if is_done {
            break;
        }
    }
    for node in 0..nodes {
        let is_source = edges.iter().all(|(_, to)| *to != node);
        let targets = edges.iter().filter(|(from, _)| *from == node).filter_map(|(_, to)| layers.get(*to).copied());
        let first = targets.min().filter(|_| is_source);
        if let (Some(first), Some(layer)) = (first, layers.get_mut(node)) {
            *layer = first.saturating_sub(1);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { width: 100.0, height: 40.0, gap: 10.0, lane: 8.0, between: 50.0 };

    fn drawn(nodes: usize, edges: &[(usize, usize)]) -> Layout {
        layout(&Graph { nodes, edges: edges.to_vec() }, SIZES)
    }

    /// No two nodes overlap, and no line crosses a node.
    fn check(graph: &Graph, layout: &Layout) {
        for (at, (x, y)) in layout.nodes.iter().enumerate() {
            assert!(*y >= SIZES.height / 2.0 - 0.01 && *y <= layout.height, "{y} of {}", layout.height);
            for (other_x, other_y) in layout.nodes.iter().skip(at + 1) {
                assert!(x != other_x || (y - other_y).abs() >= SIZES.height + SIZES.gap - 0.01, "{y} {other_y}");
            }
        }
        for ((from, to), points) in graph.edges.iter().zip(&layout.edges) {
            let passed = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
            for (x, y) in passed {
                let near = |(node_x, node_y): &&(f64, f64)| {
                    (node_x - x).abs() < 1.0 && (node_y - y).abs() < SIZES.height / 2.0
                };
                assert!(!layout.nodes.iter().any(|node| near(&node)), "the line from {from} to {to} crosses a node");
            }
        }
    }

    #[test]
    fn callers_stand_before_those_they_call() {
        let layout = drawn(4, &[(0, 1), (1, 2), (0, 2), (3, 2)]);
        let x: Vec<f64> = layout.nodes.iter().map(|(x, _)| *x).collect();
        assert_eq!(x, [0.0, 150.0, 300.0, 150.0], "what nothing leads to stands near its target");
        assert_eq!(layout.edges[2].len(), 4, "a long line has a lane");
        assert_eq!(layout.width, 400.0);
    }

    #[test]
    fn cycles_and_loops_are_drawn() {
        let graph = Graph { nodes: 3, edges: vec![(0, 1), (1, 2), (2, 0), (1, 1)] };
        let layout = layout(&graph, SIZES);
        assert!(layout.edges[3].is_empty());
        let back = &layout.edges[2];
        assert!(back[0].0 > back[back.len() - 1].0, "it leads back: {back:?}");
        check(&graph, &layout);
        assert_eq!(drawn(0, &[]), Layout::default());
        assert_eq!(drawn(1, &[]).nodes, [(0.0, 20.0)]);
    }

    #[test]
    fn two_hundred_nodes_do_not_overlap() {
        let mut seed = 7_u64;
        let mut random = |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % most
        };
        for nodes in [10, 60, 200] {
            let edges = (0..nodes * 2).map(|_| (random(nodes), random(nodes))).collect();
            let graph = Graph { nodes, edges };
            let started = hoptrail_storage::clock::instant();
            let layout = layout(&graph, SIZES);
            assert!(started.elapsed().as_secs() < 5, "{nodes} nodes take {:?}", started.elapsed());
            check(&graph, &layout);
        }
    }

    #[test]
    fn a_tree_is_drawn_without_crossings() {
        let graph = Graph { nodes: 7, edges: vec![(0, 2), (0, 1), (1, 5), (2, 4), (1, 6), (2, 3)] };
        let layout = layout(&graph, SIZES);
        let items = Items::of(&graph);
        assert_eq!(order::crossings(&items, &order::order(&items)), 0);
        check(&graph, &layout);
    }
}

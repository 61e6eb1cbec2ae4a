//! The critical path: at every moment of the trace, the span that its end was waiting for.
//!
//! Walked backwards from the latest end. Inside a span, the child that ended last before the moment that is looked at is what the span
//! waited for; a child still running then was not waited for; where no child is on the path, the span itself is. A child that
//! runs on in the background after its parent ended counts with its latest descendant's end, so that an asynchronous consumer that
//! ends last is on the path with the producer that fed it; time in which nobody ran (a queue) belongs to nobody.

use super::{Interval, Node, NodeKind, tree};

/// A stretch of the path that lies inside one subtree.
struct Stretch {
    node: usize,
    /// The path above continues before this moment.
    floor: u64,
    /// What determined this moment is asked.
    until: u64,
}

/// Sets [`Node::critical`]. Roots other than the main one count as its children: their links to it are only unknown.
pub(super) fn mark(nodes: &mut [Node<'_>]) {
    let Some(main) = tree::main_root(nodes) else { return };
    let ends = latest_ends(nodes);
    let until = tree::siblings(nodes, 0, nodes.len()).filter(|&root| !nodes[root].outlier).map(|root| ends[root]).max();
    let Some(until) = until else { return };
    let others: Vec<usize> = tree::siblings(nodes, 0, nodes.len()).filter(|&root| root != main).collect();
    let mut todo = vec![Stretch { node: main, floor: nodes[main].interval.start, until }];
    while let Some(stretch) = todo.pop() {
        let adopted: &[usize] = if stretch.node == main { &others } else { &[] };
        walk(&stretch, nodes, &ends, adopted, &mut todo);
    }
    nodes.iter_mut().for_each(|node| node.critical.reverse());
}

/// The latest end in every subtree, outliers left out.
fn latest_ends(nodes: &[Node<'_>]) -> Vec<u64> {
    let mut ends: Vec<u64> = nodes.iter().map(|node| if node.outlier { 0 } else { node.interval.end }).collect();
    for index in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[index].parent {
            ends[parent] = ends[parent].max(ends[index]);
        }
    }
    ends
}

/// Splits a stretch among the node itself and the children it waited for.
fn walk(stretch: &Stretch, nodes: &mut [Node<'_>], ends: &[u64], adopted: &[usize], todo: &mut Vec<Stretch>) {
    let mut candidates = candidates(stretch.node, nodes, ends, adopted);
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    let mut moment = stretch.until;
    for (end, child) in candidates {
        let start = nodes[child].interval.start.max(stretch.floor);
        if end > moment || end <= start {
            continue;
        }
        if start < stretch.floor || moment <= stretch.floor {
            break;
        }
        claim(&mut nodes[stretch.node], end, moment);
        todo.push(Stretch { node: child, floor: start, until: end });
        moment = start;
    }
    claim(&mut nodes[stretch.node], stretch.floor, moment);
}

/// Moments at which a child can have released its parent: its own end, and the end of what it left running.
fn candidates(node: usize, nodes: &[Node<'_>], ends: &[u64], adopted: &[usize]) -> Vec<(u64, usize)> {
    let children = tree::siblings(nodes, node + 1, nodes[node].next).chain(adopted.iter().copied());
    let real = children.filter(|&child| !nodes[child].outlier && !matches!(nodes[child].kind, NodeKind::Inferred(_)));
    let mut all = Vec::new();
    for child in real {
        all.push((ends[child], child));
        if nodes[child].interval.end < ends[child] {
            all.push((nodes[child].interval.end, child));
        }
    }
    all
}

/// Marks the part of `from..to` in which the node ran.
fn claim(node: &mut Node<'_>, from: u64, to: u64) {
    let start = from.max(node.interval.start);
    let end = to.min(node.interval.end);
    if start < end {
        node.critical.push(Interval { start, end });
    }
}

//! Time that a span spent by itself.

use super::{Interval, Node, NodeKind, tree};

/// Sets [`Node::self_nanos`]: the span's time minus the time in which at least one of its child spans ran.
pub(super) fn measure(nodes: &mut [Node<'_>]) {
    for index in 0..nodes.len() {
        nodes[index].self_nanos = match nodes[index].kind {
            NodeKind::Span(_) => own(nodes, index),
            NodeKind::Missing | NodeKind::Inferred(_) => 0,
        };
    }
}

fn own(nodes: &[Node<'_>], index: usize) -> u64 {
    let Interval { start, end } = nodes[index].interval;
    let (mut covered, mut until) = (0, start);
    // Children come by start; an inferred peer is not a report of anybody's work.
    for child in tree::siblings(nodes, index + 1, nodes[index].next) {
        let node = &nodes[child];
        if matches!(node.kind, NodeKind::Inferred(_)) {
            continue;
        }
        let from = node.interval.start.clamp(until, end.max(until));
        let to = node.interval.end.min(end).max(from);
        covered += to - from;
        until = until.max(to);
    }
    (end - start).saturating_sub(covered)
}

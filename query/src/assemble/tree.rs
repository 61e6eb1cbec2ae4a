//! The order in which nodes are drawn.

use std::cmp::Reverse;

use super::draft::{Children, Draft};
use super::{Node, NodeKind};

/// Nodes depth first, children and roots by start.
pub(super) fn arrange(drafts: Vec<Draft<'_>>) -> Vec<Node<'_>> {
    let mut children = Children::of(&drafts);
    // An inferred peer follows its caller at once: before children that start at the same time.
    let order = |index: &usize| {
        let draft = &drafts[*index];
        (draft.outlier, draft.interval.start, Reverse(draft.key.peer), draft.interval.end, draft.key)
    };
    for index in 0..drafts.len() {
        children.get_mut(index).sort_by_key(order);
    }
    let mut roots: Vec<usize> = (0..drafts.len()).filter(|&index| drafts[index].parent.is_none()).collect();
    roots.sort_by_key(order);
    let plan = depth_first(&roots, &children);
    build(drafts, &plan)
}

/// Draft, depth and the parent's index, in drawing order.
fn depth_first(roots: &[usize], children: &Children) -> Vec<(usize, usize, Option<usize>)> {
    let mut plan = Vec::new();
    let mut stack: Vec<(usize, usize, Option<usize>)> = roots.iter().rev().map(|&root| (root, 0, None)).collect();
    while let Some((index, depth, parent)) = stack.pop() {
        let place = plan.len();
        plan.push((index, depth, parent));
        stack.extend(children.get(index).iter().rev().map(|&child| (child, depth + 1, Some(place))));
    }
    plan
}

fn build<'a>(drafts: Vec<Draft<'a>>, plan: &[(usize, usize, Option<usize>)]) -> Vec<Node<'a>> {
    let mut drafts: Vec<Option<Draft<'a>>> = drafts.into_iter().map(Some).collect();
    let mut nodes: Vec<Node<'a>> = Vec::with_capacity(plan.len());
    for (place, &(index, depth, parent)) in plan.iter().enumerate() {
        let Some(draft) = drafts[index].take() else { continue };
        nodes.push(Node {
            key: draft.key,
            kind: draft.kind,
            parent,
            depth,
            next: place + 1,
            interval: draft.interval,
            shift_nanos: draft.shift_nanos,
            outlier: draft.outlier,
            self_nanos: 0,
            critical: Vec::new(),
            warnings: draft.warnings,
        });
    }
    for index in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[index].parent {
            nodes[parent].next = nodes[parent].next.max(nodes[index].next);
        }
    }
    nodes
}

/// Steps from `first` over whole subtrees until `end`.
pub(super) fn siblings<'t>(
    nodes: &'t [Node<'_>],
    first: usize,
    end: usize,
) -> impl Iterator<Item = usize> + Clone + 't {
    let within = move |at: usize| (at < end.min(nodes.len())).then_some(at);
    std::iter::successors(within(first), move |&at| within(nodes[at].next))
}

/// The earliest root that is a span without a parent, else the earliest root.
pub(super) fn main_root(nodes: &[Node<'_>]) -> Option<usize> {
    let mut roots = siblings(nodes, 0, nodes.len());
    let first = roots.next();
    first.into_iter().chain(roots).find(|index| has_no_parent(&nodes[*index])).or(first)
}

/// Whether it is a span that names no parent.
fn has_no_parent(node: &Node<'_>) -> bool {
    matches!(node.kind, NodeKind::Span(span) if span.span.parent_span_id.is_none())
}

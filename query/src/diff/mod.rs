//! Two traces side by side: which spans of one are spans of the other, and how they differ. Pure.
//!
//! Spans are the same when their call paths are: the services, names and kinds of the spans from the root down to them, and among siblings
//! that do not differ in these their place. So ids and times play no part, and two runs of one request are comparable.

mod change;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use hoptrail_proto::model::SpanKind;

use crate::assemble::{NodeKind, TraceTree};

pub use change::{Change, Changed};

/// A span of one trace or the same span of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Index of its node in the base.
    pub base: Option<usize>,
    /// Index of its node in the trace that is compared with it.
    pub compare: Option<usize>,
    /// Index of the row above it.
    pub parent: Option<usize>,
    /// Steps from the top.
    pub depth: usize,
}

/// By which siblings are told apart.
type Step<'a> = (Option<(&'a str, &'a str, SpanKind)>, bool);

/// Aligns two traces: every node is in one row. A row comes after its parent, and rows with the same parent by their start in `compare`, those
/// that only the base has last.
#[must_use]
pub fn align(base: &TraceTree<'_>, compare: &TraceTree<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(base.nodes.len().max(compare.nodes.len()));
    let mut waiting = paired(base, base.roots(), compare, compare.roots());
    waiting.reverse();
    let mut stack: Vec<Row> = waiting;
    while let Some(row) = stack.pop() {
        let index = rows.len();
        rows.push(row);
        let children = paired(
            base,
            row.base.into_iter().flat_map(|node| base.children(node)),
            compare,
            row.compare.into_iter().flat_map(|node| compare.children(node)),
        );
        let below = children.into_iter().rev();
        stack.extend(below.map(|child| Row { parent: Some(index), depth: row.depth + 1, ..child }));
    }
    rows
}

/// Siblings of both traces. The first of those that take the same step is the first of the other trace, and so on.
fn paired(
    base: &TraceTree<'_>,
    of_base: impl Iterator<Item = usize>,
    compare: &TraceTree<'_>,
    of_compare: impl Iterator<Item = usize>,
) -> Vec<Row> {
    let of_base: Vec<usize> = of_base.collect();
    let mut free: HashMap<Step<'_>, VecDeque<usize>> = HashMap::new();
    for node in &of_base {
        free.entry(step(base, *node)).or_default().push_back(*node);
    }
    let row = |base, compare| Row { base, compare, parent: None, depth: 0 };
    let mut rows: Vec<Row> = of_compare
        .map(|node| row(free.get_mut(&step(compare, node)).and_then(VecDeque::pop_front), Some(node)))
        .collect();
    let taken: std::collections::HashSet<usize> = rows.iter().filter_map(|row| row.base).collect();
    rows.extend(of_base.into_iter().filter(|node| !taken.contains(node)).map(|node| row(Some(node), None)));
    rows
}

fn step<'a>(tree: &TraceTree<'a>, node: usize) -> Step<'a> {
    let Some(node) = tree.nodes.get(node) else { return (None, false) };
    let span = node.span().map(|span| (span.resource.service_name(), span.span.name.as_str(), span.span.kind));
    (span, matches!(node.kind, NodeKind::Inferred(_)))
}

/// How many spans of both traces are the same, and how many are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Only in the trace that is compared.
    pub added: usize,
    /// Only in the base.
    pub removed: usize,
    /// In both, with a [`Change`].
    pub changed: usize,
    /// In both, without.
    pub same: usize,
}

/// The rows that stand for spans, each with what changed, and the counts. Placeholders and inferred peers are passed over.
#[must_use]
pub fn changes<'a>(base: &'a TraceTree<'_>, compare: &'a TraceTree<'_>, rows: &[Row]) -> (Vec<Changed<'a>>, Counts) {
    let mut counts = Counts::default();
    let mut all = Vec::new();
    for row in rows {
        let node = |tree: &'a TraceTree<'_>, index: Option<usize>| {
            index.and_then(|index| tree.nodes.get(index)).filter(|node| node.span().is_some())
        };
        let Some(changed) = Changed::of(node(base, row.base), node(compare, row.compare)) else { continue };
        match &changed {
            Changed::Added(_) => counts.added += 1,
            Changed::Removed(_) => counts.removed += 1,
            Changed::Both { change: Some(_), .. } => counts.changed += 1,
            Changed::Both { .. } => counts.same += 1,
        }
        all.push(changed);
    }
    (all, counts)
}

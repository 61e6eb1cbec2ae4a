//! Time that no span accounts for.

use hoptrail_query::assemble::{Interval, NodeKind, TraceTree};

use super::union;

/// A gap is named from this part of the trace on.
const LEAST_PART: u64 = 20;
/// Most gaps that are named, the longest.
const MOST: usize = 20;

/// A long time in which something waited or worked, and no span says on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The span that ran meanwhile without a child; `None` when no span ran at all.
    pub(crate) node: Option<usize>,
    pub(crate) interval: Interval,
}

/// The stretches in which a node ran and none of its children did, in order of time.
pub(crate) fn own(tree: &TraceTree<'_>, index: usize) -> Vec<Interval> {
    let Interval { start, end } = tree.nodes[index].interval;
    let mut own = Vec::new();
    let mut until = start;
    for child in tree.children(index).map(|child| &tree.nodes[child]) {
        // An inferred peer is not a report of anybody's work.
        if child.outlier || matches!(child.kind, NodeKind::Inferred(_)) {
            continue;
        }
        let from = child.interval.start.min(end);
        if from > until {
            own.push(Interval { start: until, end: from });
        }
        until = until.max(child.interval.end);
    }
    if until < end {
        own.push(Interval { start: until, end });
    }
    own
}

/// The gaps of a trace that are longer than a twentieth of it, the longest first.
pub(crate) fn gaps(tree: &TraceTree<'_>) -> Vec<Gap> {
    let least = tree.interval.nanos() / LEAST_PART;
    let is_long = |interval: &Interval| interval.nanos() > least;
    let mut found: Vec<Gap> = Vec::new();
    for (index, node) in tree.nodes.iter().enumerate() {
        // A span without children is itself what accounts for its time.
        if node.outlier || !is_long(&node.interval) || node.span().is_none() || !has_spans_below(tree, index) {
            continue;
        }
        found.extend(own(tree, index).into_iter().filter(is_long).map(|interval| Gap { node: Some(index), interval }));
    }
    found.extend(silence(tree).filter(is_long).map(|interval| Gap { node: None, interval }));
    found.sort_by_key(|gap| (std::cmp::Reverse(gap.interval.nanos()), gap.interval.start, gap.node));
    found.truncate(MOST);
    found
}

fn has_spans_below(tree: &TraceTree<'_>, index: usize) -> bool {
    tree.children(index).any(|child| !matches!(tree.nodes[child].kind, NodeKind::Inferred(_)))
}

/// The times in which no span ran.
fn silence(tree: &TraceTree<'_>) -> impl Iterator<Item = Interval> {
    let mut all: Vec<Interval> =
        tree.nodes.iter().filter(|node| !node.outlier && node.span().is_some()).map(|node| node.interval).collect();
    all.sort_unstable_by_key(|interval| interval.start);
    let busy = union(all.into_iter());
    let ends = busy.clone().into_iter().map(|interval| interval.end);
    ends.zip(busy.into_iter().skip(1)).map(|(start, next)| Interval { start, end: next.start })
}

#[cfg(test)]
mod tests {
    use hoptrail_query::assemble::{Clocks, assemble};

    use super::super::tests::{START, Sketch, trace_of};
    use super::*;

    fn found(sketches: &[Sketch]) -> Vec<(Option<usize>, u64, u64)> {
        let trace = trace_of(sketches);
        let tree = assemble(&trace, Clocks::AsSent);
        let text = |gap: Gap| (gap.node, gap.interval.start - START, gap.interval.end - START);
        gaps(&tree).into_iter().map(text).collect()
    }

    #[test]
    fn long_times_between_children_are_gaps() {
        let spans = [
            Sketch::new(1, 0, "a", "root", (0, 1_000)),
            Sketch::new(2, 1, "a", "first", (20, 300)),
            Sketch::new(3, 1, "a", "at the same time", (30, 200)),
            Sketch::new(4, 1, "a", "second", (400, 990)),
        ];
        assert_eq!(found(&spans), [(Some(0), 300, 400)], "20 and 10 of 1,000 are short, and leaves have none");
    }

    #[test]
    fn time_in_which_nothing_runs_is_a_gap_of_the_trace() {
        let spans = [Sketch::new(1, 0, "a", "send", (0, 100)), Sketch::new(2, 1, "b", "take", (700, 1_000))];
        assert_eq!(found(&spans)[0], (None, 100, 700));
        assert_eq!(found(&[Sketch::new(1, 0, "a", "leaf", (0, 100))]), []);
    }

    #[test]
    fn children_that_outlive_their_parent_leave_it_nothing() {
        let spans = [Sketch::new(1, 0, "a", "root", (0, 100)), Sketch::new(2, 1, "a", "long", (0, 900))];
        let trace = trace_of(&spans);
        assert_eq!(own(&assemble(&trace, Clocks::AsSent), 0), []);
    }
}

//! Which spans of a trace an answer has: those that a filter finds with what is around them, and of many equal ones a single one.

use std::collections::HashSet;

use hoptrail_proto::model::{SpanId, TraceSpan};

use super::TraceTree;

/// How much of a trace is kept around the spans that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// Levels of descendants below each.
    pub below: usize,
    /// Levels of ancestors above each.
    pub above: usize,
}

impl TraceTree<'_> {
    /// The spans with these ids, and those around them, in the order of the tree.
    #[must_use]
    pub fn subset(&self, wanted: &HashSet<SpanId>, around: Around) -> Vec<&TraceSpan> {
        let is_wanted: Vec<bool> =
            self.nodes.iter().map(|node| node.span().is_some_and(|span| wanted.contains(&span.span.span_id))).collect();
        // How many more levels are kept below a node, and above it. Parents stand before their children.
        let mut below: Vec<Option<usize>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let inherited = node.parent.and_then(|parent| below[parent]).and_then(|levels| levels.checked_sub(1));
            let own = is_wanted[index].then_some(around.below);
            below.push(own.max(inherited));
        }
        let mut above: Vec<Option<usize>> = is_wanted.iter().map(|is| is.then_some(around.above)).collect();
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if let (Some(parent), Some(levels)) = (node.parent, above[index].and_then(|levels| levels.checked_sub(1))) {
                above[parent] = above[parent].max(Some(levels));
            }
        }
        let kept = below.iter().zip(&above).map(|(below, above)| below.is_some() || above.is_some());
        self.nodes.iter().zip(kept).filter(|(_, kept)| *kept).filter_map(|(node, _)| node.span()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Span, Trace, TraceId};

    use super::super::{Clocks, assemble};
    use super::*;

    /// 1 > 2 > 3 > 4 > 5, and 6 below 2; the parent of 7 is missing.
    fn trace() -> Trace {
        let parents = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 2), (7, 99)];
        let spans = parents.map(|(id, parent): (u64, u64)| Span {
            span_id: SpanId(id.to_be_bytes()),
            parent_span_id: SpanId::from_bytes(&parent.to_be_bytes()),
            start_unix_nano: 1_700_000_000_000_000_000 + id,
            end_unix_nano: 1_700_000_000_000_000_100,
            ..Span::default()
        });
        let spans = spans.into_iter().map(|span| TraceSpan { span, resource: Arc::default(), scope: Arc::default() });
        Trace { id: TraceId([1; 16]), spans: spans.collect() }
    }

    #[test]
    fn what_is_around_the_wanted_spans_is_kept() {
        let trace = trace();
        let tree = assemble(&trace, Clocks::AsSent);
        for (wanted, below, above, expected) in [
            (&[3][..], 0, 0, &[3][..]),
            (&[3], 1, 0, &[3, 4]),
            (&[3], 9, 0, &[3, 4, 5]),
            (&[3], 0, 1, &[2, 3]),
            (&[3], 0, usize::MAX, &[1, 2, 3]),
            (&[3], usize::MAX, usize::MAX, &[1, 2, 3, 4, 5]),
            (&[2, 5], 1, 0, &[2, 3, 5, 6]),
            (&[5, 6], 0, 1, &[2, 4, 5, 6]),
            (&[7], 0, usize::MAX, &[7]),
            (&[8], 9, 9, &[]),
        ] {
            let ids = wanted.iter().map(|id: &u64| SpanId(id.to_be_bytes())).collect();
            let mut found: Vec<_> = tree
                .subset(&ids, Around { below, above })
                .iter()
                .map(|span| u64::from_be_bytes(span.span.span_id.0))
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{wanted:?} {below} {above}");
        }
    }
}

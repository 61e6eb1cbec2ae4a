//! Where to draw spans whose times cannot be drawn as they are.

use hoptrail_proto::model::Extent;

use super::draft::Draft;
use super::{Interval, Node, NodeKind, Warning};

/// Gives every span the interval by which it counts, and marks the spans whose time cannot be real while the time of others can. So a
/// trace has the same start and duration here as in the answer of a search.
pub(super) fn settle(drafts: &mut [Draft<'_>], order: &[usize]) {
    let any_is_real = drafts.iter().filter_map(Draft::span).any(|span| span.span.extent().is_real);
    for &index in order {
        let parent = drafts[index].parent.map(|parent| &drafts[parent]);
        let parent_start = parent.filter(|parent| !parent.outlier).map(|parent| parent.interval.start);
        let draft = &mut drafts[index];
        let Some(span) = draft.span() else { continue };
        let extent = span.span.extent();
        let (start, end) = (span.span.start_unix_nano, span.span.end_unix_nano);
        draft.interval = Interval { start: extent.start, end: extent.end };
        draft.outlier = any_is_real && !extent.is_real;
        if start == 0 {
            draft.warnings.push(Warning::ZeroStart);
        } else if any_is_real && start <= end && !Extent::are_real(start, end) {
            draft.warnings.push(Warning::ImpossibleTime);
        }
        // It started somewhere between its parent's start and its end.
        if start < extent.start
            && let Some(parent_start) = parent_start.filter(|_| extent.is_real)
        {
            draft.interval.start = parent_start.min(extent.end);
        }
    }
}

/// Gives a placeholder the time that its children span.
pub(super) fn surround_missing(drafts: &mut [Draft<'_>]) {
    let mut hulls: Vec<Option<Interval>> = vec![None; drafts.len()];
    for draft in drafts.iter().filter(|draft| !draft.outlier) {
        if let Some(parent) = draft.parent {
            let hull = hulls[parent].get_or_insert(draft.interval);
            hull.start = hull.start.min(draft.interval.start);
            hull.end = hull.end.max(draft.interval.end);
        }
    }
    for (draft, hull) in drafts.iter_mut().zip(hulls) {
        if draft.kind == NodeKind::Missing {
            match hull {
                Some(hull) => draft.interval = hull,
                None => {
                    draft.outlier = true;
                    draft.interval.end = draft.interval.end.max(draft.interval.start);
                }
            }
        }
    }
}

/// Earliest start to latest end without outliers.
pub(super) fn range(nodes: &[Node<'_>]) -> Interval {
    let within = || nodes.iter().filter(|node| !node.outlier);
    let start = within().map(|node| node.interval.start).min().unwrap_or_default();
    let end = within().map(|node| node.interval.end).max().unwrap_or_default();
    Interval { start, end: end.max(start) }
}

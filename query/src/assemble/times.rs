//! Where to draw spans whose times cannot be drawn as they are.

use super::draft::Draft;
use super::{Interval, Node, NodeKind, Warning};

/// Starts that lie further apart than this belong to different runs of something, nanoseconds: one day.
const FAR: u64 = 86_400_000_000_000;

/// Gives every span an interval with `start <= end` and marks spans far away from the others.
pub(super) fn settle(drafts: &mut [Draft<'_>], order: &[usize]) {
    mark_outliers(drafts);
    for &index in order {
        let parent_start = drafts[index].parent.map(|parent| drafts[parent].interval.start);
        let draft = &mut drafts[index];
        if draft.span().is_none() {
            continue;
        }
        if draft.interval.start == 0 {
            draft.warnings.push(Warning::ZeroStart);
            let end = draft.interval.end;
            draft.interval.start = parent_start.filter(|start| *start != 0).map_or(end, |start| start.min(end));
        }
        draft.interval.end = draft.interval.end.max(draft.interval.start);
    }
}

/// Marks the spans that are not part of the largest group, when that group holds at least half of the spans.
fn mark_outliers(drafts: &mut [Draft<'_>]) {
    let starts = |draft: &Draft<'_>| draft.span().map(|span| span.span.start_unix_nano).filter(|start| *start != 0);
    let mut sorted: Vec<u64> = drafts.iter().filter_map(starts).collect();
    sorted.sort_unstable();
    let largest = sorted.chunk_by(|a, b| b - a <= FAR).max_by_key(|group| group.len());
    let Some((&first, &last)) = largest.and_then(|group| Some((group.first()?, group.last()?))) else { return };
    if largest.map_or(0, <[u64]>::len) * 2 < sorted.len() {
        return;
    }
    for draft in drafts {
        if starts(draft).is_some_and(|start| start < first || start > last) {
            draft.outlier = true;
            draft.warnings.push(Warning::FarFromTrace);
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

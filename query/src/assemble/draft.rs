//! Nodes while the tree is in the making: parents are known, order is not.

use hoptrail_proto::model::TraceSpan;

use super::{Interval, NodeKey, NodeKind, Warning};

/// A node to be.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) key: NodeKey,
    pub(super) kind: NodeKind<'a>,
    pub(super) parent: Option<usize>,
    pub(super) interval: Interval,
    pub(super) shift_nanos: i64,
    pub(super) outlier: bool,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(key: NodeKey, kind: NodeKind<'a>, interval: Interval) -> Self {
        Self { key, kind, parent: None, interval, shift_nanos: 0, outlier: false, warnings: Vec::new() }
    }

    pub(super) fn span(&self) -> Option<&'a TraceSpan> {
        match self.kind {
            NodeKind::Span(span) => Some(span),
            NodeKind::Missing | NodeKind::Inferred(_) => None,
        }
    }
}

/// The children of every node, in one list: those of node `i` stand at `list[starts[i]..starts[i + 1]]`.
pub(super) struct Children {
    starts: Vec<usize>,
    list: Vec<usize>,
}

impl Children {
    pub(super) fn of(drafts: &[Draft<'_>]) -> Self {
        let mut starts = vec![0; drafts.len() + 1];
        for parent in drafts.iter().filter_map(|draft| draft.parent) {
            starts[parent + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut free = starts.clone();
        let mut list = vec![0; starts.last().copied().unwrap_or_default()];
        for (index, draft) in drafts.iter().enumerate() {
            if let Some(parent) = draft.parent {
                list[free[parent]] = index;
                free[parent] += 1;
            }
        }
        Self { starts, list }
    }

    pub(super) fn get(&self, index: usize) -> &[usize] {
        &self.list[self.starts[index]..self.starts[index + 1]]
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut [usize] {
        &mut self.list[self.starts[index]..self.starts[index + 1]]
    }
}

/// All nodes, every parent before its children.
pub(super) fn top_down(drafts: &[Draft<'_>]) -> Vec<usize> {
    let children = Children::of(drafts);
    let mut order: Vec<usize> = (0..drafts.len()).filter(|&index| drafts[index].parent.is_none()).collect();
    let mut at = 0;
    while let Some(&index) = order.get(at) {
        order.extend_from_slice(children.get(index));
        at += 1;
    }
    order
}

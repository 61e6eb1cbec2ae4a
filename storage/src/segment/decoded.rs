//! The decoded groups of the inputs of a merge. A group stays until all its traces are merged, or until the memory reaches a bound.

use hashbrown::HashMap;

use super::write::{Codes, Source};
use crate::rows::Rows;

/// A group of one of several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GroupOf {
    pub(super) input: usize,
    pub(super) number: u16,
}

/// A group as rows, and their codes in the new segment.
struct Decoded {
    rows: Rows,
    codes: Codes,
    memory: usize,
    /// When a trace of it was last taken: a larger value is later.
    last_used: u64,
}

#[derive(Default)]
pub(super) struct DecodedGroups {
    groups: HashMap<GroupOf, Decoded>,
    memory: usize,
    uses: u64,
    /// How many traces were taken of each group. Dropped groups are counted, too: some are decoded again.
    taken: HashMap<GroupOf, usize>,
}

impl DecodedGroups {
    pub(super) fn has(&self, of: GroupOf) -> bool {
        self.groups.contains_key(&of)
    }

    pub(super) fn insert(&mut self, of: GroupOf, rows: Rows, codes: Codes) {
        let memory = rows.memory();
        self.memory += memory;
        self.groups.insert(of, Decoded { rows, codes, memory, last_used: self.uses });
    }

    /// Notes that a trace of the group is taken.
    pub(super) fn take_trace(&mut self, of: GroupOf) {
        self.uses += 1;
        *self.taken.entry(of).or_default() += 1;
        if let Some(group) = self.groups.get_mut(&of) {
            group.last_used = self.uses;
        }
    }

    /// Bytes held, about.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = (GroupOf, Source<'_>)> {
        self.groups.iter().map(|(of, group)| (*of, Source { rows: &group.rows, codes: &group.codes }))
    }

    /// Drops groups: first those whose traces were all taken, then the least recently used, until `bytes` are left.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let taken = |of: &GroupOf| self.taken.get(of).copied().unwrap_or_default();
        self.groups.retain(|of, group| taken(of) < group.rows.trace_count());
        self.memory = self.groups.values().map(|group| group.memory).sum();
        while self.memory > bytes {
            let oldest = self.groups.iter().min_by_key(|(_, group)| group.last_used).map(|(of, _)| *of);
            let Some(gone) = oldest.and_then(|of| self.groups.remove(&of)) else { return };
            self.memory = self.memory.saturating_sub(gone.memory);
        }
    }
}

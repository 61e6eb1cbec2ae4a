//! Parents as steps back in the trace. A parent that is no earlier row is listed by its id.

use hashbrown::HashMap;
use hoptrail_proto::model::SpanId;

use super::join_pages;
use crate::codec::ints;

/// For each span the step to its parent. 0 means no parent, 1 that the id is in the list, and `n` the row `n - 1` rows before.
#[derive(Default)]
pub(super) struct Parents {
    steps: Vec<u64>,
    /// The rows whose parent is listed by id, and these ids.
    listed_rows: Vec<u64>,
    listed_ids: Vec<u8>,
    /// The first row of each id in the trace.
    rows: HashMap<SpanId, usize>,
}

impl Parents {
    /// Adds the spans of a trace, each as its id and its parent's.
    pub(super) fn add(&mut self, trace: impl Iterator<Item = (SpanId, SpanId)>) {
        self.rows.clear();
        for (row, (id, parent)) in trace.enumerate() {
            let step = self.step(row, parent);
            self.steps.push(step);
            self.rows.entry(id).or_insert(row);
        }
    }

    fn step(&mut self, row: usize, parent: SpanId) -> u64 {
        if parent == SpanId::default() {
            return 0;
        }
        if let Some(known) = self.rows.get(&parent) {
            return (row - known) as u64 + 1;
        }
        self.listed_rows.push(self.steps.len() as u64);
        self.listed_ids.extend_from_slice(&parent.0);
        1
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        join_pages(&[ints::encode(&self.steps), ints::encode(&self.listed_rows), self.listed_ids.clone()])
    }
}

//! What a chunk keeps of how it was counted.

use std::collections::HashSet;

use hoptrail_proto::model::TraceId;

use crate::rollup::{RowReader, Tally};

/// What was counted of a chunk so far.
#[derive(Debug, Default)]
pub(in crate::store) struct ChunkRollup {
    pub(in crate::store) tally: Tally,
    /// Rows and links that are counted.
    pub(super) rows: usize,
    pub(super) links: usize,
    /// The spans that these links are to, when they are of the same trace.
    pub(super) linked: HashSet<(TraceId, u64)>,
    pub(super) reader: RowReader,
}

//! Copies in heads, as they were when somebody looked for them: they stay known until something changes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hashbrown::HashMap;

use crate::store::chunk::Chunk;
use crate::store::read::scan_unit::UnitId;

/// Heads that are remembered: there is one for each tenant.
const MOST_HEADS: usize = 16;

/// For each chunk how many rows count, and which of them are copies.
pub(super) type InChunks = HashMap<UnitId, (usize, Vec<u32>)>;

/// The copies in heads, as they were when somebody looked for them.
#[derive(Debug, Default)]
pub(in crate::store) struct HeadCopies(Mutex<Vec<KnownHead>>);

/// A head, and its copies.
#[derive(Debug)]
struct KnownHead {
    /// Its chunks with their lengths. Names that are weak: the head is sealed meanwhile.
    chunks: Vec<(Weak<Chunk>, usize)>,
    segments: Vec<u64>,
    copies: Arc<InChunks>,
}

impl HeadCopies {
    pub(super) fn get(&self, chunks: &[(UnitId, &Arc<Chunk>, usize)], segments: &[u64]) -> Option<Arc<InChunks>> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &&KnownHead| {
            let pairs = || known.chunks.iter().zip(chunks);
            known.segments == segments
                && known.chunks.len() == chunks.len()
                && pairs().all(|((chunk, len), (_, other, now))| chunk.as_ptr() == Arc::as_ptr(other) && len == now)
        };
        heads.iter().find(is_same).map(|known| Arc::clone(&known.copies))
    }

    pub(super) fn keep(&self, chunks: &[(UnitId, &Arc<Chunk>, usize)], segments: Vec<u64>, copies: &Arc<InChunks>) {
        let chunks = chunks.iter().map(|(_, chunk, len)| (Arc::downgrade(chunk), *len)).collect();
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|known| known.chunks.iter().all(|(chunk, _)| chunk.strong_count() > 0));
        if heads.len() >= MOST_HEADS {
            heads.remove(0);
        }
        heads.push(KnownHead { chunks, segments, copies: Arc::clone(copies) });
    }
}

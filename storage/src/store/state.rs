//! What readers see: the head and the segments, behind one lock. So a span that moves from the head to a segment is never seen twice, and
//! never missed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::view::Malformed;

use super::chunk::{Added, Chunk};
use super::lock;
use crate::backend::{LogHalf, LogPosition};
use crate::catalog::{RollupEntry, SegmentEntry};
use crate::rows::Rows;
use crate::scan::HintHorizon;

/// The state that ingest, maintenance and readers share.
#[derive(Debug, Default)]
pub(super) struct SharedState {
    /// Guards everything that readers see. It is held only for moments: the rows have locks of their own, in their chunks.
    state: RwLock<State>,
    /// Held while a request is appended to the head, so that no generation is closed in the middle of it.
    appending: Mutex<()>,
}

impl SharedState {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the spans of a request visible. Most of this runs without the lock of the state, so readers do not wait.
    pub(super) fn append(&self, received: u64, tenant: &TenantId, request: &[u8]) -> Result<(), Malformed> {
        let _in_one_generation = lock(&self.appending);
        let mut chunk = self.write().growing_chunk(tenant);
        let added = loop {
            match chunk.append(request) {
                Some(added) => break added,
                None => chunk = self.write().add_chunk(tenant),
            }
        };
        self.write().note(received, &added);
        added.appended
    }

    /// Closes the growing generation. A request is in one generation, whole.
    pub(super) fn rotate(&self) {
        let _between_requests = lock(&self.appending);
        self.write().rotate();
    }
}

/// The spans of the log that are sealed together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Generation {
    pub(crate) tenants: HashMap<TenantId, Vec<Arc<Chunk>>>,
    pub(crate) spans: usize,
    /// Bytes of memory, about.
    pub(crate) bytes: usize,
    /// Arrival of the first and last request.
    pub(crate) received: Option<(u64, u64)>,
    /// Once closed: all records of the log before this one are in this generation or an older one, whole.
    pub(crate) log_end: u64,
    /// The half of the log that has its records.
    pub(crate) half: LogHalf,
}

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Oldest first; the last one takes new spans.
    generations: Vec<Generation>,
    pub(crate) segments: BTreeMap<u64, Arc<SegmentEntry>>,
    pub(crate) rollups: BTreeMap<u64, Arc<RollupEntry>>,
    /// What of start hints can be believed: segments that were dropped are known to none.
    pub(crate) horizon: HintHorizon,
    /// The sequence after that of the last record whose requests are all in the head.
    pub(crate) next_sequence: u64,
    /// The half of the next record. A record that is tried again after a failure goes to the same half, where it replaces the first
    /// attempt.
    pub(crate) next_half: LogHalf,
}

/// How much a generation may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) spans: usize,
    pub(crate) bytes: usize,
}

impl State {
    pub(crate) fn head_spans(&self) -> usize {
        self.generations.iter().map(|generation| generation.spans).sum()
    }

    /// The tenants that have spans, and how many.
    pub(crate) fn spans_of_tenants(&self) -> BTreeMap<TenantId, u64> {
        let chunks = self.generations.iter().flat_map(|generation| &generation.tenants);
        let head = chunks.map(|(tenant, chunks)| (tenant, spans_in(chunks)));
        let sealed = self.segments.values().map(|segment| (&segment.tenant, segment.spans()));
        let mut spans = BTreeMap::new();
        for (tenant, more) in head.chain(sealed) {
            *spans.entry(tenant.clone()).or_default() += more;
        }
        spans
    }

    /// Memory of the head, about.
    pub(crate) fn head_bytes(&self) -> usize {
        self.generations.iter().map(|generation| generation.bytes).sum()
    }

    /// The generation that grows.
    #[expect(clippy::indexing_slicing, reason = "the list is not empty")]
    fn growing(&mut self) -> &mut Generation {
        if self.generations.is_empty() {
            self.generations.push(Generation::default());
        }
        let last = self.generations.len() - 1;
        &mut self.generations[last]
    }

    /// The chunk that takes a tenant's spans.
    pub(crate) fn growing_chunk(&mut self, tenant: &TenantId) -> Arc<Chunk> {
        let known = self.growing().tenants.get(tenant).and_then(|chunks| chunks.last().cloned());
        known.unwrap_or_else(|| self.add_chunk(tenant))
    }

    /// A new chunk that takes a tenant's spans from now on.
    pub(crate) fn add_chunk(&mut self, tenant: &TenantId) -> Arc<Chunk> {
        let (chunk, generation) = (Arc::<Chunk>::default(), self.growing());
        generation.bytes += Rows::default().memory();
        generation.tenants.entry(tenant.clone()).or_default().push(Arc::clone(&chunk));
        chunk
    }

    /// Notes what a request added to a chunk of the growing generation.
    pub(crate) fn note(&mut self, received: u64, added: &Added) {
        let generation = self.growing();
        generation.spans += added.spans;
        generation.bytes += added.bytes;
        let (first, last) = generation.received.unwrap_or((received, received));
        generation.received = Some((first.min(received), last.max(received)));
    }

    /// When the first request of the growing generation arrived.
    pub(crate) fn growing_since(&self) -> Option<u64> {
        self.generations.last()?.received.map(|(first, _)| first)
    }

    /// Whether the growing generation has reached a bound.
    pub(crate) fn is_full(&self, bounds: Bounds) -> bool {
        self.generations.last().is_some_and(|last| last.spans >= bounds.spans || last.bytes >= bounds.bytes)
    }

    /// Whether so much waits to be sealed that new spans are refused.
    pub(crate) fn is_overfull(&self, bounds: Bounds) -> bool {
        self.head_spans() > bounds.spans.saturating_mul(3) || self.head_bytes() > bounds.bytes.saturating_mul(3)
    }

    /// Closes the growing generation; new spans go to a new one. A record whose requests are being appended meanwhile may be in both. It
    /// stays in the log until the second one is sealed.
    pub(crate) fn rotate(&mut self) {
        if let Some(last) = self.generations.last_mut().filter(|last| last.spans > 0) {
            last.log_end = self.next_sequence;
            let half = last.half.other();
            self.generations.push(Generation { half, ..Generation::default() });
        }
    }

    /// Where the next record of the log goes.
    pub(crate) fn next_record(&self) -> LogPosition {
        LogPosition { half: self.next_half, sequence: self.next_sequence }
    }

    /// Notes that all requests of a record are in the head. Closes the growing generation when it is full, and answers whether it was.
    pub(crate) fn end_record(&mut self, sequence: u64, bounds: Bounds) -> bool {
        self.next_sequence = sequence + 1;
        let full = self.is_full(bounds);
        if full {
            self.rotate();
        }
        self.next_half = self.generations.last().map_or(LogHalf::default(), |last| last.half);
        full
    }

    /// The oldest closed generation.
    pub(crate) fn oldest_closed(&self) -> Option<Generation> {
        (self.generations.len() > 1).then(|| self.generations.first().cloned()).flatten()
    }

    /// Replaces the oldest generation by its segments.
    pub(crate) fn replace_oldest(&mut self, segments: Vec<SegmentEntry>, rollups: Vec<RollupEntry>) {
        if !self.generations.is_empty() {
            self.generations.remove(0);
        }
        self.segments.extend(segments.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        self.rollups.extend(rollups.into_iter().map(|entry| (entry.id, Arc::new(entry))));
    }

    /// The rollups of a tenant.
    pub(crate) fn rollups_of(&self, tenant: &TenantId) -> Vec<Arc<RollupEntry>> {
        self.rollups.values().filter(|rollup| rollup.tenant == *tenant).cloned().collect()
    }

    /// The head chunks and segments of a tenant, as of now.
    pub(crate) fn snapshot(&self, tenant: &TenantId) -> (Vec<Arc<Chunk>>, Vec<Arc<SegmentEntry>>) {
        let chunks = self.generations.iter().filter_map(|generation| generation.tenants.get(tenant)).flatten();
        let segments = self.segments.values().filter(|segment| segment.tenant == *tenant);
        (chunks.cloned().collect(), segments.cloned().collect())
    }
}

fn spans_in(chunks: &[Arc<Chunk>]) -> u64 {
    chunks.iter().map(|chunk| chunk.read().len() as u64).sum()
}

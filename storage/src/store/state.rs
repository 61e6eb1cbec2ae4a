//! What readers see: the head and the segments.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::view::Malformed;

use super::catalog::SegmentEntry;
use crate::rows::Rows;

/// Spans of one part; small enough that a search holds up writers only shortly.
const PART_SPANS: usize = 32 << 10;

/// Rows of the head. Only the last part of a tenant grows.
#[derive(Debug, Default)]
pub(crate) struct Part(RwLock<Rows>);

impl Part {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the log that is sealed together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Generation {
    pub(crate) tenants: HashMap<TenantId, Vec<Arc<Part>>>,
    pub(crate) spans: usize,
    /// Arrival of the first and last request.
    pub(crate) received: Option<(u64, u64)>,
    /// Last log record in it.
    pub(crate) last_sequence: u64,
}

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Oldest first; the last one takes new spans.
    generations: Vec<Generation>,
    pub(crate) segments: BTreeMap<u64, Arc<SegmentEntry>>,
    pub(crate) next_sequence: u64,
}

impl State {
    pub(crate) fn head_spans(&self) -> usize {
        self.generations.iter().map(|generation| generation.spans).sum()
    }

    /// Makes the spans of a request visible.
    pub(crate) fn append(
        &mut self,
        sequence: u64,
        received: u64,
        tenant: &TenantId,
        body: &[u8],
    ) -> Result<(), Malformed> {
        if self.generations.is_empty() {
            self.generations.push(Generation::default());
        }
        let Some(generation) = self.generations.last_mut() else { return Ok(()) };
        let parts = match generation.tenants.get_mut(tenant) {
            Some(parts) => parts,
            None => generation.tenants.entry(tenant.clone()).or_default(),
        };
        if parts.last().is_none_or(|part| part.read().len() >= PART_SPANS) {
            parts.push(Arc::default());
        }
        let Some(part) = parts.last() else { return Ok(()) };
        let mut rows = part.write();
        let before = rows.len();
        let appended = rows.append_request(body);
        generation.spans += rows.len() - before;
        generation.last_sequence = sequence;
        let (first, last) = generation.received.unwrap_or((received, received));
        generation.received = Some((first.min(received), last.max(received)));
        appended
    }

    /// Spans in the generation that still grows, and when its first request arrived.
    pub(crate) fn growing(&self) -> (usize, Option<u64>) {
        self.generations.last().map_or((0, None), |last| (last.spans, last.received.map(|(first, _)| first)))
    }

    /// Closes the growing generation; new spans go to another one.
    pub(crate) fn rotate(&mut self) {
        if self.generations.last().is_some_and(|last| last.spans > 0) {
            self.generations.push(Generation::default());
        }
    }

    /// The oldest closed generation.
    pub(crate) fn oldest_closed(&self) -> Option<Generation> {
        (self.generations.len() > 1).then(|| self.generations.first().cloned()).flatten()
    }

    /// Swaps the oldest generation for its segments.
    pub(crate) fn replace_oldest(&mut self, segments: Vec<SegmentEntry>) {
        if !self.generations.is_empty() {
            self.generations.remove(0);
        }
        self.segments.extend(segments.into_iter().map(|entry| (entry.id, Arc::new(entry))));
    }

    /// The head parts and segments of a tenant, as of now.
    pub(crate) fn snapshot(&self, tenant: &TenantId) -> (Vec<Arc<Part>>, Vec<Arc<SegmentEntry>>) {
        let parts = self.generations.iter().filter_map(|generation| generation.tenants.get(tenant)).flatten();
        let segments = self.segments.values().filter(|segment| segment.tenant == *tenant);
        (parts.cloned().collect(), segments.cloned().collect())
    }
}

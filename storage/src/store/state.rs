//! What readers see: the head and the segments.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::{Duration, Instant};

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::view::Malformed;

use crate::catalog::SegmentEntry;
use crate::rows::{Rows, SpanRow};

/// Spans of one part; small enough that a search holds up writers only shortly.
const PART_SPANS: usize = 32 << 10;

/// How long a writer waits for those who read a part. Then it begins another one: a slow query must not stop ingest. It waits without
/// the lock of the state, so that nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(10);

/// Rows of the head. Only the last part of a tenant grows.
#[derive(Debug)]
pub(crate) struct Part {
    rows: RwLock<Rows>,
    /// No span in it starts earlier, and none later: a search passes over parts without their lock, as it does over groups.
    earliest: AtomicU64,
    latest: AtomicU64,
    /// No trace in it has a later place.
    latest_place: AtomicU64,
}

/// The times of a part's spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartTimes {
    /// Starts of its earliest and latest span.
    pub(crate) starts: (u64, u64),
    /// No trace in it has a later place in the order of starts.
    pub(crate) latest_place: u64,
}

impl Default for Part {
    fn default() -> Self {
        let [latest, latest_place] = Default::default();
        Self { rows: RwLock::default(), earliest: AtomicU64::new(u64::MAX), latest, latest_place }
    }
}

/// What a request added to a part.
#[derive(Debug)]
pub(crate) struct Added {
    spans: usize,
    bytes: usize,
    /// What is wrong with the request: spans from there on are not in the part.
    pub(crate) appended: Result<(), Malformed>,
}

impl Part {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn times(&self) -> PartTimes {
        PartTimes {
            starts: (self.earliest.load(Ordering::Acquire), self.latest.load(Ordering::Acquire)),
            latest_place: self.latest_place.load(Ordering::Acquire),
        }
    }

    /// Widens the times to these spans, before anybody sees them.
    fn note_times(&self, spans: &[SpanRow]) {
        let starts = || spans.iter().map(|span| span.start);
        self.earliest.fetch_min(starts().min().unwrap_or(u64::MAX), Ordering::Release);
        self.latest.fetch_max(starts().max().unwrap_or(0), Ordering::Release);
        let places = spans.iter().map(|span| span.extent().order_start());
        self.latest_place.fetch_max(places.max().unwrap_or(0), Ordering::Release);
    }

    /// Appends the spans of a request; `None` when it must go to another part.
    pub(crate) fn append(&self, request: &[u8]) -> Option<Added> {
        let mut rows = self.write_soon()?;
        let (spans, bytes) = (rows.len(), rows.memory());
        let appended = rows.append_request(request);
        self.note_times(rows.spans.get(spans..).unwrap_or_default());
        Some(Added { spans: rows.len() - spans, bytes: rows.memory().saturating_sub(bytes), appended })
    }

    /// The rows to append to, if there is room for more, nobody reads them for long, and no row in them is half done.
    fn write_soon(&self) -> Option<RwLockWriteGuard<'_, Rows>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.rows.try_write() {
                Ok(rows) => return (rows.len() < PART_SPANS).then_some(rows),
                // A panic in the middle of a row: no other row may follow it.
                Err(TryLockError::Poisoned(_)) => return None,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PATIENCE / 100),
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }
}

/// A half of the log. Generations take turns, so that a half is free when what is in it is sealed: were there one log only, the
/// records of the generation that grows meanwhile would be written once more when space is freed (measured under full load: 22 bytes a span).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogHalf {
    #[default]
    Even,
    Odd,
}

impl LogHalf {
    fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }
}

/// The part of the log that is sealed together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Generation {
    pub(crate) tenants: HashMap<TenantId, Vec<Arc<Part>>>,
    pub(crate) spans: usize,
    /// Bytes of memory, about.
    pub(crate) bytes: usize,
    /// Arrival of the first and last request.
    pub(crate) received: Option<(u64, u64)>,
    /// Once closed: all records of the log before this one are in this generation or an older one, whole.
    pub(crate) log_end: u64,
    /// In which of the two halves of the log its records are.
    pub(crate) half: LogHalf,
}

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Oldest first; the last one takes new spans.
    generations: Vec<Generation>,
    pub(crate) segments: BTreeMap<u64, Arc<SegmentEntry>>,
    /// The number after that of the last record whose requests are all in the head.
    pub(crate) next_sequence: u64,
    /// Where that record goes, also when it is tried again after a failure: then it takes the place of the first try.
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
        let parts = self.generations.iter().flat_map(|generation| &generation.tenants);
        let in_parts = |parts: &[Arc<Part>]| parts.iter().map(|part| part.read().len() as u64).sum();
        let head = parts.map(|(tenant, parts)| (tenant, in_parts(parts)));
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
    fn growing(&mut self) -> &mut Generation {
        if self.generations.is_empty() {
            self.generations.push(Generation::default());
        }
        let last = self.generations.len() - 1;
        &mut self.generations[last]
    }

    /// The part that takes a tenant's spans.
    pub(crate) fn growing_part(&mut self, tenant: &TenantId) -> Arc<Part> {
        let known = self.growing().tenants.get(tenant).and_then(|parts| parts.last().cloned());
        known.unwrap_or_else(|| self.add_part(tenant))
    }

    /// A new part that takes a tenant's spans from now on.
    pub(crate) fn add_part(&mut self, tenant: &TenantId) -> Arc<Part> {
        let (part, generation) = (Arc::<Part>::default(), self.growing());
        generation.bytes += Rows::default().memory();
        generation.tenants.entry(tenant.clone()).or_default().push(Arc::clone(&part));
        part
    }

    /// Notes what a request added to a part of the growing generation.
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

    /// Whether so much waits to be sealed that no more may come in.
    pub(crate) fn is_overfull(&self, bounds: Bounds) -> bool {
        self.head_spans() > bounds.spans.saturating_mul(3) || self.head_bytes() > bounds.bytes.saturating_mul(3)
    }

    /// Closes the growing generation; new spans go to another one. A record whose requests are still being appended may come to
    /// lie in both, and stays in the log until the second one is sealed.
    pub(crate) fn rotate(&mut self) {
        if let Some(last) = self.generations.last_mut().filter(|last| last.spans > 0) {
            last.log_end = self.next_sequence;
            let half = last.half.other();
            self.generations.push(Generation { half, ..Generation::default() });
        }
    }

    /// Where the next record of the log goes.
    pub(crate) fn next_record(&self) -> (LogHalf, u64) {
        (self.next_half, self.next_sequence)
    }

    /// Notes that all requests of a record are in the head, and closes the growing generation when it is full; whether it was.
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

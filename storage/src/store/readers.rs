//! What queries work with.

use std::sync::{Arc, RwLockReadGuard};
use std::time::Instant;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Config;
use super::damage::DamageLog;
use super::read::Summaries;
use super::state::{SharedState, State};
use super::tuning::Tuning;
use crate::ReadError;
use crate::backend::Backend;
use crate::rows::{ShapeList, TableKind};
use crate::segment::{Meta, Page, PageId, PageSource, read_meta, read_shapes};

/// Pages, what is decoded of them, and what is visible. A source of pages that remembers the shapes of tables.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) state: Arc<SharedState>,
    pub(super) caches: Arc<ReadCaches>,
    pub(super) damage: Arc<DamageLog>,
    pub(super) tuning: Tuning,
}

impl Readers {
    pub(super) fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Until when a query that begins now works on one thread.
    pub(super) fn alone_until(&self) -> Instant {
        Instant::now() + self.tuning.parallel_after
    }

    pub(super) fn note_damage(&self, location: &str, reason: &str) {
        self.damage.note(location, reason);
    }

    /// The metadata of a segment.
    pub(super) fn meta(&self, segment: u64) -> Result<Arc<Meta>, ReadError> {
        self.caches.metadata.get_or_insert_with(&segment, || read_meta(&*self.backend, segment).map(Arc::new))
    }

    /// Brings the pages of these groups at once, by segment, for a round that reads them.
    pub(super) fn fetch(&self, wanted: &[(u64, Vec<u16>)]) -> Result<Fetched<'_>, ReadError> {
        Ok(Fetched { pages: self.backend.fetch(wanted)?, caches: &self.caches })
    }

    /// Reads what every query of a new segment needs, so that the first one does not wait for it (about 1 ms). Whether it can be read
    /// is for queries to report.
    pub(super) fn warm_up(&self, segment: u64) {
        if let Ok(meta) = self.meta(segment) {
            _ = self.shapes(segment, TableKind::Span, &meta);
        }
    }
}

impl PageSource for Readers {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.backend.page(segment, id)
    }

    fn shapes(&self, segment: u64, kind: TableKind, meta: &Meta) -> Result<Arc<ShapeList>, ReadError> {
        self.caches.shapes(&*self.backend, segment, kind, meta)
    }
}

/// Pages that were brought for a round.
pub(super) struct Fetched<'r> {
    pages: Box<dyn PageSource + 'r>,
    caches: &'r ReadCaches,
}

impl PageSource for Fetched<'_> {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.pages.page(segment, id)
    }

    fn shapes(&self, segment: u64, kind: TableKind, meta: &Meta) -> Result<Arc<ShapeList>, ReadError> {
        self.caches.shapes(&*self.pages, segment, kind, meta)
    }
}

/// Settings of the caches.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheConfig {
    /// Bytes that metadata may take; shapes may take as many again.
    pub(super) bytes: usize,
}

impl From<&Config> for CacheConfig {
    /// A quarter of what pages may take.
    fn from(config: &Config) -> Self {
        Self { bytes: (config.cache_mb << 20) / 4 }
    }
}

/// What is decoded of segments and asked for by every query. Pages themselves are kept by the back end.
#[derive(Debug)]
pub(super) struct ReadCaches {
    metadata: Cache<u64, Arc<Meta>, MemoryOf>,
    shapes: Cache<(u64, TableKind), Arc<ShapeList>, MemoryOf>,
    pub(super) summaries: Summaries,
}

impl ReadCaches {
    pub(super) fn new(config: CacheConfig) -> Self {
        let bytes = config.bytes as u64;
        Self {
            metadata: Cache::with_weighter(1024, bytes, MemoryOf),
            shapes: Cache::with_weighter(1024, bytes, MemoryOf),
            summaries: Summaries::default(),
        }
    }

    fn shapes(
        &self,
        pages: &dyn PageSource,
        segment: u64,
        kind: TableKind,
        meta: &Meta,
    ) -> Result<Arc<ShapeList>, ReadError> {
        self.shapes.get_or_insert_with(&(segment, kind), || read_shapes(pages, segment, kind, meta))
    }

    /// Forgets a segment, whose pages go.
    pub(super) fn forget(&self, segment: u64) {
        self.metadata.remove(&segment);
        for kind in [TableKind::Span, TableKind::Event, TableKind::Link] {
            self.shapes.remove(&(segment, kind));
        }
    }
}

/// Cached things weigh what memory they take.
#[derive(Debug, Clone)]
struct MemoryOf;

impl Weighter<u64, Arc<Meta>> for MemoryOf {
    fn weight(&self, _: &u64, meta: &Arc<Meta>) -> u64 {
        meta.memory() as u64 + 1
    }
}

impl Weighter<(u64, TableKind), Arc<ShapeList>> for MemoryOf {
    fn weight(&self, _: &(u64, TableKind), shapes: &Arc<ShapeList>) -> u64 {
        shapes.memory() as u64 + 1
    }
}

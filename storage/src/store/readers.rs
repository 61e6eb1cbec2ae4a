//! What every query uses: the state, the caches, the threads.

use std::sync::{Arc, RwLockReadGuard};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Config;
use super::damage::DamageLog;
use super::read::{HeadCopies, KeptNumbers, Workers};
use super::rollups::RollupRules;
use super::state::{SharedState, State};
use super::tuning::Tuning;
use crate::ReadError;
use crate::backend::Backend;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::names::Names;
use crate::rows::{ShapeList, TableKind};
use crate::segment::{
    GroupFilters, Metadata, Page, PageId, PageSource, damaged_tail, read_metadata, read_shapes, tail,
};

/// Pages, what is decoded of them, and the visible state. It is a source of pages that caches the shapes of tables.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) state: Arc<SharedState>,
    pub(super) caches: Arc<ReadCaches>,
    pub(super) damage: Arc<DamageLog>,
    /// The threads that help queries.
    pub(super) workers: Arc<Workers>,
    pub(super) tuning: Tuning,
    pub(super) rollups: Arc<RollupRules>,
}

impl Readers {
    pub(super) fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    pub(super) fn note_damage(&self, location: &str, reason: &str) {
        self.damage.note(location, reason);
    }

    /// The metadata of a segment.
    pub(super) fn meta(&self, segment: u64) -> Result<Arc<Metadata>, ReadError> {
        self.caches.metadata.get_or_insert_with(&segment, || read_metadata(&*self.backend, segment).map(Arc::new))
    }

    /// Whether a segment may hold the trace with this hash.
    pub(super) fn may_hold(&self, segment: u64, trace: u64) -> bool {
        self.noted(self.caches.may_hold(self, segment, trace)) != Some(false)
    }

    /// The groups of a segment that may hold the trace with this hash. `is_possible` gets the earliest start of a group, and is called
    /// before the group's filter is read. A damaged filter rules nothing out.
    pub(super) fn groups_of(&self, segment: &SegmentEntry, trace: u64, is_possible: impl Fn(u64) -> bool) -> Vec<u16> {
        if !self.may_hold(segment.id, trace) {
            return Vec::new();
        }
        let groups = (0u16..).zip(&segment.groups).filter(|(_, group)| is_possible(group.starts.0));
        let mut groups: Vec<u16> = groups.map(|(group, _)| group).collect();
        // With one group the filter of the segment has already said it.
        if segment.groups.len() > 1
            && !groups.is_empty()
            && let Some(filters) = self.noted(self.caches.group_filters(self, segment.id))
        {
            groups.retain(|group| filters.may_hold(*group, trace));
        }
        groups
    }

    /// The filter over the trace ids of a segment; `None` when it cannot be read.
    pub(super) fn trace_filter(&self, segment: u64) -> Option<Arc<[u8]>> {
        self.noted(self.caches.trace_filter(self, segment))
    }

    /// The services and span names of a segment; `None` when it does not list them, or the list cannot be read.
    pub(super) fn names(&self, segment: u64) -> Option<Arc<Names>> {
        self.noted(self.caches.names(self, segment)).flatten()
    }

    /// The value, or `None` after noting the damage. Queries can do without it.
    fn noted<T>(&self, read: Result<T, ReadError>) -> Option<T> {
        if let Err(ReadError::Corrupt { location, reason }) = &read {
            self.note_damage(location, reason);
        }
        read.ok()
    }

    /// Reads what every query needs of a new segment, so that the first query does not wait for it (about 1 ms). Damage is not reported
    /// here; queries report it.
    pub(super) fn warm_up(&self, segment: u64) {
        if let Ok(meta) = self.meta(segment) {
            _ = self.shapes(segment, TableKind::Span, &meta);
            _ = self.caches.trace_filter(self, segment);
            _ = self.caches.group_filters(self, segment);
            _ = self.names(segment);
        }
    }
}

impl PageSource for Readers {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.backend.page(segment, id)
    }

    fn shapes(&self, segment: u64, kind: TableKind, meta: &Metadata) -> Result<Arc<ShapeList>, ReadError> {
        self.caches.shapes(&*self.backend, segment, kind, meta)
    }
}

/// The same pages, read once: a merge takes no room from the pages that queries read again.
pub(super) struct ReadOnce<'r>(pub(super) &'r Readers);

impl PageSource for ReadOnce<'_> {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.0.backend.page_once(segment, id)
    }

    fn shapes(&self, segment: u64, kind: TableKind, meta: &Metadata) -> Result<Arc<ShapeList>, ReadError> {
        self.0.shapes(segment, kind, meta)
    }
}

/// Settings of the caches.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheConfig {
    /// Bytes that each of the caches may take.
    pub(super) bytes: usize,
}

impl From<&Config> for CacheConfig {
    /// An eighth of what pages may take.
    fn from(config: &Config) -> Self {
        Self { bytes: config.cache_size / 8 }
    }
}

/// Decoded data of segments that every query needs. Pages themselves are cached by the back end.
#[derive(Debug)]
pub(super) struct ReadCaches {
    metadata: Cache<u64, Arc<Metadata>, MemoryOf>,
    shapes: Cache<(u64, TableKind), Arc<ShapeList>, MemoryOf>,
    trace_filters: Cache<u64, Arc<[u8]>, MemoryOf>,
    group_filters: Cache<u64, Arc<GroupFilters>, MemoryOf>,
    names: Cache<u64, Option<Arc<Names>>, MemoryOf>,
    /// By older segment, segment and group: the rows of the group that are copies. No segment changes, and no id is given twice.
    copies: Cache<(u64, u64, u16), Arc<[u32]>, MemoryOf>,
    pub(super) numbers: KeptNumbers,
    pub(super) head_copies: HeadCopies,
}

impl ReadCaches {
    pub(super) fn new(config: CacheConfig) -> Self {
        let bytes = config.bytes as u64;
        Self {
            metadata: Cache::with_weighter(1024, bytes, MemoryOf),
            shapes: Cache::with_weighter(1024, bytes, MemoryOf),
            trace_filters: Cache::with_weighter(1024, bytes, MemoryOf),
            group_filters: Cache::with_weighter(1024, bytes, MemoryOf),
            names: Cache::with_weighter(1024, bytes, MemoryOf),
            copies: Cache::with_weighter(1024, bytes, MemoryOf),
            numbers: KeptNumbers::new(2 * bytes),
            head_copies: HeadCopies::default(),
        }
    }

    fn shapes(
        &self,
        pages: &dyn PageSource,
        segment: u64,
        kind: TableKind,
        meta: &Metadata,
    ) -> Result<Arc<ShapeList>, ReadError> {
        self.shapes.get_or_insert_with(&(segment, kind), || read_shapes(pages, segment, kind, meta))
    }

    /// Whether a segment may hold the trace with this hash.
    fn may_hold(&self, pages: &dyn PageSource, segment: u64, trace: u64) -> Result<bool, ReadError> {
        let filter = self.trace_filter(pages, segment)?;
        Ok(fuse::may_hold(&filter, trace).unwrap_or(true))
    }

    fn trace_filter(&self, pages: &dyn PageSource, segment: u64) -> Result<Arc<[u8]>, ReadError> {
        self.trace_filters.get_or_insert_with(&segment, || Ok(Arc::from(&**pages.page(segment, tail::TRACE_FILTER)?)))
    }

    fn group_filters(&self, pages: &dyn PageSource, segment: u64) -> Result<Arc<GroupFilters>, ReadError> {
        self.group_filters.get_or_insert_with(&segment, || {
            let page = pages.page(segment, tail::GROUP_TRACE_FILTERS)?;
            GroupFilters::decode(&page).map(Arc::new).map_err(damaged_tail(segment, "filters over trace ids"))
        })
    }

    fn names(&self, pages: &dyn PageSource, segment: u64) -> Result<Option<Arc<Names>>, ReadError> {
        self.names.get_or_insert_with(&segment, || {
            let page = pages.page(segment, tail::NAMES)?;
            let names = Names::decode_list(&page).map_err(damaged_tail(segment, "services and span names"))?;
            Ok(names.map(Arc::new))
        })
    }

    /// The rows of a group that are copies of spans in an older segment.
    pub(super) fn copies(
        &self,
        pair: (u64, u64, u16),
        find: impl FnOnce() -> Result<Vec<u32>, ReadError>,
    ) -> Result<Arc<[u32]>, ReadError> {
        self.copies.get_or_insert_with(&pair, || find().map(Arc::from))
    }

    /// Forgets a segment whose pages are deleted.
    pub(super) fn forget(&self, segment: u64) {
        self.metadata.remove(&segment);
        self.trace_filters.remove(&segment);
        self.group_filters.remove(&segment);
        self.names.remove(&segment);
        for kind in TableKind::ALL {
            self.shapes.remove(&(segment, kind));
        }
    }
}

/// The weight of a cached value is its memory.
#[derive(Debug, Clone)]
struct MemoryOf;

impl Weighter<u64, Arc<Metadata>> for MemoryOf {
    fn weight(&self, _: &u64, meta: &Arc<Metadata>) -> u64 {
        meta.memory() as u64 + 1
    }
}

impl Weighter<u64, Arc<[u8]>> for MemoryOf {
    fn weight(&self, _: &u64, filter: &Arc<[u8]>) -> u64 {
        filter.len() as u64 + 1
    }
}

impl Weighter<(u64, u64, u16), Arc<[u32]>> for MemoryOf {
    fn weight(&self, _: &(u64, u64, u16), rows: &Arc<[u32]>) -> u64 {
        size_of_val(&**rows) as u64 + 64
    }
}

impl Weighter<u64, Arc<GroupFilters>> for MemoryOf {
    fn weight(&self, _: &u64, filters: &Arc<GroupFilters>) -> u64 {
        filters.memory() as u64 + 1
    }
}

impl Weighter<u64, Option<Arc<Names>>> for MemoryOf {
    fn weight(&self, _: &u64, names: &Option<Arc<Names>>) -> u64 {
        names.as_ref().map_or(0, |names| names.memory()) as u64 + 1
    }
}

impl Weighter<(u64, TableKind), Arc<ShapeList>> for MemoryOf {
    fn weight(&self, _: &(u64, TableKind), shapes: &Arc<ShapeList>) -> u64 {
        shapes.memory() as u64 + 1
    }
}

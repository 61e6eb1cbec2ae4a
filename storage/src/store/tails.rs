//! What queries ask of the tail of every segment: the filters over trace ids, the services and span names. It is read once and kept for
//! as long as there is room, so that a question to a hundred segments does not read a hundred pages.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::ReadError;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::names::Names;
use crate::segment::{GroupFilters, PageSource, damaged_tail, tail};

/// Tails of segments that were asked last.
#[derive(Debug)]
pub(in crate::store) struct Tails {
    trace_filters: Cache<u64, Arc<[u8]>, Weight>,
    group_filters: Cache<u64, Arc<GroupFilters>, Weight>,
    names: Cache<u64, Arc<Option<Names>>, Weight>,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u64, Arc<[u8]>> for Weight {
    fn weight(&self, _: &u64, filter: &Arc<[u8]>) -> u64 {
        filter.len() as u64 + 1
    }
}

impl Weighter<u64, Arc<GroupFilters>> for Weight {
    fn weight(&self, _: &u64, filters: &Arc<GroupFilters>) -> u64 {
        filters.memory() as u64 + 1
    }
}

impl Weighter<u64, Arc<Option<Names>>> for Weight {
    fn weight(&self, _: &u64, names: &Arc<Option<Names>>) -> u64 {
        names.as_ref().as_ref().map_or(0, Names::memory) as u64 + 1
    }
}

impl Tails {
    /// Each of the three kinds takes at most a third of these bytes.
    pub(in crate::store) fn new(bytes: u64) -> Self {
        Self {
            trace_filters: Cache::with_weighter(1024, bytes / 3, Weight),
            group_filters: Cache::with_weighter(1024, bytes / 3, Weight),
            names: Cache::with_weighter(1024, bytes / 3, Weight),
        }
    }

    /// Forgets a segment that has gone.
    pub(in crate::store) fn remove(&self, segment: u64) {
        self.trace_filters.remove(&segment);
        self.group_filters.remove(&segment);
        self.names.remove(&segment);
    }

    /// Those of a segment's groups that may hold a trace, by its hash. `is_possible` says by its statistics whether a group may, and is
    /// asked before its filter.
    pub(in crate::store) fn groups_of(
        &self,
        source: &dyn PageSource,
        segment: &SegmentEntry,
        trace: u64,
        is_possible: impl Fn(u64) -> bool,
    ) -> Result<Vec<u16>, ReadError> {
        let all = self.trace_filter(source, segment.id)?;
        // A damaged filter rules nothing out.
        if !fuse::may_hold(&all, trace).unwrap_or(true) {
            return Ok(Vec::new());
        }
        let mut groups: Vec<u16> =
            (0u16..).zip(&segment.groups).filter(|(_, group)| is_possible(group.starts.0)).map(|(code, _)| code).collect();
        // The filter of the only group says the same.
        if segment.groups.len() > 1 && !groups.is_empty() {
            let filters = self.group_filters(source, segment.id)?;
            groups.retain(|group| filters.may_hold(*group, trace));
        }
        Ok(groups)
    }

    fn trace_filter(&self, source: &dyn PageSource, segment: u64) -> Result<Arc<[u8]>, ReadError> {
        let read = || Ok(Arc::from(&**source.page(segment, tail::TRACE_FILTER)?));
        self.trace_filters.get_or_insert_with(&segment, read)
    }

    fn group_filters(&self, source: &dyn PageSource, segment: u64) -> Result<Arc<GroupFilters>, ReadError> {
        self.group_filters.get_or_insert_with(&segment, || {
            let page = source.page(segment, tail::GROUP_TRACE_FILTERS)?;
            GroupFilters::decode(&page).map(Arc::new).map_err(damaged_tail(segment, "filters of trace ids"))
        })
    }

    /// The services and span names of a segment; `None` when it does not list them.
    pub(in crate::store) fn names(
        &self,
        source: &dyn PageSource,
        segment: u64,
    ) -> Result<Arc<Option<Names>>, ReadError> {
        self.names.get_or_insert_with(&segment, || {
            let page = source.page(segment, tail::NAMES)?;
            Names::decode_list(&page).map(Arc::new).map_err(damaged_tail(segment, "services and span names"))
        })
    }
}

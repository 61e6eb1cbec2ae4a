//! The store as a query reads it: what it sees, the groups it has open, and what becomes of damage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoptrail_proto::model::TenantId;

use super::group_cache::GroupCache;
use super::metrics::{HeadCopies, KeptNumbers};
use super::parallel::Workers;
use super::scan_unit::ScanUnit;
use super::view::View;
use crate::catalog::SegmentEntry;
use crate::explain::Counted;
use crate::names::Names;
use crate::scan::{HeadGroup, RowGroup};
use crate::segment::{Metadata, SegmentGroup, possible_groups};
use crate::store::readers::Readers;
use crate::{Filter, QueryContext, ReadError};

/// The store as it was when a query began.
pub(super) struct Snapshot<'a> {
    readers: &'a Readers,
    pub(super) view: View<'a>,
    groups: GroupCache<'a>,
    /// Pages read of groups, and their bytes.
    read: (AtomicUsize, AtomicUsize),
}

impl<'a> Snapshot<'a> {
    pub(super) fn take(readers: &'a Readers, tenant: &TenantId) -> Self {
        Self { readers, view: View::of(readers, tenant), groups: GroupCache::default(), read: Default::default() }
    }

    /// The threads that may help the query.
    pub(super) fn workers(&self) -> &Workers {
        &self.readers.workers
    }

    /// The bytes of pages of groups that were read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.1.load(Ordering::Relaxed) as u64
    }

    /// The same at the end of a query, for its explanation as well.
    pub(super) fn count_pages(&self, context: &QueryContext) -> u64 {
        context.count(Counted::Pages, self.read.0.load(Ordering::Relaxed));
        context.count(Counted::Bytes, self.read.1.load(Ordering::Relaxed));
        self.bytes_read()
    }

    /// Called before these units are read, once for all that a round of a query reads.
    pub(super) fn fetch<'u>(&self, units: impl IntoIterator<Item = &'u ScanUnit>) -> Result<(), ReadError> {
        let mut wanted: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
        for unit in units {
            if let ScanUnit::Group(segment, group) = unit {
                wanted.entry(segment.id).or_default().push(*group);
            }
        }
        if wanted.is_empty() { Ok(()) } else { self.readers.backend.fetch(&wanted.into_iter().collect::<Vec<_>>()) }
    }

    /// The segments with their filters over trace ids; `None` where one cannot be read.
    pub(super) fn trace_filters(&self) -> Vec<(u64, Option<Arc<[u8]>>)> {
        self.view.segments().map(|segment| (segment.id, self.readers.trace_filter(segment.id))).collect()
    }

    /// The services and span names that a segment lists.
    pub(super) fn names(&self, segment: u64) -> Option<Arc<Names>> {
        self.readers.names(segment)
    }

    /// Runs `ask` on a unit. `None` when the unit is damaged where `ask` reads it: the answer is then without it, and says so.
    pub(super) fn on<T>(
        &self,
        unit: &ScanUnit,
        context: &QueryContext,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let (answer, damage) = self.ask(unit, ask);
        self.leave_out(&damage, context);
        answer
    }

    /// The same, and what damage the answer is without.
    pub(super) fn ask<T>(
        &self,
        unit: &ScanUnit,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> (Result<Option<T>, ReadError>, Vec<ReadError>) {
        let (segment, group) = match unit {
            ScanUnit::Chunk(_, chunk) => return (ask(&HeadGroup::new(&chunk.read())).map(Some), Vec::new()),
            ScanUnit::Group(segment, group) => (segment.id, *group),
        };
        let mut damage = Vec::new();
        let answer = self.group(segment, group).and_then(|group| {
            let answer = ask(&*group);
            damage = group.take_left_out();
            let (pages, bytes) = group.take_read();
            self.read.0.fetch_add(pages, Ordering::Relaxed);
            self.read.1.fetch_add(bytes, Ordering::Relaxed);
            answer
        });
        match answer {
            Err(error @ ReadError::Corrupt { .. }) => {
                damage.push(error);
                (Ok(None), damage)
            }
            answer => (answer.map(Some), damage),
        }
    }

    /// Notes damage, and that the answer is without what is damaged.
    pub(super) fn leave_out(&self, damage: &[ReadError], context: &QueryContext) {
        for error in damage {
            if let ReadError::Corrupt { location, reason } = error {
                self.readers.note_damage(location, reason);
                context.leave_out(location.clone());
            }
        }
    }

    /// The groups of a segment that may hold the trace with this hash.
    pub(super) fn groups_of(&self, segment: &SegmentEntry, trace: u64) -> Vec<u16> {
        self.readers.groups_of(segment, trace, |_| true)
    }

    /// Numbers of groups that are kept.
    pub(super) fn kept_numbers(&self) -> &'a KeptNumbers {
        &self.readers.caches.numbers
    }

    /// Copies in heads that are known.
    pub(super) fn head_copies(&self) -> &'a HeadCopies {
        &self.readers.caches.head_copies
    }

    /// The rows of a group that an older segment has as well: older segment, segment and group. They are found once.
    pub(super) fn copies(
        &self,
        pair: (u64, u64, u16),
        find: impl FnOnce() -> Result<Vec<u32>, ReadError>,
    ) -> Result<Arc<[u32]>, ReadError> {
        self.readers.caches.copies(pair, find)
    }

    /// For each group of a segment whether the filter may find anything in it, as far as filters over values know. A damaged filter
    /// rules nothing out.
    pub(super) fn possible_groups(&self, segment: u64, filter: &Filter) -> Result<Vec<bool>, ReadError> {
        let possible = self.meta(segment).and_then(|meta| possible_groups(self.readers, segment, &meta, filter));
        match possible {
            Err(ReadError::Corrupt { location, reason }) => {
                self.readers.note_damage(&location, &reason);
                Ok(Vec::new())
            }
            groups => groups,
        }
    }

    fn group(&self, segment: u64, group: u16) -> Result<Arc<SegmentGroup<'a>>, ReadError> {
        self.groups.get((segment, group), || SegmentGroup::open(self.readers, segment, self.meta(segment)?, group))
    }

    fn meta(&self, segment: u64) -> Result<Arc<Metadata>, ReadError> {
        self.readers.meta(segment)
    }
}

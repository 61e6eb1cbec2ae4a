//! What a query sees of a tenant: the chunks and segments that there were when it began.

use std::cmp::Reverse;
use std::sync::Arc;

use hoptrail_proto::model::{TenantId, TraceId};

use super::scan_unit::ScanUnit;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::scan::HintHorizon;
use crate::store::chunk::{Chunk, ChunkTimes};
use crate::store::readers::Readers;

/// A segment, and the starts of its earliest and latest span.
type TimedSegment = ((u64, u64), Arc<SegmentEntry>);

/// The chunks and segments of a tenant. They stay readable for as long as this is held.
pub(super) struct View<'a> {
    readers: &'a Readers,
    /// Which start hints count.
    pub(super) horizon: HintHorizon,
    /// With their times.
    chunks: Vec<(ChunkTimes, Arc<Chunk>)>,
    /// By the starts of their earliest and latest spans.
    segments: Vec<TimedSegment>,
}

impl<'a> View<'a> {
    pub(super) fn of(readers: &'a Readers, tenant: &TenantId) -> Self {
        let state = readers.read_state();
        let (horizon, (chunks, segments)) = (state.horizon, state.snapshot(tenant));
        drop(state);
        let mut segments: Vec<_> = segments.into_iter().map(|segment| (segment.starts(), segment)).collect();
        segments.sort_by_key(|(starts, _)| *starts);
        Self { readers, horizon, chunks: chunks.into_iter().map(|chunk| (chunk.times(), chunk)).collect(), segments }
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.segments.iter().map(|(_, segment)| &**segment)
    }

    /// All units, newest first: by the latest order key that a trace in them may have.
    pub(super) fn units(&self) -> Vec<ScanUnit> {
        let chunks = self.chunks.iter().map(|(times, chunk)| ScanUnit::Chunk(*times, Arc::clone(chunk)));
        let groups = self.segments.iter().flat_map(|(_, segment)| {
            let groups = (0u16..).take(segment.groups.len());
            groups.map(|group| ScanUnit::Group(Arc::clone(segment), group))
        });
        let mut units: Vec<(u64, ScanUnit)> =
            chunks.chain(groups).map(|unit| (unit.latest(self.horizon), unit)).collect();
        units.sort_by_key(|(latest, _)| Reverse(*latest));
        units.into_iter().map(|(_, unit)| unit).collect()
    }

    /// The units that may hold the trace: chunks, then segments by their earliest span.
    pub(super) fn holders(&self, id: TraceId) -> Vec<ScanUnit> {
        self.holders_among(self.segments.iter(), id, |_| true).collect()
    }

    /// The units that may hold the trace, those first that most likely have a span before `oldest`: a trace that began earlier and went
    /// on until now is mostly in one of the last segments before. A group is passed over when its earliest start is not wanted, which is
    /// asked as the units are.
    pub(super) fn holders_before(
        &self,
        id: TraceId,
        oldest: u64,
        is_wanted: impl Fn(u64) -> bool + Copy,
    ) -> impl Iterator<Item = ScanUnit> {
        let (before, after) =
            self.segments.split_at(self.segments.partition_point(|((_, latest), _)| *latest < oldest));
        self.holders_among(before.iter().rev().chain(after), id, is_wanted)
    }

    /// Whether a chunk, or a segment, may hold the trace that is not the unit's own.
    pub(super) fn is_elsewhere(&self, id: TraceId, own: &ScanUnit) -> bool {
        let hash = fuse::hash(&id.0);
        let is_own = |chunk: &Arc<Chunk>| matches!(own, ScanUnit::Chunk(_, own) if Arc::ptr_eq(own, chunk));
        let mut chunks = self.chunks.iter().filter(|(_, chunk)| !is_own(chunk));
        let mut segments = self.segments.iter().filter(|(_, segment)| own.segment() != Some(segment.id));
        chunks.any(|(_, chunk)| chunk.read().trace_rows(id).next().is_some())
            || segments.any(|(_, segment)| self.readers.may_hold(segment.id, hash))
    }

    fn holders_among<'s>(
        &'s self,
        segments: impl Iterator<Item = &'s TimedSegment>,
        id: TraceId,
        is_wanted: impl Fn(u64) -> bool + Copy,
    ) -> impl Iterator<Item = ScanUnit> {
        let hash = fuse::hash(&id.0);
        let chunks = self.chunks.iter().filter(move |(_, chunk)| chunk.read().trace_rows(id).next().is_some());
        let chunks = chunks.map(|(times, chunk)| ScanUnit::Chunk(*times, Arc::clone(chunk)));
        let segments = segments.filter(move |((earliest, _), _)| is_wanted(*earliest));
        let groups = segments.flat_map(move |(_, segment)| {
            let groups = self.readers.groups_of(segment, hash, is_wanted);
            groups.into_iter().map(|group| ScanUnit::Group(Arc::clone(segment), group))
        });
        chunks.chain(groups)
    }
}

//! What a search looks into at once: a chunk of the head, or a row group of a segment.

use std::sync::Arc;

use crate::TimeRange;
use crate::catalog::SegmentEntry;
use crate::scan::HintHorizon;
use crate::store::chunk::{Chunk, ChunkTimes};

/// A chunk of the head or a row group of a segment.
#[derive(Clone)]
pub(super) enum ScanUnit {
    /// With its times when the query began.
    Chunk(ChunkTimes, Arc<Chunk>),
    /// With the index of the group in its segment.
    Group(Arc<SegmentEntry>, u16),
}

/// Names a unit among those of one query.
pub(super) type UnitId = (u64, usize);

impl ScanUnit {
    pub(super) fn id(&self) -> UnitId {
        match self {
            Self::Chunk(_, chunk) => (u64::MAX, Arc::as_ptr(chunk).addr()),
            Self::Group(segment, group) => (segment.id, usize::from(*group)),
        }
    }

    /// The segment that it is of.
    pub(super) fn segment(&self) -> Option<u64> {
        match self {
            Self::Chunk(..) => None,
            Self::Group(segment, _) => Some(segment.id),
        }
    }

    /// Whether any of its spans may run in the range.
    pub(super) fn runs_in(&self, range: Option<TimeRange>) -> bool {
        match self {
            Self::Chunk(times, _) => range.is_none_or(|range| range.is_met(times.starts.0, times.latest_end)),
            Self::Group(segment, group) => {
                segment.groups.get(usize::from(*group)).is_some_and(|group| group.runs_in(range))
            }
        }
    }

    /// Starts of its earliest and latest span. Those of a chunk are of now.
    pub(super) fn starts(&self) -> (u64, u64) {
        match self {
            Self::Chunk(_, chunk) => chunk.times().starts,
            Self::Group(segment, group) => {
                segment.groups.get(usize::from(*group)).map_or((0, u64::MAX), |group| group.starts)
            }
        }
    }

    /// Whether any of its spans may start in the range.
    pub(super) fn overlaps(&self, range: Option<TimeRange>) -> bool {
        match self {
            Self::Chunk(ChunkTimes { starts: (earliest, latest), .. }, _) => {
                range.is_none_or(|range| *earliest < range.end && range.start <= *latest)
            }
            Self::Group(segment, group) => {
                segment.groups.get(usize::from(*group)).is_some_and(|group| group.overlaps(range))
            }
        }
    }

    /// No trace in it has a later order key.
    pub(super) fn latest(&self, horizon: HintHorizon) -> u64 {
        match self {
            Self::Chunk(times, _) => times.latest_order_start,
            Self::Group(segment, group) => {
                segment.groups.get(usize::from(*group)).map_or(0, |group| group.latest(horizon))
            }
        }
    }
}

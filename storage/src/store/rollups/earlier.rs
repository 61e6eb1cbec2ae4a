//! Finds the spans of a trace that were sealed earlier.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use hoptrail_proto::model::{TraceId, TraceSpan};

use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::scan::{Materialize, Projection, TraceIndex};
use crate::segment::SegmentGroup;
use crate::store::readers::Readers;
use crate::{QueryContext, ReadError};

/// A trace with more sealed spans than this is counted as if it began anew: reading them all for each new span would cost too much.
const MOST_SPANS: usize = 20_000;

/// The segments, as they are asked for one trace after the other.
pub(super) struct Earlier<'e> {
    readers: &'e Readers,
    context: &'e QueryContext,
    /// With the times of their spans: the earliest start and the latest end.
    segments: Vec<((u64, u64), &'e SegmentEntry)>,
    /// Those that are open; `None` where one cannot be read.
    groups: HashMap<(u64, u16), Option<SegmentGroup<'e>>>,
}

impl<'e> Earlier<'e> {
    pub(super) fn new(readers: &'e Readers, segments: &'e [Arc<SegmentEntry>], context: &'e QueryContext) -> Self {
        let distance = readers.tuning.call_distance;
        let times = |segment: &SegmentEntry| {
            let latest = segment.groups.iter().map(|group| group.latest_end).max();
            (segment.starts().0.saturating_sub(distance), latest.unwrap_or_default().saturating_add(distance))
        };
        let segments = segments.iter().map(|segment| (times(segment), &**segment)).collect();
        Self { readers, context, segments, groups: HashMap::new() }
    }

    /// The sealed spans of a trace that has spans at these times. Damaged spans are left out; queries and `verify` report them.
    pub(super) fn spans(&mut self, id: TraceId, (first, last): (u64, u64)) -> Result<Vec<TraceSpan>, ReadError> {
        let (hash, mut found) = (fuse::hash(&id.0), Vec::new());
        for index in 0..self.segments.len() {
            let Some(((earliest, latest), segment)) = self.segments.get(index).copied() else { continue };
            if first > latest || last < earliest {
                continue;
            }
            for group in self.readers.groups_of(segment, hash, |_| true) {
                self.context.check()?;
                let Some(group) = self.group(segment, group) else { continue };
                let rows = group.rows_of(id).unwrap_or_default();
                if found.len() + rows.len() > MOST_SPANS {
                    return Ok(Vec::new());
                }
                found.extend(group.spans(id, &rows, Projection::Whole).unwrap_or_default());
            }
        }
        Ok(found)
    }

    fn group(&mut self, segment: &SegmentEntry, group: u16) -> Option<&SegmentGroup<'e>> {
        let entry = match self.groups.entry((segment.id, group)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let meta = self.readers.meta(segment.id);
                entry.insert(meta.and_then(|meta| SegmentGroup::open(self.readers, segment.id, meta, group)).ok())
            }
        };
        entry.as_ref()
    }
}

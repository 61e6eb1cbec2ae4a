//! When the traces of a new segment began, as far as other segments know. A trace that goes on for an hour has spans in many segments;
//! when each of them knows its start, a search for the newest traces need not look for it elsewhere, and passes over old ones.

use hoptrail_proto::model::{TenantId, TraceId};

use super::Shared;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::rows::Rows;
use crate::scan::RowGroup;
use crate::segment::{KnownStarts, SegmentGroup};

/// How many segments are asked. What they do not know costs a search some time and no answer.
const ASKED: usize = 32;

impl Shared {
    /// What the segments that arrived last know of the traces of these rows.
    pub(super) fn known_starts(&self, tenant: &TenantId, parts: &[&Rows]) -> KnownStarts {
        let (_, mut segments) = self.read_state().snapshot(tenant);
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse((segment.received, segment.id)));
        segments.truncate(ASKED);
        let ids = parts.iter().flat_map(|part| part.traces());
        let mut unknown: Vec<(TraceId, u64)> = ids.map(|(id, _)| (id, fuse::hash(&id.0))).collect();
        let mut known = KnownStarts::default();
        for segment in segments {
            let mut asked = Asked { shared: self, segment: &segment, groups: Vec::new() };
            // The first that knows a trace knows what those before it did.
            unknown.retain(|(id, hash)| {
                let start = asked.start_of(*id, *hash);
                known.extend(start.map(|start| (*id, start)));
                start.is_none()
            });
        }
        known
    }
}

/// A segment that is asked, and its groups that were.
struct Asked<'s> {
    shared: &'s Shared,
    segment: &'s SegmentEntry,
    groups: Vec<(u16, SegmentGroup<'s>)>,
}

impl<'s> Asked<'s> {
    /// The start of a trace that one of the groups knows. What cannot be read is not known: queries and `verify` tell of it.
    fn start_of(&mut self, id: TraceId, hash: u64) -> Option<u64> {
        let segment = self.segment;
        segment.groups_of(hash, |_| true).find_map(|number| self.group(number)?.start_of(id).ok()?)
    }

    fn group(&mut self, number: u16) -> Option<&SegmentGroup<'s>> {
        let place = match self.groups.iter().position(|(known, _)| *known == number) {
            Some(place) => place,
            None => {
                let meta = self.shared.meta(self.segment.id).ok()?;
                let group = SegmentGroup::open(&self.shared.db, self.segment.id, meta, number).ok()?;
                self.groups.push((number, group));
                self.groups.len() - 1
            }
        };
        self.groups.get(place).map(|(_, group)| group)
    }
}

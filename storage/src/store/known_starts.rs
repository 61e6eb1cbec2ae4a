//! When the traces of a new segment began, as far as other segments know. A trace that goes on for an hour has spans in many segments;
//! when each of them knows its start, a search for the newest traces looks first at those that began last. It believes no hint.

use hoptrail_proto::model::{TenantId, TraceId};

use super::Shared;
use crate::ReadError;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::rows::Rows;
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
            // The last one that has a trace asked those before it in its time.
            unknown.retain(|(id, hash)| {
                let start = asked.start_of(*id, *hash);
                known.extend(start.map(|start| (*id, start)));
                start.is_none()
            });
        }
        known
    }
}

/// A segment that is asked, with the starts of all traces of the groups that were: when one goes on, mostly many do.
struct Asked<'s> {
    shared: &'s Shared,
    segment: &'s SegmentEntry,
    groups: Vec<(u16, KnownStarts)>,
}

impl Asked<'_> {
    /// The start of a trace that one of the groups knows.
    fn start_of(&mut self, id: TraceId, hash: u64) -> Option<u64> {
        let segment = self.segment;
        segment.groups_of(hash, |_| true).find_map(|number| self.group(number)?.get(&id).copied())
    }

    fn group(&mut self, number: u16) -> Option<&KnownStarts> {
        let place = self.groups.iter().position(|(known, _)| *known == number).unwrap_or_else(|| {
            // What cannot be read is not known: queries and `verify` tell of it.
            self.groups.push((number, self.read(number).unwrap_or_default()));
            self.groups.len() - 1
        });
        self.groups.get(place).map(|(_, starts)| starts)
    }

    fn read(&self, number: u16) -> Result<KnownStarts, ReadError> {
        let meta = self.shared.meta(self.segment.id)?;
        let traces = SegmentGroup::open(&self.shared.db, self.segment.id, meta, number)?.trace_table()?;
        Ok(traces.into_iter().map(|(id, start, _)| (id, start)).collect())
    }
}

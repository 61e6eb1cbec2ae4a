//! Start hints: when the traces of a new segment began, as far as other segments know. A trace that lasts an hour has spans in many
//! segments. When each of them knows its start, a search for the newest traces looks first at those that began last. A hint never changes
//! an answer.

use hoptrail_proto::model::{TenantId, TraceId};

use super::Maintenance;
use crate::ReadError;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::rows::Rows;
use crate::segment::{SegmentGroup, StartHints};
use crate::store::readers::Readers;

/// How many segments are asked. A missing hint costs a search some time, but changes no answer.
const MOST_ASKED: usize = 32;

impl Maintenance {
    /// The start hints of the traces of these rows, from the segments that arrived last.
    pub(super) fn start_hints(&self, tenant: &TenantId, rows: &[&Rows]) -> StartHints {
        let (_, mut segments) = self.readers.read_state().snapshot(tenant);
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse((segment.received, segment.id)));
        segments.truncate(MOST_ASKED);
        let ids = rows.iter().flat_map(|rows| rows.traces());
        let mut unknown: Vec<(TraceId, u64)> = ids.map(|(id, _)| (id, fuse::hash(&id.0))).collect();
        let mut hints = StartHints::default();
        for segment in segments {
            let mut asked = Asked { readers: &self.readers, segment: &segment, groups: Vec::new() };
            // One segment with the trace is enough: when it was written, it asked those before it.
            unknown.retain(|(id, hash)| {
                let start = asked.start_of(*id, *hash);
                hints.extend(start.map(|start| (*id, start)));
                start.is_none()
            });
        }
        hints
    }
}

/// A segment that is asked, and the starts of all traces of its groups that were read. When one trace of a group goes on, many others
/// mostly do, too.
struct Asked<'s> {
    readers: &'s Readers,
    segment: &'s SegmentEntry,
    groups: Vec<(u16, StartHints)>,
}

impl Asked<'_> {
    /// The start of a trace, when one of the groups has it.
    fn start_of(&mut self, id: TraceId, hash: u64) -> Option<u64> {
        let segment = self.segment;
        // An unreadable group gives no hint. Queries and `verify` report it.
        let groups = self.readers.groups_of(segment, hash, |_| true);
        groups.into_iter().find_map(|group| self.starts(group)?.get(&id).copied())
    }

    fn starts(&mut self, group: u16) -> Option<&StartHints> {
        let index = self.groups.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
            self.groups.push((group, self.read(group).unwrap_or_default()));
            self.groups.len() - 1
        });
        self.groups.get(index).map(|(_, starts)| starts)
    }

    fn read(&self, group: u16) -> Result<StartHints, ReadError> {
        let meta = self.readers.meta(self.segment.id)?;
        let traces = SegmentGroup::open(self.readers, self.segment.id, meta, group)?.trace_table()?;
        Ok(traces.into_iter().map(|(id, start, _)| (id, start)).collect())
    }
}

//! The filters over the trace ids of a segment: one over all groups, and one for each group. The first rules out most segments.

use hoptrail_proto::model::TraceId;

use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::codec::fuse;

/// Collects the ids while a segment is written.
#[derive(Default)]
pub(super) struct Builder {
    all: Vec<u64>,
    groups: Vec<Vec<u8>>,
}

impl Builder {
    pub(super) fn add_group(&mut self, ids: impl Iterator<Item = TraceId>) {
        let hashes: Vec<u64> = ids.map(|id| fuse::hash(&id.0)).collect();
        self.all.extend_from_slice(&hashes);
        self.groups.push(fuse::encode(hashes));
    }

    /// The pages: the filter over all groups, and that of each.
    pub(super) fn encode(self) -> [Vec<u8>; 2] {
        let mut groups = Vec::new();
        put_varint(&mut groups, self.groups.len() as u64);
        self.groups.iter().for_each(|filter| put_bytes(&mut groups, filter));
        [fuse::encode(self.all), groups]
    }
}

/// The filters of the groups of a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupFilters(Vec<Box<[u8]>>);

impl GroupFilters {
    pub(crate) fn decode(page: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input(page);
        let count = input.count(8)?;
        (0..count).map(|_| Ok(input.bytes()?.into())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a group may hold the trace with this hash. A filter that is damaged or missing rules nothing out.
    pub(crate) fn may_hold(&self, group: u16, trace: u64) -> bool {
        self.0.get(usize::from(group)).is_none_or(|filter| fuse::may_hold(filter, trace).unwrap_or(true))
    }

    /// Bytes held, about.
    pub(crate) fn memory(&self) -> usize {
        self.0.iter().map(|filter| size_of_val(filter) + filter.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_knows_its_traces() {
        let mut builder = Builder::default();
        for group in 0..3u8 {
            builder.add_group((0..50u8).map(|n| TraceId([group * 50 + n; 16])));
        }
        let [all, groups] = builder.encode();
        let groups = GroupFilters::decode(&groups).unwrap();
        let mut wrong = 0;
        for n in 0..150u8 {
            let hash = fuse::hash(&[n; 16]);
            assert!(fuse::may_hold(&all, hash).unwrap() && groups.may_hold(u16::from(n / 50), hash));
            wrong += (0..3).filter(|group| *group != u16::from(n / 50) && groups.may_hold(*group, hash)).count();
        }
        assert!(wrong < 10, "{wrong}");
        assert!(groups.may_hold(3, 7), "no such group is ruled out");
    }
}

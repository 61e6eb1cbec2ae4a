//! The catalog in memory: what is known of each segment without reading its pages.

use hoptrail_proto::model::TenantId;

use crate::TimeRange;
use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::rollup::RollupPage;
use crate::scan::HintHorizon;
use crate::segment::{About, GroupStats, Written};

const VERSION: u8 = 1;
/// The first byte of the entry of a rollup, where others have the version.
const ROLLUP: u8 = 2;

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) id: u64,
    pub(crate) tenant: TenantId,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Arrival of its first and last request, nanoseconds since 1970 UTC.
    pub(crate) received: (u64, u64),
    pub(crate) groups: Vec<GroupStats>,
}

impl SegmentEntry {
    /// The entry of a segment that was written.
    pub(crate) fn new(id: u64, bytes: u64, about: About, written: Written) -> Self {
        Self { id, tenant: about.tenant, bytes, received: about.received, groups: written.groups }
    }

    pub(crate) fn spans(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.spans)).sum()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_bytes(&mut out, self.tenant.as_str().as_bytes());
        for number in [self.bytes, self.received.0, self.received.1, self.groups.len() as u64] {
            put_varint(&mut out, number);
        }
        for group in &self.groups {
            let GroupStats { spans, starts, latest_end, latest_trace, hints } = group;
            for value in [u64::from(*spans), starts.0, starts.1, *latest_end, *latest_trace, hints.0, hints.1] {
                put_varint(&mut out, value);
            }
        }
        out
    }

    pub(crate) fn decode(id: u64, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input(bytes);
        if input.byte()? != VERSION {
            return Err(Damaged("unknown version of a catalog entry"));
        }
        let tenant = TenantId::new(input.text()?).map_err(|_| Damaged("tenant of a catalog entry"))?;
        let (bytes, received) = (input.varint()?, (input.varint()?, input.varint()?));
        let count = input.count(48)?;
        let groups = (0..count).map(|_| read_group(&mut input)).collect::<Result<_, _>>()?;
        Ok(Self { id, tenant, bytes, received, groups })
    }
}

impl SegmentEntry {
    /// No trace of the segment has a later order start that can be real.
    pub(crate) fn horizon(&self) -> HintHorizon {
        self.groups.iter().map(GroupStats::horizon).max().unwrap_or_default()
    }

    /// Starts of its earliest and of its latest span.
    pub(crate) fn starts(&self) -> (u64, u64) {
        let both =
            |(first, last): (u64, u64), group: &GroupStats| (first.min(group.starts.0), last.max(group.starts.1));
        self.groups.iter().fold((u64::MAX, 0), both)
    }
}

/// A rollup: a segment that has counts instead of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RollupEntry {
    pub(crate) id: u64,
    pub(crate) tenant: TenantId,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Arrival of the first and last request whose spans it counts, nanoseconds since 1970 UTC.
    pub(crate) received: (u64, u64),
    pub(crate) list: RollupList,
}

/// What a rollup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RollupList {
    /// Ascending.
    pub(crate) pages: Vec<RollupPage>,
    /// For minutes, hours and days: earlier rows are only there at coarser levels.
    pub(crate) kept_from: [u64; 3],
    /// The rollups that it was merged of.
    pub(crate) merged: Vec<u64>,
    /// Whether the coarser levels are there. A rollup that was just sealed has minutes only, which are few.
    pub(crate) is_coarse: bool,
}

impl RollupList {
    /// What the catalog says of the pages. The rollup has it as a page as well, so that a lost entry can be made again.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.is_coarse)];
        self.kept_from.iter().for_each(|time| put_varint(&mut out, *time));
        put_varint(&mut out, self.merged.len() as u64);
        self.merged.iter().for_each(|id| put_varint(&mut out, *id));
        put_varint(&mut out, self.pages.len() as u64);
        self.pages.iter().for_each(|page| page.encode(&mut out));
        out
    }

    pub(crate) fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let is_coarse = input.byte()? == 1;
        let kept_from = [input.varint()?, input.varint()?, input.varint()?];
        let merged = (0..input.count(8)?).map(|_| input.varint()).collect::<Result<_, _>>()?;
        let pages = (0..input.count(24)?).map(|_| RollupPage::decode(input)).collect::<Result<_, _>>()?;
        Ok(Self { pages, kept_from, merged, is_coarse })
    }
}

impl RollupEntry {
    /// The entry of a rollup that was written.
    pub(crate) fn new(id: u64, bytes: u64, about: About, list: RollupList) -> Self {
        Self { id, tenant: about.tenant, bytes, received: about.received, list }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![ROLLUP];
        put_bytes(&mut out, self.tenant.as_str().as_bytes());
        for number in [self.bytes, self.received.0, self.received.1] {
            put_varint(&mut out, number);
        }
        out.extend_from_slice(&self.list.encode());
        out
    }

    pub(crate) fn decode(id: u64, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input(bytes);
        if input.byte()? != ROLLUP {
            return Err(Damaged("unknown version of a catalog entry"));
        }
        let tenant = TenantId::new(input.text()?).map_err(|_| Damaged("tenant of a catalog entry"))?;
        let (bytes, received) = (input.varint()?, (input.varint()?, input.varint()?));
        Ok(Self { id, tenant, bytes, received, list: RollupList::decode(&mut input)? })
    }

    /// Whether an entry of the catalog is one of a rollup.
    pub(crate) fn is(bytes: &[u8]) -> bool {
        bytes.first() == Some(&ROLLUP)
    }
}

/// What the catalog keeps of the whole store. It stands where the entry of segment 0 would, and no segment has that id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StoreEntry {
    /// What has been dropped so far: which start hints can be believed.
    pub(crate) horizon: HintHorizon,
}

impl StoreEntry {
    /// The id that the entry has instead of a segment's.
    pub(crate) const ID: u64 = 0;

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.horizon.0);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input(bytes);
        if input.byte()? != VERSION {
            return Err(Damaged("unknown version of the store's catalog entry"));
        }
        Ok(Self { horizon: HintHorizon(input.varint()?) })
    }
}

impl GroupStats {
    /// Whether any of its spans may run in the range.
    pub(crate) fn runs_in(&self, range: Option<TimeRange>) -> bool {
        range.is_none_or(|range| range.is_met(self.starts.0, self.latest_end))
    }

    /// Whether any of its spans may start in the range.
    pub(crate) fn overlaps(&self, range: Option<TimeRange>) -> bool {
        range.is_none_or(|range| self.starts.0 < range.end && range.start <= self.starts.1)
    }
}

fn read_group(input: &mut Input<'_>) -> Result<GroupStats, Damaged> {
    let spans = u32::try_from(input.varint()?).map_err(|_| Damaged("number over 32 bits"))?;
    let (starts, latest_end) = ((input.varint()?, input.varint()?), input.varint()?);
    let (latest_trace, hints) = (input.varint()?, (input.varint()?, input.varint()?));
    Ok(GroupStats { spans, starts, latest_end, latest_trace, hints })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollup::Level;

    #[test]
    fn entries_come_back() {
        let group =
            GroupStats { spans: 3, starts: (5, u64::MAX), latest_end: u64::MAX, latest_trace: 9, hints: (4, 9) };
        let entry = SegmentEntry {
            id: 7,
            tenant: TenantId::single(),
            bytes: 1 << 40,
            received: (1, 2),
            groups: vec![group.clone(), group],
        };
        assert_eq!(SegmentEntry::decode(7, &entry.encode()), Ok(entry.clone()));
        for end in 0..entry.encode().len() {
            assert!(SegmentEntry::decode(7, &entry.encode()[..end]).is_err());
        }
    }

    #[test]
    fn entries_of_rollups_come_back() {
        let page = |level, start| RollupPage { level, table: crate::RollupTable::Edges, start };
        let entry = RollupEntry {
            id: 7,
            tenant: TenantId::single(),
            bytes: 5,
            received: (1, u64::MAX),
            list: RollupList {
                pages: vec![page(Level::Minute, 60), page(Level::Ever, 0)],
                kept_from: [9, 8, 7],
                merged: vec![3, 4],
                is_coarse: true,
            },
        };
        let bytes = entry.encode();
        assert!(RollupEntry::is(&bytes));
        assert_eq!(RollupEntry::decode(7, &bytes), Ok(entry));
        (0..bytes.len()).for_each(|end| assert!(RollupEntry::decode(7, &bytes[..end]).is_err()));
    }

    #[test]
    fn ranges_rule_groups_out() {
        let group = GroupStats { spans: 1, starts: (10, 20), ..GroupStats::default() };
        let overlaps = |start, end| group.overlaps(Some(TimeRange { start, end }));
        assert!(overlaps(20, 30) && overlaps(0, 11) && group.overlaps(None));
        assert!(!overlaps(0, 10) && !overlaps(21, 30));
    }

    #[test]
    fn the_horizon_comes_back_and_is_that_of_the_latest_trace() {
        let entry = StoreEntry { horizon: HintHorizon(7) };
        assert_eq!(StoreEntry::decode(&entry.encode()), Ok(entry));
        assert!(StoreEntry::decode(&[]).is_err() && StoreEntry::decode(&[9, 7]).is_err());
        const T: u64 = 1_700_000_000_000_000_000;
        let group = |latest_trace, latest| GroupStats { starts: (T, latest), latest_trace, ..GroupStats::default() };
        assert_eq!(group(T + 5, T + 9).horizon(), HintHorizon(T + 5));
        assert_eq!(group(u64::MAX, T + 9).horizon(), HintHorizon(T + 9));
        assert_eq!(group(u64::MAX, u64::MAX).horizon(), HintHorizon(u64::MAX));
        assert!(HintHorizon(T).believes(T + 1) && !HintHorizon(T).believes(T) && !HintHorizon(0).believes(3));
    }
}

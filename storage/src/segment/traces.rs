//! The trace table of a group: which rows are whose.

use std::ops::Range;

use hoptrail_proto::model::TraceId;

use super::group::decode;
use crate::codec::Damaged;
use crate::codec::bytes::Input;

/// The trace table, decoded.
pub(super) struct Traces {
    pub(super) ids: Vec<TraceId>,
    pub(super) starts: Vec<u64>,
    /// First row of each trace, and after the last one the number of rows.
    pub(super) firsts: Vec<u32>,
}

impl Traces {
    pub(super) fn parse(page: &[u8], count: usize) -> Result<Self, Damaged> {
        let mut input = Input(page);
        let mut ids = Vec::with_capacity(count.min(page.len() / 16));
        for _ in 0..count {
            ids.push(TraceId(input.array()?));
        }
        let lengths = decode(input.bytes()?, count, |length| length)?;
        let starts = decode(input.0, count, |start| start)?;
        let mut firsts = Vec::with_capacity(count + 1);
        let mut first = 0u64;
        for length in lengths {
            firsts.push(u32::try_from(first).map_err(|_| Damaged("trace longer than its group"))?);
            first = first.saturating_add(length);
        }
        firsts.push(u32::try_from(first).map_err(|_| Damaged("trace longer than its group"))?);
        Ok(Self { ids, starts, firsts })
    }

    /// Whose the row is.
    pub(super) fn of_row(&self, row: usize) -> usize {
        self.firsts.partition_point(|first| *first as usize <= row).saturating_sub(1)
    }

    pub(super) fn rows(&self, trace: usize) -> Option<Range<usize>> {
        Some(*self.firsts.get(trace)? as usize..*self.firsts.get(trace + 1)? as usize)
    }
}

//! The trace table of a group: which rows are whose.

use std::ops::Range;

use crate::codec::Damaged;
use crate::codec::bytes::Input;
use crate::codec::ints::{Ints, decode};

/// The parts of the page of a group of so many traces: ids, lengths, starts.
struct Parts<'p> {
    ids: &'p [[u8; 16]],
    lengths: &'p [u8],
    starts: &'p [u8],
}

impl<'p> Parts<'p> {
    fn of(page: &'p [u8], count: usize) -> Result<Self, Damaged> {
        let (ids, rest) = page.split_at_checked(count.saturating_mul(16)).ok_or(Damaged("fewer ids than traces"))?;
        let mut input = Input(rest);
        Ok(Self { ids: ids.as_chunks().0, lengths: input.bytes()?, starts: input.0 })
    }
}

/// The ids of the traces, in the order of their rows.
pub(super) fn ids(page: &[u8], count: usize) -> Result<&[[u8; 16]], Damaged> {
    Ok(Parts::of(page, count)?.ids)
}

/// The start of one trace.
pub(super) fn start(page: &[u8], count: usize, trace: usize) -> Result<u64, Damaged> {
    Ints::parse(Parts::of(page, count)?.starts)?.get(trace)
}

/// Rows and starts of all traces.
pub(super) struct Traces {
    pub(super) starts: Vec<u64>,
    /// First row of each trace, and after the last one the number of rows.
    firsts: Vec<u32>,
}

impl Traces {
    /// The table of a group of so many traces and rows.
    pub(super) fn parse(page: &[u8], count: usize, rows: u32) -> Result<Self, Damaged> {
        let parts = Parts::of(page, count)?;
        let mut end = 0u64;
        let mut firsts = decode(parts.lengths, count, |length| {
            let first = end;
            end = end.saturating_add(length);
            first as u32
        })?;
        if end != u64::from(rows) {
            return Err(Damaged("traces do not add up to the group"));
        }
        firsts.push(rows);
        Ok(Self { starts: decode(parts.starts, count, |start| start)?, firsts })
    }

    /// Whose the row is.
    pub(super) fn of_row(&self, row: usize) -> usize {
        self.firsts.partition_point(|first| *first as usize <= row).saturating_sub(1)
    }

    pub(super) fn rows(&self, trace: usize) -> Option<Range<usize>> {
        Some(*self.firsts.get(trace)? as usize..*self.firsts.get(trace + 1)? as usize)
    }
}

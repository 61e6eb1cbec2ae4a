//! The trace table of a group: which rows belong to which trace. One trace is found without reading the others: the last bytes of all ids
//! are stored together, so that a search for one byte finds candidates fast.

use std::ops::Range;

use hoptrail_proto::model::{Extent, TraceId};

use super::write::TraceRun;
use crate::codec::bytes::{Input, put_bytes};
use crate::codec::ints::{self, Ints, of_len};
use crate::codec::{Damaged, to_usize};
use crate::scan::HintHorizon;

/// Bytes of an id before the last two.
const HEAD: usize = 14;
const OUTSIDE: Damaged = Damaged("trace outside of its table");

/// Writes the table of traces. The rows of each trace follow those of the one before.
pub(super) fn encode(traces: &[TraceRun]) -> Vec<u8> {
    let mut page: Vec<u8> = traces.iter().map(|trace| trace.id.0[HEAD + 1]).collect();
    page.extend(traces.iter().map(|trace| trace.id.0[HEAD]));
    traces.iter().for_each(|trace| page.extend_from_slice(&trace.id.0[..HEAD]));
    let ends: Vec<u64> = traces.iter().map(|trace| trace.rows.end as u64).collect();
    let starts: Vec<u64> = traces.iter().map(|trace| trace.start).collect();
    put_bytes(&mut page, &ints::encode(&ends));
    page.extend_from_slice(&ints::encode(&starts));
    page
}

/// The start of a trace as far as the group knows, and its rows.
pub(super) type StartAndRows = (u64, Range<usize>);

/// A trace table.
pub(super) struct Traces<'p> {
    /// The last byte of each id.
    lasts: &'p [u8],
    /// The byte before it.
    seconds: &'p [u8],
    /// The bytes before these.
    heads: &'p [[u8; HEAD]],
    /// For each trace the row after its last one.
    ends: Ints<'p>,
    starts: Ints<'p>,
    rows: usize,
}

impl<'p> Traces<'p> {
    /// The table of a group of so many traces and rows.
    pub(super) fn parse(page: &'p [u8], count: usize, rows: usize) -> Result<Self, Damaged> {
        const FEW: Damaged = Damaged("fewer ids than traces");
        let (lasts, rest) = page.split_at_checked(count).ok_or(FEW)?;
        let (seconds, rest) = rest.split_at_checked(count).ok_or(FEW)?;
        let (heads, rest) = rest.split_at_checked(count.saturating_mul(HEAD)).ok_or(FEW)?;
        let mut input = Input(rest);
        let (ends, starts) = (of_len(input.bytes()?, count)?, of_len(input.0, count)?);
        let end = count.checked_sub(1).map_or(Ok(0), |last| ends.get(last))?;
        if end != rows as u64 {
            return Err(Damaged("traces do not add up to the group"));
        }
        Ok(Self { lasts, seconds, heads: heads.as_chunks().0, ends, starts, rows })
    }

    pub(super) fn id(&self, trace: usize) -> Result<TraceId, Damaged> {
        let ends = self.seconds.get(trace).zip(self.lasts.get(trace));
        let (head, (second, last)) = self.heads.get(trace).zip(ends).ok_or(OUTSIDE)?;
        let mut id = [*last; HEAD + 2];
        id[..HEAD].copy_from_slice(head);
        id[HEAD] = *second;
        Ok(TraceId(id))
    }

    /// The index of a trace. Ids are in no order.
    pub(super) fn find(&self, id: TraceId) -> Option<usize> {
        let (head, [second, last]) = id.0.split_last_chunk()?;
        let is_it = |trace: &usize| {
            self.seconds.get(*trace) == Some(second) && self.heads.get(*trace).is_some_and(|known| known == head)
        };
        memchr::memchr_iter(*last, self.lasts).find(is_it)
    }

    /// Its start, as far as the group knows.
    pub(super) fn start(&self, trace: usize) -> Result<u64, Damaged> {
        self.starts.get(trace)
    }

    /// No trace starts later.
    pub(super) fn latest_start(&self) -> Result<u64, Damaged> {
        self.starts.bound()
    }

    pub(super) fn rows(&self, trace: usize) -> Result<Range<usize>, Damaged> {
        let start = trace.checked_sub(1).map_or(Ok(0), |before| self.ends.get(before))?;
        let rows = to_usize(start)..to_usize(self.ends.get(trace)?);
        if rows.start <= rows.end && rows.end <= self.rows { Ok(rows) } else { Err(OUTSIDE) }
    }

    /// The first row of the traces that start at `start` or later by their hints, by which they are ordered; and of those before the ones
    /// whose hint cannot be believed, with their hints and rows.
    pub(super) fn split_at(&self, start: u64, horizon: HintHorizon) -> Result<(usize, Vec<StartAndRows>), Damaged> {
        let late = self.starts.partition_point(0..self.starts.len(), |hint| hint < start)?;
        let row = late.checked_sub(1).map_or(Ok(0), |before| self.ends.get(before))?;
        Ok((to_usize(row).min(self.rows), self.unbelieved(late, start, horizon)?))
    }

    /// Those of the first traces, before `late`, whose hint cannot be believed.
    fn unbelieved(&self, late: usize, start: u64, horizon: HintHorizon) -> Result<Vec<StartAndRows>, Damaged> {
        // Hints that cannot be real come last, and before a `start` that can be real there is none.
        let end = if Extent::are_real(start, start) {
            self.starts.partition_point(0..late, |hint| !horizon.believes(hint))?
        } else {
            late
        };
        let starts = self.starts.range(0..end, |start| start)?;
        let mut first = 0;
        let of_trace = |(start, end): (u64, u64)| {
            let end = usize::try_from(end).ok().filter(|end| first < *end && *end <= self.rows).ok_or(OUTSIDE)?;
            Ok((start, std::mem::replace(&mut first, end)..end))
        };
        let ends = self.ends.range(0..end, |end| end)?;
        starts.into_iter().zip(ends).map(of_trace).collect()
    }

    /// The index of the trace of a row.
    pub(super) fn of_row(&self, row: usize) -> Result<usize, Damaged> {
        self.ends.partition_point(0..self.ends.len(), |end| end <= row as u64)
    }

    /// All traces by their rows: id, start, rows.
    pub(super) fn all(&self) -> Result<Vec<(TraceId, u64, Range<usize>)>, Damaged> {
        let mut first = 0;
        let one = |(trace, (start, end))| {
            let end = usize::try_from(end).ok().filter(|end| first <= *end && *end <= self.rows).ok_or(OUTSIDE)?;
            Ok((self.id(trace)?, start, std::mem::replace(&mut first, end)..end))
        };
        self.starts.decode()?.into_iter().zip(self.ends.decode()?).enumerate().map(one).collect()
    }
}

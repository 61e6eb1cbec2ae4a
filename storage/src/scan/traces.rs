//! Traces: which rows of a group belong to which trace, and which span is the parent of which.

use hoptrail_proto::model::{Extent, SpanId, TraceId};

use super::ParentRow;
use crate::ReadError;
use crate::codec::bits::Bitmap;

/// The traces of a group.
///
/// # Contract
///
/// - A group may have only some of a trace's spans: others may be in the head, or in other segments. Everything here is said of the spans
///   in this group alone.
/// - The *order start* of a trace is the time by which it is ordered: the least [order start](Extent::order_start) of its spans in the
///   group. By all its spans the trace has this one or an earlier one.
/// - An id that the group does not have is no error: it has no rows.
pub(crate) trait TraceIndex {
    /// The rows of traces whose order start is `start` or later as far as the group knows, and maybe others. Hints count where they can
    /// be believed.
    fn rows_from(&self, start: u64, horizon: HintHorizon) -> Result<Bitmap, ReadError>;
    /// Each trace that has any of these rows, once.
    fn traces_of(&self, rows: &Bitmap) -> Result<Vec<TraceStart>, ReadError>;
    /// The order start of a trace; `None` when it is not here.
    fn start_of(&self, id: TraceId) -> Result<Option<u64>, ReadError>;
    /// The rows of a trace, each once; a segment has them in the order of their keys, the head latest first.
    fn rows_of(&self, id: TraceId) -> Result<Vec<u32>, ReadError>;
    /// The keys of a trace's spans that start from `from` to `to`, both included, in the order of [`TraceIndex::rows_of`].
    fn keys(&self, id: TraceId, from: u64, to: u64) -> Result<Vec<SpanKey>, ReadError>;
    /// The spans of a trace whose rows are among these. The result has at least the keys of the `shown` earliest.
    fn among(&self, id: TraceId, rows: &Bitmap, shown: usize) -> Result<Among, ReadError>;
    /// The summary of a trace by its spans in this group; `None` when it is not here. Only roots that come before `root` count.
    fn partial_summary(&self, id: TraceId, root: Option<RootKey>) -> Result<Option<PartialSummary>, ReadError>;
    /// The parents of a trace's spans, in the order of [`TraceIndex::rows_of`].
    fn parents_of(&self, id: TraceId) -> Result<Vec<ParentRow>, ReadError>;
    /// For each of these rows, ascending, the index of its trace in the list; and the list.
    fn first_roots(&self, of: &Bitmap) -> Result<(Vec<u32>, Vec<FirstRoot>), ReadError>;
}

/// The key by which the spans of a trace are sorted: start, then id.
pub(crate) type SpanKey = (u64, SpanId);

/// The key by which the roots of a trace are sorted: [order start](Extent::order_start), then span key.
pub(crate) type RootKey = (u64, SpanKey);

/// When a trace began, as one group knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceStart {
    pub(crate) id: TraceId,
    /// Its order start by its spans here.
    pub(crate) start: u64,
    /// The order start by what was stored elsewhere when the group was written. The spans that it is of may have gone since.
    pub(crate) hint: u64,
    /// How many of the rows that were asked for it has.
    pub(crate) rows: usize,
}

impl TraceStart {
    /// A bound: by all its spans the trace has this order start or an earlier one.
    pub(crate) fn bound(&self, horizon: HintHorizon) -> u64 {
        if horizon.believes(self.hint) { self.hint } else { self.start }
    }
}

/// Which start hints can be believed: a hint of a segment that was dropped since is of spans that have gone.
///
/// A hint is the order start of the trace in some segment. No trace of a dropped segment has an order start after the horizon, so a hint
/// after it is of spans that are still stored:
///
/// ```text
/// dropped segments' traces start  |----------------|  horizon
/// hints                                 x (gone?)        y (still stored)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct HintHorizon(pub(crate) u64);

impl HintHorizon {
    /// Whether the spans that the hint is of are stored. Times that cannot be real have no order among the dropped ones.
    pub(crate) fn believes(self, hint: u64) -> bool {
        hint > self.0 && Extent::are_real(hint, hint)
    }
}

/// Spans of one trace in one group.
#[derive(Debug, Default)]
pub(crate) struct Among {
    /// How many there are.
    pub(crate) count: usize,
    /// The keys and rows of the earliest, at least as many as are shown.
    pub(crate) earliest: Vec<(SpanKey, u32)>,
}

/// The first root of a trace, as one group knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstRoot {
    pub(crate) id: TraceId,
    /// The shape of the earliest span without a parent; `None` when there is none here.
    pub(crate) shape: Option<u32>,
    /// Whether no group beside this one, of its segment, can have spans of the trace, and no other root has the same key.
    pub(crate) is_alone: bool,
}

/// The first of these roots, which are keys with shapes, and whether no other has its key.
pub(crate) fn first_of_roots(roots: impl Iterator<Item = (RootKey, u32)>) -> (Option<u32>, bool) {
    let (mut first, mut is_alone): (Option<(RootKey, u32)>, bool) = (None, true);
    for (key, shape) in roots {
        match &first {
            Some((known, _)) if *known < key => {}
            Some((known, _)) if *known == key => is_alone = false,
            _ => (first, is_alone) = (Some((key, shape)), true),
        }
    }
    (first.map(|(_, shape)| shape), is_alone)
}

/// The summary of a trace by its spans in one group. There is at least one.
#[derive(Debug)]
pub(crate) struct PartialSummary {
    /// Earliest and latest start.
    pub(crate) starts: (u64, u64),
    /// The extent of the spans in time.
    pub(crate) extent: Extent,
    /// Each shape, ascending, and how many spans have it.
    pub(crate) shapes: Vec<(u32, u32)>,
    /// The earliest span without a parent, and its shape.
    pub(crate) root: Option<(RootKey, u32)>,
    /// Whether two spans have one key.
    pub(crate) repeats: bool,
}

/// Each distinct code, ascending, and how often it is in the list.
pub(crate) fn tally(mut codes: Vec<u32>) -> Vec<(u32, u32)> {
    codes.sort_unstable();
    let mut counts: Vec<(u32, u32)> = Vec::new();
    for code in codes {
        match counts.last_mut() {
            Some((known, count)) if *known == code => *count += 1,
            _ => counts.push((code, 1)),
        }
    }
    counts
}

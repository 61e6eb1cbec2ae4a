//! Reads traces: all their spans, or some of them.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;
use hoptrail_proto::model::{TraceId, TraceSpan};

use super::scan_unit::ScanUnit;
use super::snapshot::Snapshot;
use crate::copies::without_copies;
use crate::scan::{Projection, RowGroup, SpanKey};
use crate::{QueryContext, ReadError, Reserved};

/// Memory of what is known of a span before it is read.
const KEY_BYTES: usize = 64;

/// Spans, and the memory that they take of their query.
pub(super) struct Spans {
    pub(super) spans: Vec<TraceSpan>,
    pub(super) memory: Reserved,
}

/// A span before it is read: its key, the index of its unit, and its row there.
pub(super) type KeyedRow = (SpanKey, usize, u32);

/// Reads traces for one query.
pub(super) struct TraceLoader<'s, 'a> {
    pub(super) snapshot: &'s Snapshot<'a>,
    pub(super) context: &'s QueryContext,
    /// Held by the thread that has a whole trace in memory for a search, or the keys of all its spans: each alone may take most of the
    /// query's memory.
    whole: Mutex<()>,
}

impl<'s, 'a> TraceLoader<'s, 'a> {
    pub(super) fn new(snapshot: &'s Snapshot<'a>, context: &'s QueryContext) -> Self {
        Self { snapshot, context, whole: Mutex::default() }
    }

    /// Waits until no other thread has a whole trace in memory.
    pub(super) fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The units that may hold the trace, ready to be read.
    pub(super) fn holders(&self, id: TraceId) -> Result<Vec<ScanUnit>, ReadError> {
        let holders = self.snapshot.view.holders(id);
        self.snapshot.fetch(&holders)?;
        Ok(holders)
    }

    /// Runs `ask` on a unit, as [`Snapshot::on`] does.
    pub(super) fn on<T>(
        &self,
        unit: &ScanUnit,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        self.snapshot.on(unit, self.context, ask)
    }

    /// All spans of a trace without exact copies.
    pub(super) fn spans(&self, id: TraceId, projection: Projection<'_>) -> Result<Spans, ReadError> {
        let (mut all, mut memory) = (Vec::new(), self.context.reserve(0)?);
        for unit in self.holders(id)? {
            all.extend(self.read(id, &unit, projection, &mut memory)?);
        }
        if !has_repeated_id(&all) {
            return Ok(Spans { spans: all, memory });
        }
        if let Projection::Only { .. } = projection {
            // Only whole spans tell whether two are the same.
            drop((all, memory));
            return self.spans(id, Projection::Whole);
        }
        Ok(Spans { spans: without_copies(all), memory })
    }

    /// The order key of a trace that has `bound` or an earlier one; `None` once it is known that it is before `oldest`.
    pub(super) fn order_start(&self, id: TraceId, bound: u64, oldest: u64) -> Result<Option<u64>, ReadError> {
        let earliest = Cell::new(bound);
        for unit in self.snapshot.view.holders_before(id, oldest, |start| start < earliest.get()) {
            let start = self.on(&unit, |group| group.start_of(id))?.flatten();
            earliest.set(start.map_or(earliest.get(), |start| start.min(earliest.get())));
            if earliest.get() < oldest {
                return Ok(None);
            }
        }
        Ok(Some(earliest.get()))
    }

    /// The spans of some rows of a trace, with these, in the order of their keys.
    pub(super) fn read_rows(
        &self,
        id: TraceId,
        units: &[ScanUnit],
        rows: &[KeyedRow],
    ) -> Result<Vec<(KeyedRow, TraceSpan)>, ReadError> {
        let mut by_unit = rows.to_vec();
        by_unit.sort_unstable_by_key(|(_, unit, row)| (*unit, *row));
        let mut read = Vec::with_capacity(rows.len());
        let follows = |one: &KeyedRow, next: &KeyedRow| one.1 == next.1 && one.2.checked_add(1) == Some(next.2);
        for run in by_unit.chunk_by(follows) {
            let Some(unit) = run.first().and_then(|(_, unit, _)| units.get(*unit)) else { continue };
            self.context.check()?;
            let rows: Vec<u32> = run.iter().map(|(_, _, row)| *row).collect();
            let spans = self.on(unit, |group| group.spans(id, &rows, Projection::Whole))?;
            read.extend(run.iter().copied().zip(spans.into_iter().flatten()));
        }
        read.sort_unstable_by_key(|(row, _)| *row);
        Ok(read)
    }

    /// All spans of a trace by their keys, units and rows, in this order.
    pub(super) fn keys(
        &self,
        id: TraceId,
        units: &[ScanUnit],
        memory: &mut Reserved,
    ) -> Result<Vec<KeyedRow>, ReadError> {
        let mut keys = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            self.context.check()?;
            let own = self.on(unit, |group| {
                let rows = group.rows_of(id)?;
                memory.grow(rows.len() * KEY_BYTES)?;
                Ok((group.keys(id, 0, u64::MAX)?, rows))
            })?;
            let (own, rows) = own.unwrap_or_default();
            keys.extend(own.into_iter().zip(rows).map(|(key, row)| (key, index, row)));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// The spans of a trace in one unit, as they take the query's memory.
    pub(super) fn read(
        &self,
        id: TraceId,
        unit: &ScanUnit,
        projection: Projection<'_>,
        memory: &mut Reserved,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let all = self.on(unit, |group| {
            let rows = group.rows_of(id)?;
            let (mut all, mut pace, mut left) = (Vec::with_capacity(rows.len()), Pace::default(), rows.as_slice());
            while !left.is_empty() {
                self.context.check()?;
                let spans = group.spans(id, pace.batch(&mut left), projection)?;
                memory.grow(pace.count(&spans))?;
                all.extend(spans);
            }
            Ok(all)
        })?;
        Ok(all.unwrap_or_default())
    }
}

/// Spans of the first batch.
const FIRST: usize = 64;
/// Most spans of a batch.
const MOST: usize = 4096;
/// Bytes that a batch should have, as far as the spans before tell.
const BATCH_BYTES: usize = 4 << 20;

/// How many spans to read at once, by what those read so far took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    spans: usize,
    bytes: usize,
}

impl Pace {
    fn next(&self) -> usize {
        match self.bytes.checked_div(self.spans) {
            None => FIRST,
            Some(of_one) => (BATCH_BYTES / of_one.max(1)).clamp(1, MOST),
        }
    }

    /// Takes the next batch off what is left.
    pub(super) fn batch<'l, T>(&self, left: &mut &'l [T]) -> &'l [T] {
        let (batch, rest) = left.split_at(self.next().min(left.len()));
        *left = rest;
        batch
    }

    /// Counts spans; the bytes that they take.
    pub(super) fn count<'s>(&mut self, spans: impl IntoIterator<Item = &'s TraceSpan>) -> usize {
        let before = self.bytes;
        for span in spans {
            self.spans += 1;
            self.bytes += span.memory();
        }
        self.bytes - before
    }
}

fn has_repeated_id(spans: &[TraceSpan]) -> bool {
    let mut seen = HashSet::with_capacity(spans.len());
    spans.iter().any(|span| !seen.insert(span.span.span_id))
}

//! Rows whose span another unit has as well. A span that was sent again counts once.
//!
//! One segment has no copies. Those of two segments never change, so they are looked for once and remembered. The head changes often: few
//! of its spans can have copies, and a look at the bits of a hash tells which. What was found stays known until something changes.

use std::sync::Arc;

use hashbrown::HashSet;
use hoptrail_proto::model::{SpanId, TraceId};

use super::head_copies::InChunks;
use crate::ReadError;
use crate::catalog::SegmentEntry;
use crate::codec::bits::Bitmap;
use crate::codec::fuse;
use crate::rows::TableKind;
use crate::scan::{RowGroup, SpanKey};
use crate::store::chunk::Chunk;
use crate::store::read::scan_unit::{ScanUnit, UnitId};
use crate::store::read::trace_loader::{KeyedRow, TraceLoader};

/// Memory of a span of the head while it is looked at, about.
const SPAN_BYTES: usize = 16;

/// The copies among the units of a query.
pub(super) struct Copies<'s, 'a> {
    loader: &'s TraceLoader<'s, 'a>,
    segments: Vec<Arc<SegmentEntry>>,
    chunks: Arc<InChunks>,
}

impl<'s, 'a> Copies<'s, 'a> {
    /// Looks for copies in the head, unless they are known.
    pub(super) fn of(loader: &'s TraceLoader<'s, 'a>, units: &[ScanUnit]) -> Result<Self, ReadError> {
        let mut segments: Vec<Arc<SegmentEntry>> = Vec::new();
        let mut chunks = Vec::new();
        for unit in units {
            match unit {
                ScanUnit::Chunk(_, chunk) => chunks.push((unit.id(), chunk, chunk.read().len())),
                ScanUnit::Group(segment, _) => segments.push(Arc::clone(segment)),
            }
        }
        segments.sort_unstable_by_key(|segment| segment.id);
        segments.dedup_by_key(|segment| segment.id);
        let ids: Vec<u64> = segments.iter().map(|segment| segment.id).collect();
        let known = loader.snapshot.head_copies();
        if let Some(chunks) = known.get(&chunks, &ids) {
            return Ok(Self { loader, segments, chunks });
        }
        let none = chunks.iter().map(|(id, _, len)| (*id, (*len, Vec::new()))).collect();
        let mut copies = Self { loader, segments, chunks: Arc::new(none) };
        let _memory = loader.context.reserve(chunks.iter().map(|(.., len)| *len).sum::<usize>() * SPAN_BYTES)?;
        let mut suspects = suspects_among(&chunks);
        for (id, chunk, _) in &chunks {
            copies.add_suspects_in_segments(*id, chunk, &mut suspects)?;
        }
        for trace in suspects {
            copies.add_of_trace(trace)?;
        }
        known.keep(&chunks, ids, &copies.chunks);
        Ok(copies)
    }

    /// Those of the rows of a unit that count.
    pub(super) fn without(&self, unit: &ScanUnit, group: &dyn RowGroup) -> Result<Bitmap, ReadError> {
        let len = group.table(TableKind::Span).len();
        let mut rows = Bitmap::all(len);
        match unit {
            ScanUnit::Chunk(..) => {
                let Some((known, copies)) = self.chunks.get(&unit.id()) else { return Ok(rows) };
                if *known < len {
                    rows.and_not(&Bitmap::from(*known, len));
                }
                remove(&mut rows, copies);
            }
            ScanUnit::Group(segment, index) => {
                for older in self.older(segment.id, unit) {
                    let copies = self
                        .loader
                        .snapshot
                        .copies((older.id, segment.id, *index), || self.of_pair(older, unit, group))?;
                    remove(&mut rows, &copies);
                }
            }
        }
        Ok(rows)
    }

    /// The older segments that may have spans of a unit as well.
    pub(super) fn older(&self, segment: u64, unit: &ScanUnit) -> impl Iterator<Item = &Arc<SegmentEntry>> {
        let older = self.segments.iter().take_while(move |older| older.id < segment);
        let starts = unit.starts();
        older.filter(move |older| overlap(older.starts(), starts).is_some())
    }

    /// The rows of a unit that are copies of spans in an older segment.
    fn of_pair(&self, older: &Arc<SegmentEntry>, unit: &ScanUnit, group: &dyn RowGroup) -> Result<Vec<u32>, ReadError> {
        let mut copies = Vec::new();
        for trace in group.traces_of(&Bitmap::all(group.table(TableKind::Span).len()))? {
            self.loader.context.check()?;
            let mut units = self.holders_in(older, trace.id);
            if self.shares_a_key(trace.id, group, unit.starts(), &units)? {
                units.push(unit.clone());
                copies.extend(self.copies_in_last(trace.id, &units)?);
            }
        }
        copies.sort_unstable();
        Ok(copies)
    }

    /// The rows of the last of these units that are copies of rows before.
    fn copies_in_last(&self, id: TraceId, units: &[ScanUnit]) -> Result<Vec<u32>, ReadError> {
        let _one_at_a_time = self.loader.one_at_a_time();
        let mut memory = self.loader.context.reserve(0)?;
        let keys = self.loader.keys(id, units, &mut memory)?;
        let duplicates = self.loader.duplicates(id, units, &keys, &mut memory)?;
        Ok(units.len().checked_sub(1).map_or(&[][..], |last| duplicates.copies_in(last)).to_vec())
    }

    /// The groups of a segment that may hold the trace.
    fn holders_in(&self, segment: &Arc<SegmentEntry>, id: TraceId) -> Vec<ScanUnit> {
        let groups = self.loader.snapshot.groups_of(segment, fuse::hash(&id.0));
        groups.into_iter().map(|group| ScanUnit::Group(Arc::clone(segment), group)).collect()
    }

    /// Whether one of these units has a span of the trace with a key that the group has.
    fn shares_a_key(
        &self,
        id: TraceId,
        group: &dyn RowGroup,
        starts: (u64, u64),
        units: &[ScanUnit],
    ) -> Result<bool, ReadError> {
        if units.is_empty() {
            return Ok(false);
        }
        self.loader.snapshot.fetch(units)?;
        let own: HashSet<SpanKey> = group.keys(id, starts.0, starts.1)?.into_iter().collect();
        for unit in units {
            let Some((first, last)) = overlap(starts, unit.starts()) else { continue };
            let keys = self.loader.on(unit, |other| other.keys(id, first, last))?;
            if keys.is_some_and(|keys| keys.iter().any(|key| own.contains(key))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the traces of a chunk of which a segment has a span of the same key.
    fn add_suspects_in_segments(
        &self,
        id: UnitId,
        chunk: &Chunk,
        suspects: &mut HashSet<TraceId>,
    ) -> Result<(), ReadError> {
        let starts = chunk.times().starts;
        let near: Vec<_> = self.segments.iter().filter(|segment| overlap(segment.starts(), starts).is_some()).collect();
        if near.is_empty() || !self.chunks.contains_key(&id) {
            return Ok(());
        }
        let traces: Vec<TraceId> = chunk.read().traces().map(|(trace, _)| trace).collect();
        for trace in traces {
            if suspects.contains(&trace) {
                continue;
            }
            for segment in &near {
                let units = self.holders_in(segment, trace);
                if !units.is_empty() {
                    self.loader.context.check()?;
                    let rows = chunk.read();
                    let head = crate::scan::HeadGroup::new(&rows);
                    if self.shares_a_key(trace, &head, starts, &units)? {
                        suspects.insert(trace);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the copies of a trace that are in the head.
    fn add_of_trace(&mut self, id: TraceId) -> Result<(), ReadError> {
        let _one_at_a_time = self.loader.one_at_a_time();
        let mut units = self.loader.holders(id)?;
        // What is stored longest counts.
        units.sort_unstable_by_key(ScanUnit::id);
        let mut memory = self.loader.context.reserve(0)?;
        let mut keys = self.loader.keys(id, &units, &mut memory)?;
        keys.retain(|key| self.counts(&units, key));
        let duplicates = self.loader.duplicates(id, &units, &keys, &mut memory)?;
        for (index, unit) in units.iter().enumerate() {
            if let Some((_, copies)) = Arc::make_mut(&mut self.chunks).get_mut(&unit.id()) {
                copies.extend_from_slice(duplicates.copies_in(index));
            }
        }
        Ok(())
    }

    /// Whether the row was there when the query began.
    fn counts(&self, units: &[ScanUnit], (_, unit, row): &KeyedRow) -> bool {
        let chunk = units.get(*unit).and_then(|unit| self.chunks.get(&unit.id()));
        chunk.is_none_or(|(known, _)| (*row as usize) < *known)
    }
}

fn remove(rows: &mut Bitmap, copies: &[u32]) {
    if !copies.is_empty() {
        let mut gone = Bitmap::none(rows.len());
        copies.iter().for_each(|row| gone.insert(*row as usize));
        rows.and_not(&gone);
    }
}

/// The times that both ranges have, first and last.
fn overlap(one: (u64, u64), other: (u64, u64)) -> Option<(u64, u64)> {
    let both = (one.0.max(other.0), one.1.min(other.1));
    (both.0 <= both.1).then_some(both)
}

/// The traces of the head that have two spans of one key.
fn suspects_among(chunks: &[(UnitId, &Arc<Chunk>, usize)]) -> HashSet<TraceId> {
    let spans: usize = chunks.iter().map(|(.., len)| *len).sum();
    // So many bits for each span that hardly two share one.
    let places = (spans * 32).next_power_of_two();
    let place = |start: u64, id: SpanId| {
        let mixed = (u64::from_le_bytes(id.0) ^ start.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The highest bits are the best mixed ones.
        usize::try_from(mixed >> 20).unwrap_or_default() & (places - 1)
    };
    let (mut once, mut twice) = (Bitmap::none(places), Bitmap::none(places));
    for (_, chunk, len) in chunks {
        for span in chunk.read().spans.iter().take(*len) {
            let place = place(span.start, span.span_id);
            twice.insert_if(place, once.contains(place));
            once.insert(place);
        }
    }
    if twice.is_empty() {
        return HashSet::new();
    }
    let mut keys = Vec::new();
    for (_, chunk, len) in chunks {
        let rows = chunk.read();
        let known = rows.spans.iter().take(*len).filter(|span| twice.contains(place(span.start, span.span_id)));
        keys.extend(known.map(|span| (span.trace_id, span.start, span.span_id)));
    }
    keys.sort_unstable();
    let alike = keys.windows(2).filter_map(|pair| match pair {
        [one, other] if one == other => Some(one.0),
        _ => None,
    });
    alike.collect()
}

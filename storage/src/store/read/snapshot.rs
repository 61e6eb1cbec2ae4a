//! What a query sees: parts of the head and groups of segments, opened as they are asked for.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;
use hoptrail_proto::model::{TenantId, TraceId, TraceSpan};

use super::wanted::Wanted;
use crate::catalog::SegmentEntry;
use crate::codec::fuse;
use crate::copies::without_copies;
use crate::scan::{HeadGroup, Projection, RowGroup};
use crate::search::{SearchRequest, TraceHit};
use crate::segment::SegmentGroup;
use crate::store::Shared;
use crate::store::state::{Part, PartTimes};
use crate::whole_trace::hit;
use crate::{QueryContext, ReadError, Reserved, TimeRange};

/// Spans, and the memory that they take of their query.
pub(super) struct Spans {
    pub(super) spans: Vec<TraceSpan>,
    pub(super) memory: Reserved,
}

/// A part of the head or a group of a segment.
#[derive(Clone)]
pub(super) enum Unit {
    /// With its times when the query began.
    Part(PartTimes, Arc<Part>),
    Group(Arc<SegmentEntry>, u16),
}

/// What a query sees: the store as it was when the query began.
pub(super) struct Snapshot<'a> {
    pub(super) shared: &'a Shared,
    /// With their times.
    parts: Vec<(PartTimes, Arc<Part>)>,
    /// With the starts of their earliest and latest spans, by these.
    segments: Vec<((u64, u64), Arc<SegmentEntry>)>,
    /// The groups used last, with what was decoded of them: scanning, ordering and gathering ask the same ones.
    opened: Mutex<Vec<Opened<'a>>>,
    /// Held by the thread that has a whole trace in memory for a search: each alone may take most of the query's memory.
    whole: Mutex<()>,
}

/// An open group of a segment.
struct Opened<'a> {
    place: (u64, u16),
    group: Arc<SegmentGroup<'a>>,
}

/// Spans of the groups kept open, of which up to about 25 bytes each are decoded.
const OPENED_SPANS: usize = 1 << 19;

impl<'a> Snapshot<'a> {
    pub(super) fn take(shared: &'a Shared, tenant: &TenantId) -> Self {
        let (parts, segments) = shared.read_state().snapshot(tenant);
        let mut segments: Vec<_> = segments.into_iter().map(|segment| (segment.starts(), segment)).collect();
        segments.sort_by_key(|(starts, _)| *starts);
        let parts = parts.into_iter().map(|part| (part.times(), part)).collect();
        Self { shared, parts, segments, opened: Mutex::default(), whole: Mutex::default() }
    }

    /// Parts by their latest span and groups by their latest trace, newest first.
    pub(super) fn units(&self) -> Vec<Unit> {
        let parts = self.parts.iter().map(|(times, part)| Unit::Part(*times, Arc::clone(part)));
        let groups = self.segments.iter().flat_map(|(_, segment)| {
            let numbers = (0u16..).take(segment.groups.len());
            numbers.map(|number| Unit::Group(Arc::clone(segment), number))
        });
        let mut units: Vec<(u64, Unit)> = parts.chain(groups).map(|unit| (unit.latest(), unit)).collect();
        units.sort_by_key(|(latest, _)| std::cmp::Reverse(*latest));
        units.into_iter().map(|(_, unit)| unit).collect()
    }

    /// Runs `ask` on a unit. `None` when the unit is damaged where `ask` reads it: the answer is then without it, and says so.
    pub(super) fn on<T>(
        &self,
        unit: &Unit,
        context: &QueryContext,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let (answer, damage) = self.ask(unit, ask);
        self.leave_out(&damage, context);
        answer
    }

    /// The same, and what damage the answer is without.
    pub(super) fn ask<T>(
        &self,
        unit: &Unit,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> (Result<Option<T>, ReadError>, Vec<ReadError>) {
        let (segment, number) = match unit {
            Unit::Part(_, part) => return (ask(&HeadGroup::new(&part.read())).map(Some), Vec::new()),
            Unit::Group(segment, number) => (segment.id, *number),
        };
        let mut damage = Vec::new();
        let answer = self.open(segment, number).and_then(|group| {
            let answer = ask(&*group);
            damage = group.take_left_out();
            answer
        });
        match answer {
            Err(error @ ReadError::Corrupt { .. }) => {
                damage.push(error);
                (Ok(None), damage)
            }
            answer => (answer.map(Some), damage),
        }
    }

    /// Notes damage, and that the answer is without what is damaged.
    pub(super) fn leave_out(&self, damage: &[ReadError], context: &QueryContext) {
        for error in damage {
            if let ReadError::Corrupt { place, reason } = error {
                self.shared.note_damage(place, reason);
                context.leave_out(place.clone());
            }
        }
    }

    /// The group, from those used last or opened anew.
    fn open(&self, segment: u64, number: u16) -> Result<Arc<SegmentGroup<'a>>, ReadError> {
        let place = (segment, number);
        if let Some(known) = known_last(&mut self.opened(), place) {
            return Ok(known);
        }
        let meta = self.shared.meta(segment)?;
        let group = Arc::new(SegmentGroup::open(&self.shared.db, segment, meta, number)?);
        let mut opened = self.opened();
        opened.push(Opened { place, group: Arc::clone(&group) });
        let mut spans: usize = opened.iter().map(|opened| opened.group.len()).sum();
        while spans > OPENED_SPANS && opened.len() > 1 {
            spans -= opened.remove(0).group.len();
        }
        Ok(group)
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Opened<'a>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The units that may hold the trace: parts, then segments by their earliest span.
    pub(super) fn holders(&self, id: TraceId) -> impl Iterator<Item = Unit> {
        self.holders_among(id, self.segments.iter(), |_| true)
    }

    /// The same of these segments, without groups whose earliest start is not wanted. That is asked, and filters are, as the units
    /// are.
    fn holders_among<'s>(
        &'s self,
        id: TraceId,
        segments: impl Iterator<Item = &'s ((u64, u64), Arc<SegmentEntry>)>,
        is_wanted: impl Fn(u64) -> bool + Copy,
    ) -> impl Iterator<Item = Unit> {
        let hash = fuse::hash(&id.0);
        let parts = self.parts.iter().filter(move |(_, part)| part.read().trace_rows(id).next().is_some());
        let parts = parts.map(|(times, part)| Unit::Part(*times, Arc::clone(part)));
        let segments = segments.filter(move |((earliest, _), _)| is_wanted(*earliest));
        let groups = segments.flat_map(move |(_, segment)| {
            segment.groups_of(hash, is_wanted).map(|number| Unit::Group(Arc::clone(segment), number))
        });
        parts.chain(groups)
    }

    /// All spans of a trace without exact copies.
    pub(super) fn spans(
        &self,
        id: TraceId,
        projection: Projection<'_>,
        context: &QueryContext,
    ) -> Result<Spans, ReadError> {
        let (mut all, mut memory) = (Vec::new(), context.reserve(0)?);
        for unit in self.holders(id) {
            all.extend(self.read(id, &unit, projection, context, &mut memory)?);
        }
        if !has_repeated_id(&all) {
            return Ok(Spans { spans: all, memory });
        }
        if let Projection::Only { .. } = projection {
            // Only whole spans tell whether two are the same.
            drop((all, memory));
            return self.spans(id, Projection::Whole, context);
        }
        Ok(Spans { spans: without_copies(all), memory })
    }

    /// The hit that a trace is, by all its spans, when any of them matches. One thread at a time has these in memory.
    pub(super) fn hit(
        &self,
        id: TraceId,
        request: &SearchRequest,
        wanted: &Wanted,
        context: &QueryContext,
    ) -> Result<Option<TraceHit>, ReadError> {
        let _one_at_a_time = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.spans(id, wanted.projection(), context)?;
        hit(id, &found.spans, request, context)
    }

    /// Earliest start of all spans of a trace that does not start after `bound`; `None` once it is known that it starts before
    /// `oldest`.
    pub(super) fn start_of(
        &self,
        id: TraceId,
        bound: u64,
        oldest: u64,
        context: &QueryContext,
    ) -> Result<Option<u64>, ReadError> {
        let earliest = Cell::new(bound);
        // Most of the traces asked for began earlier and went on until now: one of the last segments before has them.
        let (before, after) =
            self.segments.split_at(self.segments.partition_point(|((_, latest), _)| *latest < oldest));
        let segments = before.iter().rev().chain(after);
        for unit in self.holders_among(id, segments, |start| start < earliest.get()) {
            let start = self.on(&unit, context, |group| group.start_of(id))?.flatten();
            earliest.set(start.map_or(earliest.get(), |start| start.min(earliest.get())));
            if earliest.get() < oldest {
                return Ok(None);
            }
        }
        Ok(Some(earliest.get()))
    }
}

/// The group when it is open; it is then the one used last.
fn known_last<'a>(opened: &mut Vec<Opened<'a>>, place: (u64, u16)) -> Option<Arc<SegmentGroup<'a>>> {
    let known = opened.iter().position(|known| known.place == place).map(|place| opened.remove(place))?;
    let group = Arc::clone(&known.group);
    opened.push(known);
    Some(group)
}

fn has_repeated_id(spans: &[TraceSpan]) -> bool {
    let mut seen = HashSet::new();
    spans.iter().any(|span| !seen.insert(span.span.span_id))
}

impl Unit {
    /// Its name among the units of a snapshot.
    pub(super) fn place(&self) -> (u64, usize) {
        match self {
            Self::Part(_, part) => (u64::MAX, Arc::as_ptr(part).addr()),
            Self::Group(segment, number) => (segment.id, usize::from(*number)),
        }
    }

    pub(super) fn overlaps(&self, range: Option<TimeRange>) -> bool {
        match self {
            Self::Part(PartTimes { starts: (earliest, latest), .. }, _) => {
                range.is_none_or(|range| *earliest < range.end && range.start <= *latest)
            }
            Self::Group(segment, number) => {
                segment.groups.get(usize::from(*number)).is_some_and(|group| group.overlaps(range))
            }
        }
    }

    /// No trace in it has a later place.
    pub(super) fn latest(&self) -> u64 {
        match self {
            Self::Part(times, _) => times.latest_place,
            Self::Group(segment, number) => {
                segment.groups.get(usize::from(*number)).map_or(0, |group| group.latest_trace)
            }
        }
    }
}

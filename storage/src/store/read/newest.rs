//! The newest traces with a span that matches.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::TraceId;

use super::ahead::in_order;
use super::hits::Matched;
use super::snapshot::{Snapshot, Unit};
use super::wanted::Wanted;
use crate::codec::bits::Bitmap;
use crate::scan::{RowGroup, TraceStart, matching_among};
use crate::search::{Inspected, SearchRequest};
use crate::segment::possible_groups;
use crate::{Filter, QueryContext, ReadError};

/// The newest traces found so far, newest first.
struct Newest {
    limit: usize,
    found: Vec<(u64, TraceId)>,
}

impl Newest {
    fn of(request: &SearchRequest) -> Self {
        Self { limit: request.limit, found: Vec::new() }
    }

    fn add(&mut self, start: u64, id: TraceId) {
        let place = self.found.partition_point(|known| *known > (start, id));
        if place < self.limit {
            self.found.insert(place, (start, id));
            self.found.truncate(self.limit);
        }
    }

    /// A trace that starts before this is too old.
    fn oldest(&self) -> u64 {
        let last = self.found.last().map_or(u64::MAX, |(oldest, _)| *oldest);
        if self.found.len() >= self.limit { last } else { 0 }
    }
}

/// Which units a search must look into, as far as filters over values know.
struct Possible<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    filter: &'s Filter,
    /// By segment, for each of its groups.
    known: Mutex<HashMap<u64, Vec<bool>>>,
}

impl Possible<'_, '_> {
    fn holds(&self, unit: &Unit) -> Result<bool, ReadError> {
        let Unit::Group(segment, number) = unit else { return Ok(true) };
        let known = |known: &HashMap<u64, Vec<bool>>| {
            known.get(&segment.id).map(|groups| groups.get(usize::from(*number)).copied().unwrap_or(true))
        };
        if let Some(holds) = known(&self.known()) {
            return Ok(holds);
        }
        // Other threads go on while filters are read; one of them may read the same.
        let groups = self.groups(segment.id)?;
        let mut all = self.known();
        all.insert(segment.id, groups);
        Ok(known(&all).unwrap_or(true))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Vec<bool>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For each group of a segment whether it must be looked into. A damaged filter rules nothing out.
    fn groups(&self, segment: u64) -> Result<Vec<bool>, ReadError> {
        let shared = self.snapshot.shared;
        let meta = shared.meta(segment);
        match meta.and_then(|meta| possible_groups(&shared.db, segment, &meta, self.filter)) {
            Err(ReadError::Corrupt { place, reason }) => {
                shared.note_damage(&place, &reason);
                Ok(Vec::new())
            }
            groups => groups,
        }
    }
}

/// What matches in a unit that may hold something, and the damage that it is without.
struct Scanned {
    found: Option<Found>,
    damage: Vec<ReadError>,
}

struct Found {
    /// Spans looked at.
    spans: usize,
    rows: Bitmap,
    /// How many traces these rows are of.
    traces: usize,
    /// Those that may be among the newest.
    newest: Vec<(u64, TraceId)>,
}

/// A search for the newest traces.
pub(super) struct Search<'s, 'a> {
    pub(super) snapshot: &'s Snapshot<'a>,
    pub(super) request: &'s SearchRequest,
    pub(super) wanted: &'s Wanted,
    pub(super) context: &'s QueryContext,
}

/// What the threads of a search know together.
struct Known<'s, 'a> {
    possible: Possible<'s, 'a>,
    /// Traces that one of them has looked at. If what it found there is not taken in the end, they are too old.
    seen: Mutex<HashSet<TraceId>>,
    /// A trace that starts before this is too old, and so is a unit in which none starts later.
    oldest: AtomicU64,
}

impl Known<'_, '_> {
    /// Those of these traces that are not too old and that no thread has looked at.
    fn unseen(&self, traces: &[TraceStart]) -> Vec<TraceStart> {
        let oldest = self.oldest.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        traces.iter().filter(|trace| oldest <= trace.start && seen.insert(trace.id)).copied().collect()
    }
}

/// The newest traces with a span that matches, the rows that match where it looked, and what it took.
#[derive(Default)]
pub(super) struct NewestTraces {
    pub(super) traces: Vec<(u64, TraceId)>,
    pub(super) matched: Matched,
    pub(super) inspected: Inspected,
}

impl Search<'_, '_> {
    /// A trace counts by its earliest span anywhere; what one unit says of it is a bound.
    pub(super) fn run(&self, begun: Instant) -> Result<NewestTraces, ReadError> {
        let (mut newest, mut out) = (Newest::of(self.request), NewestTraces::default());
        let mut units = self.snapshot.units();
        units.retain(|unit| unit.overlaps(self.request.range));
        let known = Known {
            possible: Possible { snapshot: self.snapshot, filter: &self.request.filter, known: Mutex::default() },
            seen: Mutex::default(),
            oldest: AtomicU64::new(newest.oldest()),
        };
        let is_wanted = |unit: &Unit| known.oldest.load(Ordering::Relaxed) <= unit.latest();
        let take = |unit: &Unit, scanned: Result<Option<Scanned>, ReadError>| {
            let Some(Scanned { found, damage }) = scanned? else { return Ok(()) };
            self.snapshot.leave_out(&damage, self.context);
            out.inspected.segments += 1;
            let Some(found) = found else { return Ok(()) };
            out.inspected.spans += found.spans as u64;
            out.inspected.traces += found.traces as u64;
            out.matched.insert(unit, found.rows);
            found.newest.into_iter().for_each(|(start, id)| newest.add(start, id));
            known.oldest.store(newest.oldest(), Ordering::Relaxed);
            Ok(())
        };
        in_order(&units, begun, is_wanted, |unit| self.scan(unit, &known), take)?;
        out.traces = newest.found;
        Ok(out)
    }

    /// Looks for what matches in a unit; `None` when filters say that nothing does.
    fn scan(&self, unit: &Unit, known: &Known<'_, '_>) -> Result<Option<Scanned>, ReadError> {
        self.context.check()?;
        if !known.possible.holds(unit)? {
            return Ok(None);
        }
        let scan = |group: &dyn RowGroup| {
            let among = group.rows_from(known.oldest.load(Ordering::Relaxed))?;
            let spans = among.count();
            let rows = matching_among(group, &self.request.filter, self.request.range, among, self.context)?;
            let mut traces = group.traces_of(&rows)?;
            // Those that began elsewhere come late: mostly they are too old by then, and need not be looked for.
            traces.sort_unstable_by_key(|trace| Reverse((trace.hint, trace.id)));
            Ok((spans, rows, traces))
        };
        let (found, damage) = self.snapshot.ask(unit, scan);
        let found = found?.map(|(spans, rows, traces)| {
            Ok(Found { spans, rows, traces: traces.len(), newest: self.newest_of(&traces, known)? })
        });
        Ok(Some(Scanned { found: found.transpose()?, damage }))
    }

    /// Those of these traces that may be among the newest.
    fn newest_of(&self, traces: &[TraceStart], known: &Known<'_, '_>) -> Result<Vec<(u64, TraceId)>, ReadError> {
        let mut newest = Newest::of(self.request);
        for TraceStart { id, start: bound, .. } in known.unseen(traces) {
            let oldest = newest.oldest().max(known.oldest.load(Ordering::Relaxed));
            if bound < oldest {
                continue;
            }
            self.context.check()?;
            if self.request.filter.needs_trace()
                && self.snapshot.hit(id, self.request, self.wanted, self.context)?.is_none()
            {
                continue;
            }
            if let Some(start) = self.snapshot.start_of(id, bound, oldest, self.context)? {
                newest.add(start, id);
            }
        }
        Ok(newest.found)
    }
}

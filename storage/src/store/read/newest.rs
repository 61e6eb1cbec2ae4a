//! The newest traces with a span that matches.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::TraceId;

use super::judge::Judge;
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::snapshot::Snapshot;
use super::too_few::TooFew;
use super::trace_loader::TraceLoader;
use crate::explain::Counted;
use crate::scan::{HintHorizon, RowGroup, TraceStart};
use crate::search::{Inspected, SearchRequest};
use crate::{Filter, ReadError};

/// The newest traces found so far, newest first.
struct Newest {
    limit: usize,
    /// Only what comes after this counts.
    after: Option<(u64, TraceId)>,
    found: Vec<(u64, TraceId)>,
}

impl Newest {
    /// One more than was asked for shows whether there are more.
    fn of(request: &SearchRequest) -> Self {
        let after = request.after.as_ref().map(|place| (place.start, place.trace_id));
        Self { limit: request.limit.saturating_add(1), after, found: Vec::new() }
    }

    fn add(&mut self, start: u64, id: TraceId) {
        if self.after.is_some_and(|after| (start, id) >= after) {
            return;
        }
        let index = self.found.partition_point(|found| *found > (start, id));
        if index < self.limit {
            self.found.insert(index, (start, id));
            self.found.truncate(self.limit);
        }
    }

    /// Those that stay where they are, when all others start at `latest` or before.
    fn certain(&self, latest: Option<u64>) -> &[(u64, TraceId)] {
        let certain = self.found.partition_point(|(start, _)| latest.is_none_or(|latest| latest < *start));
        self.found.get(..certain).unwrap_or_default()
    }

    /// A trace that starts before this is too old.
    fn oldest(&self) -> u64 {
        let last = self.found.last().map_or(u64::MAX, |(oldest, _)| *oldest);
        if self.found.len() >= self.limit { last } else { 0 }
    }
}

/// Which units a search must look into, as far as filters over values know.
pub(super) struct Possible<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    /// What every span of an answer satisfies.
    filter: Filter,
    /// By segment, for each of its groups.
    known: Mutex<HashMap<u64, Vec<bool>>>,
}

impl<'s, 'a> Possible<'s, 'a> {
    pub(super) fn new(judge: &Judge<'s, 'a>) -> Self {
        Self { snapshot: judge.loader.snapshot, filter: judge.program.required(), known: Mutex::default() }
    }

    pub(super) fn holds(&self, unit: &ScanUnit) -> Result<bool, ReadError> {
        let ScanUnit::Group(segment, group) = unit else { return Ok(true) };
        if let Some(groups) = self.known().get(&segment.id) {
            return Ok(may_hold(groups, *group));
        }
        // Other threads go on while filters are read; one of them may read the same.
        let groups = self.snapshot.possible_groups(segment.id, &self.filter)?;
        let holds = may_hold(&groups, *group);
        self.known().insert(segment.id, groups);
        Ok(holds)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Vec<bool>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group that nothing is known of may hold anything.
fn may_hold(groups: &[bool], group: u16) -> bool {
    groups.get(usize::from(group)).copied().unwrap_or(true)
}

/// What a search read of a unit, and the damage that this is without.
struct Scanned {
    candidates: Option<Candidates>,
    damage: Vec<ReadError>,
}

/// What matches in a unit.
#[derive(Default)]
struct Candidates {
    /// Spans looked at.
    spans: usize,
    /// How many traces these rows are of.
    traces: usize,
    /// Those that may be among the newest.
    newest: Vec<(u64, TraceId)>,
}

/// A search for the newest traces.
pub(super) struct Search<'j, 's, 'a> {
    pub(super) judge: &'j Judge<'s, 'a>,
    pub(super) request: &'j SearchRequest,
}

/// What the threads of a search know together.
struct Progress<'j, 's, 'a> {
    possible: Possible<'s, 'a>,
    too_few: TooFew<'j, 's, 'a>,
    rounds: Rounds<'j, 'a>,
    /// Traces that one of them has looked at. If what it found there is not taken in the end, they are too old.
    seen: Mutex<HashSet<TraceId>>,
    /// A trace that starts before this is too old, and so is a unit in which none starts later.
    oldest: AtomicU64,
}

impl Progress<'_, '_, '_> {
    /// Those of these traces that are not too old and that no thread has looked at.
    fn unseen(&self, traces: &[TraceStart], horizon: HintHorizon) -> Vec<TraceStart> {
        let oldest = self.oldest.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |trace: &&TraceStart| oldest <= trace.bound(horizon) && seen.insert(trace.id);
        traces.iter().filter(is_new).copied().collect()
    }
}

/// The newest traces with a span in the answer, one more than asked for, and what it took.
#[derive(Default)]
pub(super) struct NewestTraces {
    pub(super) traces: Vec<(u64, TraceId)>,
    pub(super) inspected: Inspected,
}

/// How far a search is.
pub(super) struct SoFar<'n> {
    /// The first traces of the answer that are certain.
    pub(super) certain: &'n [(u64, TraceId)],
    pub(super) inspected: Inspected,
    /// Units that are done.
    pub(super) done: usize,
    /// Units that there are.
    pub(super) all: usize,
}

impl Search<'_, '_, '_> {
    /// A trace counts by its earliest span anywhere; what one unit says of it is a bound. `tell` hears of each unit that is done.
    pub(super) fn run(
        &self,
        begun: Instant,
        mut tell: impl FnMut(SoFar<'_>) -> Result<(), ReadError>,
    ) -> Result<NewestTraces, ReadError> {
        let (mut newest, mut out) = (Newest::of(self.request), NewestTraces::default());
        let TraceLoader { snapshot, context, .. } = self.judge.loader;
        let units = self.judge.units();
        let progress = Progress {
            possible: Possible::new(self.judge),
            too_few: TooFew::new(self.judge),
            rounds: Rounds::new(snapshot, &units),
            seen: Mutex::default(),
            oldest: AtomicU64::new(newest.oldest()),
        };
        let is_wanted = |(_, unit): &(usize, &ScanUnit)| {
            progress.oldest.load(Ordering::Relaxed) <= unit.latest(snapshot.view.horizon)
        };
        let work = |(index, unit): &(usize, &ScanUnit)| self.scan(*index, unit, &progress);
        let take = |(index, _): &(usize, &ScanUnit), scanned: Result<Option<Scanned>, ReadError>| {
            if let Some(Scanned { candidates, damage }) = scanned? {
                snapshot.leave_out(&damage, context);
                out.inspected.segments += 1;
                context.count(Counted::Scanned, 1);
                let Candidates { spans, traces, newest: found } = candidates.unwrap_or_default();
                out.inspected.spans += spans as u64;
                out.inspected.traces += traces as u64;
                found.into_iter().for_each(|(start, id)| newest.add(start, id));
                progress.oldest.store(newest.oldest(), Ordering::Relaxed);
            }
            let done = index + 1;
            let latest = units.get(done).map(|unit| unit.latest(snapshot.view.horizon));
            tell(SoFar { certain: newest.certain(latest), inspected: out.inspected, done, all: units.len() })
        };
        snapshot.workers().in_order(&progress.rounds.units(), begun, is_wanted, work, take)?;
        out.traces = newest.found;
        Ok(out)
    }

    /// Looks for what matches in a unit; `None` when filters say that nothing does.
    fn scan(
        &self,
        index: usize,
        unit: &ScanUnit,
        progress: &Progress<'_, '_, '_>,
    ) -> Result<Option<Scanned>, ReadError> {
        let TraceLoader { snapshot, context, .. } = self.judge.loader;
        context.check()?;
        if !progress.possible.holds(unit)? {
            self.judge.rule_out(unit);
            return Ok(None);
        }
        progress.rounds.fetch(index)?;
        let oldest = progress.oldest.load(Ordering::Relaxed);
        let (found, damage) = snapshot.ask(unit, |group| self.matching(unit, group, oldest));
        let candidates = match found? {
            None => None,
            Some((spans, traces)) => {
                let count = traces.len();
                let newest = self.newest_of(&progress.too_few.others(unit, traces)?, progress)?;
                Some(Candidates { spans, traces: count, newest })
            }
        };
        Ok(Some(Scanned { candidates, damage }))
    }

    /// How many spans were looked at, and the traces of those that may be in the answer, those first that most likely are the newest.
    fn matching(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        oldest: u64,
    ) -> Result<(usize, Vec<TraceStart>), ReadError> {
        let horizon = self.judge.loader.snapshot.view.horizon;
        let among = group.rows_from(oldest, horizon)?;
        let mut traces = self.judge.traces(unit, group, &among)?;
        // Those that began elsewhere come late: mostly they are too old by then, and need not be looked for.
        traces.sort_unstable_by_key(|trace| Reverse((trace.hint, trace.id)));
        Ok((among.count(), traces))
    }

    /// Those of these traces that may be among the newest.
    fn newest_of(
        &self,
        traces: &[TraceStart],
        progress: &Progress<'_, '_, '_>,
    ) -> Result<Vec<(u64, TraceId)>, ReadError> {
        let mut newest = Newest::of(self.request);
        let loader = self.judge.loader;
        let horizon = loader.snapshot.view.horizon;
        for trace in progress.unseen(traces, horizon) {
            let (id, bound) = (trace.id, trace.bound(horizon));
            let oldest = newest.oldest().max(progress.oldest.load(Ordering::Relaxed));
            if bound < oldest {
                continue;
            }
            loader.context.check()?;
            if !self.judge.is_plain && self.judge.judge(id)?.is_none() {
                continue;
            }
            if let Some(start) = loader.order_start(id, bound, oldest)? {
                newest.add(start, id);
            }
        }
        Ok(newest.found)
    }
}

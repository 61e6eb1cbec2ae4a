//! The newest traces with a span that matches.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use hoptrail_proto::model::TraceId;

use super::hits::Matched;
use super::snapshot::{Snapshot, Unit};
use super::wanted::Wanted;
use crate::memory::hit;
use crate::rows::TableKind;
use crate::scan::matching;
use crate::search::{Inspected, QueryContext, SearchRequest};
use crate::segment::possible_groups;
use crate::{Filter, ReadError};

/// The newest traces found so far, newest first.
struct Newest {
    limit: usize,
    found: Vec<(u64, TraceId)>,
}

impl Newest {
    fn add(&mut self, start: u64, id: TraceId) {
        let place = self.found.partition_point(|known| *known > (start, id));
        if place < self.limit {
            self.found.insert(place, (start, id));
            self.found.truncate(self.limit);
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Whether a trace that starts at `start` or earlier is too old.
    fn rules_out(&self, start: u64) -> bool {
        self.is_full() && self.found.last().is_none_or(|(oldest, _)| start < *oldest)
    }
}

/// Which units a search must look into, as far as filters over values know.
struct Possible<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    filter: &'s Filter,
    /// By segment, for each of its groups.
    known: HashMap<u64, Vec<bool>>,
}

impl Possible<'_, '_> {
    /// A damaged filter rules nothing out.
    fn holds(&mut self, unit: &Unit) -> Result<bool, ReadError> {
        let Unit::Group(segment, number) = unit else { return Ok(true) };
        let groups = match self.known.entry(segment.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let shared = self.snapshot.shared;
                let meta = shared.meta(segment.id);
                match meta.and_then(|meta| possible_groups(&shared.db, segment.id, &meta, self.filter)) {
                    Err(ReadError::Corrupt { place, reason }) => {
                        shared.note_damage(&place, &reason);
                        new.insert(Vec::new())
                    }
                    groups => new.insert(groups?),
                }
            }
        };
        Ok(groups.get(usize::from(*number)).copied().unwrap_or(true))
    }
}

/// The newest traces with a span that matches, and the rows that match where it looked. A trace counts by its earliest span
/// anywhere; what one unit says of it is a bound.
pub(super) fn newest(
    snapshot: &Snapshot<'_>,
    request: &SearchRequest,
    wanted: &Wanted,
    context: &QueryContext,
    inspected: &mut Inspected,
) -> Result<(Vec<(u64, TraceId)>, Matched), ReadError> {
    let whole = request.filter.needs_trace();
    let mut newest = Newest { limit: request.limit, found: Vec::new() };
    let (mut seen, mut matched) = (HashSet::new(), Matched::default());
    let units = snapshot.units();
    let mut possible = Possible { snapshot, filter: &request.filter, known: HashMap::new() };
    for unit in units.iter().filter(|unit| unit.overlaps(request.range)) {
        if newest.rules_out(unit.latest()) {
            break;
        }
        context.check()?;
        if !possible.holds(unit)? {
            continue;
        }
        let candidates = snapshot.on(unit, context, |group| {
            inspected.spans += group.table(TableKind::Span).len() as u64;
            inspected.segments += 1;
            let rows = matching(group, &request.filter, request.range, context)?;
            let candidates = group.traces_of(&rows)?;
            matched.insert(unit, rows);
            Ok(candidates)
        })?;
        let mut candidates = candidates.unwrap_or_default();
        inspected.traces += candidates.len() as u64;
        candidates.sort_unstable_by_key(|(id, start)| std::cmp::Reverse((*start, *id)));
        for (id, bound) in candidates {
            if newest.rules_out(bound) {
                break;
            }
            if !seen.insert(id) {
                continue;
            }
            context.check()?;
            if whole && hit(id, &snapshot.spans(id, wanted.projection(), context)?, request).is_none() {
                continue;
            }
            if let Some(start) = snapshot.start_of(id, |start| newest.rules_out(start), context)? {
                newest.add(start, id);
            }
        }
    }
    Ok((newest.found, matched))
}

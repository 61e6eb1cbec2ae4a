//! Traces that began before the newest ones found: of these, slow conditions need not look at any span.

use hoptrail_proto::model::TraceId;
use rustc_hash::FxHashSet;

use super::newest::Newest;
use super::snapshot::{Snapshot, Unit};
use crate::codec::bits::Bitmap;
use crate::rows::TableKind;
use crate::scan::RowGroup;
use crate::{AttributeScope, Field, Filter, QueryContext, ReadError};

/// Units that are learned from before the next one is searched.
const UNITS: usize = 3;
/// Bytes that a known trace takes, about.
const TRACE_BYTES: usize = 32;

/// Traces that are too old to be among the newest.
pub(super) struct TooOld {
    /// Whether it takes so long to look at a row that it pays to know whose it is.
    is_slow: bool,
    known: FxHashSet<TraceId>,
    /// Units that were learned from.
    asked: FxHashSet<(u64, usize)>,
}

impl TooOld {
    /// None yet, in a search with this filter.
    pub(super) fn new(filter: &Filter) -> Self {
        Self { is_slow: is_slow(filter), known: FxHashSet::default(), asked: FxHashSet::default() }
    }

    /// Learns from the next units in which all traces are too old. Spans of theirs that came later are in the units searched.
    pub(super) fn learn(
        &mut self,
        newest: &Newest,
        units: &[Unit],
        snapshot: &Snapshot<'_>,
        context: &QueryContext,
    ) -> Result<(), ReadError> {
        if !self.is_slow || !newest.is_full() {
            return Ok(());
        }
        let older = units.iter().filter(|unit| newest.rules_out(unit.latest()));
        for unit in older.filter(|unit| self.asked.insert(unit.place())).take(UNITS) {
            let learn = |group: &dyn RowGroup| {
                group.rows_of_traces(&mut |id, _| {
                    self.known.insert(id);
                    false
                })
            };
            // The answer does without this unit anyway, damaged or not.
            snapshot.on(unit, &QueryContext::unbounded(), learn)?;
            context.check_memory(self.known.len() * TRACE_BYTES)?;
        }
        Ok(())
    }

    /// The rows of a unit that may be of other traces.
    pub(super) fn others(&self, newest: &Newest, group: &dyn RowGroup) -> Result<Bitmap, ReadError> {
        if !self.is_slow || !newest.is_full() {
            return Ok(Bitmap::all(group.table(TableKind::Span).len()));
        }
        group.rows_of_traces(&mut |id, start| !newest.rules_out(start) && !self.known.contains(&id))
    }
}

/// Whether the filter matches text of each row with a pattern.
fn is_slow(filter: &Filter) -> bool {
    match filter {
        Filter::Matches { field, .. } => is_of_row(field),
        Filter::And(parts) => parts.iter().all(is_slow),
        Filter::Or(parts) => parts.iter().any(is_slow),
        Filter::Not(inner) | Filter::Event(inner) | Filter::Link(inner) => is_slow(inner),
        Filter::True | Filter::Compare { .. } | Filter::Exists { .. } => false,
    }
}

/// Whether each row has a value of its own. What shapes have is judged once a shape.
fn is_of_row(field: &Field) -> bool {
    use AttributeScope::{Instrumentation, Resource};
    matches!(field, Field::Attribute { scope, .. } if !matches!(scope, Instrumentation | Resource))
}

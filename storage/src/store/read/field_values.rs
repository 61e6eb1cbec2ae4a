//! The distinct values of a field.

use std::time::Instant;

use hashbrown::HashSet;
use hoptrail_proto::model::TraceId;

use super::ahead::in_order;
use super::snapshot::{Snapshot, Unit};
use crate::first_values::FirstValues;
use crate::memory::values_of_trace;
use crate::scan::{Projection, RowGroup, matching, values};
use crate::search::FieldValuesRequest;
use crate::{QueryContext, ReadError, Value};

/// Memory of a trace id in a set, about.
const ID_BYTES: usize = 32;

/// Which values, of which units.
pub(super) struct Question<'s, 'a> {
    pub(super) snapshot: &'s Snapshot<'a>,
    pub(super) units: Vec<Unit>,
    pub(super) request: &'s FieldValuesRequest,
    pub(super) context: &'s QueryContext,
}

impl Question<'_, '_> {
    /// A field that each span has by itself: its values are read from columns.
    pub(super) fn of_spans(&self) -> Result<Vec<Value>, ReadError> {
        let FieldValuesRequest { field, filter, range, limit } = self.request;
        let mut found = FirstValues::new(*limit, self.context)?;
        let ask = |group: &dyn RowGroup| {
            let rows = matching(group, filter, *range, self.context)?;
            let mut here = FirstValues::new(*limit, self.context)?;
            values(group, field, &rows, self.context, &mut |value| here.add(value))?;
            Ok(here)
        };
        let take =
            |_: &Unit, here: Result<Option<FirstValues>, ReadError>| here?.map_or(Ok(()), |here| found.merge(here));
        in_order(&self.units, Instant::now(), |_| true, |unit| self.on(unit, ask), take)?;
        found.finish()
    }

    /// A field of whole traces, or spans that only their whole trace tells: the traces are read.
    pub(super) fn of_traces(&self) -> Result<Vec<Value>, ReadError> {
        let FieldValuesRequest { filter, range, limit, .. } = self.request;
        let (mut traces, mut memory) = (HashSet::new(), self.context.reserve(0)?);
        let ask = |group: &dyn RowGroup| group.traces_of(&matching(group, filter, *range, self.context)?);
        let take = |_: &Unit, here: Result<Option<Vec<(TraceId, u64)>>, ReadError>| {
            let before = traces.len();
            traces.extend(here?.into_iter().flatten().map(|(id, _)| id));
            memory.grow((traces.len() - before) * ID_BYTES)
        };
        in_order(&self.units, Instant::now(), |_| true, |unit| self.on(unit, ask), take)?;
        let mut found = FirstValues::new(*limit, self.context)?;
        for id in traces {
            let trace = self.snapshot.spans(id, Projection::Whole, self.context)?;
            values_of_trace(&trace.spans, self.request, self.context, &mut found)?;
            found.check()?;
        }
        found.finish()
    }

    fn on<T>(
        &self,
        unit: &Unit,
        ask: impl FnOnce(&dyn RowGroup) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        self.context.check()?;
        self.snapshot.on(unit, self.context, ask)
    }
}

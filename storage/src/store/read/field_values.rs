//! The distinct values of a field.

use std::borrow::Cow;
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::AnyValue;

use super::ahead::in_order;
use super::snapshot::{Snapshot, Unit};
use crate::first_values::FirstValues;
use crate::names::{Names, service_of};
use crate::rows::Rows;
use crate::scan::{Projection, RowGroup, TraceStart, matching, values};
use crate::search::FieldValuesRequest;
use crate::whole_trace::values_of_trace;
use crate::{CompareOp, Field, Filter, Intrinsic, QueryContext, ReadError, Value};

/// What the catalog knows of each segment.
enum List<'r> {
    Services,
    /// Names of a service's spans, or of all.
    Names(Option<&'r str>),
}

impl<'r> List<'r> {
    fn asked_for(request: &'r FieldValuesRequest) -> Option<Self> {
        let is_name = request.field == Field::Intrinsic(Intrinsic::Name);
        match &request.filter {
            Filter::True if is_name => Some(Self::Names(None)),
            Filter::True if request.field == Field::service() => Some(Self::Services),
            Filter::Compare { field, op: CompareOp::Eq, value: Value::Any(AnyValue::String(service)) }
                if is_name && *field == Field::service() && !service.is_empty() =>
            {
                Some(Self::Names(Some(service)))
            }
            _ => None,
        }
    }

    fn each(&self, names: &'r Names, visit: impl FnMut(&'r str)) {
        match self {
            Self::Services => names.services().for_each(visit),
            Self::Names(service) => names.of_service(*service).for_each(visit),
        }
    }

    /// Adds those of a part of the head, by the shapes of its spans; `None` when a service is anything but one text.
    fn each_in_head(&self, rows: &Rows, names: &mut HashSet<Cow<'_, str>>) -> Option<()> {
        let services = rows.resources.decoded.iter().map(|resource| service_of(resource));
        let services = services.collect::<Option<Vec<_>>>()?;
        let (table, mut found) = (&rows.span_table, HashSet::new());
        for shape in &table.shapes.list().shapes {
            let service = services.get(shape.resource as usize).copied().unwrap_or_default();
            match self {
                Self::Services => _ = found.insert(shape.resource),
                Self::Names(wanted) if wanted.is_none_or(|wanted| wanted == service) => _ = found.insert(shape.name),
                Self::Names(_) => {}
            }
        }
        let name = |number: u32| match self {
            Self::Services => Cow::Borrowed(services.get(number as usize).copied().unwrap_or_default()),
            Self::Names(_) => String::from_utf8_lossy(table.names.get(number)),
        };
        let is_shown = |name: &Cow<'_, str>| !name.is_empty() || matches!(self, Self::Names(_));
        for name in found.into_iter().map(name).filter(is_shown) {
            if !names.contains(&*name) {
                names.insert(Cow::Owned(name.into_owned()));
            }
        }
        Some(())
    }
}

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
        let units = self.not_listed(&mut found)?;
        let ask = |group: &dyn RowGroup| {
            let rows = matching(group, filter, *range, self.context)?;
            let mut here = FirstValues::new(*limit, self.context)?;
            values(group, field, &rows, self.context, &mut |value| here.add(value))?;
            Ok(here)
        };
        let take =
            |_: &Unit, here: Result<Option<FirstValues>, ReadError>| here?.map_or(Ok(()), |here| found.merge(here));
        in_order(&units, Instant::now(), |_| true, |unit| self.on(unit, ask), take)?;
        found.finish()
    }

    /// Adds what the catalog lists; the units that it says nothing about.
    fn not_listed(&self, found: &mut FirstValues) -> Result<Vec<Unit>, ReadError> {
        let Some(list) = List::asked_for(self.request) else { return Ok(self.units.clone()) };
        let (mut listed, mut names, mut left) = (HashMap::new(), HashSet::new(), Vec::new());
        let is_inside = |starts| self.request.range.is_none_or(|range| range.covers(starts));
        for unit in &self.units {
            self.context.check()?;
            let is_listed = match unit {
                Unit::Part(_, part) => {
                    let rows = part.read();
                    is_inside(part.times().starts) && list.each_in_head(&rows, &mut names).is_some()
                }
                Unit::Group(segment, _) => *listed.entry(segment.id).or_insert_with(|| {
                    let known = segment.names.as_ref().filter(|_| is_inside(segment.starts()));
                    known.map(|known| list.each(known, |name| _ = names.insert(Cow::Borrowed(name)))).is_some()
                }),
            };
            if !is_listed {
                left.push(unit.clone());
            }
        }
        names.into_iter().for_each(|name| found.add(Value::string(name)));
        found.check()?;
        Ok(left)
    }

    /// A field of whole traces, or spans that only their whole trace tells: the traces are read.
    pub(super) fn of_traces(&self) -> Result<Vec<Value>, ReadError> {
        let FieldValuesRequest { filter, range, limit, .. } = self.request;
        let (mut traces, mut memory) = (HashSet::new(), self.context.reserve(0)?);
        let ask = |group: &dyn RowGroup| group.traces_of(&matching(group, filter, *range, self.context)?);
        let take = |_: &Unit, here: Result<Option<Vec<TraceStart>>, ReadError>| {
            let before = traces.len();
            traces.extend(here?.into_iter().flatten().map(|trace| trace.id));
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

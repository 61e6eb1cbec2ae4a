//! The distinct values of a field.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::{AnyValue, TraceId};

use super::judge::{Judge, Judged};
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::first_values::FirstValues;
use crate::names::{Names, service_of};
use crate::rows::Rows;
use crate::scan::{RowGroup, matching, values};
use crate::search::FieldValuesRequest;
use crate::{CompareOp, Field, Filter, Intrinsic, ReadError, TimeRange, Value};

/// What a segment lists.
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

    fn each(&self, names: &Names, visit: impl FnMut(&str)) {
        match self {
            Self::Services => names.services().for_each(visit),
            Self::Names(service) => names.of_service(*service).for_each(visit),
        }
    }

    /// Adds those of a chunk, by the shapes of its spans; `None` when a service is anything but one text.
    fn each_in_chunk(&self, rows: &Rows, names: &mut HashSet<Cow<'_, str>>) -> Option<()> {
        let services = rows.resources.decoded.iter().map(|resource| service_of(resource));
        let services = services.collect::<Option<Vec<&str>>>()?;
        let service = |index: u32| services.get(index as usize).copied().unwrap_or_default();
        let table = &rows.span_table;
        let shapes = &table.shapes.list().shapes;
        match self {
            Self::Services => {
                let used: HashSet<u32> = shapes.iter().map(|shape| shape.resource).collect();
                used.into_iter().map(service).filter(|name| !name.is_empty()).for_each(|name| add_new(names, name));
            }
            Self::Names(wanted) => {
                let of_service =
                    shapes.iter().filter(|shape| wanted.is_none_or(|wanted| wanted == service(shape.resource)));
                let used: HashSet<u32> = of_service.map(|shape| shape.name).collect();
                used.into_iter().for_each(|name| add_new(names, &String::from_utf8_lossy(table.names.get(name))));
            }
        }
        Some(())
    }
}

fn add_new(names: &mut HashSet<Cow<'_, str>>, name: &str) {
    if !names.contains(name) {
        names.insert(Cow::Owned(name.to_owned()));
    }
}

/// Memory of a trace id in a set, about.
const ID_BYTES: usize = 32;

/// Which values, of which units.
pub(super) struct Question<'s, 'a> {
    pub(super) loader: &'s TraceLoader<'s, 'a>,
    pub(super) units: Vec<ScanUnit>,
    pub(super) request: &'s FieldValuesRequest,
}

impl Question<'_, '_> {
    /// A field that each span has by itself: its values are read from columns.
    pub(super) fn of_spans(&self) -> Result<Vec<Value>, ReadError> {
        let FieldValuesRequest { field, filter, range, limit } = self.request;
        let context = self.loader.context;
        let mut found = FirstValues::new(*limit, context)?;
        let units = self.not_listed(&mut found)?;
        let ask = |unit: &ScanUnit, group: &dyn RowGroup| {
            // Where all spans are inside of the range, the start of none is looked at.
            let range = range.filter(|range| !range.covers(unit.starts()));
            let rows = matching(group, filter, range, context)?;
            let mut here = FirstValues::new(*limit, context)?;
            values(group, field, &rows, context, &mut |value| here.add(value))?;
            Ok(here)
        };
        each_unit(self.loader, &units, ask, |here| found.merge(here))?;
        found.finish()
    }

    /// Adds what segments list; the units that are not listed.
    fn not_listed(&self, found: &mut FirstValues) -> Result<Vec<ScanUnit>, ReadError> {
        let Some(list) = List::asked_for(self.request) else { return Ok(self.units.clone()) };
        let (mut listed, mut names, mut left) = (HashMap::new(), HashSet::<Cow<'_, str>>::new(), Vec::new());
        let is_inside = |starts| self.request.range.is_none_or(|range| range.covers(starts));
        for unit in &self.units {
            self.loader.context.check()?;
            let is_listed = match unit {
                ScanUnit::Chunk(_, chunk) => {
                    let rows = chunk.read();
                    is_inside(chunk.times().starts) && list.each_in_chunk(&rows, &mut names).is_some()
                }
                ScanUnit::Group(segment, _) => *listed.entry(segment.id).or_insert_with(|| {
                    let snapshot = self.loader.snapshot;
                    let known = if is_inside(segment.starts()) { snapshot.names(segment.id) } else { None };
                    known.map(|known| list.each(&known, |name| add_new(&mut names, name))).is_some()
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

    /// A field of whole traces or trees, or spans that only their whole trace tells: the traces are judged one by one.
    pub(super) fn of_traces(&self) -> Result<Vec<Value>, ReadError> {
        let FieldValuesRequest { field, filter, range, limit } = self.request;
        let context = self.loader.context;
        let traces = traces_with(self.loader, &self.units, filter, *range)?;
        let spans = filter.clone().into();
        let mut judge = Judge::new(self.loader, &spans, None)?;
        let calc = judge.program.field(field);
        let mut found = FirstValues::new(*limit, context)?;
        for id in traces {
            let Some(Judged { trace, spansets }) = judge.judge(id)? else { continue };
            let starts_inside =
                |row: &u32| trace.key(*row).is_some_and(|(start, _)| range.is_none_or(|range| range.contains(start)));
            let rows: Vec<u32> = spansets.into_iter().flat_map(|spanset| spanset.rows).filter(starts_inside).collect();
            trace.each_value(field, &calc, &rows, &mut |value| found.add(value))?;
            found.check()?;
        }
        found.finish()
    }
}

/// The traces that have a span that may match.
pub(super) fn traces_with(
    loader: &TraceLoader<'_, '_>,
    units: &[ScanUnit],
    filter: &Filter,
    range: Option<TimeRange>,
) -> Result<HashSet<TraceId>, ReadError> {
    let (mut traces, mut memory) = (HashSet::new(), loader.context.reserve(0)?);
    let ask = |_: &ScanUnit, group: &dyn RowGroup| group.traces_of(&matching(group, filter, range, loader.context)?);
    each_unit(loader, units, ask, |here| {
        let before = traces.len();
        traces.extend(here.into_iter().map(|trace| trace.id));
        memory.grow((traces.len() - before) * ID_BYTES)
    })?;
    memory.keep();
    Ok(traces)
}

/// Asks each unit, several threads at once, and gives the answers of those that can be read to `take`.
pub(super) fn each_unit<T: Send>(
    loader: &TraceLoader<'_, '_>,
    units: &[ScanUnit],
    ask: impl Fn(&ScanUnit, &dyn RowGroup) -> Result<T, ReadError> + Sync,
    mut take: impl FnMut(T) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let rounds = Rounds::new(loader.snapshot, units);
    let work = |(index, unit): &(usize, &ScanUnit)| {
        loader.context.check()?;
        rounds.fetch(*index)?;
        loader.on(unit, |group| ask(unit, group))
    };
    let take = |_: &(usize, &ScanUnit), here: Result<Option<T>, ReadError>| here?.map_or(Ok(()), &mut take);
    loader.snapshot.workers().in_order(&rounds.units(), crate::clock::instant(), |_| true, work, take)
}

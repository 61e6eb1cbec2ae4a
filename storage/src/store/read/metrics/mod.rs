//! Numbers over time, computed of columns. For each unit there are two steps: which rows count, and one pass over these: groups and interval
//! of a row make its cell, and cells hold what the function needs. The cells of all units meet in one table.

mod buckets;
mod copies;
mod division;
mod groups;
mod selected;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use super::newest::Possible;
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::scan::{RowGroup, matching_among, numbers};
use crate::series::{MetricsAnswer, MetricsFunction, MetricsRequest};
use crate::{Expr, Filter, ReadError, Series, SeriesPart};
use copies::Copies;
use division::Division;
use groups::Groups;
use selected::Selected;
use table::{Content, Found, Place, Table};
use tally::Tally;

/// Memory of a row while its unit is computed, about.
const ROW_BYTES: usize = 64;

/// A question about numbers over time.
pub(super) struct Metrics<'s, 'a> {
    loader: &'s TraceLoader<'s, 'a>,
    request: &'s MetricsRequest,
    filter: &'s Filter,
    groups: Mutex<Groups>,
}

impl<'s, 'a> Metrics<'s, 'a> {
    pub(super) fn new(loader: &'s TraceLoader<'s, 'a>, request: &'s MetricsRequest) -> Result<Self, ReadError> {
        let needs_trace = request.by.iter().chain(argument(&request.function)).any(Expr::needs_trace);
        let filter = request.spans.as_filter().filter(|filter| !filter.needs_trace() && !needs_trace);
        let filter = filter.ok_or_else(|| not_yet("metrics of what only whole traces tell"))?;
        Ok(Self { loader, request, filter, groups: Mutex::new(Groups::new(loader.context)?) })
    }

    pub(super) fn answer(&self) -> Result<MetricsAnswer, ReadError> {
        match &self.request.function {
            MetricsFunction::Quantiles(..) => Err(not_yet("quantiles")),
            MetricsFunction::Compare { .. } => Err(not_yet("compare")),
            _ => self.of_tallies(),
        }
    }

    fn of_tallies(&self) -> Result<MetricsAnswer, ReadError> {
        let (table, mut answer) = self.table(|selected| self.tallies(selected))?;
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for ((group, part), row) in table.finish() {
            let values = row.contents.iter().map(|tally| tally.value(&self.request.function)).collect();
            let part = if self.is_histogram() { buckets::part(part) } else { SeriesPart::Whole };
            let exemplars = row.exemplars.into_values().collect();
            answer.series.push(Series { group: groups.of(group), part, values, exemplars });
        }
        share_exemplars(&mut answer.series, self.request.exemplars);
        Ok(answer)
    }

    fn is_histogram(&self) -> bool {
        matches!(self.request.function, MetricsFunction::Histogram(_))
    }

    /// The cells of a unit with counts, sums and bounds.
    fn tallies(&self, selected: &Selected<'_>) -> Result<Found<Tally>, ReadError> {
        let mut cells = self.groups_of(selected)?;
        let intervals = selected.intervals(&self.request.steps)?;
        cells.by_intervals(&intervals);
        let numbers = match argument(&self.request.function) {
            None => None,
            Some(argument) => Some(numbers(selected.group, argument, &selected.rows, selected.context)?),
        };
        let mut tallies: Vec<Tally> = Vec::new();
        match &numbers {
            Some(numbers) if !self.is_histogram() => {
                tallies.resize(cells.keys.len(), Tally::default());
                cells.each(numbers.iter(), |cell, number| {
                    if let (Some(tally), Some(number)) = (tallies.get_mut(cell), number) {
                        tally.add_number(number.as_f64(), 1.0);
                    }
                });
                cells.all_have(0);
            }
            buckets => {
                match buckets {
                    Some(numbers) => {
                        let codes: Vec<u32> = numbers.iter().map(|number| buckets::code(*number)).collect();
                        cells.by(&codes, buckets::CODES);
                    }
                    None => cells.all_have(0),
                }
                tallies.extend(cells.counts().into_iter().map(|count| Tally::of_count(count as f64)));
            }
        }
        let exemplars = selected.exemplars(&cells, numbers.as_deref(), self.request.exemplars)?;
        let place = |cell: usize| place(cells.keys.get(cell)?, &intervals.of_codes);
        let contents = tallies.into_iter().enumerate().filter(|(_, tally)| tally.count > 0.0);
        Ok(Found {
            contents: contents.filter_map(|(cell, tally)| Some((place(cell)?, tally))).collect(),
            exemplars: exemplars.into_iter().filter_map(|(cell, exemplar)| Some((place(cell)?, exemplar))).collect(),
        })
    }

    /// The rows by their groups; a code is the number of a group.
    fn groups_of(&self, selected: &Selected<'_>) -> Result<Division, ReadError> {
        let by = selected.coded(&self.request.by)?;
        let mut cells = Division::whole(selected.rows.count());
        by.iter().for_each(|coded| cells.by(&coded.codes, coded.values.len()));
        let numbers = self.groups.lock().unwrap_or_else(PoisonError::into_inner).numbers(&cells.keys, &by)?;
        cells.keys = numbers.into_iter().map(|number| vec![number]).collect();
        Ok(cells)
    }

    /// What `of_unit` makes of the rows of all units that count.
    fn table<C: Content>(
        &self,
        of_unit: impl Fn(&Selected<'_>) -> Result<Found<C>, ReadError> + Sync,
    ) -> Result<(Table<C>, MetricsAnswer), ReadError> {
        let TraceLoader { snapshot, context, .. } = self.loader;
        let begun = crate::clock::instant();
        let mut units = snapshot.view.units();
        units.retain(|unit| unit.overlaps(Some(self.request.steps.range())));
        let (possible, rounds) = (Possible::new(snapshot, self.filter), Rounds::new(snapshot, &units));
        let copies = &Copies::of(self.loader, &units)?;
        let (mut table, mut answer) = (Table::new(self.request.steps.count, context)?, MetricsAnswer::default());
        let work = |(index, unit): &(usize, &ScanUnit)| {
            context.check()?;
            if !possible.holds(unit)? {
                return Ok(None);
            }
            rounds.fetch(*index)?;
            self.loader.on(unit, |group| self.of_unit(unit, group, copies, &of_unit))
        };
        let take = |_: &(usize, &ScanUnit), found: Result<Option<(usize, Found<C>)>, ReadError>| {
            let Some((spans, found)) = found? else { return Ok(()) };
            answer.inspected.segments += 1;
            answer.inspected.spans += spans as u64;
            table.add(found)
        };
        snapshot.workers().in_order(&rounds.units(), begun, |_| true, work, take)?;
        Ok((table, answer))
    }

    /// How many spans the unit has, and what `of_unit` makes of those that count.
    fn of_unit<C>(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        copies: &Copies<'_, '_>,
        of_unit: impl Fn(&Selected<'_>) -> Result<Found<C>, ReadError>,
    ) -> Result<(usize, Found<C>), ReadError> {
        let (context, steps) = (self.loader.context, &self.request.steps);
        let (starts, range) = (unit.starts(), steps.range());
        let among = copies.without(unit, group)?;
        let _memory = context.reserve(among.len() * ROW_BYTES)?;
        let spans = among.len();
        let range = (!range.covers(starts)).then_some(range);
        let rows = matching_among(group, self.filter, range, among, context)?;
        let ends = (steps.interval(starts.0), steps.interval(starts.1));
        let interval = ends.0.filter(|_| ends.0 == ends.1);
        let found = of_unit(&Selected { group, rows, interval, context })?;
        Ok((spans, found))
    }
}

/// The place of a cell: its group, interval and part.
fn place(key: &[u32], intervals: &[u32]) -> Option<Place> {
    let [group, interval, part] = key else { return None };
    if *part == buckets::NO_NUMBER {
        return None;
    }
    Some(Place { group: *group, part: *part, interval: *intervals.get(*interval as usize)? })
}

/// What the function is computed of.
fn argument(function: &MetricsFunction) -> Option<&Expr> {
    match function {
        MetricsFunction::Count | MetricsFunction::Compare { .. } => None,
        MetricsFunction::Min(argument)
        | MetricsFunction::Max(argument)
        | MetricsFunction::Avg(argument)
        | MetricsFunction::Sum(argument)
        | MetricsFunction::Quantiles(argument, _)
        | MetricsFunction::Histogram(argument) => Some(argument),
    }
}

fn not_yet(what: &str) -> ReadError {
    ReadError::Storage(format!("{what} cannot be computed yet").into())
}

/// Leaves so many exemplars in all, as far as there are: each series has its share, spread over time.
fn share_exemplars(series: &mut [Series], most: usize) {
    let (mut left, mut of_series) = (most, series.len());
    for series in series {
        let share = left.div_ceil(of_series.max(1)).min(left);
        of_series -= 1;
        let apart = series.exemplars.len().div_ceil(share.max(1)).max(1);
        let mut number = 0..series.exemplars.len();
        series.exemplars.retain(|_| share > 0 && number.next().is_some_and(|number| number.is_multiple_of(apart)));
        left -= series.exemplars.len();
    }
}

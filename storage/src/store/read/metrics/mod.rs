//! Numbers over time, computed of columns. For each unit there are two steps: which rows count, and one pass over these. Group and interval
//! of a row make its cell, and cells hold what the function needs. The cells of all units meet in one table.

mod buckets;
mod compare;
mod copies;
mod division;
mod exceptions;
mod groups;
mod head_copies;
mod kept;
mod quantiles;
mod roots;
mod selected;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod units;
mod whole;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::trace_loader::TraceLoader;
use crate::scan::{Coded, Number, coded, numbers};
use crate::series::{MetricsAnswer, MetricsFunction, MetricsRequest};
use crate::{Exemplar, Expr, Field, Filter, Intrinsic, ReadError, Series, SeriesPart, Value};
use compare::Comparison;
use division::Division;
use groups::Groups;
pub(in crate::store) use head_copies::HeadCopies;
pub(in crate::store) use kept::KeptNumbers;
use quantiles::{Room, Values};
use roots::Roots;
use selected::Selected;
use table::{Content, Found, Place, Row, Table};
use tally::Tally;

/// A question about numbers over time.
pub(super) struct Metrics<'s, 'a> {
    loader: &'s TraceLoader<'s, 'a>,
    request: &'s MetricsRequest,
    /// What is computed of whole traces.
    of_traces: Vec<Expr>,
    groups: Mutex<Groups>,
    roots: Roots<'s, 'a>,
}

impl<'s, 'a> Metrics<'s, 'a> {
    pub(super) fn new(loader: &'s TraceLoader<'s, 'a>, request: &'s MetricsRequest) -> Result<Self, ReadError> {
        let selection = match &request.function {
            MetricsFunction::Compare { selection, .. } => Some(is_selected(selection)),
            _ => None,
        };
        let all = request.by.iter().chain(argument(&request.function)).cloned().chain(selection);
        let of_traces = all.filter(|expr| expr.needs_trace() && !is_root(expr)).collect();
        let groups = Mutex::new(Groups::new(loader.context)?);
        Ok(Self { loader, request, of_traces, groups, roots: Roots::of(loader) })
    }

    /// The condition that counts spans, unless whole traces tell which ones count.
    fn filter(&self) -> Option<&'s Filter> {
        let filter = self.request.spans.as_filter();
        filter.filter(|filter| !filter.needs_trace() && self.of_traces.is_empty())
    }

    pub(super) fn answer(&self) -> Result<MetricsAnswer, ReadError> {
        match &self.request.function {
            MetricsFunction::Compare { selection, top, range } => {
                self.compared(&Comparison { selection, top: *top, range: *range })
            }
            MetricsFunction::Quantiles(_, quantiles) => self.of_values(quantiles),
            _ => self.of_tallies(),
        }
    }

    fn of_tallies(&self) -> Result<MetricsAnswer, ReadError> {
        let (table, mut answer) =
            self.table(&self.loader.snapshot.kept_numbers().tallies, |found| found, |selected| self.tallies(selected))?;
        answer.series = self.series(table, |part, row| {
            let values = row.contents.iter().map(|tally| tally.value(&self.request.function)).collect();
            vec![(self.part(part), values)]
        })?;
        Ok(answer)
    }

    fn of_values(&self, quantiles: &[f64]) -> Result<MetricsAnswer, ReadError> {
        let room = Room::of(self.loader.context);
        let (table, mut answer) = self.table(
            &self.loader.snapshot.kept_numbers().values,
            |found| room.fit(found),
            |selected| self.values(selected),
        )?;
        let mut all = table.rows.values().flat_map(|row| &row.contents);
        answer.quantile_error = if all.all(Values::is_exact) { 0.0 } else { quantiles::ERROR };
        answer.series = self.series(table, |_, row| {
            let found: Vec<Vec<f64>> = row.contents.iter().map(|values| values.quantiles(quantiles)).collect();
            let of_one = |(index, quantile): (usize, &f64)| {
                let values = found.iter().map(|values| values.get(index).copied().unwrap_or(f64::NAN));
                (SeriesPart::Quantile(*quantile), values.collect())
            };
            quantiles.iter().enumerate().map(of_one).collect()
        })?;
        Ok(answer)
    }

    /// The cells of a unit with counts, sums and bounds.
    fn tallies(&self, selected: &Selected<'_>) -> Result<Found<Tally>, ReadError> {
        let numbers = self.arguments(selected)?;
        let (cells, intervals) = self.cells(selected, numbers.as_deref())?;
        let weights = selected.weights(self.request.weighted)?;
        let mut tallies = vec![Tally::default(); cells.keys.len()];
        match (&numbers, &weights.of_rows) {
            (Some(numbers), weights) if !self.is_histogram() => {
                let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
                cells.each(numbers.iter().zip(weights), |cell, (number, weight)| {
                    if let (Some(tally), Some(number)) = (tallies.get_mut(cell), number) {
                        tally.add_number(number.as_f64(), weight);
                    }
                });
            }
            (_, weights) if weights.is_empty() => {
                tallies = cells.counts().into_iter().map(|count| Tally::of_count(count as f64)).collect();
            }
            (_, weights) => cells.each(weights.iter(), |cell, weight| {
                if let Some(tally) = tallies.get_mut(cell) {
                    tally.count += weight;
                }
            }),
        }
        let exemplars = selected.exemplars(&cells, numbers.as_deref(), self.request.exemplars)?;
        let place = |cell: usize| place(cells.keys.get(cell)?, &intervals);
        let contents = tallies.into_iter().enumerate().filter(|(_, tally)| tally.count > 0.0);
        Ok(Found {
            contents: contents.filter_map(|(cell, tally)| Some((place(cell)?, tally))).collect(),
            exemplars: exemplars.into_iter().filter_map(|(cell, exemplar)| Some((place(cell)?, exemplar))).collect(),
            unweighted: weights.unknown,
        })
    }

    /// The cells of a unit with their values.
    fn values(&self, selected: &Selected<'_>) -> Result<Found<Values>, ReadError> {
        let numbers = self.arguments(selected)?.unwrap_or_default();
        let (cells, intervals) = self.cells(selected, Some(&numbers))?;
        let weights = selected.weights(self.request.weighted)?;
        let counts = cells.counts();
        let is_weighted = self.request.weighted;
        let mut values: Vec<Values> = counts.iter().map(|count| Values::with_capacity(*count, is_weighted)).collect();
        let weighed = weights.of_rows.iter().copied().map(Some).chain(std::iter::repeat(None));
        cells.each(numbers.iter().zip(weighed), |cell, (number, weight)| {
            if let (Some(values), Some(number)) = (values.get_mut(cell), number) {
                values.add_number(number.as_f64(), weight);
            }
        });
        let exemplars = selected.exemplars(&cells, Some(&numbers), self.request.exemplars)?;
        let place = |cell: usize| place(cells.keys.get(cell)?, &intervals);
        let contents = values.into_iter().enumerate().filter(|(_, values)| !values.is_empty());
        Ok(Found {
            contents: contents.filter_map(|(cell, values)| Some((place(cell)?, values))).collect(),
            exemplars: exemplars.into_iter().filter_map(|(cell, exemplar)| Some((place(cell)?, exemplar))).collect(),
            unweighted: weights.unknown,
        })
    }

    /// What the function is computed of, for each row.
    fn arguments(&self, selected: &Selected<'_>) -> Result<Option<Vec<Option<Number>>>, ReadError> {
        let Some(argument) = argument(&self.request.function) else { return Ok(None) };
        if !argument.needs_trace() {
            return numbers(selected.group, argument, &selected.rows, selected.context).map(Some);
        }
        let Coded { codes, values } = self.coded(selected, argument)?;
        let numbers: Vec<Option<Number>> = values.iter().map(|value| value.as_ref().and_then(Number::of)).collect();
        Ok(Some(codes.iter().map(|code| numbers.get(*code as usize).copied().flatten()).collect()))
    }

    /// The values of an expression on the rows.
    fn coded(&self, selected: &Selected<'_>, expr: &Expr) -> Result<Coded, ReadError> {
        if let Expr::Field(Field::Intrinsic(intrinsic @ (Intrinsic::RootName | Intrinsic::RootService))) = expr {
            let roots = self.roots.of_unit(selected)?;
            let value = |(service, name): (String, String)| {
                Value::string(if *intrinsic == Intrinsic::RootName { name } else { service })
            };
            let values = roots.roots.iter().map(|root| root.texts(selected.group).map(value)).collect();
            return Ok(Coded { codes: roots.of_rows, values });
        }
        match (self.of_traces.iter().position(|own| own == expr), selected.judged) {
            (Some(value), Some(rows)) => Ok(self.coded_of_traces(rows, value)),
            _ => coded(selected.group, expr, &selected.rows, selected.context),
        }
    }

    /// The rows by their groups, intervals and parts; and the intervals that codes stand for. A group is named by its number.
    fn cells(
        &self,
        selected: &Selected<'_>,
        numbers: Option<&[Option<Number>]>,
    ) -> Result<(Division, Vec<u32>), ReadError> {
        let by = self.request.by.iter().map(|expr| self.coded(selected, expr)).collect::<Result<Vec<_>, _>>()?;
        let mut cells = Division::whole(selected.rows.count());
        by.iter().for_each(|coded| cells.by(&coded.codes, coded.values.len()));
        let groups = self.groups().numbers(&cells.keys, &by)?;
        cells.keys = groups.into_iter().map(|group| vec![group]).collect();
        let intervals = selected.intervals(&self.request.steps)?;
        cells.by_intervals(&intervals);
        match numbers.filter(|_| self.is_histogram()) {
            Some(numbers) => {
                let codes: Vec<u32> = numbers.iter().map(|number| buckets::code(*number)).collect();
                cells.by(&codes, buckets::CODES);
            }
            None => cells.all_have(0),
        }
        Ok((cells, intervals.of_codes))
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_histogram(&self) -> bool {
        matches!(self.request.function, MetricsFunction::Histogram(_))
    }

    fn part(&self, code: u32) -> SeriesPart {
        if self.is_histogram() { buckets::part(code) } else { SeriesPart::Whole }
    }

    /// The series that `of_row` makes of each row. Several threads work on them.
    fn series<C: Content>(
        &self,
        table: Table<C>,
        of_row: impl Fn(u32, &Row<C>) -> Vec<(SeriesPart, Vec<f64>)> + Sync,
    ) -> Result<Vec<Series>, ReadError> {
        let (mut rows, groups) = (table.finish(), self.groups());
        rows.sort_unstable_by(|((one, own), _), ((other, part), _)| {
            groups.order(*one, *other).then_with(|| buckets::order(*own, *part))
        });
        let mut shares = shares(self.request.exemplars, rows.len());
        let mut series = Vec::new();
        let workers = self.loader.snapshot.workers();
        let work = |((_, part), row): &((u32, u32), Row<C>)| of_row(*part, row);
        let take = |((group, _), row): &((u32, u32), Row<C>), made: Vec<(SeriesPart, Vec<f64>)>| {
            let mut exemplars = some_of(&row.exemplars, shares.next().unwrap_or_default());
            series.extend(made.into_iter().map(|(part, values)| Series {
                group: groups.of(*group),
                part,
                values,
                exemplars: std::mem::take(&mut exemplars),
            }));
            self.loader.context.check()
        };
        workers.in_order(&rows, crate::clock::instant(), |_| true, work, take)?;
        Ok(series)
    }
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

/// The place of a cell: its group, interval and part.
fn place(key: &[u32], intervals: &[u32]) -> Option<Place> {
    let [group, interval, part] = key else { return None };
    let interval = *intervals.get(*interval as usize)?;
    (*part != buckets::NO_NUMBER).then_some(Place { group: *group, part: *part, interval })
}

/// Columns tell these without judging the trace.
fn is_root(expr: &Expr) -> bool {
    matches!(expr, Expr::Field(Field::Intrinsic(Intrinsic::RootName | Intrinsic::RootService)))
}

/// Whether a span is in the selection of a comparison.
fn is_selected(selection: &Filter) -> Expr {
    Expr::Condition(Box::new(selection.clone()))
}

/// How many exemplars each series may have.
fn shares(all: usize, series: usize) -> impl Iterator<Item = usize> {
    let (each, more) = (all.checked_div(series).unwrap_or_default(), all.checked_rem(series).unwrap_or_default());
    (0..series).map(move |number| each + usize::from(number < more))
}

/// So many of these, spread over time.
fn some_of(all: &BTreeMap<u32, Exemplar>, most: usize) -> Vec<Exemplar> {
    let count = most.min(all.len());
    let chosen = (0..count).map(|number| number * all.len() / count).collect::<Vec<_>>();
    let mut chosen = chosen.into_iter().peekable();
    let is_chosen = |(index, _): &(usize, &Exemplar)| chosen.next_if_eq(index).is_some();
    all.values().enumerate().filter(is_chosen).map(|(_, exemplar)| exemplar.clone()).collect()
}

//! The units of a query about numbers, and which of their rows count.

use rustc_hash::FxHashMap;

use super::copies::Copies;
use super::kept::{Keep, Kept, Key, Question, kept};
use super::selected::Selected;
use super::table::{Content, Found, Place, Table};
use super::whole::WholeRows;
use super::{Metrics, argument};
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::explain::Counted;
use crate::rows::TableKind;
use crate::scan::{RowGroup, matching_among};
use crate::series::MetricsAnswer;
use crate::store::read::judge::Judge;
use crate::store::read::newest::Possible;
use crate::store::read::rounds::Rounds;
use crate::store::read::scan_unit::ScanUnit;
use crate::store::read::trace_loader::TraceLoader;
use crate::{Filter, ReadError, Steps};

/// Memory of a row while its unit is computed, about.
const ROW_BYTES: usize = 64;

impl Metrics<'_, '_> {
    /// What `of_unit` makes of the rows of all units that count. `fit` fits it into the memory of the query.
    pub(super) fn table<C: Content>(
        &self,
        keep: &Keep<C>,
        fit: impl Fn(Found<C>) -> Found<C> + Sync,
        of_unit: impl Fn(&Selected<'_>) -> Result<Found<C>, ReadError> + Sync,
    ) -> Result<(Table<C>, MetricsAnswer), ReadError> {
        let mut table = Table::new(self.request.steps.count, self.loader.context)?;
        let mut answer = MetricsAnswer::default();
        let question = self.question().map(|question| self.loader.snapshot.kept_numbers().number(question));
        let around = |unit: &ScanUnit, counting: &Counting<'_, '_, '_>, make: &Make<'_, Found<C>>| {
            let found = match question.and_then(|question| self.key(question, unit, counting)) {
                Some(key) => self.kept(keep, &key, make),
                None => make(),
            };
            Ok(found?.map(|(spans, found)| (spans, fit(found))))
        };
        self.each_unit(around, of_unit, |spans, found| {
            answer.inspected.segments += 1;
            answer.inspected.spans += spans as u64;
            answer.unweighted += found.unweighted;
            table.add(found)
        })?;
        Ok((table, answer))
    }

    /// What numbers that are kept depend on; `None` when whole traces tell which rows count.
    fn question(&self) -> Option<Question> {
        Some(Question {
            filter: self.filter()?.clone(),
            argument: argument(&self.request.function).cloned(),
            is_histogram: self.is_histogram(),
            by: self.request.by.clone(),
            intervals: self.intervals()?,
            has_exemplars: self.request.exemplars > 0,
            is_weighted: self.request.weighted,
        })
    }

    /// Length of the intervals and where they begin. A group that is asked for whole lies in one interval, whatever that is, if there is one.
    fn intervals(&self) -> Option<(u64, u64)> {
        match self.request.steps {
            Steps { count: 1, .. } => Some((0, 0)),
            Steps { start, step, .. } => Some((step, start.checked_rem(step)?)),
        }
    }

    /// The key of the numbers of a group that the question asks for whole.
    fn key(&self, question: u64, unit: &ScanUnit, counting: &Counting<'_, '_, '_>) -> Option<Key> {
        let (ScanUnit::Group(segment, group), Counting::Satisfying(_, copies)) = (unit, counting) else { return None };
        let older = copies.older(segment.id, unit).map(|older| older.id).collect();
        let is_whole = self.request.steps.range().covers(unit.starts());
        is_whole.then_some(Key { question, group: (segment.id, *group), older })
    }

    /// The numbers that are kept of a group, or those that `make` makes.
    fn kept<C: Content>(
        &self,
        keep: &Keep<C>,
        key: &Key,
        make: &Make<'_, Found<C>>,
    ) -> Result<Option<(usize, Found<C>)>, ReadError> {
        let first = match self.request.steps {
            Steps { count: 1, .. } => 0,
            Steps { start, step, .. } => start.checked_div(step).unwrap_or_default(),
        };
        let mut is_new = false;
        let made = || {
            is_new = true;
            Ok(make()?.map(|(spans, found)| self.to_keep(spans, first, &found)))
        };
        let Some(kept) = kept(keep, key, made)? else { return Ok(None) };
        self.loader.context.count(Counted::Kept, usize::from(!is_new));
        let mut groups = self.groups();
        let numbers = kept.groups.iter().map(|values| groups.of_values(values)).collect::<Result<Vec<_>, _>>()?;
        let found = kept.found.at(|place| {
            let interval = u32::try_from((kept.first + u64::from(place.interval)).checked_sub(first)?).ok()?;
            Some(Place { group: *numbers.get(place.group as usize)?, interval, ..*place })
        });
        Ok(Some((kept.spans, found)))
    }

    fn to_keep<C: Content>(&self, spans: usize, first: u64, found: &Found<C>) -> Kept<C> {
        let (mut own, mut numbers) = (FxHashMap::default(), Vec::new());
        let places =
            found.contents.iter().map(|(place, _)| place).chain(found.exemplars.iter().map(|(place, _)| place));
        for place in places {
            own.entry(place.group).or_insert_with(|| {
                numbers.push(place.group);
                len_u32(numbers.len() - 1)
            });
        }
        let groups = self.groups();
        Kept {
            spans,
            groups: numbers.iter().map(|number| groups.of(*number)).collect(),
            first,
            found: found.at(|place| Some(Place { group: *own.get(&place.group)?, ..*place })),
        }
    }

    /// Gives what `of_unit` makes of the rows of each unit that count, and how many spans the unit has, to `take`. `around` is called for each
    /// unit and says whether to make it.
    pub(super) fn each_unit<T: Send>(
        &self,
        around: impl Fn(&ScanUnit, &Counting<'_, '_, '_>, &Make<'_, T>) -> Result<Option<(usize, T)>, ReadError> + Sync,
        of_unit: impl Fn(&Selected<'_>) -> Result<T, ReadError> + Sync,
        mut take: impl FnMut(usize, T) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let TraceLoader { snapshot, context, .. } = self.loader;
        let begun = crate::clock::instant();
        let mut units = snapshot.view.units();
        let all = units.len();
        units.retain(|unit| unit.overlaps(Some(self.request.steps.range())));
        context.count(Counted::Units, all);
        context.count(Counted::OutsideRange, all - units.len());
        let judge = Judge::new(self.loader, &self.request.spans, None)?;
        let (possible, rounds) = (Possible::new(&judge), Rounds::new(snapshot, &units));
        let counting = &match self.filter() {
            Some(filter) => Counting::Satisfying(filter, Copies::of(self.loader, &units)?),
            None => Counting::Judged(self.judged()?),
        };
        let prepared = if self.filter().is_some() { "the copies in the head" } else { "the traces, judged as a whole" };
        context.ended(prepared, begun);
        let begun = crate::clock::instant();
        let work = |(index, unit): &(usize, &ScanUnit)| {
            context.check()?;
            if !possible.holds(unit)? {
                context.count(Counted::RuledOut, 1);
                return Ok(None);
            }
            around(unit, counting, &|| {
                rounds.fetch(*index)?;
                self.loader.on(unit, |group| self.of_unit(unit, group, counting, &of_unit))
            })
        };
        let take = |_: &(usize, &ScanUnit), found: Result<Option<(usize, T)>, ReadError>| {
            let Some((spans, found)) = found? else { return Ok(()) };
            context.count(Counted::Scanned, 1);
            context.count(Counted::Rows, spans);
            take(spans, found)
        };
        snapshot.workers().in_order(&rounds.units(), begun, |_| true, work, take)?;
        context.ended("the numbers of all units", begun);
        Ok(())
    }

    /// How many spans the unit has, and what `of_unit` makes of those that count.
    fn of_unit<T>(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        counting: &Counting<'_, '_, '_>,
        of_unit: impl Fn(&Selected<'_>) -> Result<T, ReadError>,
    ) -> Result<(usize, T), ReadError> {
        let (context, steps) = (self.loader.context, &self.request.steps);
        let (spans, starts) = (group.table(TableKind::Span).len(), unit.starts());
        let _memory = context.reserve(spans * ROW_BYTES)?;
        let (rows, judged) = match counting {
            Counting::Satisfying(filter, copies) => {
                let range = steps.range();
                let range = (!range.covers(starts)).then_some(range);
                (matching_among(group, filter, range, copies.without(unit, group)?, context)?, None)
            }
            Counting::Judged(rows) => {
                let own = rows.of(unit);
                (own.map_or_else(|| Bitmap::none(spans), |own| own.among(spans)), own)
            }
        };
        let (first, last) = (steps.interval(starts.0), steps.interval(starts.1));
        let interval = first.filter(|_| first == last);
        Ok((spans, of_unit(&Selected { unit, group, rows, judged, interval, context })?))
    }
}

/// How many spans a unit has, and what is made of it; `None` when it is damaged.
type Make<'m, T> = dyn Fn() -> Result<Option<(usize, T)>, ReadError> + 'm;

/// Which rows count.
pub(super) enum Counting<'m, 's, 'a> {
    /// Those that satisfy a condition and are no copies.
    Satisfying(&'m Filter, Copies<'s, 'a>),
    /// Those that whole traces tell.
    Judged(WholeRows),
}

//! The units of a query about numbers, and which of their rows count.

use super::Metrics;
use super::copies::Copies;
use super::selected::Selected;
use super::table::{Content, Found, Table};
use super::whole::WholeRows;
use crate::codec::bits::Bitmap;
use crate::explain::Counted;
use crate::rows::TableKind;
use crate::scan::{RowGroup, matching_among};
use crate::series::MetricsAnswer;
use crate::store::read::judge::Judge;
use crate::store::read::newest::Possible;
use crate::store::read::rounds::Rounds;
use crate::store::read::scan_unit::ScanUnit;
use crate::store::read::trace_loader::TraceLoader;
use crate::{Filter, ReadError};

/// Memory of a row while its unit is computed, about.
const ROW_BYTES: usize = 64;

impl Metrics<'_, '_> {
    /// What `of_unit` makes of the rows of all units that count.
    pub(super) fn table<C: Content>(
        &self,
        of_unit: impl Fn(&Selected<'_>) -> Result<Found<C>, ReadError> + Sync,
    ) -> Result<(Table<C>, MetricsAnswer), ReadError> {
        let mut table = Table::new(self.request.steps.count, self.loader.context)?;
        let mut answer = MetricsAnswer::default();
        self.each_unit(of_unit, |spans, found| {
            answer.inspected.segments += 1;
            answer.inspected.spans += spans as u64;
            answer.unweighted += found.unweighted;
            table.add(found)
        })?;
        Ok((table, answer))
    }

    /// Gives what `of_unit` makes of the rows of each unit that count, and how many spans the unit has, to `take`.
    pub(super) fn each_unit<T: Send>(
        &self,
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
            rounds.fetch(*index)?;
            self.loader.on(unit, |group| self.of_unit(unit, group, counting, &of_unit))
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

/// Which rows count.
enum Counting<'m, 's, 'a> {
    /// Those that satisfy a condition and are no copies.
    Satisfying(&'m Filter, Copies<'s, 'a>),
    /// Those that whole traces tell.
    Judged(WholeRows),
}

//! The units of a query about numbers, and which of their rows count.

use super::Metrics;
use super::copies::Copies;
use super::selected::Selected;
use super::table::{Content, Found, Table};
use crate::ReadError;
use crate::scan::{RowGroup, matching_among};
use crate::series::MetricsAnswer;
use crate::store::read::newest::Possible;
use crate::store::read::rounds::Rounds;
use crate::store::read::scan_unit::ScanUnit;
use crate::store::read::trace_loader::TraceLoader;

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
        units.retain(|unit| unit.overlaps(Some(self.request.steps.range())));
        let (possible, rounds) = (Possible::new(snapshot, self.filter), Rounds::new(snapshot, &units));
        let copies = &Copies::of(self.loader, &units)?;
        let work = |(index, unit): &(usize, &ScanUnit)| {
            context.check()?;
            if !possible.holds(unit)? {
                return Ok(None);
            }
            rounds.fetch(*index)?;
            self.loader.on(unit, |group| self.of_unit(unit, group, copies, &of_unit))
        };
        let take = |_: &(usize, &ScanUnit), found: Result<Option<(usize, T)>, ReadError>| {
            found?.map_or(Ok(()), |(spans, found)| take(spans, found))
        };
        snapshot.workers().in_order(&rounds.units(), begun, |_| true, work, take)
    }

    /// How many spans the unit has, and what `of_unit` makes of those that count.
    fn of_unit<T>(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        copies: &Copies<'_, '_>,
        of_unit: impl Fn(&Selected<'_>) -> Result<T, ReadError>,
    ) -> Result<(usize, T), ReadError> {
        let (context, steps) = (self.loader.context, &self.request.steps);
        let among = copies.without(unit, group)?;
        let _memory = context.reserve(among.len() * ROW_BYTES)?;
        let (spans, starts, range) = (among.len(), unit.starts(), steps.range());
        let range = (!range.covers(starts)).then_some(range);
        let rows = matching_among(group, self.filter, range, among, context)?;
        let (first, last) = (steps.interval(starts.0), steps.interval(starts.1));
        let found = of_unit(&Selected { unit, group, rows, interval: first.filter(|_| first == last), context })?;
        Ok((spans, found))
    }
}

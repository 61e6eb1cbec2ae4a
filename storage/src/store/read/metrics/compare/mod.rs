//! Which values are frequent among the spans of a selection, and among the others. A value is a hash until it is known that it is shown.

mod cells;
mod fields;
mod frequent;

use std::collections::BTreeMap;

use hoptrail_proto::model::AnyValue;

use super::Metrics;
use super::is_selected;
use super::selected::Selected;
use super::table::MOST_NUMBERS;
use crate::codec::bits::Bitmap;
use crate::scan::{Coded, matching_among};
use crate::series::MetricsAnswer;
use crate::store::read::scan_unit::ScanUnit;
use crate::{Field, Filter, ReadError, Series, SeriesPart, TimeRange, Value};
use cells::Cells;
use fields::UnitField;
use frequent::{FieldCounts, Visit};

/// What is compared.
pub(super) struct Comparison<'r> {
    pub(super) selection: &'r Filter,
    pub(super) top: usize,
    pub(super) range: Option<TimeRange>,
}

impl Metrics<'_, '_> {
    pub(super) fn compared(&self, comparison: &Comparison<'_>) -> Result<MetricsAnswer, ReadError> {
        let context = self.loader.context;
        let (mut answer, mut units) = (MetricsAnswer::default(), Vec::new());
        let (mut fields, mut memory) = (BTreeMap::<Field, FieldCounts>::new(), context.reserve(0)?);
        let of_unit = |selected: &Selected<'_>| {
            let cells = Cells::of(selected, self.request, &self.selection(selected, comparison)?)?;
            Ok((selected.unit.clone(), fields::of_unit(selected, &cells, &self.roots)?, cells.unknown))
        };
        self.each_unit(of_unit, |spans, (unit, found, unknown): (ScanUnit, Vec<UnitField>, u64)| {
            answer.inspected.segments += 1;
            answer.inspected.spans += spans as u64;
            answer.unweighted += unknown;
            for UnitField { field, counts } in found {
                memory.grow(fields.entry(field).or_default().add(units.len(), counts))?;
            }
            units.push(unit);
            Ok(())
        })?;
        let fields: Vec<(Field, FieldCounts)> = fields.into_iter().collect();
        let workers = self.loader.snapshot.workers();
        let work = |(field, counts): &(Field, FieldCounts)| {
            let shown = counts.shown(comparison.top, |unit, visit| self.each_value(units.get(unit), field, visit))?;
            Ok(self.series_of(field, counts, &shown))
        };
        let take = |_: &(Field, FieldCounts), series: Result<Vec<Series>, ReadError>| {
            answer.series.extend(series?);
            let (series, intervals) = (answer.series.len(), self.request.steps.count);
            if series.saturating_mul(intervals) > MOST_NUMBERS {
                return Err(ReadError::Series { series, intervals, most: MOST_NUMBERS });
            }
            context.check()
        };
        workers.in_order(&fields, crate::clock::instant(), |_| true, work, take)?;
        memory.grow(answer.series.len() * self.request.steps.count * size_of::<f64>())?;
        memory.keep();
        Ok(answer)
    }

    /// The rows that are in the selection.
    fn selection(&self, selected: &Selected<'_>, comparison: &Comparison<'_>) -> Result<Bitmap, ReadError> {
        let Comparison { selection, range, .. } = comparison;
        let (group, rows) = (selected.group, selected.rows.clone());
        if !selection.needs_trace() {
            return matching_among(group, selection, *range, rows, selected.context);
        }
        let Coded { codes, values } = self.coded(selected, &is_selected(selection))?;
        let mut found = Bitmap::none(rows.len());
        let is_true = Some(Value::Any(AnyValue::Bool(true)));
        let holds = codes.iter().map(|code| values.get(*code as usize) == Some(&is_true));
        rows.iter().zip(holds).for_each(|(row, holds)| found.insert_if(row, holds));
        matching_among(group, &Filter::True, *range, found, selected.context)
    }

    /// Gives each value that a unit has of the field, with its hash, to `visit`. A value may come several times.
    fn each_value(&self, unit: Option<&ScanUnit>, field: &Field, visit: Visit<'_>) -> Result<(), ReadError> {
        let Some(unit) = unit else { return Ok(()) };
        self.loader.context.check()?;
        self.loader.on(unit, |group| fields::each_value(group, field, visit)).map(Option::unwrap_or_default)
    }

    fn series_of(&self, field: &Field, counts: &FieldCounts, shown: &[(u64, Value)]) -> Vec<Series> {
        let intervals = self.request.steps.count;
        let mut series = Vec::new();
        let mut add = |by_side: [Option<Vec<f64>>; 2], part: &dyn Fn(bool) -> SeriesPart| {
            for (values, selected) in by_side.into_iter().zip([false, true]) {
                series.extend(values.map(|values| Series {
                    group: Vec::new(),
                    part: part(selected),
                    values,
                    exemplars: Vec::new(),
                }));
            }
        };
        add(counts.totals(intervals), &|selected| SeriesPart::Total { selected, field: field.clone() });
        for ((_, value), by_side) in shown.iter().zip(counts.of_values(shown, intervals)) {
            let part = |selected| SeriesPart::Value { selected, field: field.clone(), value: value.clone() };
            add(by_side, &part);
        }
        series
    }
}

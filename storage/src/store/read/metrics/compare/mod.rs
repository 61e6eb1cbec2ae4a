//! Which values are frequent among the spans of a selection, and among the others. A value is a hash until it is known that it is shown.

mod cells;
mod cut;
mod fields;
mod frequent;
mod listed;
mod sieve;

use std::collections::BTreeMap;

use hoptrail_proto::model::AnyValue;
use rustc_hash::FxHashMap;

use super::Metrics;
use super::is_selected;
use super::selected::Selected;
use super::table::MOST_NUMBERS;
use crate::codec::bits::Bitmap;
use crate::scan::{Coded, matching_among};
use crate::series::MetricsAnswer;
use crate::store::read::scan_unit::{ScanUnit, UnitId};
use crate::{Field, Filter, ReadError, Series, SeriesPart, TimeRange, Value};
use cells::Cells;
use fields::{Known, Part, UnitField, UnitFields};
use frequent::{FieldCounts, Shown, Visit, by_side};

/// Memory of the count of a part in a cell, about.
const PART_BYTES: usize = 64;

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
        let mut parts: FxHashMap<(UnitId, Part, u32), (usize, f64)> = FxHashMap::default();
        let of_unit = |selected: &Selected<'_>| {
            let cells = Cells::of(selected, self.request, &self.selection(selected, comparison)?)?;
            Ok((selected.unit.clone(), fields::of_unit(selected, &cells, &self.roots)?, cells.unknown))
        };
        self.each_unit(
            |_, _, make| make(),
            of_unit,
            |spans, (unit, found, unknown): (ScanUnit, UnitFields, u64)| {
                answer.inspected.segments += 1;
                answer.inspected.spans += spans as u64;
                answer.unweighted += unknown;
                for UnitField { field, counts } in found.fields {
                    memory.grow(fields.entry(field).or_default().add(units.len(), counts))?;
                }
                let (source, known) = (source(&unit), parts.len());
                for (part, cell, count) in found.parts {
                    parts.entry((source, part, cell)).or_insert((units.len(), 0.0)).1 += count;
                }
                memory.grow((parts.len() - known) * PART_BYTES)?;
                units.push(unit);
                Ok(())
            },
        )?;
        self.add_parts(parts, &units, &mut fields)?;
        let fields: Vec<(Field, FieldCounts)> = fields.into_iter().collect();
        let workers = self.loader.snapshot.workers();
        let work = |(field, counts): &(Field, FieldCounts)| {
            let shown = counts
                .shown(comparison.top, |unit, rows, visit| self.each_value(units.get(unit), field, rows, visit))?;
            Ok(self.series_of(field, counts, shown))
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

    /// Makes fields of the parts of shapes, which are named by a unit that has them.
    fn add_parts(
        &self,
        parts: FxHashMap<(UnitId, Part, u32), (usize, f64)>,
        units: &[ScanUnit],
        fields: &mut BTreeMap<Field, FieldCounts>,
    ) -> Result<(), ReadError> {
        let mut by_source: FxHashMap<UnitId, BTreeMap<Part, Vec<(u32, f64)>>> = FxHashMap::default();
        let mut of_sources: FxHashMap<UnitId, usize> = FxHashMap::default();
        for ((source, part, cell), (unit, count)) in parts {
            of_sources.insert(source, unit);
            by_source.entry(source).or_default().entry(part).or_default().push((cell, count));
        }
        for (source, parts) in by_source {
            let Some((index, unit)) = of_sources.get(&source).and_then(|index| Some((*index, units.get(*index)?)))
            else {
                continue;
            };
            let mut known: FxHashMap<Field, Known> = FxHashMap::default();
            self.loader.on(unit, |group| {
                for (part, cells) in &parts {
                    for (field, values) in fields::values_of_part(group, *part) {
                        let own = known.entry(field).or_default();
                        cells.iter().for_each(|(cell, count)| own.add(&values, *cell, *count));
                    }
                }
                Ok(())
            })?;
            for (field, own) in known {
                fields.entry(field).or_default().add(index, own.into_counts());
            }
        }
        Ok(())
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
    fn each_value(
        &self,
        unit: Option<&ScanUnit>,
        field: &Field,
        rows: Option<&[u32]>,
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let Some(unit) = unit else { return Ok(()) };
        self.loader.context.check()?;
        self.loader.on(unit, |group| fields::each_value(group, field, rows, visit)).map(Option::unwrap_or_default)
    }

    fn series_of(&self, field: &Field, counts: &FieldCounts, shown: Vec<Shown>) -> Vec<Series> {
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
        for Shown { value, counts } in shown {
            let part = |selected| SeriesPart::Value { selected, field: field.clone(), value: value.clone() };
            add(by_side(&counts, intervals), &part);
        }
        series
    }
}

/// Units with the same resources, scopes and names: all groups of a segment.
fn source(unit: &ScanUnit) -> UnitId {
    unit.segment().map_or_else(|| unit.id(), |segment| (segment, 0))
}

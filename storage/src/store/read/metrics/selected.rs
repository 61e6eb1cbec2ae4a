//! The rows of a unit that count.

use rustc_hash::FxHashMap;

use super::division::Division;
use super::table::before;
use super::whole::UnitRows;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::scan::{Number, RowGroup, weights};
use crate::store::read::scan_unit::ScanUnit;
use crate::{Exemplar, QueryContext, ReadError, Steps};

/// Rows of a unit that count.
pub(super) struct Selected<'g> {
    pub(super) unit: &'g ScanUnit,
    pub(super) group: &'g dyn RowGroup,
    pub(super) rows: Bitmap,
    /// The same with values of their traces, when whole traces tell which rows count.
    pub(super) judged: Option<&'g UnitRows>,
    /// The interval that all of the unit's spans are in, when it is one.
    pub(super) interval: Option<usize>,
    pub(super) context: &'g QueryContext,
}

/// Intervals as codes.
pub(super) struct Intervals {
    codes: Vec<u32>,
    /// The interval of each code.
    pub(super) of_codes: Vec<u32>,
}

/// What rows weigh.
#[derive(Default)]
pub(super) struct Weights {
    /// Empty when each counts once.
    pub(super) of_rows: Vec<f64>,
    /// How many rows do not say what they weigh.
    pub(super) unknown: u64,
}

impl Selected<'_> {
    /// The interval of each row, which must be in one.
    pub(super) fn intervals(&self, steps: &Steps) -> Result<Intervals, ReadError> {
        if let Some(interval) = self.interval {
            return Ok(Intervals { codes: Vec::new(), of_codes: vec![len_u32(interval)] });
        }
        let starts = self.group.starts()?;
        let (mut of_codes, mut known) = (Vec::new(), FxHashMap::default());
        // Rows that follow one another mostly are in one interval.
        let (mut last, mut first, mut length) = (0, 0, 0);
        let mut code = |start: u64| {
            // An interval begins after its start.
            if start.wrapping_sub(first) >= length {
                let interval = steps.interval(start).unwrap_or_default();
                last = *known.entry(interval).or_insert_with(|| {
                    of_codes.push(len_u32(interval));
                    len_u32(of_codes.len() - 1)
                });
                first = steps.start.saturating_add(steps.step.saturating_mul(interval as u64)).saturating_add(1);
                length = steps.step;
            }
            last
        };
        let codes = if self.rows.is_full() {
            starts.iter().map(|start| code(*start)).collect()
        } else {
            self.rows.iter().map(|row| code(starts.get(row).copied().unwrap_or_default())).collect()
        };
        Ok(Intervals { codes, of_codes })
    }

    /// What the rows weigh, when that is asked for.
    pub(super) fn weights(&self, asked: bool) -> Result<Weights, ReadError> {
        if !asked {
            return Ok(Weights::default());
        }
        let weights = weights(self.group, &self.rows)?;
        let unknown = weights.iter().filter(|weight| weight.is_none()).count() as u64;
        Ok(Weights { of_rows: weights.into_iter().map(|weight| weight.unwrap_or(1.0)).collect(), unknown })
    }

    /// For each cell the span that stands for the others, unless none is asked for. With `numbers` only spans that have one.
    pub(super) fn exemplars(
        &self,
        cells: &Division,
        numbers: Option<&[Option<Number>]>,
        most: usize,
    ) -> Result<Vec<(usize, Exemplar)>, ReadError> {
        if most == 0 || cells.keys.is_empty() {
            return Ok(Vec::new());
        }
        let starts = self.group.starts()?;
        let mut firsts: Vec<Option<Exemplar>> = vec![None; cells.keys.len()];
        let mut read = Ok(());
        cells.each(self.rows.iter().enumerate(), |cell, (position, row)| {
            let value = match numbers {
                None => Some(f64::NAN),
                Some(numbers) => numbers.get(position).copied().flatten().map(Number::as_f64),
            };
            let (start, Some(value)) = (starts.get(row).copied().unwrap_or_default(), value) else { return };
            if let Some(first) = firsts.get_mut(cell)
                && first
                    .as_ref()
                    .is_none_or(|first| (first.value.total_cmp(&value)).then(start.cmp(&first.time_unix_nano)).is_le())
            {
                match self.exemplar(row, start, value) {
                    Ok(new) if first.as_ref().is_none_or(|first| before(&new, first).is_lt()) => *first = Some(new),
                    Ok(_) => {}
                    Err(error) => read = Err(error),
                }
            }
        });
        read?;
        Ok(firsts.into_iter().enumerate().filter_map(|(cell, first)| Some((cell, first?))).collect())
    }

    fn exemplar(&self, row: usize, start: u64, value: f64) -> Result<Exemplar, ReadError> {
        let (trace_id, span_id) = (self.group.trace_id(row)?, self.group.span_id(row)?);
        Ok(Exemplar { time_unix_nano: start, value, trace_id, span_id })
    }
}

impl Intervals {
    /// The code of the row at this position among the rows.
    #[inline]
    pub(super) fn code(&self, position: usize) -> u32 {
        self.codes.get(position).copied().unwrap_or_default()
    }
}

impl Division {
    /// Divides the cells by intervals.
    pub(super) fn by_intervals(&mut self, intervals: &Intervals) {
        if intervals.codes.is_empty() {
            self.all_have(0);
        } else {
            self.by(&intervals.codes, intervals.of_codes.len());
        }
    }
}

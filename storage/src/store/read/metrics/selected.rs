//! The rows of a unit that count.

use rustc_hash::FxHashMap;

use super::division::Division;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::scan::{Coded, Number, RowGroup, coded};
use crate::{Exemplar, Expr, QueryContext, ReadError, Steps};

/// Rows of a unit that count.
pub(super) struct Selected<'g> {
    pub(super) group: &'g dyn RowGroup,
    pub(super) rows: Bitmap,
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

impl Selected<'_> {
    /// For each expression its values on the rows.
    pub(super) fn coded(&self, by: &[Expr]) -> Result<Vec<Coded>, ReadError> {
        by.iter().map(|expr| coded(self.group, expr, &self.rows, self.context)).collect()
    }

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

    /// For some cells, at most so many, the first of its spans, with its number when numbers are asked for.
    pub(super) fn exemplars(
        &self,
        cells: &Division,
        numbers: Option<&[Option<Number>]>,
        most: usize,
    ) -> Result<Vec<(usize, Exemplar)>, ReadError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut firsts: Vec<Option<(usize, f64)>> = vec![None; cells.keys.len()];
        cells.each(self.rows.iter().enumerate(), |cell, (position, row)| {
            if let Some(first @ None) = firsts.get_mut(cell) {
                let value = match numbers {
                    None => Some(f64::NAN),
                    Some(numbers) => numbers.get(position).copied().flatten().map(Number::as_f64),
                };
                *first = value.map(|value| (row, value));
            }
        });
        let apart = firsts.len().div_ceil(most).max(1);
        let some = firsts.into_iter().enumerate().step_by(apart).filter_map(|(cell, first)| Some((cell, first?)));
        some.map(|(cell, (row, value))| Ok((cell, self.exemplar(row, value)?))).collect()
    }

    fn exemplar(&self, row: usize, value: f64) -> Result<Exemplar, ReadError> {
        Ok(Exemplar {
            time_unix_nano: self.group.starts()?.get(row).copied().unwrap_or_default(),
            value,
            trace_id: self.group.trace_id(row)?,
            span_id: self.group.span_id(row)?,
        })
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

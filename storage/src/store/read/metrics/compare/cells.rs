//! The interval and side of each row.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::series::MetricsRequest;
use crate::store::read::metrics::selected::Selected;

/// The cells of a unit's rows. Cell `2 * i` has the others in interval `i`, and the one after it the selection.
pub(super) struct Cells {
    /// The code of each row's cell; only those of rows that count mean anything.
    of_rows: Vec<u32>,
    /// The cells that codes stand for.
    of_codes: Vec<u32>,
    /// The same for those that count, while they are looked for.
    places: OnceCell<Arc<Vec<Place>>>,
    rows: Bitmap,
    /// What rows weigh; empty when each counts once.
    weights: Vec<f64>,
    /// Spans whose sampling probability was asked for and is unknown.
    pub(super) unknown: u64,
}

/// The code of a row's cell, and the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) code: u16,
    pub(super) row: u16,
}

impl Place {
    /// Of a small unit.
    pub(super) fn of(code: u32, row: u32) -> Self {
        let small = |number: u32| u16::try_from(number).unwrap_or_default();
        Self { code: small(code), row: small(row) }
    }
}

impl Cells {
    pub(super) fn of(selected: &Selected<'_>, request: &MetricsRequest, selection: &Bitmap) -> Result<Self, ReadError> {
        let rows = &selected.rows;
        let intervals = selected.intervals(&request.steps)?;
        let weights = selected.weights(request.weighted)?;
        let mut of_rows = vec![0; rows.len()];
        let mut of_weights = if request.weighted { vec![1.0; rows.len()] } else { Vec::new() };
        for (position, row) in rows.iter().enumerate() {
            if let Some(own) = of_rows.get_mut(row) {
                *own = 2 * intervals.code(position) + u32::from(selection.contains(row));
            }
            if let (Some(own), Some(weight)) = (of_weights.get_mut(row), weights.of_rows.get(position)) {
                *own = *weight;
            }
        }
        let of_codes = intervals.of_codes.iter().flat_map(|interval| [2 * interval, 2 * interval + 1]).collect();
        Ok(Self {
            of_rows,
            of_codes,
            places: OnceCell::new(),
            rows: rows.clone(),
            weights: of_weights,
            unknown: weights.unknown,
        })
    }

    /// How many codes there are.
    pub(super) fn len(&self) -> usize {
        self.of_codes.len()
    }

    /// The cells by code.
    pub(super) fn cells(&self) -> &[u32] {
        &self.of_codes
    }

    /// How many spans have each of the codes below `distinct`, which come for these rows: code, cell and count. Other codes are passed over.
    pub(super) fn counts(
        &self,
        rows: &Bitmap,
        codes: &[u32],
        distinct: usize,
    ) -> impl Iterator<Item = (usize, u32, f64)> + use<'_> {
        let width = self.len();
        let counts = if self.weights.is_empty() {
            let mut counts = vec![0u32; distinct * width];
            self.each(rows, codes, |_, place| {
                if let Some(count) = counts.get_mut(place) {
                    *count += 1;
                }
            });
            counts.into_iter().map(f64::from).collect()
        } else {
            let mut counts = vec![0.0; distinct * width];
            self.each(rows, codes, |row, place| {
                if let Some(count) = counts.get_mut(place) {
                    *count += self.weight(row);
                }
            });
            counts
        };
        let counted = Vec::into_iter(counts).enumerate().filter(|(_, count)| *count > 0.0);
        counted.map(move |(place, count)| {
            let cell = self.of_codes.get(place % width).copied().unwrap_or_default();
            (place / width, cell, count)
        })
    }

    /// The places of all rows that count.
    pub(super) fn places(&self) -> &Arc<Vec<Place>> {
        let place = |row: usize| Place::of(self.code(row), len_u32(row));
        self.places.get_or_init(|| Arc::new(self.rows.iter().map(place).collect()))
    }

    /// Gives each row with the place of its code and cell.
    #[inline]
    fn each(&self, rows: &Bitmap, codes: &[u32], mut visit: impl FnMut(usize, usize)) {
        let width = self.len();
        if rows.is_full() {
            let cells = codes.iter().zip(&self.of_rows).enumerate();
            cells.for_each(|(row, (code, cell))| visit(row, *code as usize * width + *cell as usize));
        } else {
            let cells = rows.iter().zip(codes);
            cells.for_each(|(row, code)| visit(row, *code as usize * width + self.code(row) as usize));
        }
    }

    /// The code of a row's cell.
    #[inline]
    pub(super) fn code(&self, row: usize) -> u32 {
        self.of_rows.get(row).copied().unwrap_or_default()
    }

    /// The cell of a code.
    #[inline]
    pub(super) fn cell(&self, code: u32) -> u32 {
        self.of_codes.get(code as usize).copied().unwrap_or_default()
    }

    /// What a row counts.
    #[inline]
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    /// Whether each row counts once.
    pub(super) fn is_plain(&self) -> bool {
        self.weights.is_empty()
    }
}

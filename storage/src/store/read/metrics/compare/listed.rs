//! Values of a unit that mostly differ, in little memory.

use std::sync::Arc;

use super::cells::{Cells, Place};
use crate::scan::Hashes;

/// Values by hash, each with the cell and row of the span that has it.
#[derive(Default)]
pub(super) struct Listed {
    hashes: Vec<u64>,
    places: Arc<Vec<Place>>,
    /// The cells that codes stand for.
    cells: Vec<u32>,
}

impl Listed {
    /// These values with the cells of their rows.
    pub(super) fn of(Hashes { rows, hashes }: Hashes, cells: &Cells) -> Self {
        let all = cells.places();
        let places = if rows.len() == all.len() {
            Arc::clone(all)
        } else {
            Arc::new(rows.into_iter().map(|row| Place::of(cells.code(row as usize), row)).collect())
        };
        Self { hashes, places, cells: cells.cells().to_vec() }
    }

    /// Whether rows and codes of a unit fit.
    pub(super) fn has_room(rows: usize, codes: usize) -> bool {
        const MOST: usize = 1 << u16::BITS;
        rows <= MOST && codes <= MOST
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (size_of::<u64>() + size_of::<Place>()) + self.cells.len() * size_of::<u32>()
    }

    /// How many values each code has.
    pub(super) fn by_code(&self) -> Vec<f64> {
        let mut counts = vec![0.0; self.cells.len()];
        for place in &*self.places {
            if let Some(count) = counts.get_mut(usize::from(place.code)) {
                *count += 1.0;
            }
        }
        counts
    }

    /// Hash and side of each value.
    #[inline]
    pub(super) fn sides(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        // Of two codes that follow one another the first has the others, and the second the selection.
        self.hashes.iter().zip(&*self.places).map(|(hash, place)| (*hash, usize::from(place.code % 2)))
    }

    /// Hash, cell and row of each value whose hash may count.
    #[inline]
    pub(super) fn those<'s>(
        &'s self,
        may_count: impl Fn(u64) -> bool + 's,
    ) -> impl Iterator<Item = (u64, u32, u32)> + 's {
        let cell = |place: &Place| self.cells.get(usize::from(place.code)).copied().unwrap_or_default();
        let all = self.hashes.iter().zip(&*self.places).filter(move |(hash, _)| may_count(**hash));
        all.map(move |(hash, place)| (*hash, cell(place), u32::from(place.row)))
    }
}

#[cfg(test)]
impl Listed {
    /// Values with their cells, in rows from 0 on. There are few cells.
    pub(super) fn of_cells(values: &[(u64, u16)]) -> Self {
        let (hashes, codes): (Vec<u64>, Vec<u16>) = values.iter().copied().unzip();
        let places = (0..).zip(codes).map(|(row, code)| Place::of(u32::from(code), row));
        Self { hashes, places: Arc::new(places.collect()), cells: (0..8).collect() }
    }
}

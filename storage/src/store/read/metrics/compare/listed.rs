//! Values of a unit that mostly differ, in little memory.

use super::cells::Cells;
use crate::scan::Hashes;

/// Values by hash, each with the cell and row of the span that has it.
#[derive(Default)]
pub(super) struct Listed {
    hashes: Vec<u64>,
    codes: Vec<u16>,
    rows: Vec<u16>,
    /// The cells that codes stand for.
    cells: Vec<u32>,
}

impl Listed {
    /// These values with the cells of their rows.
    pub(super) fn of(Hashes { rows, hashes }: Hashes, cells: &Cells) -> Self {
        let small = |number: u32| u16::try_from(number).unwrap_or_default();
        let codes = rows.iter().map(|row| small(cells.code(*row as usize))).collect();
        Self { hashes, codes, rows: rows.into_iter().map(small).collect(), cells: cells.cells().to_vec() }
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
        self.len() * (size_of::<u64>() + 2 * size_of::<u16>()) + self.cells.len() * size_of::<u32>()
    }

    /// How many values each code has.
    pub(super) fn by_code(&self) -> Vec<f64> {
        let mut counts = vec![0.0; self.cells.len()];
        for code in &self.codes {
            if let Some(count) = counts.get_mut(usize::from(*code)) {
                *count += 1.0;
            }
        }
        counts
    }

    /// Hash and side of each value.
    #[inline]
    pub(super) fn sides(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        // Of two codes that follow one another the first has the others, and the second the selection.
        self.hashes.iter().zip(&self.codes).map(|(hash, code)| (*hash, usize::from(*code % 2)))
    }

    /// Hash, cell and row of each value whose hash may count.
    #[inline]
    pub(super) fn those<'s>(
        &'s self,
        may_count: impl Fn(u64) -> bool + 's,
    ) -> impl Iterator<Item = (u64, u32, u32)> + 's {
        let cell = |code: &u16| self.cells.get(usize::from(*code)).copied().unwrap_or_default();
        let places = self.codes.iter().zip(&self.rows);
        let all = self.hashes.iter().zip(places).filter(move |(hash, _)| may_count(**hash));
        all.map(move |(hash, (code, row))| (*hash, cell(code), u32::from(*row)))
    }
}

#[cfg(test)]
impl Listed {
    /// Values with their cells, in rows from 0 on. There are few cells.
    pub(super) fn of_cells(values: &[(u64, u16)]) -> Self {
        let (hashes, codes): (Vec<u64>, Vec<u16>) = values.iter().copied().unzip();
        let rows = (0..).take(hashes.len()).map(|row: u32| u16::try_from(row).unwrap_or_default()).collect();
        Self { hashes, codes, rows, cells: (0..8).collect() }
    }
}

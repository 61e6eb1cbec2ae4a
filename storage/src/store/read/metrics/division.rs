//! Rows divided into cells: by the values of groups, by intervals, by buckets.

use rustc_hash::FxHashMap;

use crate::codec::len_u32;

/// A code that no row has had yet.
const NEW: u32 = u32::MAX;
/// Pairs of codes that may have a table. It is small enough to stay in the cache.
const TABLE: usize = 1 << 14;

/// Each row is in a cell. Cells are numbered as they are seen.
pub(super) struct Division {
    /// The cell of each row; empty while there is only one.
    cells: Vec<u32>,
    rows: usize,
    /// For each cell its codes, one for each time that rows were divided.
    pub(super) keys: Vec<Vec<u32>>,
}

impl Division {
    /// All rows in one cell.
    pub(super) fn whole(rows: usize) -> Self {
        Self { cells: Vec::new(), rows, keys: if rows == 0 { Vec::new() } else { vec![Vec::new()] } }
    }

    /// The rows have this code all.
    pub(super) fn all_have(&mut self, code: u32) {
        self.keys.iter_mut().for_each(|key| key.push(code));
    }

    /// Divides each cell by the codes of its rows, which are below `distinct`.
    pub(super) fn by(&mut self, codes: &[u32], distinct: usize) {
        let mut pairs = Pairs::new(self.keys.len(), distinct);
        let new: Vec<u32> = if self.cells.is_empty() {
            codes.iter().map(|code| pairs.number(0, *code)).collect()
        } else {
            self.cells.iter().zip(codes).map(|(cell, code)| pairs.number(*cell, *code)).collect()
        };
        let key = |(cell, code): &(u32, u32)| {
            let mut key = self.keys.get(*cell as usize).cloned().unwrap_or_default();
            key.push(*code);
            key
        };
        self.keys = pairs.seen.iter().map(key).collect();
        self.cells = if self.keys.len() > 1 { new } else { Vec::new() };
    }

    /// Calls `visit` with the cell of each row, in the order of rows, and what belongs to the row.
    #[inline]
    pub(super) fn each<T>(&self, of_rows: impl Iterator<Item = T>, mut visit: impl FnMut(usize, T)) {
        if self.cells.is_empty() {
            of_rows.for_each(|own| visit(0, own));
        } else {
            self.cells.iter().zip(of_rows).for_each(|(cell, own)| visit(*cell as usize, own));
        }
    }

    /// How many rows each cell has.
    pub(super) fn counts(&self) -> Vec<u64> {
        if self.cells.is_empty() {
            return vec![self.rows as u64; self.keys.len()];
        }
        let mut counts = vec![0; self.keys.len()];
        for cell in &self.cells {
            if let Some(count) = counts.get_mut(*cell as usize) {
                *count += 1;
            }
        }
        counts
    }
}

/// Numbers pairs of codes as they are seen.
struct Pairs {
    distinct: usize,
    /// The numbers by pair, when there may be few pairs.
    table: Vec<u32>,
    /// The numbers of the others.
    map: FxHashMap<(u32, u32), u32>,
    seen: Vec<(u32, u32)>,
}

impl Pairs {
    fn new(cells: usize, distinct: usize) -> Self {
        let pairs = cells.saturating_mul(distinct);
        let table = if pairs <= TABLE { vec![NEW; pairs] } else { Vec::new() };
        Self { distinct, table, map: FxHashMap::default(), seen: Vec::new() }
    }

    #[inline]
    fn number(&mut self, cell: u32, code: u32) -> u32 {
        let Self { distinct, table, map, seen } = self;
        let number = match table.get_mut(cell as usize * *distinct + code as usize) {
            Some(number) => number,
            None => map.entry((cell, code)).or_insert(NEW),
        };
        if *number == NEW {
            *number = len_u32(seen.len());
            seen.push((cell, code));
        }
        *number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_codes_of_their_rows() {
        for distinct in [4, 1 << 20] {
            let mut cells = Division::whole(6);
            assert_eq!(cells.counts(), [6]);
            cells.by(&[1, 1, 1, 1, 1, 1], distinct);
            cells.by(&[3, 0, 3, 3, 0, 2], distinct);
            cells.all_have(9);
            cells.by(&[0, 0, 1, 0, 0, 0], distinct);
            assert_eq!(cells.keys, [[1, 3, 9, 0], [1, 0, 9, 0], [1, 3, 9, 1], [1, 2, 9, 0]]);
            assert_eq!(cells.counts(), [2, 2, 1, 1]);
            let mut seen = Vec::new();
            cells.each(0.., |cell, row| seen.push((row, cell)));
            assert_eq!(seen, [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 3)]);
        }
        assert_eq!(Division::whole(0).counts(), [0; 0]);
    }
}

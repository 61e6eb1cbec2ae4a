//! Positions of a column and rows of its table. Position `n` is the `n`th row whose shape has the column.

use super::PageId;
use super::group::SegmentGroup;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::{Damaged, len_u32};
use crate::rows::TableKind;
use crate::scan::{Hashes, NO_CODE};

impl SegmentGroup<'_> {
    /// For each shape whether its rows have the column.
    fn holders(&self, kind: TableKind, column: u32) -> Result<Vec<bool>, ReadError> {
        Ok(self.shapes(kind)?.by_layout(|columns| columns.contains(&column)))
    }

    /// The rows at these positions of a column.
    pub(super) fn to_rows(&self, kind: TableKind, column: u32, positions: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.rows(kind));
        let mut wanted = positions.iter();
        let Some(mut next) = wanted.next() else { return Ok(rows) };
        let has = self.holders(kind, column)?;
        let mut position = 0;
        for (row, shape) in self.shape_codes(kind)?.iter().enumerate() {
            if !has.get(*shape as usize).copied().unwrap_or(false) {
                continue;
            }
            if position == next {
                rows.insert(row);
                match wanted.next() {
                    Some(found) => next = found,
                    None => break,
                }
            }
            position += 1;
        }
        Ok(rows)
    }

    /// The codes of all rows, from those of the rows that have the column.
    pub(super) fn codes_of_rows(&self, kind: TableKind, column: u32, held: Vec<u32>) -> Result<Vec<u32>, ReadError> {
        if held.len() == self.rows(kind) {
            // Each row has the column.
            return Ok(held);
        }
        let has = self.holders(kind, column)?;
        let shapes = self.shape_codes(kind)?;
        let (mut held, mut codes) = (held.into_iter(), Vec::with_capacity(shapes.len()));
        for shape in shapes.iter() {
            let is_held = has.get(*shape as usize).copied().unwrap_or(false);
            let code = if is_held { held.next().ok_or(Damaged("fewer codes than rows")) } else { Ok(NO_CODE) };
            codes.push(code.map_err(self.corrupt(PageId::column(kind, column)))?);
        }
        Ok(codes)
    }

    /// Those of some rows, from the hashes of the rows that have the column.
    pub(super) fn hashes_of_rows(
        &self,
        kind: TableKind,
        column: u32,
        rows: &Bitmap,
        held: Vec<u64>,
    ) -> Result<Hashes, ReadError> {
        let all = self.rows(kind);
        if held.len() == all && rows.is_full() {
            return Ok(Hashes { rows: (0..len_u32(all)).collect(), hashes: held });
        }
        let has = self.holders(kind, column)?;
        let (mut found, mut held) = (Hashes::default(), held.into_iter());
        for (row, shape) in self.shape_codes(kind)?.iter().enumerate() {
            if has.get(*shape as usize).copied().unwrap_or(false) {
                let hash = held.next().ok_or(Damaged("fewer values than rows"));
                let hash = hash.map_err(self.corrupt(PageId::column(kind, column)))?;
                if rows.contains(row) {
                    found.push(row, hash);
                }
            }
        }
        Ok(found)
    }

    /// For each of these rows, ascending, the position of its value in the column; `None` when it does not have the column.
    pub(super) fn positions(
        &self,
        kind: TableKind,
        column: u32,
        rows: &Bitmap,
    ) -> Result<Vec<Option<usize>>, ReadError> {
        let has = self.holders(kind, column)?;
        let (mut positions, mut next) = (Vec::with_capacity(rows.count()), 0);
        for (row, shape) in self.shape_codes(kind)?.iter().enumerate() {
            let is_held = has.get(*shape as usize).copied().unwrap_or(false);
            if rows.contains(row) {
                positions.push(is_held.then_some(next));
            }
            next += usize::from(is_held);
        }
        Ok(positions)
    }

    /// The inverse of [`SegmentGroup::to_rows`].
    pub(super) fn to_positions(
        &self,
        kind: TableKind,
        column: u32,
        rows: &Bitmap,
        len: usize,
    ) -> Result<Bitmap, ReadError> {
        let has = self.holders(kind, column)?;
        let mut positions = Bitmap::none(len);
        let mut position = 0;
        for (row, shape) in self.shape_codes(kind)?.iter().enumerate() {
            if has.get(*shape as usize).copied().unwrap_or(false) {
                positions.insert_if(position, rows.contains(row));
                position += 1;
            }
        }
        Ok(positions)
    }
}

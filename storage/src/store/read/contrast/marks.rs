//! On which side a trace of a unit is, in little memory.

use crate::ReadError;
use crate::codec::len_u32;
use crate::rows::TableKind;
use crate::scan::{FirstRoot, RowGroup};

/// Traces of the selection and of the others.
pub(super) type Count = [u32; 2];

/// Both together.
pub(super) fn both([selected, others]: Count, [of_selected, of_others]: Count) -> Count {
    [selected.saturating_add(of_selected), others.saturating_add(of_others)]
}

/// On which side a trace is, or its number among those that may be in several units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store::read) struct Mark(u32);

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::read) enum Marked {
    Others,
    Selected,
    Split(u32),
}

impl Mark {
    pub(in crate::store::read) fn local(is_selected: bool) -> Self {
        Self(1 + u32::from(is_selected))
    }

    pub(in crate::store::read) fn split(number: u32) -> Self {
        Self(number.saturating_add(3))
    }

    #[inline]
    pub(in crate::store::read) fn is_on_a_side(self) -> bool {
        self.0 != 0
    }

    #[inline]
    pub(in crate::store::read) fn get(self) -> Marked {
        match self.0 {
            0 | 1 => Marked::Others,
            2 => Marked::Selected,
            split => Marked::Split(split - 3),
        }
    }

    /// What one trace counts, when it is in one unit.
    #[inline]
    pub(super) fn count(self) -> Option<Count> {
        match self.get() {
            Marked::Others => Some([0, 1]),
            Marked::Selected => Some([1, 0]),
            Marked::Split(_) => None,
        }
    }
}

/// The roots of the traces of a unit: resource and name.
#[derive(Debug, Default)]
pub(in crate::store::read) struct Roots {
    of_traces: Vec<Option<(u32, u32)>>,
}

impl Roots {
    pub(in crate::store::read) fn of(group: &dyn RowGroup, firsts: &[FirstRoot]) -> Result<Self, ReadError> {
        let table = &*group.table(TableKind::Span);
        let shapes = table.shapes()?;
        let shape = |first: &FirstRoot| shapes.get(first.shape?).map(|shape| (shape.resource, shape.name));
        Ok(Self { of_traces: firsts.iter().map(shape).collect() })
    }

    pub(in crate::store::read) fn get(&self, trace: u32) -> Option<(u32, u32)> {
        self.of_traces.get(trace as usize).copied().flatten()
    }
}

/// The rows ordered by their traces; nothing when they are so.
pub(in crate::store::read) fn rows_by_trace(of_rows: &[u32]) -> Vec<u32> {
    if of_rows.is_sorted() {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..len_u32(of_rows.len())).collect();
    order.sort_by_key(|row| of_rows.get(*row as usize));
    order
}

//! The leaves of a program on whole units: each is found once, and asked for many traces.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::scan_unit::{ScanUnit, UnitId};
use crate::codec::bits::Bitmap;
use crate::judge::Program;
use crate::scan::{SpanColumns, matching_among};
use crate::{QueryContext, ReadError, Reserved};

/// For units that were scanned, the rows that satisfy each leaf. Of a trace that is found no row is missing: a scan passes only over rows of
/// traces that begin there before the oldest that is found.
pub(super) struct Leaves(Mutex<Known>);

struct Known {
    units: FxHashMap<UnitId, Arc<Vec<Bitmap>>>,
    memory: Reserved,
}

impl Leaves {
    pub(super) fn new(context: &QueryContext) -> Result<Self, ReadError> {
        Ok(Self(Mutex::new(Known { units: FxHashMap::default(), memory: context.reserve(0)? })))
    }

    /// Finds the leaves of a unit among these rows, and keeps them.
    pub(super) fn scan(
        &self,
        unit: UnitId,
        group: &dyn SpanColumns,
        program: &Program,
        among: &Bitmap,
        context: &QueryContext,
    ) -> Result<Arc<Vec<Bitmap>>, ReadError> {
        let of_leaf = |filter| matching_among(group, filter, None, among.clone(), context);
        let leaves = Arc::new(program.filters.iter().map(of_leaf).collect::<Result<Vec<_>, _>>()?);
        let mut known = self.known();
        known.memory.grow(leaves.len() * (among.len() / 8 + size_of::<Bitmap>()))?;
        known.units.insert(unit, Arc::clone(&leaves));
        Ok(leaves)
    }

    /// Notes that no row of a unit satisfies any leaf.
    pub(super) fn rule_out(&self, unit: UnitId, program: &Program) {
        self.known().units.insert(unit, Arc::new(vec![Bitmap::none(0); program.filters.len()]));
    }

    /// The rows that satisfy each leaf, when the unit was scanned.
    pub(super) fn of(&self, unit: &ScanUnit) -> Option<Arc<Vec<Bitmap>>> {
        self.known().units.get(&unit.id()).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The units of a query, fetched round by round: those of the first round when the first of them is scanned, and so on.

use std::sync::OnceLock;

use super::scan_unit::ScanUnit;
use super::snapshot::Snapshot;
use crate::ReadError;

/// Units that are fetched at once. Most searches for the newest traces end within the first ones.
const ROUND: usize = 16;

/// Units, and which rounds of them were fetched.
pub(super) struct Rounds<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    units: &'s [ScanUnit],
    /// The first thread that comes to a round fetches it, and the others wait for that.
    fetched: Vec<OnceLock<Result<(), ReadError>>>,
}

impl<'s, 'a> Rounds<'s, 'a> {
    pub(super) fn new(snapshot: &'s Snapshot<'a>, units: &'s [ScanUnit]) -> Self {
        let rounds = units.len().div_ceil(ROUND);
        Self { snapshot, units, fetched: (0..rounds).map(|_| OnceLock::new()).collect() }
    }

    /// The units with their indices, as [`Rounds::fetch`] wants them.
    pub(super) fn units(&self) -> Vec<(usize, &'s ScanUnit)> {
        self.units.iter().enumerate().collect()
    }

    /// Fetches the round of the unit with this index, unless it is there.
    pub(super) fn fetch(&self, index: usize) -> Result<(), ReadError> {
        let round = index / ROUND;
        let Some(fetched) = self.fetched.get(round) else { return Ok(()) };
        let units = self.units.iter().skip(round * ROUND).take(ROUND);
        fetched.get_or_init(|| self.snapshot.fetch(units)).clone()
    }
}

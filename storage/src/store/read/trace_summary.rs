//! What is true of a whole trace, whatever a search asks: counted by columns.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use hoptrail_proto::model::{Extent, StatusCode, TraceId};

use super::duplicates::Duplicates;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::ReadError;
use crate::matcher::TraceIntrinsics;
use crate::rows::{Shape, TableKind};
use crate::scan::{PartialSummary, RootKey, RowGroup};
use crate::search::ServiceStats;

/// Bytes that a span's key takes meanwhile, about.
const KEY_BYTES: usize = 32;

/// What all units together know of a trace.
#[derive(Debug)]
pub(super) struct TraceSummary {
    /// The time by which its spans count.
    pub(super) extent: Extent,
    /// Service and name of the earliest span without a parent.
    pub(super) root: Option<(String, String)>,
    pub(super) services: Vec<ServiceStats>,
    pub(super) duplicates: Duplicates,
}

impl TraceSummary {
    /// What trace-level intrinsics say.
    pub(super) fn intrinsics(&self) -> TraceIntrinsics {
        let sum = |of: fn(&ServiceStats) -> u32| self.services.iter().map(|stats| u64::from(of(stats))).sum();
        TraceIntrinsics {
            duration_nanos: self.extent.nanos(),
            start: self.extent.start,
            spans: sum(|stats| stats.spans),
            errors: sum(|stats| stats.errors),
            root: self.root.clone(),
        }
    }
}

impl TraceLoader<'_, '_> {
    /// What these units, which are all that hold it, know of a trace; `None` when it is in none.
    pub(super) fn summary(&self, id: TraceId, units: &[ScanUnit]) -> Result<Option<TraceSummary>, ReadError> {
        let mut sum = Sum::default();
        for (index, unit) in units.iter().enumerate() {
            self.context.check()?;
            self.on(unit, |group| sum.add_unit(index, group, id))?;
        }
        if sum.repeats || self.share_keys(id, units, &sum)? {
            let _one_at_a_time = self.one_at_a_time();
            let mut memory = self.context.reserve(0)?;
            let keys = self.keys(id, units, &mut memory)?;
            sum.take_out_copies(self.duplicates(id, units, &keys, &mut memory)?);
        }
        Ok(sum.finish())
    }

    /// Whether two units hold spans of one key.
    fn share_keys(&self, id: TraceId, units: &[ScanUnit], sum: &Sum) -> Result<bool, ReadError> {
        let shared = shared_times(sum.starts.iter().map(|(_, starts)| *starts).collect());
        let (mut seen, mut memory) = (HashSet::new(), self.context.reserve(0)?);
        for (index, (earliest, latest)) in &sum.starts {
            let Some(unit) = units.get(*index) else { continue };
            for (from, to) in shared.iter().filter(|(from, to)| from <= latest && earliest <= to) {
                let keys = self.on(unit, |group| group.keys(id, *from, *to))?.unwrap_or_default();
                memory.grow(keys.len() * KEY_BYTES)?;
                if keys.into_iter().any(|key| !seen.insert(key)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The times, first and last, at which more than one of these may have spans.
fn shared_times(mut times: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    times.sort_unstable();
    let mut shared: Vec<(u64, u64)> = Vec::new();
    let mut latest = None;
    for (first, last) in times {
        if let Some(end) = latest.filter(|latest| first <= *latest).map(|latest| last.min(latest)) {
            match shared.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(end),
                _ => shared.push((first, end)),
            }
        }
        latest = latest.max(Some(last));
    }
    shared
}

/// The units seen so far.
#[derive(Default)]
struct Sum {
    extent: Option<Extent>,
    root: Option<(RootKey, String, String)>,
    /// Spans and errors.
    services: BTreeMap<String, (u32, u32)>,
    /// By the index of the unit: earliest and latest start.
    starts: Vec<(usize, (u64, u64))>,
    /// Whether a unit has two spans of one key.
    repeats: bool,
    duplicates: Duplicates,
}

impl Sum {
    fn add_unit(&mut self, unit: usize, group: &dyn RowGroup, id: TraceId) -> Result<(), ReadError> {
        let root = self.root.as_ref().map(|(key, ..)| *key);
        let Some(partial) = group.partial_summary(id, root)? else { return Ok(()) };
        self.add(group, &partial)?;
        self.starts.push((unit, partial.starts));
        self.repeats |= partial.repeats;
        Ok(())
    }

    fn add(&mut self, group: &dyn RowGroup, partial: &PartialSummary) -> Result<(), ReadError> {
        let table = group.table(TableKind::Span);
        let shapes = table.shapes()?;
        let service =
            |shape: &Shape| group.resources().get(shape.resource as usize).map_or("", |own| own.service_name());
        self.extent = Extent::of_all(self.extent.into_iter().chain([partial.extent]));
        if let Some((key, number)) = partial.root
            && self.root.as_ref().is_none_or(|(known, ..)| key < *known)
        {
            let shape = shapes.get(number);
            let name = shape.map(|shape| crate::rows::text(table.name(shape.name))).unwrap_or_default();
            self.root = Some((key, shape.map_or("", service).to_owned(), name));
        }
        for (number, spans) in &partial.shapes {
            let Some(shape) = shapes.get(*number) else { continue };
            let failed = StatusCode::from_otlp(i32::from(shape.status)) == StatusCode::Error;
            self.add_service(service(shape), *spans, if failed { *spans } else { 0 });
        }
        Ok(())
    }

    fn add_service(&mut self, service: &str, spans: u32, errors: u32) {
        let counts = match self.services.get_mut(service) {
            Some(counts) => counts,
            None => self.services.entry(service.to_owned()).or_default(),
        };
        *counts = (counts.0 + spans, counts.1 + errors);
    }

    /// Takes copies out of what was counted.
    fn take_out_copies(&mut self, duplicates: Duplicates) {
        for (service, (spans, errors)) in &duplicates.services {
            if let Some(counts) = self.services.get_mut(service) {
                // Copies may have come to the head since it was counted.
                *counts = (counts.0.saturating_sub(*spans), counts.1.saturating_sub(*errors));
            }
        }
        if let Some((key, _, (service, name))) = &duplicates.root
            && self.root.as_ref().is_none_or(|(known, ..)| key <= known)
        {
            self.root = Some((*key, service.clone(), name.clone()));
        }
        self.duplicates = duplicates;
    }

    fn finish(self) -> Option<TraceSummary> {
        let stats = |(service, (spans, errors))| ServiceStats { service, spans, errors };
        Some(TraceSummary {
            extent: self.extent?,
            root: self.root.map(|(_, service, name)| (service, name)),
            services: self.services.into_iter().map(stats).collect(),
            duplicates: self.duplicates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_are_shared() {
        assert_eq!(shared_times(vec![(5, 9), (0, 4), (10, 10)]), []);
        assert_eq!(shared_times(vec![(4, 9), (0, 4)]), [(4, 4)]);
        assert_eq!(
            shared_times(vec![(0, 100), (10, 20), (15, 30), (50, 60), (100, 200)]),
            [(10, 30), (50, 60), (100, 100)]
        );
        assert_eq!(shared_times(vec![(7, 7), (7, 7), (7, 7)]), [(7, 7)]);
    }
}

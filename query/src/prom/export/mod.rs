//! Span metrics for Prometheus: everything that was counted since the beginning, as counters.
//!
//! ```text
//!  rollups ──> Exporter ──> Snapshot ──> text or protobuf on /metrics/spans
//!                                   └──> remote write
//! ```

mod exemplars;
mod floors;
mod page;
mod protobuf;
mod text;
mod totals;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hoptrail_proto::model::Tenants;
use hoptrail_proto::units;
use hoptrail_storage::{Cell, Clock, MINUTE, RollupKey, RollupRequest, RollupSteps, RollupTable, Rollups, TimeRange};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use super::family::{FAMILIES, Numbers, bounds, dimension_labels, labels_of};
use super::labels::Labels;
use crate::{Error, Service};
use totals::{State, subtract};

pub use exemplars::Exemplar;
pub use page::router;

/// Calls count once their minute is over for this long. Until then spans come that change who called whom.
const SETTLED: u64 = 30_000_000_000;
/// Most tenants whose last totals are remembered.
const MOST_TENANTS: usize = 100;

/// Settings of span metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Attributes that spans are counted by, beside service, name, kind and status.
    pub dimensions: Vec<String>,
    /// Most series of Prometheus; what comes on top is counted together.
    pub max_series: usize,
    /// Series are there for so long after their last span.
    #[serde(with = "units::duration")]
    pub active_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { dimensions: Vec::new(), max_series: 100_000, active_for: Duration::from_secs(3600) }
    }
}

/// All series at one time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When, in nanoseconds since 1970 UTC.
    pub time: u64,
    /// The labels with their totals, by table and labels.
    pub series: Vec<Exported>,
    /// Label sets that were counted together because there were too many.
    pub overflowed: usize,
}

/// The totals of one set of labels.
#[derive(Debug, Clone)]
pub struct Exported {
    /// What they are.
    pub table: RollupTable,
    /// Without the name of a metric.
    pub labels: Labels,
    /// Everything that was counted. Durations are those of metrics: see [`Numbers::of`].
    pub total: Cell,
    /// Recent spans.
    pub exemplars: Vec<Exemplar>,
    /// What it had before, when it was not in the last snapshot.
    pub before: Option<Cell>,
}

impl Exported {
    /// The numbers of its metrics.
    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        Self::numbers_of(&self.total)
    }

    /// The numbers of one of its cells.
    #[must_use]
    pub fn numbers_of(cell: &Cell) -> Numbers<'_> {
        let Cell { count, errors, bytes, durations, caller, .. } = cell;
        Numbers { count: *count, errors: *errors, bytes: *bytes, by_callee: durations, by_caller: caller }
    }
}

/// Makes snapshots.
///
/// # Contract
///
/// Numbers never fall from one snapshot to the next, as Prometheus would take that for a restart and count everything again. What
/// spans that come late take back is left out when it comes again. So it is after a restart, where there is a file to remember it.
#[derive(Debug)]
pub struct Exporter {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    config: Config,
    dimensions: Vec<String>,
    /// What was counted before is not new.
    since: u64,
    states: Mutex<States>,
    overflowed: Gauge,
}

#[derive(Debug, Default)]
struct States {
    by_tenants: HashMap<String, State>,
    file: floors::File,
}

/// The metric of what did not fit.
#[derive(Debug, Clone, Default)]
pub struct Overflowed(Gauge);

impl Overflowed {
    /// The metric, in a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let gauge = Gauge::default();
        let help =
            "Label sets of span metrics that were counted together because of metrics.max_series, when last asked for";
        registry.register("hoptrail_span_metrics_overflowed", help, gauge.clone());
        Self(gauge)
    }
}

impl Exporter {
    /// An exporter for which everything that was counted until `since`, a whole minute, is old.
    #[must_use]
    pub fn new(
        service: Arc<Service>,
        clock: Arc<dyn Clock>,
        config: &Config,
        (since, overflowed): (u64, &Overflowed),
    ) -> Self {
        Self {
            service,
            clock,
            config: config.clone(),
            dimensions: dimension_labels(&config.dimensions),
            since,
            states: Mutex::default(),
            overflowed: overflowed.0.clone(),
        }
    }

    /// The same, which keeps in a file what must not fall after a restart.
    #[must_use]
    pub fn remembering(self, path: &Path) -> Self {
        let (file, floors) = floors::File::read(path);
        let by_tenants = floors.into_iter().map(|(tenants, floors)| (tenants, State::new(floors))).collect();
        Self { states: Mutex::new(States { by_tenants, file }), ..self }
    }

    /// What is counted now.
    pub async fn snapshot(&self, tenants: &Tenants) -> Result<Snapshot, Error> {
        let now = self.clock.now_unix_nano();
        let times = Times::new(now, self.config.active_for);
        let ends = [(RollupTable::Spans, u64::MAX), (RollupTable::Edges, times.settled)];
        let mut found = self.totals_until(tenants, ends).await?;
        let recent = ends.map(|(table, end)| request(table, times.active, end)).into();
        let recent = self.service.rollups(tenants.clone(), recent).await?.value;
        let recent: BTreeMap<Key, Cell> = recent.iter().flat_map(|rollups| self.totals(rollups)).collect();
        found.retain(|key, _| recent.contains_key(key));
        let before = self.before(tenants, &found, times).await?;
        let mut snapshot = self.remember(tenants, found, before);
        snapshot.time = now;
        exemplars::add(&self.service, tenants, now, &mut snapshot.series).await;
        self.overflowed.set(i64::try_from(snapshot.overflowed).unwrap_or(i64::MAX));
        Ok(snapshot)
    }

    /// What was counted of each table until a time: everything without what came later. The store keeps everything as one number, also
    /// when it has forgotten when it was.
    async fn totals_until(
        &self,
        tenants: &Tenants,
        ends: [(RollupTable, u64); 2],
    ) -> Result<BTreeMap<Key, Cell>, Error> {
        let of = |(table, end): (RollupTable, u64)| [ever(table), request(table, end, u64::MAX)];
        let requests = ends.into_iter().flat_map(of).collect();
        let read = self.service.rollups(tenants.clone(), requests).await?.value;
        let mut totals: BTreeMap<Key, Cell> = BTreeMap::new();
        for (rollups, is_later) in read.iter().zip([false, true].into_iter().cycle()) {
            for (key, total) in self.totals(rollups) {
                match totals.get_mut(&key) {
                    Some(known) if is_later => subtract(known, &total),
                    None if is_later => {}
                    _ => totals.entry(key).or_default().add(&total),
                }
            }
        }
        totals.retain(|_, total| total.count > 0);
        Ok(totals)
    }

    /// Totals by labels.
    fn totals(&self, rollups: &Rollups) -> BTreeMap<Key, Cell> {
        let mut totals: BTreeMap<Key, Cell> = BTreeMap::new();
        for series in &rollups.series {
            let Some(labels) = labels_of(&series.key, &self.dimensions) else { continue };
            let total = series.total();
            if total.count > 0 {
                let known = totals.entry((series.key.table(), labels)).or_default();
                known.add(&as_exported(&series.key, &total));
            }
        }
        totals
    }

    /// What those had before that were not in the last snapshot: for the ones that were in none, what was counted until the
    /// exporter began, and for the others, until their series ended.
    async fn before(
        &self,
        tenants: &Tenants,
        found: &BTreeMap<Key, Cell>,
        times: Times,
    ) -> Result<BTreeMap<Key, Cell>, Error> {
        let mut before = BTreeMap::new();
        if self.since == 0 {
            return Ok(before);
        }
        let (unknown, back) = {
            let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            let state = states.by_tenants.get(&name(tenants));
            let absent = found.keys().filter(|key| state.is_none_or(|state| !state.had(key)));
            absent.cloned().partition::<Vec<Key>, _>(|key| state.is_none_or(|state| !state.knows(key)))
        };
        for (keys, end) in [(unknown, self.since), (back, times.active)] {
            if keys.is_empty() {
                continue;
            }
            let ends = [(RollupTable::Spans, end), (RollupTable::Edges, end.min(times.settled))];
            let mut totals = self.totals_until(tenants, ends).await?;
            let of = |key: Key| {
                let total = totals.remove(&key).unwrap_or_default();
                (key, total)
            };
            before.extend(keys.into_iter().map(of));
        }
        Ok(before)
    }

    fn remember(&self, tenants: &Tenants, found: BTreeMap<Key, Cell>, before: BTreeMap<Key, Cell>) -> Snapshot {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let States { by_tenants, file } = &mut *states;
        let name = name(tenants);
        let has_room = by_tenants.contains_key(&name) || by_tenants.len() < MOST_TENANTS && !found.is_empty();
        if !has_room {
            return State::default().snapshot(found, before, self.config.max_series);
        }
        let snapshot = by_tenants.entry(name).or_default().snapshot(found, before, self.config.max_series);
        file.write(by_tenants.iter().map(|(name, state)| (name, state.floors())));
        snapshot
    }
}

/// The times that a snapshot is about.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Series with spans since then are there.
    active: u64,
    /// Calls until then are counted.
    settled: u64,
}

impl Times {
    fn new(now: u64, active_for: Duration) -> Self {
        let active = u64::try_from(active_for.as_nanos()).unwrap_or(u64::MAX);
        Self {
            active: now.saturating_sub(active) / MINUTE * MINUTE,
            settled: now.saturating_sub(SETTLED) / MINUTE * MINUTE,
        }
    }
}

/// A set of labels of one table.
type Key = (RollupTable, Labels);

fn name(tenants: &Tenants) -> String {
    format!("{tenants:?}")
}

/// All times.
fn ever(table: RollupTable) -> RollupRequest {
    let steps = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
    RollupRequest { table, steps, service: None }
}

/// One step from a time to another.
fn request(table: RollupTable, start: u64, end: u64) -> RollupRequest {
    let step = end.saturating_sub(start) / MINUTE * MINUTE;
    let count = usize::from(step > 0);
    RollupRequest { table, steps: RollupSteps { start, step: step.max(MINUTE), count }, service: None }
}

/// The cell with the durations that metrics have.
fn as_exported(key: &RollupKey, cell: &Cell) -> Cell {
    let numbers = Numbers::of(key, cell);
    let (durations, caller) = (numbers.by_callee.clone(), numbers.by_caller.clone());
    let Cell { count, errors, weight, bytes, .. } = *cell;
    Cell { count, errors, weight, bytes, durations, caller }
}

/// How many series of Prometheus a set of labels is.
fn series_of(table: RollupTable) -> usize {
    let of = |is_histogram: bool| if is_histogram { bounds().count() + 3 } else { 1 };
    FAMILIES.iter().filter(|family| family.table == table).map(|family| of(family.is_histogram())).sum()
}

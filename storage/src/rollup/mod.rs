//! Rollups: spans counted by minute, and how services call each other.
//!
//! A rollup has four tables. *Spans* counts the spans of each service, name, kind and status. *Services* is its sum over names. *Edges*
//! counts the calls from one node to another. *Instances* counts the spans of each version and instance of a service.
//!
//! ```text
//!  spans of a trace ──> hops ──> Tally ──> segments of rollups, minute, hour, day
//!                        │         │
//!                      peer      names        names of spans are bounded, and so are instances
//! ```
//!
//! What a trace adds depends on all its spans: which calls were answered, and by whom. So spans that come later can take something back.
//! [`Tally::add_hop`] does both, and the sum is always what all stored spans together say.

mod durations;
mod hops;
mod key;
mod level;
mod names;
mod of_rows;
mod of_spans;
mod page;
mod peer;
mod rows;
mod steps;
mod tally;

use std::collections::BTreeMap;

pub use durations::{Bucket, Durations};
pub use key::{Connection, Node, NodeKind, RollupKey, RollupTable};
pub use of_spans::peer_of_span;
pub use peer::{Peer, PeerKind};
pub use steps::RollupSteps;

pub(crate) use hops::{Hop, HopSpan, Hops};
pub(crate) use level::Level;
use names::fold;
pub(crate) use names::{SpanNames, template};
pub(crate) use of_rows::{RowReader, RowSpan, linked_from};
pub(crate) use of_spans::{add_spans, hop_span, linked};
pub(crate) use page::{RollupPage, decode, encode};
pub(crate) use rows::{Rows, push};
pub(crate) use tally::{Counted, Tally};

/// A minute in nanoseconds: the finest step of rollups.
pub const MINUTE: u64 = 60_000_000_000;
/// An hour in nanoseconds.
pub const HOUR: u64 = 60 * MINUTE;
/// A day in nanoseconds.
pub const DAY: u64 = 24 * HOUR;

/// Which numbers of rollups to read.
#[derive(Debug, Clone)]
pub struct RollupRequest {
    /// What is counted.
    pub table: RollupTable,
    /// For which times. A span counts in the step that has the minute of its start.
    pub steps: RollupSteps,
    /// Only what concerns this service; an edge concerns both its ends.
    pub service: Option<String>,
}

impl RollupRequest {
    /// Whether the answer has this key.
    pub(crate) fn wants(&self, key: &RollupKey) -> bool {
        self.service.as_ref().is_none_or(|service| key.concerns(service))
    }
}

/// The cells of each key by their steps.
pub(crate) type Series = BTreeMap<RollupKey, BTreeMap<usize, Cell>>;

/// Numbers of rollups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rollups {
    /// One for each key that has anything, by key.
    pub series: Vec<RollupSeries>,
    /// The coarsest step of what was read, in nanoseconds. With more than the request's step, a cell has also what happened in the steps
    /// that follow it.
    pub resolution: u64,
    /// Services with so many span names that some were put together.
    pub folded: Vec<String>,
}

impl Rollups {
    /// The answer with these series. Services with more than `most_names` span names have some of them put together.
    pub(crate) fn of(mut series: Series, resolution: u64, most_names: usize) -> Self {
        // What was taken back whole was never there.
        series.values_mut().for_each(|cells| cells.retain(|_, cell| !cell.is_empty()));
        series.retain(|_, cells| !cells.is_empty());
        let folded = fold(&mut series, most_names);
        let of = |(key, cells): (_, BTreeMap<_, _>)| RollupSeries { key, cells: cells.into_iter().collect() };
        Self { series: series.into_iter().map(of).collect(), resolution, folded }
    }

    /// Adds those of the same request from elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        let mut known: BTreeMap<RollupKey, Vec<(usize, Cell)>> =
            std::mem::take(&mut self.series).into_iter().map(|series| (series.key, series.cells)).collect();
        for RollupSeries { key, cells } in other.series {
            let mut steps: BTreeMap<usize, Cell> = known.remove(&key).into_iter().flatten().collect();
            cells.iter().for_each(|(step, cell)| steps.entry(*step).or_default().add(cell));
            known.insert(key, steps.into_iter().collect());
        }
        self.series = known.into_iter().map(|(key, cells)| RollupSeries { key, cells }).collect();
        self.resolution = self.resolution.max(other.resolution);
        self.folded.extend(other.folded);
        self.folded.sort();
        self.folded.dedup();
    }
}

/// The numbers of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupSeries {
    /// What is counted.
    pub key: RollupKey,
    /// The steps in which there is anything, ascending.
    pub cells: Vec<(usize, Cell)>,
}

impl RollupSeries {
    /// All steps together.
    #[must_use]
    pub fn total(&self) -> Cell {
        let mut total = Cell::default();
        self.cells.iter().for_each(|(_, cell)| total.add(cell));
        total
    }
}

/// What was counted of one key in one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Spans, or calls. Never negative in an answer.
    pub count: i64,
    /// Those that failed. The call of an edge failed when either of its spans did.
    pub errors: i64,
    /// How many spans these stand for, by their sampling probabilities. A span without one stands for itself.
    pub weight: f64,
    /// Bytes of the spans as OTLP; 0 for edges.
    pub bytes: i64,
    /// How long they took; for an edge, as the called side saw it. Empty for instances.
    pub durations: Durations,
    /// How long the calls of an edge took as the caller saw it.
    pub caller: Durations,
}

impl Cell {
    /// Adds what another cell has.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.weight += other.weight;
        self.bytes += other.bytes;
        self.durations.add(&other.durations);
        self.caller.add(&other.caller);
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let is_nothing = self.count == 0 && self.errors == 0 && self.weight == 0.0;
        is_nothing && self.durations.is_empty() && self.caller.is_empty()
    }
}

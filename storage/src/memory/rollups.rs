//! Rollups of the plain store: counted of all spans, each time anew.

use std::collections::BTreeMap;

use super::StoredTrace;
use crate::rollup::{Cell, MINUTE, RollupKey, RollupRequest, RollupSeries, Rollups, SpanNames, Tally, add_spans, fold};

/// Span names of a service that have series of their own.
const MOST_NAMES: usize = 500;

/// The numbers that the request asks for.
pub(super) fn rollups<'t>(traces: impl Iterator<Item = &'t StoredTrace>, request: &RollupRequest) -> Rollups {
    let (mut tally, mut names) = (Tally::default(), SpanNames::new(MOST_NAMES));
    traces.for_each(|trace| add_spans(&mut tally, &mut names, &[], &trace.spans));
    let mut series: BTreeMap<RollupKey, BTreeMap<usize, Cell>> = BTreeMap::new();
    for ((key, minute), cell) in tally.by_key(request.table) {
        let is_wanted = request.service.as_ref().is_none_or(|service| key.concerns(service));
        if let Some(step) = request.steps.of(minute).filter(|_| is_wanted) {
            series.entry(key).or_default().entry(step).or_default().add(&cell);
        }
    }
    let folded = fold(&mut series, MOST_NAMES);
    let of =
        |(key, cells): (RollupKey, BTreeMap<usize, Cell>)| RollupSeries { key, cells: cells.into_iter().collect() };
    Rollups { series: series.into_iter().map(of).collect(), resolution: MINUTE, folded }
}

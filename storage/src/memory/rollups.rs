//! Rollups of the plain store: counted of all spans, each time anew.

use super::StoredTrace;
use crate::rollup::{MINUTE, RollupRequest, Rollups, Series, SpanNames, Tally, add_spans};

/// Span names of a service that have series of their own.
const MOST_NAMES: usize = 500;

/// The numbers that the request asks for.
pub(super) fn rollups<'t>(traces: impl Iterator<Item = &'t StoredTrace>, request: &RollupRequest) -> Rollups {
    let (mut tally, mut names) = (Tally::default(), SpanNames::new(MOST_NAMES));
    traces.for_each(|trace| add_spans(&mut tally, &mut names, &[], &trace.spans));
    let mut series = Series::new();
    for (key, cells) in tally.rows(request.table).iter().filter(|(key, _)| request.wants(key)) {
        let steps = cells.iter().filter_map(|(minute, cell)| Some((request.steps.of(*minute)?, cell)));
        let own = series.entry(key.clone()).or_default();
        steps.for_each(|(step, cell)| own.entry(step).or_default().add(cell));
    }
    Rollups::of(series, MINUTE, MOST_NAMES)
}

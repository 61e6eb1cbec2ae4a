//! Hosts whose clocks disagree, as the newest traces show.

use std::collections::BTreeMap;

use hoptrail_query::assemble::{ClockSkew, Clocks, assemble};
use hoptrail_query::{Filter, SearchRequest, TimeRange};

use crate::context::Visit;
use crate::format;

/// Traces that are looked at, and spans up to which a trace is.
const TRACES: usize = 40;
const SPANS: u32 = 2_000;
/// Most hosts listed.
const MOST: usize = 20;
/// Longer names are cut.
const NAME: usize = 80;

/// What the newest traces say of clocks.
#[derive(Debug, Default)]
pub(super) struct Skews {
    pub(super) traces: usize,
    pub(super) rows: Vec<SkewRow>,
}

/// A host whose clock is not that of its callers.
#[derive(Debug)]
pub(super) struct SkewRow {
    pub(super) host: String,
    pub(super) reference: String,
    /// `12 ms behind`
    pub(super) off: String,
    pub(super) traces: String,
}

/// Looks at the newest traces of a range. A page without them is still a page.
pub(super) async fn find(visit: &Visit, range: TimeRange) -> Skews {
    let request =
        SearchRequest { spans: Filter::True.into(), range: Some(range), limit: TRACES, ..SearchRequest::default() };
    let Ok(answer) = visit.service().search(&visit.tenant, request).await else { return Skews::default() };
    let (mut skews, mut traces) = (Vec::new(), 0);
    for hit in &answer.value.hits {
        if hit.services.iter().map(|service| service.spans).sum::<u32>() > SPANS {
            continue;
        }
        let Ok(answer) = visit.service().trace(&visit.tenant, hit.trace_id).await else { continue };
        traces += usize::from(answer.value.is_some());
        skews.extend(answer.value.iter().flat_map(|trace| assemble(trace, Clocks::AsSent).skews));
    }
    Skews { traces, rows: rows(skews) }
}

/// The hosts by how far they are off, each with the middle of what its traces say.
fn rows(skews: Vec<ClockSkew>) -> Vec<SkewRow> {
    let mut by_host: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for skew in skews {
        by_host.entry((skew.host, skew.reference)).or_default().push(skew.offset_nanos);
    }
    let middle = |offsets: &mut Vec<i64>| {
        offsets.sort_unstable();
        offsets.get(offsets.len() / 2).copied().unwrap_or_default()
    };
    let mut all: Vec<_> =
        by_host.into_iter().map(|(hosts, mut offsets)| (middle(&mut offsets), hosts, offsets)).collect();
    all.sort_by_key(|(middle, ..)| std::cmp::Reverse(middle.unsigned_abs()));
    let row = |(middle, (host, reference), offsets): (i64, (String, String), Vec<i64>)| SkewRow {
        host: format::shortened(&host, NAME),
        reference: format::shortened(&reference, NAME),
        off: format!("{} {}", format::duration(middle.unsigned_abs()), if middle > 0 { "behind" } else { "ahead" }),
        traces: format::count(offsets.len() as u64),
    };
    all.into_iter().take(MOST).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_as_far_off_as_most_traces_say() {
        let skew = |host: &str, offset_nanos| ClockSkew {
            reference: "gateway".into(),
            host: host.into(),
            offset_nanos,
            at_least_nanos: 1,
            calls: 1,
        };
        let rows = rows(vec![skew("a", 3_000_000), skew("b", -90_000_000), skew("a", 5_000_000), skew("a", 4_000_000)]);
        let texts: Vec<_> = rows.iter().map(|row| (row.host.as_str(), row.off.as_str(), row.traces.as_str())).collect();
        assert_eq!(texts, [("b", "90 ms ahead", "1"), ("a", "4 ms behind", "3")]);
    }
}

//! Spans whose senders do not say with which probability they sample.

use hoptrail_query::Steps;
use hoptrail_query::metrics::RangeRequest;
use hoptrail_query::rollups::HOUR;
use hoptrail_query::traceql::compile_metrics;

use super::stored::Fact;
use crate::context::Visit;
use crate::format;

const QUERY: &str = "{ } | count_over_time() with(extrapolate=true)";

/// How many there were in the last hour; none when that is not known.
pub(super) async fn fact(visit: &Visit) -> Option<Fact> {
    let query = compile_metrics(QUERY).ok()?;
    let steps = Steps { start: visit.now.saturating_sub(HOUR), step: HOUR, count: 1 };
    let request = RangeRequest { query, steps, exemplars: 0, max_series: 1 };
    let answer = visit.service().metrics(&visit.tenant, request).await.ok()?.value;
    let note = format!("of {} of the last hour; each counts once", format::count(answer.inspected.spans));
    Some(Fact { name: "Without a probability", value: format::count(answer.unweighted), note })
}

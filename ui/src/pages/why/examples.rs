//! For the first findings some traces that have them, newest first.

use hoptrail_query::traceql::compile;
use hoptrail_query::why::Finding;
use hoptrail_query::{Order, Rows, SearchRequest, TraceHit};

use super::rows::{Example, Row};
use crate::context::Visit;
use crate::format;
use crate::pages::asked::Asked;
use crate::url::href;

/// Findings with examples.
const FINDINGS: usize = 8;
/// Traces of each.
const TRACES: usize = 3;

/// Adds them. A page without examples is still a page.
pub(super) async fn add(visit: &Visit, asked: &Asked, findings: &[Finding], rows: &mut [Row]) {
    for (finding, row) in findings.iter().zip(rows).take(FINDINGS) {
        let Some(Ok(compiled)) = finding.query.as_deref().map(compile) else { continue };
        let request = SearchRequest {
            spans: compiled.spans,
            range: asked.question.range,
            limit: TRACES,
            spans_per_set: 0,
            select: Vec::new(),
            order: Order::Newest,
            rows: Rows::Traces,
            after: None,
            ..SearchRequest::default()
        };
        if let Ok(answer) = visit.service().search(&visit.tenant, request).await {
            row.examples = answer.value.hits.iter().map(example).collect();
        }
    }
}

fn example(hit: &TraceHit) -> Example {
    let id = hit.trace_id.to_string();
    Example {
        href: href(&format!("/trace/{id}"), []),
        trace: id.chars().take(8).collect(),
        about: format::duration(hit.duration_nanos),
    }
}

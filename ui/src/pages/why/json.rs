//! The findings for machines.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::any_value;
use hoptrail_query::traceql::field_text;
use hoptrail_query::why::{Finding, Findings, Term};
use serde_json::{Value, json};

use crate::format;
use crate::pages::asked::Asked;

/// Counts are traces.
pub(super) fn answer(asked: &Asked, found: &Findings, notice: Option<&str>) -> Response {
    let time = |nanos| format::exact_time(nanos, &jiff::tz::TimeZone::UTC);
    let range = asked.question.range;
    let findings = |list: &[Finding]| list.iter().map(|own| finding(own, found)).collect::<Vec<_>>();
    let body = json!({
        "selected": { "query": asked.question.selected, "traces": found.traces.selected },
        "others": { "query": asked.question.others, "traces": found.traces.others },
        "from": range.map(|range| time(range.start)),
        "to": range.map(|range| time(range.end)),
        "more": findings(&found.more),
        "fewer": findings(&found.fewer),
        "notice": notice,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn finding(finding: &Finding, found: &Findings) -> Value {
    let terms = |terms: &[Term]| terms.iter().map(term).collect::<Vec<_>>();
    json!({
        "values": terms(&finding.terms),
        "one_span": finding.is_of_one_span,
        "selected": finding.traces.selected,
        "others": finding.traces.others,
        "difference": finding.traces.difference(&found.traces),
        "lift": Some(finding.lift(&found.traces)).filter(|lift| lift.is_finite()),
        "confidence": finding.confidence(&found.traces).word(),
        "same_traces": terms(&finding.alike),
        "query": finding.query,
    })
}

fn term(term: &Term) -> Value {
    json!({ "field": field_text(&term.field), "value": format::value(&any_value(&term.value)) })
}

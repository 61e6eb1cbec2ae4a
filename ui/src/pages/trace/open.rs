//! The box at the top of every page: whatever names a trace leads to it.

use axum::response::Redirect;
use hoptrail_proto::model::{SpanId, TraceId};
use hoptrail_query::{SearchRequest, TraceHit, traceql};

use crate::context::Visit;
use crate::error::PageError;
use crate::ids::{self, Named};
use crate::url::{Params, href};

/// `GET /trace?id=...`.
pub(crate) async fn open(visit: Visit, params: Params) -> Result<Redirect, PageError> {
    let text = params.first(&["id", "traceID"]);
    match ids::find(text) {
        Some(Named::Trace(id, span)) => Ok(to_trace(id, span)),
        Some(Named::Digits(digits)) => of_digits(&visit, &digits).await,
        // It says which character is at fault.
        None => Ok(to_trace(super::trace_id(text)?, None)),
    }
}

fn to_trace(id: TraceId, span: Option<SpanId>) -> Redirect {
    let span = span.map(|span| span.to_string()).unwrap_or_default();
    Redirect::to(&href(&format!("/trace/{id}"), [("span", span.as_str())]))
}

/// An id without its leading zeros comes first, then ids that begin with the digits, then that of a span. Several are listed.
async fn of_digits(visit: &Visit, digits: &str) -> Result<Redirect, PageError> {
    let padded = super::trace_id(digits)?;
    if !ids::is_short_form(digits) || visit.service().trace(&visit.tenant, padded).await?.value.is_some() {
        return Ok(to_trace(padded, None));
    }
    let of_span = digits.parse::<SpanId>().ok().filter(|_| digits.len() == 16);
    let begins = format!("{{ trace:id =~ \"{digits}.*\" }}");
    let queries =
        std::iter::once((begins, None)).chain(of_span.map(|span| (format!("{{ span:id = \"{span}\" }}"), of_span)));
    for (query, span) in queries {
        match first_two(visit, &query).await?.as_slice() {
            [] => {}
            [hit] => return Ok(to_trace(hit.trace_id, span)),
            _ => return Ok(Redirect::to(&href("/search", [("q", query.as_str()), ("lookback", "all")]))),
        }
    }
    Ok(to_trace(padded, None))
}

async fn first_two(visit: &Visit, query: &str) -> Result<Vec<TraceHit>, PageError> {
    let Ok(compiled) = traceql::compile(query) else { return Ok(vec![]) };
    let request = SearchRequest { spans: compiled.spans, limit: 2, spans_per_set: 0, ..SearchRequest::default() };
    Ok(visit.service().search(&visit.tenant, request).await?.value.hits)
}

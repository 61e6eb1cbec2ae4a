//! `/api/hoptrail/explain`: what a query does, as text for people. Tempo has nothing like it.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_storage::Explanation;

use super::{metrics, search};
use crate::http::{Api, ApiError, Ask};
use crate::traceql::is_metrics;

/// Runs the query of `/api/search` or `/api/metrics/query_range`, and answers with what that took.
pub(super) async fn explain(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let explanation = Explanation::default();
    let service = api.service.explaining(&explanation);
    let found = if ask.params.get("q").is_some_and(is_metrics) {
        let request = metrics::range_request(&api, &ask.params)?;
        format!("{} series", service.metrics(&ask.tenants, request).await?.value.series.len())
    } else {
        let request = search::request(&api, &ask.params)?;
        format!("{} answers", service.search(&ask.tenants, request).await?.value.hits.len())
    };
    let text = format!("{explanation}\nfound\n  {found}\n");
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

//! Tempo's HTTP API: what Grafana's Tempo data source calls. Compatible in paths, parameters, answers and status codes;
//! `docs/tempo.md` says where and why answers differ.
//!
//! "Tag" is this API's word for attribute.

mod answer;
mod diff;
mod explain;
mod llm;
mod metrics;
mod names;
mod part;
mod range;
mod search;
mod series;
mod status;
mod streaming;
mod tags;
mod trace;
mod values;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use hoptrail_storage::SystemClock;
use tower_http::compression::CompressionLayer;

use crate::Service;
use crate::http::{Api, with_one_slash};

pub use streaming::SERVICE as STREAMING_SERVICE;

/// Every address of the API.
pub const ADDRESSES: [&str; 14] = [
    "/api/echo",
    "/api/hoptrail/explain",
    "/api/metrics/query",
    "/api/metrics/query_range",
    "/api/overrides",
    "/api/search",
    "/api/search/tag/{name}/values",
    "/api/search/tags",
    "/api/status/buildinfo",
    "/api/traces/{id}",
    "/api/v2/search/tag/{name}/values",
    "/api/v2/search/tags",
    "/api/v2/traces/diff",
    "/api/v2/traces/{id}",
];

/// The routes of the API and those `beside` it, for a listener on port 3200.
pub fn router(service: Arc<Service>, beside: Router) -> Router {
    routes(Api { service, clock: Arc::new(SystemClock) }, beside)
}

fn routes(api: Api, beside: Router) -> Router {
    let routes = Router::new()
        .route("/api/echo", any(status::echo))
        .route("/api/status/buildinfo", any(status::build_info))
        .route("/api/traces/{id}", any(trace::by_id))
        .route("/api/v2/traces/{id}", any(trace::by_id_v2))
        .route("/api/v2/traces/diff", post(diff::diff).fallback(diff::wrong_method))
        .route("/api/search", any(search::search))
        .route("/api/search/tags", any(names::names))
        .route("/api/v2/search/tags", any(names::names_v2))
        .route("/api/search/tag/{*name}", any(values::values))
        .route("/api/v2/search/tag/{*name}", any(values::values_v2))
        .route("/api/metrics/query_range", any(metrics::query_range))
        .route("/api/metrics/query", any(metrics::query))
        .route("/api/hoptrail/explain", any(explain::explain))
        .route("/api/overrides", get(status::overrides).fallback(status::no_overrides))
        .layer(CompressionLayer::new())
        .merge(streaming::routes())
        .with_state(api);
    with_one_slash(routes.merge(beside).fallback(status::not_here))
}

#[cfg(test)]
mod tests;

//! Prometheus' query API over rollups: what Grafana's Prometheus data source asks, with hoptrail alone.
//!
//! There are the metrics that Tempo's metrics-generator makes ([`FAMILIES`]), with its names and labels. They are computed of
//! rollups when they are asked for, so no sample is stored and none is missed. `docs/prometheus.md` says which part of PromQL is
//! answered, and how counts of whole minutes become counters.

mod aggregate;
mod answer;
mod ask;
mod binary;
mod counter;
mod error;
mod eval;
pub mod export;
mod family;
mod labels;
mod meta;
mod native;
mod plan;
mod quantile;
mod select;
mod value;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hoptrail_proto::model::TenantId;
use hoptrail_storage::{Clock, QueryContext, ReadError, TraceReader};
use tower_http::compression::CompressionLayer;

use crate::Service;
use ask::Ask;
use counter::Times;
use error::PromError;
use plan::Plan;
use select::Reading;
use value::{EvalError, Value};

pub use family::{FAMILIES, Family, Number, Numbers, Sample, bounds, dimension_labels, labels_of, le, seconds};
pub use labels::Labels;
pub use native::Native;

/// Every address of the API.
pub const ADDRESSES: [&str; 8] = [
    "/api/prom/api/v1/label/{name}/values",
    "/api/prom/api/v1/labels",
    "/api/prom/api/v1/metadata",
    "/api/prom/api/v1/query",
    "/api/prom/api/v1/query_exemplars",
    "/api/prom/api/v1/query_range",
    "/api/prom/api/v1/series",
    "/api/prom/api/v1/status/buildinfo",
];

/// What every handler works with.
#[derive(Debug, Clone)]
struct Api {
    service: Arc<Service>,
    clock: Arc<dyn Clock>,
    /// The labels of the dimensions.
    dimensions: Arc<[String]>,
}

/// The routes of the API. `dimensions` are the attributes that spans are counted by.
pub fn router(service: Arc<Service>, clock: Arc<dyn Clock>, dimensions: &[String]) -> Router {
    let api = Api { service, clock, dimensions: dimension_labels(dimensions).into() };
    Router::new()
        .route("/api/prom/api/v1/query", get(query).post(query))
        .route("/api/prom/api/v1/query_range", get(query_range).post(query_range))
        .route("/api/prom/api/v1/query_exemplars", get(meta::exemplars).post(meta::exemplars))
        .route("/api/prom/api/v1/series", get(meta::series).post(meta::series))
        .route("/api/prom/api/v1/labels", get(meta::labels).post(meta::labels))
        .route("/api/prom/api/v1/label/{name}/values", get(meta::label_values))
        .route("/api/prom/api/v1/metadata", get(meta::metadata))
        .route("/api/prom/api/v1/status/buildinfo", get(meta::build_info))
        .layer(CompressionLayer::new())
        .with_state(api)
}

/// Says why a query is not answered.
pub fn check(query: &str) -> Result<(), String> {
    Plan::of(query).map(|_| ()).map_err(|error| error.to_string())
}

async fn query(State(api): State<Api>, ask: Ask) -> Result<Response, PromError> {
    let times = ask.instant(api.clock.now_unix_nano())?;
    let (value, warnings) = evaluated(&api, &ask, times).await?;
    answer::instant(value, times, warnings)
}

async fn query_range(State(api): State<Api>, ask: Ask) -> Result<Response, PromError> {
    let times = ask.range(api.clock.now_unix_nano())?;
    let (value, warnings) = evaluated(&api, &ask, times).await?;
    answer::range(value, times, warnings)
}

/// The value of the query, and what is to be said of it.
async fn evaluated(api: &Api, ask: &Ask, times: Times) -> Result<(Value, Vec<String>), PromError> {
    let plan = Plan::of(ask.query()?)?;
    read(api, ask, times, move |reading| eval::value(&plan, reading)).await
}

/// Asks the store off the async threads.
async fn read<T: Send + 'static>(
    api: &Api,
    ask: &Ask,
    times: Times,
    question: impl FnOnce(&mut Reading<'_>) -> Result<T, EvalError> + Send + 'static,
) -> Result<(T, Vec<String>), PromError> {
    let dimensions = Arc::clone(&api.dimensions);
    let question = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
        let mut reading = Reading::new(reader, tenant, context, (times, &dimensions));
        match question(&mut reading) {
            Err(EvalError::Read(error)) => Err::<_, ReadError>(error),
            answer => Ok(answer.map(|value| (value, reading.warnings))),
        }
    };
    let answer = api.service.run("promql", ask.tenants.clone(), question).await?;
    let notice = answer.notice();
    let (value, mut warnings) = answer.value?;
    warnings.extend(notice);
    Ok((value, warnings))
}

#[cfg(test)]
mod tests;

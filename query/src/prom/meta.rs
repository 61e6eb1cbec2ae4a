//! What Grafana's editor and its check of a data source ask beside queries.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;

use super::Api;
use super::answer::success;
use super::ask::Ask;
use super::counter::Times;
use super::error::PromError;
use super::family::FAMILIES;
use super::labels::Labels;

/// The version of Prometheus whose API this is: Grafana offers features by it.
const PROMETHEUS_VERSION: &str = "2.42.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

#[derive(Debug, Serialize)]
struct Metadata {
    r#type: &'static str,
    help: &'static str,
    unit: &'static str,
}

/// `/status/buildinfo`.
pub(super) async fn build_info() -> Result<Response, PromError> {
    let info = BuildInfo {
        version: PROMETHEUS_VERSION,
        revision: concat!("hoptrail-", env!("CARGO_PKG_VERSION")),
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
    };
    success(info, Vec::new())
}

/// `/metadata`: types and help of the metrics.
pub(super) async fn metadata(ask: Ask) -> Result<Response, PromError> {
    let wanted = ask.params.get("metric");
    let families = FAMILIES.iter().filter(|family| wanted.is_none_or(|wanted| wanted == family.name));
    let of = |family: &super::Family| Metadata {
        r#type: if family.is_histogram() { "histogram" } else { "counter" },
        help: family.help,
        unit: "",
    };
    let metadata: BTreeMap<&str, [Metadata; 1]> = families.map(|family| (family.name, [of(family)])).collect();
    success(metadata, Vec::new())
}

/// `/query_exemplars`: there are none here; `/metrics/spans` has them.
pub(super) async fn exemplars(ask: Ask) -> Result<Response, PromError> {
    ask.query()?;
    success([(); 0], Vec::new())
}

/// `/series`: the labels of each series.
pub(super) async fn series(State(api): State<Api>, ask: Ask) -> Result<Response, PromError> {
    if ask.selectors()?.is_empty() {
        return Err(PromError::bad_data("match[] is missing: expected a selector such as {service=\"shop\"}"));
    }
    let (found, warnings) = all(&api, &ask).await?;
    listed(&ask, found.into_iter(), warnings)
}

/// `/labels`: the names of labels.
pub(super) async fn labels(State(api): State<Api>, ask: Ask) -> Result<Response, PromError> {
    let (found, warnings) = all(&api, &ask).await?;
    let names: BTreeSet<&str> = found.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
    listed(&ask, names.into_iter(), warnings)
}

/// `/label/{name}/values`.
pub(super) async fn label_values(State(api): State<Api>, uri: Uri, ask: Ask) -> Result<Response, PromError> {
    let name = uri.path().split('/').rev().nth(1).unwrap_or_default();
    let (found, warnings) = all(&api, &ask).await?;
    let values: BTreeSet<&str> =
        found.iter().map(|labels| labels.get(name)).filter(|value| !value.is_empty()).collect();
    listed(&ask, values.into_iter(), warnings)
}

/// The labels of the series that the request chooses.
async fn all(api: &Api, ask: &Ask) -> Result<(Vec<Labels>, Vec<String>), PromError> {
    let now = api.clock.now_unix_nano();
    let (steps, selectors) = (ask.whole(now)?, ask.selectors()?);
    let times = Times { start: now, step: hoptrail_storage::MINUTE, count: 1, now };
    super::read(api, ask, times, move |reading| Ok(reading.labels_in(&selectors, steps)?)).await
}

fn listed<T: Serialize>(
    ask: &Ask,
    all: impl Iterator<Item = T>,
    mut warnings: Vec<String>,
) -> Result<Response, PromError> {
    let limit = ask.limit()?;
    let mut all: Vec<T> = all.collect();
    if limit > 0 && all.len() > limit {
        warnings.push(format!("there are {}, and limit is {limit}", all.len()));
        all.truncate(limit);
    }
    success(all, warnings)
}

//! Joins what Prometheus and its clients ask, and what is written to receivers.

use std::sync::Arc;

use axum::Router;
use hoptrail_query::prom::export::{Exporter, Overflowed};
use hoptrail_query::{Service, prom};
use hoptrail_storage::{Clock, SystemClock};
use prometheus_client::registry::Registry;

use crate::config::Config;
use crate::remote_write::{Parts, Writers};

/// What `/metrics/spans` must remember, in the data folder.
const FLOORS: &str = "span_metrics.json";

/// The routes for Prometheus and its clients, and what is written to receivers.
pub fn of_prometheus(
    config: &Config,
    service: &Arc<Service>,
    registry: &mut Registry,
) -> anyhow::Result<(Router, Writers)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let overflowed = Overflowed::register(registry);
    let metrics = &config.metrics;
    // Whoever scrapes is not told what is new: Prometheus begins a series with its first sample.
    let exporter = Exporter::new(Arc::clone(service), Arc::clone(&clock), metrics, (0, &overflowed));
    let exporter = exporter.remembering(&config.data.join(FLOORS));
    let routes = prom::router(Arc::clone(service), Arc::clone(&clock), &metrics.dimensions);
    let routes = routes.merge(prom::export::router(Arc::new(exporter)));
    let parts = Parts { service, clock: &clock, config: metrics, overflowed: &overflowed };
    Ok((routes, Writers::open(&config.remote_write, &config.data, &parts, registry)?))
}

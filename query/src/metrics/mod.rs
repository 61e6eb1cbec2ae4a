//! Metrics queries: series with labels, computed of what the store counts.

mod compute;
mod labels;
mod steps;

use hoptrail_proto::model::{AnyValue, TenantId, Tenants};
use hoptrail_storage::{Inspected, QueryContext, Steps, TraceReader};

use crate::service::Answer;
use crate::traceql::CompiledMetrics;
use crate::{Error, Service};

pub use steps::{MAX_INTERVALS, StepsError, default_step, instant_steps, range_steps};

/// A metrics query over intervals of time.
#[derive(Debug, Clone)]
pub struct RangeRequest {
    /// The query.
    pub query: CompiledMetrics,
    /// The intervals: of [`range_steps`], or of [`instant_steps`] for one value a series.
    pub steps: Steps,
    /// Most exemplars in all. The query may ask for less.
    pub exemplars: usize,
    /// Most series; 0 for any number. Further ones are left out, and [`SeriesSet::cut`] says so.
    pub max_series: usize,
}

/// Series with labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSet {
    /// Sorted by the number of labels, then by their keys and values.
    pub series: Vec<LabelledSeries>,
    /// What it took.
    pub inspected: Inspected,
    /// How many series there were, when not all are here.
    pub cut: Option<usize>,
    /// Most that a quantile may be off, as a share of its value; 0 when all are exact.
    pub quantile_error: f64,
    /// Spans whose sampling probability was asked for and is unknown; they count once.
    pub unweighted: u64,
}

/// A series of numbers with labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Keys and values, in the order of the query.
    pub labels: Vec<(String, AnyValue)>,
    /// A number for each interval; NaN where there is none.
    pub values: Vec<f64>,
    /// Some of its spans.
    pub exemplars: Vec<LabelledExemplar>,
}

/// A span that stands for others of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledExemplar {
    /// Among them `trace:id` and `span:id`.
    pub labels: Vec<(String, AnyValue)>,
    /// Its value, or that of its series in its interval.
    pub value: f64,
    /// Its start.
    pub time_unix_nano: u64,
}

impl Service {
    /// Computes a metrics query.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hoptrail_proto::model::TenantId;
    /// use hoptrail_query::metrics::{RangeRequest, range_steps};
    /// use hoptrail_query::traceql::compile_metrics;
    /// use hoptrail_query::{Config, Service};
    /// use hoptrail_storage::MemoryStore;
    /// use prometheus_client::registry::Registry;
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let service = Service::new(&Config::default(), Arc::new(MemoryStore::default()), &mut Registry::default());
    /// let query = compile_metrics("{ status = error } | rate() by (resource.service.name)").unwrap();
    /// let minute = 60_000_000_000;
    /// let steps = range_steps(60 * minute, 120 * minute, Some(minute), 180 * minute).unwrap();
    /// let request = RangeRequest { query, steps, exemplars: 100, max_series: 0 };
    /// let answer = service.metrics(&TenantId::single(), request).await.unwrap();
    /// assert!(answer.value.series.is_empty(), "nothing is stored");
    /// # });
    /// ```
    pub async fn metrics(
        &self,
        tenants: impl Into<Tenants>,
        request: RangeRequest,
    ) -> Result<Answer<SeriesSet>, Error> {
        let series = move |reader: &dyn TraceReader, tenant: &TenantId, context: &QueryContext| {
            compute::series_set(reader, tenant, &request, context)
        };
        self.run("metrics", tenants.into(), series).await
    }
}

#[cfg(test)]
mod tests;

//! Metrics queries: series with labels, computed of what the store counts.

use hoptrail_proto::model::{AnyValue, TenantId};
use hoptrail_storage::{Inspected, Steps};

use crate::service::Answer;
use crate::traceql::CompiledMetrics;
use crate::{Error, Service};

/// A metrics query over intervals of time.
#[derive(Debug, Clone)]
pub struct RangeRequest {
    /// The query.
    pub query: CompiledMetrics,
    /// The intervals.
    pub steps: Steps,
    /// Most exemplars in all.
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
    pub async fn metrics(&self, tenant: &TenantId, request: RangeRequest) -> Result<Answer<SeriesSet>, Error> {
        _ = (tenant, request);
        Ok(Answer::default())
    }
}

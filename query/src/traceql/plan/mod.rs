//! A checked tree to what the store is asked.

mod condition;
mod hints;
mod pipeline;
mod select;
mod series;

use hoptrail_storage::{CompareOp, Expr as StoredExpr, Field, MetricsFunction, Order, Pipeline, Rows};

use super::QueryError;
use super::ast::{BinaryOp, Query, Rank};

pub(super) use condition::{Planner, conjunction};
use hints::Hints;
pub(super) use hints::wanted;
use pipeline::Stages;

/// A search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compiled {
    /// Which spans are the answer.
    pub spans: Pipeline,
    /// The fields that the query names, each once, in the order of the text. Span name, duration, trace duration, root name, root
    /// service, trace id and span id are not among them: every answer has these anyway.
    pub select: Vec<Field>,
    /// The order of the answers: `sort(…)`.
    pub order: Order,
    /// What a row of the answer is: `spans` makes it a span.
    pub rows: Rows,
    /// What to tell the user, such as a hint that is unknown.
    pub notices: Vec<String>,
}

/// A metrics query: numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledMetrics {
    /// What is computed.
    pub series: SeriesExpr,
    /// Each span counts as many times as its sampling probability says: `with(extrapolate=true)`.
    pub weighted: bool,
    /// Most exemplars, when the query says: `with(exemplars=5)`; 0 for `exemplars=false`.
    pub exemplars: Option<usize>,
    /// What to tell the user, such as a hint that is unknown.
    pub notices: Vec<String>,
}

/// Numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesExpr {
    /// A metrics function of the spans of a pipeline.
    Call(Box<MetricsCall>),
    /// The same number in each interval.
    Constant(f64),
    /// Arithmetic between series with equal labels.
    Binary {
        /// `+ - * / % ^`
        op: BinaryOp,
        /// Left side.
        left: Box<SeriesExpr>,
        /// Right side.
        right: Box<SeriesExpr>,
    },
    /// `topk(n)`, `bottomk(n)`: in each interval only the `count` greatest or least numbers stay.
    Rank {
        /// Which of both.
        rank: Rank,
        /// How many series to keep.
        count: usize,
        /// Of what.
        series: Box<SeriesExpr>,
    },
    /// Numbers for which the comparison holds stay.
    Keep {
        /// The comparison.
        op: CompareOp,
        /// With what; seconds for a duration.
        value: f64,
        /// Of what.
        series: Box<SeriesExpr>,
    },
}

/// A metrics function of the spans of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsCall {
    /// Which spans count.
    pub spans: Pipeline,
    /// What is computed of them.
    pub function: MetricsFunction,
    /// Whether numbers are divided by the seconds of an interval: `rate()`.
    pub per_second: bool,
    /// The name of the function, which a series without other labels has as `__name__`.
    pub name: &'static str,
    /// `by (…)`, each with its label, as written.
    pub by: Vec<(StoredExpr, String)>,
}

/// Plans a query in which `check` found no fault.
///
/// # Errors
/// Everything in it that cannot be done, in the order of the text.
pub(super) fn plan(query: &Query) -> Result<Compiled, Vec<QueryError>> {
    if query.is_metrics() {
        let message = "this is a metrics query: it has numbers over time, and no spans to search for";
        return Err(vec![QueryError::new(query.range.bytes(), message)]);
    }
    let mut planner = Planner::default();
    let mut stages = Stages::default();
    planner.stages(&query.pipeline.stages, &mut stages);
    let errors = planner.into_errors();
    if !errors.is_empty() {
        return Err(errors);
    }
    let (order, rows) = (stages.order.clone(), stages.rows);
    let select = select::named_fields(&query.pipeline);
    Ok(Compiled { spans: stages.finish(), select, order, rows, notices: Hints::of(query).notices })
}

/// Plans a metrics query in which `check` found no fault.
///
/// # Errors
/// Everything in it that cannot be done, in the order of the text.
pub(super) fn plan_metrics(query: &Query) -> Result<CompiledMetrics, Vec<QueryError>> {
    if !query.is_metrics() {
        let message = "this is no metrics query; write a function such as | rate() at its end";
        return Err(vec![QueryError::new(query.range.bytes(), message)]);
    }
    let mut planner = Planner::default();
    let series = planner.series_pipeline(&query.pipeline, &Stages::default());
    match (series, planner.into_errors()) {
        (Some(series), errors) if errors.is_empty() => {
            let Hints { weighted, exemplars, notices } = Hints::of(query);
            Ok(CompiledMetrics { series, weighted, exemplars, notices })
        }
        (_, errors) => Err(errors),
    }
}

#[cfg(test)]
mod pipeline_tests;
#[cfg(test)]
mod series_tests;
#[cfg(test)]
mod tests;

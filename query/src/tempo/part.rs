//! Which spans of a trace are answered: parameters of `/api/v2/traces/{id}` that Tempo has since 3.1.

use std::collections::HashSet;

use hoptrail_proto::model::{SpanId, Trace, TraceId};
use hoptrail_storage::{CompareOp, Field, Filter, Intrinsic, SearchRequest, Value};

use crate::assemble::{Around, Clocks, Folding, assemble};
use crate::http::{Api, ApiError, Ask, Params, shown};
use crate::traceql::{compile, render_errors};

/// Most spans that `q` finds in one trace.
const MOST_WANTED: usize = 10_000_000;
/// Most attributes that siblings are compared by.
const MOST_KEYS: usize = 20;
/// Most levels that a parameter can name.
const MOST_LEVELS: usize = 1_000_000;

/// The part of a trace that a request asks for.
#[derive(Debug)]
pub(super) struct Part {
    /// The spans that are wanted, and how many levels around them.
    filter: Option<(Filter, Around)>,
    folding: Option<Folding>,
}

impl Part {
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        // All of them are checked, also those that have no effect without another one.
        let around = around(params)?;
        let folding = folding(params)?;
        let filter = params.get("q").map(filter).transpose()?;
        Ok(Self {
            filter: filter.map(|filter| (filter, around)),
            folding: params.flag("span_pruning")?.unwrap_or(false).then_some(folding),
        })
    }

    /// The spans that the filter finds; `None` without one.
    pub(super) async fn wanted(&self, api: &Api, ask: &Ask, id: TraceId) -> Result<Option<HashSet<SpanId>>, ApiError> {
        let Some((filter, _)) = &self.filter else { return Ok(None) };
        let of_trace =
            Filter::compare(Field::Intrinsic(Intrinsic::TraceId), CompareOp::Eq, Value::string(id.to_string()));
        let request = SearchRequest {
            spans: Filter::And(vec![of_trace, filter.clone()]).into(),
            limit: 1,
            spans_per_set: MOST_WANTED,
            ..SearchRequest::default()
        };
        let answer = api.service.search(&ask.tenants, request).await?.value;
        Ok(Some(answer.hits.iter().flat_map(|hit| hit.spans()).map(|span| span.span_id).collect()))
    }

    /// That part of the trace.
    pub(super) fn take(&self, trace: Trace, wanted: Option<&HashSet<SpanId>>) -> Trace {
        let id = trace.id;
        let trace = match (&self.filter, wanted) {
            (Some((_, around)), Some(wanted)) => {
                let spans = assemble(&trace, Clocks::AsSent).subset(wanted, *around).into_iter().cloned().collect();
                Trace { id, spans }
            }
            _ => trace,
        };
        match &self.folding {
            Some(folding) => Trace { id, spans: assemble(&trace, Clocks::AsSent).folded(folding) },
            None => trace,
        }
    }
}

fn filter(q: &str) -> Result<Filter, ApiError> {
    let compiled = compile(q)
        .map_err(|errors| ApiError::invalid(format!("invalid TraceQL query\n{}", render_errors(q, &errors))))?;
    let filter = compiled.spans.as_filter().cloned();
    filter.ok_or_else(|| ApiError::invalid(format!("invalid q {}: expected one filter {{ … }}", shown(q))))
}

fn around(params: &Params) -> Result<Around, ApiError> {
    let below = params.count("match_depth", 0, MOST_LEVELS)?.unwrap_or(0);
    let above = levels(params, "ancestor_depth")?.unwrap_or(usize::MAX);
    let keeps_hierarchy = params.flag("keep_hierarchy")?.unwrap_or(true);
    Ok(Around { below, above: if keeps_hierarchy { above } else { 0 } })
}

fn folding(params: &Params) -> Result<Folding, ApiError> {
    let by: Vec<String> = params
        .get("span_pruning_group_by")
        .into_iter()
        .flat_map(|keys| keys.split(','))
        .map(|key| key.trim().to_owned())
        .collect();
    if by.len() > MOST_KEYS || by.iter().any(String::is_empty) {
        let expected = format!("expected up to {MOST_KEYS} attribute keys with commas between them");
        let given = params.get("span_pruning_group_by").unwrap_or_default();
        return Err(ApiError::invalid(format!("invalid span_pruning_group_by {}: {expected}", shown(given))));
    }
    Ok(Folding {
        by,
        least: params.count("span_pruning_min_spans", 2, MOST_WANTED)?.unwrap_or(5),
        levels: levels(params, "span_pruning_max_parent_depth")?.unwrap_or(1),
    })
}

/// A number of levels, where -1 means all.
fn levels(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let levels = match text {
        "-1" => Some(usize::MAX),
        text => text.parse().ok().filter(|levels| *levels <= MOST_LEVELS),
    };
    let expected = format!("expected a number of levels from 0 to {MOST_LEVELS}, or -1 for all");
    levels.map(Some).ok_or_else(|| ApiError::invalid(format!("invalid {name} {}: {expected}", shown(text))))
}

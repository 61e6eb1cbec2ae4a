//! Answers questions from head and segments, newest first, reading no more than the answer needs.

mod attribute_keys;
mod contrast;
mod duplicates;
#[cfg(test)]
mod explain_tests;
mod field_values;
mod group_cache;
mod hits;
mod judge;
mod large_traces;
#[cfg(test)]
mod late_tests;
mod leaves;
mod metrics;
#[cfg(test)]
mod names_tests;
mod needed_columns;
mod newest;
mod parallel;
mod paths;
mod ranked;
#[cfg(test)]
mod repeated_key_tests;
mod rounds;
#[cfg(test)]
mod ruled_out_tests;
mod scan_unit;
mod search;
mod snapshot;
mod too_few;
mod trace_loader;
mod trace_summary;
#[cfg(test)]
mod unreal_time_tests;
mod view;

use hoptrail_proto::model::{TenantId, Trace, TraceId, TraceSpan};

use super::Store;
use super::rollups::rollups;
use crate::rollup::{RollupRequest, Rollups};
use crate::search::{AttributeKeysRequest, FieldValuesRequest, SearchAnswer, SearchPart, SearchRequest};
use crate::series::{MetricsAnswer, MetricsFunction, MetricsRequest};
use crate::traits::TraceReader;
use crate::{
    AttributeScope, CallPaths, Contrast, ContrastRequest, Exceptions, ExceptionsRequest, PathsRequest, QueryContext,
    ReadError, Value,
};
use attribute_keys::KeyQuestion;
use field_values::Question;
use metrics::Metrics;
pub(super) use metrics::{HeadCopies, KeptNumbers};
pub(super) use parallel::Workers;
use snapshot::Snapshot;
use trace_loader::TraceLoader;

impl TraceReader for Store {
    fn trace(&self, tenant: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        context.check()?;
        TraceLoader::new(&Snapshot::take(&self.readers, tenant), context).trace(id)
    }

    fn each_span(
        &self,
        tenant: &TenantId,
        id: TraceId,
        context: &QueryContext,
        take: &mut dyn FnMut(Vec<TraceSpan>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        TraceLoader::new(&Snapshot::take(&self.readers, tenant), context).each_span(id, take)
    }

    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        search::search(&TraceLoader::new(&snapshot, context), request, None)
    }

    fn search_in_parts(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
        take: &mut dyn FnMut(SearchPart) -> Result<(), ReadError>,
    ) -> Result<SearchAnswer, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        search::search(&TraceLoader::new(&snapshot, context), request, Some(take))
    }

    fn metrics(
        &self,
        tenant: &TenantId,
        request: &MetricsRequest,
        context: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        context.say(|| format!("spans:  {}", request.spans));
        context.say(|| format!("what:   {request}"));
        let mut answer = Metrics::new(&TraceLoader::new(&snapshot, context), request)?.answer()?;
        answer.inspected.bytes = snapshot.count_pages(context);
        Ok(answer)
    }

    fn rollups(
        &self,
        tenant: &TenantId,
        request: &RollupRequest,
        context: &QueryContext,
    ) -> Result<Rollups, ReadError> {
        rollups(&self.readers, tenant, request, context)
    }

    fn contrast(
        &self,
        tenant: &TenantId,
        request: &ContrastRequest,
        context: &QueryContext,
    ) -> Result<Contrast, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let mut answer = contrast::contrast(&TraceLoader::new(&snapshot, context), request)?;
        answer.inspected.bytes = snapshot.count_pages(context);
        Ok(answer)
    }

    fn call_paths(
        &self,
        tenant: &TenantId,
        request: &PathsRequest,
        context: &QueryContext,
    ) -> Result<CallPaths, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let mut answer = paths::call_paths(&TraceLoader::new(&snapshot, context), request)?;
        answer.inspected.bytes = snapshot.count_pages(context);
        Ok(answer)
    }

    fn exceptions(
        &self,
        tenant: &TenantId,
        request: &ExceptionsRequest,
        context: &QueryContext,
    ) -> Result<Exceptions, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let counted = MetricsRequest {
            spans: request.spans.clone(),
            function: MetricsFunction::Count,
            by: Vec::new(),
            steps: request.steps,
            exemplars: 0,
            weighted: false,
        };
        let mut answer = Metrics::new(&TraceLoader::new(&snapshot, context), &counted)?.exceptions(request.examples)?;
        answer.inspected.bytes = snapshot.count_pages(context);
        Ok(answer)
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        request: &AttributeKeysRequest,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let mut units = snapshot.view.units();
        units.retain(|unit| unit.overlaps(request.range));
        let question = KeyQuestion { loader: &TraceLoader::new(&snapshot, context), units, request };
        Ok(question.answer()?.into_iter().collect())
    }

    fn field_values(
        &self,
        tenant: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let mut units = snapshot.view.units();
        units.retain(|unit| unit.overlaps(request.range));
        let loader = TraceLoader::new(&snapshot, context);
        let question = Question { loader: &loader, units, request };
        if request.filter.needs_trace() || request.field.is_of_trace() {
            question.of_traces()
        } else {
            question.of_spans()
        }
    }
}

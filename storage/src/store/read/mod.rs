//! Answers questions from head and segments, newest first, reading no more than the answer needs.

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
mod ranked;
#[cfg(test)]
mod repeated_key_tests;
mod rounds;
mod scan_unit;
mod search;
mod snapshot;
mod too_few;
mod trace_loader;
mod trace_summary;
#[cfg(test)]
mod unreal_time_tests;
mod view;

use std::collections::{BTreeSet, HashSet};

use hoptrail_proto::model::{TenantId, Trace, TraceId, TraceSpan};

use super::Store;
use super::rollups::rollups;
use crate::rollup::{RollupRequest, Rollups};
use crate::rows::{Owner, TableKind};
use crate::scan::RowGroup;
use crate::search::{FieldValuesRequest, SearchAnswer, SearchPart, SearchRequest, TimeRange};
use crate::series::{MetricsAnswer, MetricsRequest};
use crate::traits::TraceReader;
use crate::{AttributeScope, QueryContext, ReadError, Value};
use field_values::Question;
use metrics::Metrics;
pub(super) use parallel::Workers;
use rounds::Rounds;
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

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<TimeRange>,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let snapshot = Snapshot::take(&self.readers, tenant);
        let (mut keys, mut seen) = (BTreeSet::new(), HashSet::new());
        let mut units = snapshot.view.units();
        // All groups of a segment have the same keys.
        units.retain(|unit| unit.overlaps(range) && unit.segment().is_none_or(|segment| seen.insert(segment)));
        let rounds = Rounds::new(&snapshot, &units);
        for (index, unit) in rounds.units() {
            context.check()?;
            rounds.fetch(index)?;
            snapshot.on(unit, context, |group| {
                add_keys(group, &mut keys);
                Ok(())
            })?;
        }
        Ok(keys.into_iter().collect())
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

fn add_keys(group: &dyn RowGroup, keys: &mut BTreeSet<(AttributeScope, String)>) {
    let tables = [
        (AttributeScope::Span, TableKind::Span),
        (AttributeScope::Event, TableKind::Event),
        (AttributeScope::Link, TableKind::Link),
    ];
    for (scope, kind) in tables {
        let table = group.table(kind);
        let attributes = table.keys().filter(|key| key.owner == Owner::Attribute);
        keys.extend(attributes.map(|key| (scope, crate::rows::text(&key.name))));
    }
    let resources = group.resources().iter().flat_map(|resource| &resource.attributes);
    keys.extend(resources.map(|attribute| (AttributeScope::Resource, attribute.key.clone())));
    let scopes = group.scopes().iter().flat_map(|scope| &scope.attributes);
    keys.extend(scopes.map(|attribute| (AttributeScope::Instrumentation, attribute.key.clone())));
}

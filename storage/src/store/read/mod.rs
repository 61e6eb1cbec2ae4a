//! Answers questions from head and segments, newest first, reading no more than the answer needs.

mod ahead;
mod hits;
#[cfg(test)]
mod late_tests;
mod newest;
mod snapshot;
mod summary;
mod wanted;

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use hoptrail_proto::model::{AnyValue, TenantId, Trace, TraceId, TraceSpan};

use super::Store;
use crate::matcher::Candidate;
use crate::memory::{distinct, facts};
use crate::rows::{Owner, TableKind};
use crate::scan::{Projection, RowGroup, matching, values};
use crate::search::{FieldValuesRequest, QueryContext, SearchAnswer, SearchRequest, TimeRange, TraceHit};
use crate::traits::TraceReader;
use crate::{AttributeScope, ReadError, Value};
use ahead::in_order;
use hits::Hits;
use newest::{NewestTraces, Search};
use snapshot::{SPAN_BYTES, Snapshot, Unit};
pub(super) use summary::Summaries;
use wanted::Wanted;

impl TraceReader for Store {
    fn trace(&self, tenant: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        context.check()?;
        let spans = Snapshot::take(&self.shared, tenant).spans(id, Projection::Whole, context)?;
        Ok((!spans.is_empty()).then_some(Trace { id, spans }))
    }

    fn search(
        &self,
        tenant: &TenantId,
        request: &SearchRequest,
        context: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        let begun = Instant::now();
        let snapshot = Snapshot::take(&self.shared, tenant);
        let wanted = Wanted::of(request);
        let search = Search { snapshot: &snapshot, request, wanted: &wanted, context };
        let NewestTraces { traces, matched, inspected } = search.run(begun)?;
        let found = Hits { snapshot: &snapshot, request, wanted: &wanted, context, matched };
        let mut hits = Vec::with_capacity(traces.len());
        let take = |_: &(u64, TraceId), hit: Result<Option<TraceHit>, ReadError>| {
            hits.extend(hit?);
            context.check()?;
            context.check_memory(hits.len() * (1 + request.spans_per_trace) * SPAN_BYTES / 4)
        };
        in_order(&traces, begun, |_| true, |(start, id)| found.of(*start, *id), take)?;
        Ok(SearchAnswer { hits, inspected })
    }

    fn attribute_keys(
        &self,
        tenant: &TenantId,
        range: Option<TimeRange>,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let snapshot = Snapshot::take(&self.shared, tenant);
        let mut keys = BTreeSet::new();
        let mut seen = HashSet::new();
        for unit in snapshot.units().iter().filter(|unit| unit.overlaps(range)) {
            context.check()?;
            if let Unit::Group(segment, _) = unit
                && !seen.insert(segment.id)
            {
                continue;
            }
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
        let begun = Instant::now();
        let snapshot = Snapshot::take(&self.shared, tenant);
        let whole = request.filter.needs_trace() || request.field.is_of_trace();
        let mut found = Vec::new();
        let mut traces = HashSet::new();
        let ask = |group: &dyn RowGroup| {
            let rows = matching(group, &request.filter, request.range, context)?;
            if whole {
                return Ok(FieldOfUnit { traces: group.traces_of(&rows)?, ..FieldOfUnit::default() });
            }
            let mut found = Vec::new();
            values(group, &request.field, &rows, &mut |value| found.push(value))?;
            Ok(FieldOfUnit { values: distinct(found, usize::MAX), ..FieldOfUnit::default() })
        };
        let work = |unit: &Unit| {
            context.check()?;
            snapshot.on(unit, context, ask)
        };
        let take = |_: &Unit, here: Result<Option<FieldOfUnit>, ReadError>| {
            let here = here?.unwrap_or_default();
            traces.extend(here.traces.into_iter().map(|(id, _)| id));
            let all = std::mem::take(&mut found).into_iter().chain(here.values).collect();
            found = distinct(all, usize::MAX);
            context.check_memory(found.len() * 64)
        };
        let mut units = snapshot.units();
        units.retain(|unit| unit.overlaps(request.range));
        in_order(&units, begun, |_| true, work, take)?;
        for id in traces {
            context.check()?;
            values_of_trace(&snapshot.spans(id, Projection::Whole, context)?, request, &mut found);
        }
        Ok(distinct(found, request.limit))
    }
}

/// What a unit says of a field: its values, or the traces that do, each with its start.
#[derive(Default)]
struct FieldOfUnit {
    values: Vec<Value>,
    traces: Vec<(TraceId, u64)>,
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

fn values_of_trace(spans: &[TraceSpan], request: &FieldValuesRequest, found: &mut Vec<Value>) {
    let facts = facts(spans);
    for span in spans {
        let candidate = Candidate::new(span, &facts);
        let inside = request.range.is_none_or(|range| range.contains(span.span.start_unix_nano));
        if inside && candidate.satisfies(&request.filter) {
            candidate.each_value(&request.field, &mut |value| {
                if value != Value::Any(AnyValue::Empty) {
                    found.push(value);
                }
            });
        }
    }
}

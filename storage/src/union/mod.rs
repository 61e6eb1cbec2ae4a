//! Several tenants read as one.

mod hits;
mod series;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use hoptrail_proto::model::{TenantId, Tenants, Trace, TraceId, TraceSpan};

use crate::first_values::FirstValues;
use crate::{
    AttributeKeysRequest, AttributeScope, CallPaths, Contrast, ContrastRequest, ExceptionGroup, Exceptions,
    ExceptionsRequest, FieldValuesRequest, Inspected, MetricsAnswer, MetricsRequest, Order, PathsRequest, QueryContext,
    ReadError, RollupRequest, Rollups, SearchAnswer, SearchRequest, TraceReader, Value,
};

/// A store in which some tenants are one: whichever tenant is asked for, the answer is that of all of them together. Nobody but who names
/// them all gets it.
///
/// Each tenant's spans of a trace are judged alone, as if the trace had no others. Where an answer has a trace of several tenants, it has it
/// once, with the spans of all. Questions whose answers cannot be put together of those of single tenants fail with
/// [`ReadError::Unsupported`].
#[derive(Debug)]
pub struct Union<'a> {
    reader: &'a dyn TraceReader,
    tenants: &'a Tenants,
}

impl<'a> Union<'a> {
    /// Reads these tenants.
    #[must_use]
    pub fn new(reader: &'a dyn TraceReader, tenants: &'a Tenants) -> Self {
        Self { reader, tenants }
    }
}

impl TraceReader for Union<'_> {
    fn trace(&self, _: &TenantId, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        let mut spans = DistinctSpans::default();
        for tenant in self.tenants {
            let found = self.reader.trace(tenant, id, context)?;
            found.into_iter().flat_map(|trace| trace.spans).for_each(|span| spans.add(span));
        }
        let spans = spans.spans;
        Ok((!spans.is_empty()).then_some(Trace { id, spans }))
    }

    fn each_span(
        &self,
        _: &TenantId,
        id: TraceId,
        context: &QueryContext,
        take: &mut dyn FnMut(Vec<TraceSpan>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.tenants.iter().try_for_each(|tenant| self.reader.each_span(tenant, id, context, take))
    }

    fn search(&self, _: &TenantId, request: &SearchRequest, context: &QueryContext) -> Result<SearchAnswer, ReadError> {
        if request.order != Order::Newest {
            return Err(ReadError::Unsupported("sort() reads one tenant at a time".to_owned()));
        }
        let mut page = hits::Page::new(request);
        for tenant in self.tenants {
            page.add(self.reader.search(tenant, request, context)?);
        }
        Ok(page.finish())
    }

    fn metrics(
        &self,
        _: &TenantId,
        request: &MetricsRequest,
        context: &QueryContext,
    ) -> Result<MetricsAnswer, ReadError> {
        series::metrics(self.reader, self.tenants, request, context)
    }

    fn rollups(&self, _: &TenantId, request: &RollupRequest, context: &QueryContext) -> Result<Rollups, ReadError> {
        let mut all = Rollups::default();
        for tenant in self.tenants {
            all.add(self.reader.rollups(tenant, request, context)?);
        }
        Ok(all)
    }

    fn contrast(&self, _: &TenantId, _: &ContrastRequest, _: &QueryContext) -> Result<Contrast, ReadError> {
        Err(ReadError::Unsupported("what tells traces apart is found for one tenant at a time".to_owned()))
    }

    fn call_paths(&self, _: &TenantId, _: &PathsRequest, _: &QueryContext) -> Result<CallPaths, ReadError> {
        Err(ReadError::Unsupported("traces are put together for one tenant at a time".to_owned()))
    }

    fn exceptions(
        &self,
        _: &TenantId,
        request: &ExceptionsRequest,
        context: &QueryContext,
    ) -> Result<Exceptions, ReadError> {
        let mut groups: BTreeMap<(String, String, String), ExceptionGroup> = BTreeMap::new();
        let mut inspected = Inspected::default();
        for tenant in self.tenants {
            let found = self.reader.exceptions(tenant, request, context)?;
            inspected = both(inspected, found.inspected);
            for group in found.groups {
                let key = (group.service.clone(), group.kind.clone(), group.template.clone());
                let known = groups.entry(key.clone()).or_default();
                (known.service, known.kind, known.template) = key;
                known.add(group, request.examples);
            }
        }
        Ok(Exceptions { groups: groups.into_values().collect(), inspected })
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        request: &AttributeKeysRequest,
        context: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        let mut keys = BTreeSet::new();
        for tenant in self.tenants {
            keys.extend(self.reader.attribute_keys(tenant, request, context)?);
        }
        Ok(keys.into_iter().collect())
    }

    fn field_values(
        &self,
        _: &TenantId,
        request: &FieldValuesRequest,
        context: &QueryContext,
    ) -> Result<Vec<Value>, ReadError> {
        let mut values = FirstValues::new(request.limit, context)?;
        for tenant in self.tenants {
            self.reader.field_values(tenant, request, context)?.into_iter().for_each(|value| values.add(value));
        }
        values.finish()
    }
}

/// Spans without exact copies, in the order in which they came.
#[derive(Default)]
struct DistinctSpans {
    spans: Vec<TraceSpan>,
    /// By their hashes: the first span, and others if there are any.
    known: HashMap<u64, (usize, Vec<usize>)>,
    hasher: RandomState,
}

impl DistinctSpans {
    fn add(&mut self, span: TraceSpan) {
        let hash = self.hasher.hash_one((&span.span, &span.resource, &span.scope));
        let index = self.spans.len();
        match self.known.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert((index, Vec::new()));
            }
            Entry::Occupied(mut entry) => {
                let (first, others) = entry.get_mut();
                if std::iter::once(&*first).chain(&*others).any(|known| self.spans.get(*known) == Some(&span)) {
                    return;
                }
                others.push(index);
            }
        }
        self.spans.push(span);
    }
}

/// The work behind both.
fn both(one: Inspected, other: Inspected) -> Inspected {
    Inspected {
        traces: one.traces + other.traces,
        spans: one.spans + other.spans,
        bytes: one.bytes + other.bytes,
        segments: one.segments + other.segments,
    }
}

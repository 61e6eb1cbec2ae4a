//! Spans in memory, row by row. Requests are appended to this form, queries search the head in it, and segments are written from it.
//!
//! A row is a *shape* and one 8-byte slot for each column of the shape. A shape is what many spans share: resource, scope, name, kind,
//! status, keys and types of attributes. So nothing is stored for an attribute that a span does not have.

mod append;
mod arena;
mod by_trace;
mod dictionary;
mod materialize;
mod per_table;
mod shapes;
mod table;

pub(crate) use append::fields;
pub(crate) use dictionary::Interner;
pub(crate) use materialize::{set_on_event, set_on_link, set_on_span, span_of, text, to_value};
pub(crate) use per_table::PerTable;
pub(crate) use shapes::{ColumnKey, Owner, Shape, ShapeList, Shapes, TableKind, ValueType};
pub(crate) use table::{Column, LONGEST, Slot, Table};

use std::sync::Arc;

use hashbrown::{HashMap, HashTable};
use hoptrail_proto::model::{Extent, InstrumentationScope, Resource, SpanId, TraceId};

/// The scalars of a span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanRow {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// All zero for a root.
    pub(crate) parent: SpanId,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Bytes of its message as it was received; 0 where that is not known any more.
    pub(crate) bytes: u32,
    /// The previous row of the same trace.
    previous: Option<u32>,
}

impl SpanRow {
    /// When it ends; a span that ends before it starts, when it starts.
    pub(crate) fn latest(&self) -> u64 {
        self.end.max(self.start)
    }

    /// The extent of the span in time.
    pub(crate) fn extent(&self) -> Extent {
        Extent::of(self.start, self.end)
    }
}

/// A resource or scope as received.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OriginBytes {
    pub(crate) message: Box<[u8]>,
    pub(crate) schema_url: Box<[u8]>,
}

/// Distinct resources or scopes, as received and decoded.
#[derive(Debug)]
pub(crate) struct Origins<T> {
    pub(crate) bytes: Vec<OriginBytes>,
    pub(crate) decoded: Vec<Arc<T>>,
    table: HashTable<u32>,
    /// Bytes held, about.
    held: usize,
}

impl<T> Default for Origins<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), decoded: Vec::new(), table: HashTable::new(), held: 0 }
    }
}

/// Spans of one tenant with their events and links.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) resources: Origins<Resource>,
    pub(crate) scopes: Origins<InstrumentationScope>,
    pub(crate) spans: Vec<SpanRow>,
    pub(crate) span_table: Table,
    pub(crate) event_times: Vec<u64>,
    pub(crate) event_owners: Vec<u32>,
    pub(crate) event_table: Table,
    pub(crate) link_ids: Vec<(TraceId, SpanId)>,
    pub(crate) link_owners: Vec<u32>,
    pub(crate) link_table: Table,
    /// Last row of each trace. Clients choose the ids, so the hash has a seed that no client knows.
    traces: HashMap<TraceId, u32>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes held, about. This is called after every request, so it walks through nothing.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.resources.held
            + self.scopes.held
            + self.spans.capacity() * size_of::<SpanRow>()
            + (self.event_times.capacity() + self.event_owners.capacity()) * 8
            + self.link_ids.capacity() * size_of::<(TraceId, SpanId)>()
            + self.link_owners.capacity() * 4
            + self.traces.capacity() * 24
            + [&self.span_table, &self.event_table, &self.link_table].map(Table::memory).iter().sum::<usize>()
    }

    /// The rows of a trace, latest first.
    pub(crate) fn trace_rows(&self, id: TraceId) -> impl Iterator<Item = u32> + '_ {
        self.traces.get(&id).copied().into_iter().flat_map(|last| self.rows_before(last))
    }

    /// A row and the earlier ones of its trace, latest first.
    pub(crate) fn rows_before(&self, last: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(last), |row| self.spans.get(*row as usize)?.previous)
    }

    /// Its spans, events or links.
    pub(crate) fn table(&self, kind: TableKind) -> &Table {
        match kind {
            TableKind::Span => &self.span_table,
            TableKind::Event => &self.event_table,
            TableKind::Link => &self.link_table,
        }
    }

    pub(crate) fn trace_count(&self) -> usize {
        self.traces.len()
    }

    /// Each trace and its last row, in no order.
    pub(crate) fn traces(&self) -> impl Iterator<Item = (TraceId, u32)> + '_ {
        self.traces.iter().map(|(id, last)| (*id, *last))
    }
}

/// The events or links that belong to `row`, by the ascending rows of their owners.
pub(crate) fn owned_by(owners: &[u32], row: u32) -> std::ops::Range<usize> {
    let first = owners.partition_point(|owner| *owner < row);
    let count = owners.get(first..).map_or(0, |rest| rest.iter().take_while(|owner| **owner == row).count());
    first..first + count
}

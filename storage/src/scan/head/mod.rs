//! Rows in memory as a group that is searched.

mod table;
mod traces;

use std::cell::OnceCell;
use std::sync::Arc;

use hoptrail_proto::model::{InstrumentationScope, Resource, SpanId, TraceId, TraceSpan};

pub(crate) use table::searched;
use table::{HeadTable, View};

use super::{Materialize, Projection, SpanColumns, TableView};
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::rows::{PerTable, Rows, SpanRow, TableKind};

/// A view over rows. It keeps what a query derives from them, for the other conditions of the query.
pub(crate) struct HeadGroup<'a> {
    rows: &'a Rows,
    tables: PerTable<HeadTable<'a>>,
    starts: OnceCell<Vec<u64>>,
}

impl<'a> HeadGroup<'a> {
    pub(crate) fn new(rows: &'a Rows) -> Self {
        let tables = PerTable {
            spans: HeadTable::new(&rows.span_table),
            events: HeadTable::new(&rows.event_table),
            links: HeadTable::new(&rows.link_table),
        };
        Self { rows, tables, starts: OnceCell::new() }
    }

    fn row(&self, row: usize) -> Result<&'a SpanRow, ReadError> {
        self.rows.spans.get(row).ok_or_else(|| ReadError::Storage(format!("row {row} is not in the head").into()))
    }
}

impl SpanColumns for HeadGroup<'_> {
    fn table(&self, kind: TableKind) -> Box<dyn TableView + '_> {
        Box::new(View(&self.tables[kind]))
    }

    fn owners(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        Ok(match kind {
            TableKind::Span => &[],
            TableKind::Event => &self.rows.event_owners,
            TableKind::Link => &self.rows.link_owners,
        })
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.rows.resources.decoded
    }

    fn scopes(&self) -> &[Arc<InstrumentationScope>] {
        &self.rows.scopes.decoded
    }

    fn starts(&self) -> Result<&[u64], ReadError> {
        Ok(self.starts.get_or_init(|| self.rows.spans.iter().map(|span| span.start).collect()))
    }

    fn each_duration(&self, rows: &Bitmap, visit: &mut dyn FnMut(usize, u64)) -> Result<(), ReadError> {
        for row in rows.iter() {
            let span = self.row(row)?;
            visit(row, span.end.saturating_sub(span.start));
        }
        Ok(())
    }

    fn event_times(&self) -> Result<&[u64], ReadError> {
        Ok(&self.rows.event_times)
    }

    fn link_ids(&self) -> Result<&[(TraceId, SpanId)], ReadError> {
        Ok(&self.rows.link_ids)
    }

    fn trace_id(&self, row: usize) -> Result<TraceId, ReadError> {
        Ok(self.row(row)?.trace_id)
    }

    fn span_id(&self, row: usize) -> Result<SpanId, ReadError> {
        Ok(self.row(row)?.span_id)
    }

    fn parent_id(&self, row: usize) -> Result<SpanId, ReadError> {
        Ok(self.row(row)?.parent)
    }
}

impl Materialize for HeadGroup<'_> {
    fn spans(&self, id: TraceId, rows: &[u32], _: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError> {
        let is_own = |row: &&u32| self.rows.spans.get(**row as usize).is_some_and(|span| span.trace_id == id);
        Ok(rows.iter().filter(is_own).filter_map(|row| self.rows.span(*row)).collect())
    }
}

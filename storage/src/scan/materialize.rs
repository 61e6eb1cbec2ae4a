//! Makes spans of the rows of a group.

use hoptrail_proto::model::{TraceId, TraceSpan};

use crate::ReadError;
use crate::rows::ColumnKey;

/// Makes spans of rows. This costs a hundred times as much as looking at a column, so it is for spans that are shown.
pub(crate) trait Materialize {
    /// The spans of exactly these rows of one trace, in their order.
    ///
    /// # Contract
    ///
    /// - `rows` are some of [`TraceIndex::rows_of`](super::TraceIndex::rows_of), in that order. A row that is not of the trace is left
    ///   out. So for the rows 3 and 9 there are two spans, whatever lies between them.
    /// - A span is as received, as far as the projection asks for it.
    /// - A damaged column is left out, and so are damaged events and links. The group remembers that, until it is asked. When ids, times or
    ///   shape are damaged there is no span, and the answer is an error.
    fn spans(&self, id: TraceId, rows: &[u32], projection: Projection<'_>) -> Result<Vec<TraceSpan>, ReadError>;
}

/// Which attributes of a span to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Projection<'a> {
    /// Everything: the span as received.
    Whole,
    /// Only columns of these names, and no events or links unless asked for.
    Only {
        /// Attribute keys and field names, sorted.
        names: &'a [Vec<u8>],
        /// Events and links too.
        children: bool,
    },
}

impl Projection<'_> {
    pub(crate) fn wants(&self, key: &ColumnKey) -> bool {
        match self {
            Self::Whole => true,
            Self::Only { names, .. } => names.binary_search_by(|name| name.as_slice().cmp(&key.name)).is_ok(),
        }
    }

    pub(crate) fn wants_children(&self) -> bool {
        matches!(self, Self::Whole | Self::Only { children: true, .. })
    }
}

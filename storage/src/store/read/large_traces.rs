//! Whole traces. One that is too large for the query's memory is answered with its first spans; a download goes through all of it.

use hoptrail_proto::model::{Trace, TraceId, TraceSpan};

use super::trace_loader::{Pace, Spans, TraceLoader};
use crate::ReadError;
use crate::copies::Copies;
use crate::scan::Projection;

impl TraceLoader<'_, '_> {
    /// The trace without exact copies; the first spans by start when there is no room for all, which the context then says.
    pub(super) fn trace(&self, id: TraceId) -> Result<Option<Trace>, ReadError> {
        let found = match self.spans(id, Projection::Whole) {
            Err(error @ ReadError::Memory { .. }) => {
                let first = self.first_spans(id)?;
                if first.spans.is_empty() {
                    return Err(error);
                }
                first
            }
            found => found?,
        };
        found.memory.keep();
        Ok((!found.spans.is_empty()).then_some(Trace { id, spans: found.spans }))
    }

    /// The first spans by start that there is room for: mostly the top of the tree, since parents start before their children.
    fn first_spans(&self, id: TraceId) -> Result<Spans, ReadError> {
        let units = self.holders(id)?;
        let mut held = self.context.reserve(0)?;
        let keys = self.keys(id, &units, &mut held)?;
        let known = keys.len() - self.duplicates(id, &units, &keys, &mut held)?.copies();
        let (mut memory, mut all, mut copies) = (self.context.reserve(0)?, Vec::new(), Copies::default());
        let (mut pace, mut left, mut has_room) = (Pace::default(), keys.as_slice(), true);
        while !left.is_empty() && has_room {
            let batch = self.read_rows(id, &units, pace.batch(&mut left))?;
            pace.count(batch.iter().map(|(_, span)| span));
            for span in batch.into_iter().map(|(_, span)| span).filter(|span| copies.is_first(span)) {
                has_room = has_room && memory.grow(span.memory()).is_ok();
                if has_room {
                    all.push(span);
                }
            }
        }
        self.context.cut(all.len(), known);
        Ok(Spans { spans: all, memory })
    }

    /// Gives all spans of a trace to `take`, batch by batch, without exact copies.
    pub(super) fn each_span(
        &self,
        id: TraceId,
        take: &mut dyn FnMut(Vec<TraceSpan>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let (mut copies, mut memory, mut pace) = (Copies::default(), self.context.reserve(0)?, Pace::default());
        for unit in self.holders(id)? {
            let rows = self.on(&unit, |group| group.rows_of(id))?.unwrap_or_default();
            let mut left = rows.as_slice();
            while !left.is_empty() {
                self.context.check()?;
                let batch = pace.batch(&mut left);
                let spans = self.on(&unit, |group| group.spans(id, batch, Projection::Whole))?;
                let mut spans = spans.unwrap_or_default();
                // Until `take` is done with them.
                let _held = self.context.reserve(pace.count(&spans))?;
                memory.grow(spans.len() * Copies::BYTES)?;
                spans.retain(|span| copies.is_first(span));
                if !spans.is_empty() {
                    take(spans)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use hoptrail_proto::model::{Attribute, Span, SpanId, TenantId};

    use super::*;
    use crate::conformance::{open, write};
    use crate::store::Store;
    use crate::{QueryContext, TraceReader};

    const ID: TraceId = TraceId([7; 16]);
    const SPANS: u64 = 6_000;

    fn span(number: u64) -> TraceSpan {
        let span = Span {
            trace_id: ID,
            span_id: SpanId((number + 1).to_be_bytes()),
            start_unix_nano: 1_767_225_600_000_000_000 + number,
            attributes: vec![Attribute::new("text", "x".repeat(200))],
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    }

    /// Two segments and a head; each has spans from all over the trace, and every tenth span is in two of them.
    fn store(folder: &std::path::Path) -> Arc<Store> {
        let (store, tenant) = (open(folder), TenantId::single());
        for third in 0..3 {
            let own =
                (0..SPANS).filter(|number| number % 3 == third || number % 10 == 0 && number % 3 == (third + 1) % 3);
            write(&*store, &tenant, &own.map(span).collect::<Vec<_>>());
            if third < 2 {
                store.settle().expect("settled");
            }
        }
        store
    }

    fn bounded(bytes: usize) -> QueryContext {
        QueryContext::new(Duration::from_secs(60), bytes, Arc::default())
    }

    #[test]
    fn of_a_trace_that_is_too_large_the_first_spans_are_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, tenant) = (store(folder.path()), TenantId::single());
        let numbers = |context: &QueryContext| {
            let trace = store.trace(&tenant, ID, context).expect("not an error").expect("known");
            let mut numbers: Vec<u64> =
                trace.spans.iter().map(|span| u64::from_be_bytes(span.span.span_id.0) - 1).collect();
            numbers.sort_unstable();
            numbers
        };
        let context = bounded(8 << 20);
        assert_eq!(numbers(&context), (0..SPANS).collect::<Vec<_>>());
        assert_eq!(context.cut_to(), None);
        let context = bounded(2 << 20);
        let first = numbers(&context);
        assert_eq!(first, (0..first.len() as u64).collect::<Vec<_>>(), "the first by start, without a gap");
        assert!((1_000..5_000).contains(&first.len()), "{} spans fit", first.len());
        assert!(matches!(context.cut_to(), Some((spans, known)) if spans == first.len() && known >= SPANS as usize));
    }

    #[test]
    fn all_spans_of_a_trace_come_in_batches_however_little_memory_there_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, tenant) = (store(folder.path()), TenantId::single());
        let (mut numbers, mut batches, context) = (Vec::new(), 0, bounded(5 << 20));
        let mut take = |spans: Vec<TraceSpan>| {
            numbers.extend(spans.iter().map(|span| u64::from_be_bytes(span.span.span_id.0) - 1));
            batches += 1;
            Ok(())
        };
        store.each_span(&tenant, ID, &context, &mut take).expect("read");
        numbers.sort_unstable();
        assert_eq!(numbers, (0..SPANS).collect::<Vec<_>>(), "each once");
        assert!(batches > 3, "{batches} batches");
        let stopped = store.each_span(&tenant, ID, &context, &mut |_| Err(ReadError::Cancelled));
        assert!(matches!(stopped, Err(ReadError::Cancelled)));
    }
}

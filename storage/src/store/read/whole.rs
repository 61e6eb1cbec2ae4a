//! Whole traces. One that is too large for the query's memory is answered in part; a download goes through all of it.

use hoptrail_proto::model::{Trace, TraceId, TraceSpan};

use super::snapshot::{Snapshot, Spans, Unit};
use crate::copies::{Copies, without_copies};
use crate::scan::{Projection, SpanKey};
use crate::{QueryContext, ReadError, Reserved};

/// Spans of the first batch.
const FIRST: usize = 64;
/// Most spans of a batch.
const MOST: usize = 4096;
/// Bytes that a batch should have, as far as the spans before tell.
const BATCH_BYTES: usize = 4 << 20;
/// Memory of what is known of a span before it is read.
const KEY_BYTES: usize = 64;

/// How many spans to read at once, by what those read so far took.
#[derive(Debug, Default)]
struct Pace {
    spans: usize,
    bytes: usize,
}

impl Pace {
    fn next(&self) -> usize {
        match self.bytes.checked_div(self.spans) {
            None => FIRST,
            Some(of_one) => (BATCH_BYTES / of_one.max(1)).clamp(1, MOST),
        }
    }

    /// Takes the next batch off what is left.
    fn batch<'l, T>(&self, left: &mut &'l [T]) -> &'l [T] {
        let (batch, rest) = left.split_at(self.next().min(left.len()));
        *left = rest;
        batch
    }

    /// Counts spans; the bytes that they take.
    fn count(&mut self, spans: &[TraceSpan]) -> usize {
        let bytes = spans.iter().map(TraceSpan::memory).sum();
        self.spans += spans.len();
        self.bytes += bytes;
        bytes
    }
}

impl Snapshot<'_> {
    /// The trace without exact copies; the first spans by start when there is no room for all, which the context then says.
    pub(super) fn trace(&self, id: TraceId, context: &QueryContext) -> Result<Option<Trace>, ReadError> {
        let found = match self.spans(id, Projection::Whole, context) {
            Err(error @ ReadError::Memory { .. }) => {
                let first = self.first_spans(id, context)?;
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
    fn first_spans(&self, id: TraceId, context: &QueryContext) -> Result<Spans, ReadError> {
        let units: Vec<Unit> = self.holders(id).collect();
        let mut memory = context.reserve(0)?;
        let keys = self.keys(id, &units, &mut memory, context)?;
        let (mut all, mut pace, mut left) = (Vec::new(), Pace::default(), keys.as_slice());
        let mut has_room = true;
        while !left.is_empty() && has_room {
            let mut places: Vec<(usize, u32)> =
                pace.batch(&mut left).iter().map(|(_, place, row)| (*place, *row)).collect();
            places.sort_unstable();
            let mut here = Vec::with_capacity(places.len());
            for of_unit in places.chunk_by(|(one, _), (other, _)| one == other) {
                let Some(unit) = of_unit.first().and_then(|(place, _)| units.get(*place)) else { continue };
                context.check()?;
                let rows: Vec<u32> = of_unit.iter().map(|(_, row)| *row).collect();
                let spans = self.on(unit, context, |group| group.spans(id, &rows, Projection::Whole))?;
                here.extend(spans.unwrap_or_default());
            }
            here.sort_by_key(|span| (span.span.start_unix_nano, span.span.span_id));
            pace.count(&here);
            for span in here {
                has_room = has_room && memory.grow(span.memory()).is_ok();
                if has_room {
                    all.push(span);
                }
            }
        }
        let known = keys.len();
        memory.shrink(known * KEY_BYTES);
        let spans = without_copies(all);
        context.cut(spans.len(), known);
        Ok(Spans { spans, memory })
    }

    /// Each span by its key, the place of its unit and its row there, in the order of their keys.
    fn keys(
        &self,
        id: TraceId,
        units: &[Unit],
        memory: &mut Reserved,
        context: &QueryContext,
    ) -> Result<Vec<(SpanKey, usize, u32)>, ReadError> {
        let mut keys = Vec::new();
        for (place, unit) in units.iter().enumerate() {
            context.check()?;
            let own = self.on(unit, context, |group| {
                let rows = group.rows_of(id)?;
                memory.grow(rows.len() * KEY_BYTES)?;
                Ok((group.keys(id, 0, u64::MAX)?, rows))
            })?;
            let (own, rows) = own.unwrap_or_default();
            keys.extend(own.into_iter().zip(rows).map(|(key, row)| (key, place, row)));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Gives all spans of a trace to `take`, batch by batch, without exact copies.
    pub(super) fn each_span(
        &self,
        id: TraceId,
        context: &QueryContext,
        take: &mut dyn FnMut(Vec<TraceSpan>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let (mut copies, mut memory, mut pace) = (Copies::default(), context.reserve(0)?, Pace::default());
        for unit in self.holders(id) {
            let rows = self.on(&unit, context, |group| group.rows_of(id))?.unwrap_or_default();
            let mut left = rows.as_slice();
            while !left.is_empty() {
                context.check()?;
                let batch = pace.batch(&mut left);
                let spans = self.on(&unit, context, |group| group.spans(id, batch, Projection::Whole))?;
                let mut spans = spans.unwrap_or_default();
                // Until `take` is done with them.
                let _held = context.reserve(pace.count(&spans))?;
                memory.grow(spans.len() * Copies::BYTES)?;
                spans.retain(|span| copies.is_first(span));
                if !spans.is_empty() {
                    take(spans)?;
                }
            }
        }
        Ok(())
    }

    /// The spans of some rows of one unit, as they take the query's memory.
    pub(super) fn read(
        &self,
        id: TraceId,
        unit: &Unit,
        projection: Projection<'_>,
        context: &QueryContext,
        memory: &mut Reserved,
    ) -> Result<Vec<TraceSpan>, ReadError> {
        let all = self.on(unit, context, |group| {
            let rows = group.rows_of(id)?;
            let (mut all, mut pace, mut left) = (Vec::with_capacity(rows.len()), Pace::default(), rows.as_slice());
            while !left.is_empty() {
                context.check()?;
                let spans = group.spans(id, pace.batch(&mut left), projection)?;
                memory.grow(pace.count(&spans))?;
                all.extend(spans);
            }
            Ok(all)
        })?;
        Ok(all.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use hoptrail_proto::model::{Attribute, Span, SpanId, TenantId};

    use super::*;
    use crate::TraceReader;
    use crate::conformance::{open, write};
    use crate::store::Store;

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

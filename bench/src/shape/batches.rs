//! Traces as OTLP requests: each resource collects its spans and sends them when a request is full.

use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::types::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan};
use prost::Message;

use super::{Shape, Trace};

/// A request's bytes.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `ExportTraceServiceRequest`.
    pub(crate) body: Vec<u8>,
    /// Spans in it.
    pub(crate) spans: u32,
    /// Slot of time in which it is sent.
    pub(crate) slot: usize,
}

/// Collects spans by resource and slot.
#[derive(Debug)]
pub(crate) struct Batches {
    shape: Shape,
    size: usize,
    /// Spans that wait for their request to become full: a queue for each resource, in each slot.
    waiting: Vec<Vec<OtlpSpan>>,
}

impl Batches {
    /// Requests of `size` spans.
    #[must_use]
    pub(crate) fn new(shape: Shape, size: usize) -> Self {
        Self { shape, size, waiting: Vec::new() }
    }

    /// Adds a trace; the requests that became full.
    pub(crate) fn add(&mut self, trace: Trace) -> Vec<Batch> {
        let mut full = Vec::new();
        for span in trace.spans {
            let queue = span.slot * self.shape.resources() + span.resource;
            if self.waiting.len() <= queue {
                self.waiting.resize_with(queue + 1, Vec::new);
            }
            self.waiting[queue].push(span.otlp);
            if self.waiting[queue].len() == self.size {
                full.push(self.take(queue));
            }
        }
        full
    }

    /// What is left.
    #[must_use]
    pub(crate) fn finish(&mut self) -> Vec<Batch> {
        let left: Vec<usize> = (0..self.waiting.len()).filter(|queue| !self.waiting[*queue].is_empty()).collect();
        left.into_iter().map(|queue| self.take(queue)).collect()
    }

    fn take(&mut self, queue: usize) -> Batch {
        let spans = std::mem::take(&mut self.waiting[queue]);
        let (slot, resource) = (queue / self.shape.resources(), queue % self.shape.resources());
        let count = spans.len() as u32;
        let (resource, scope) = self.shape.resource(resource);
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
        let group = ResourceSpans { resource: Some(resource), scope_spans, schema_url: String::new() };
        let body = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
        Batch { body, spans: count, slot }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn requests_hold_every_span_once_and_one_resource_each() {
        let shape = Shape { kind: Kind::Shop, seed: 1, spans: 40_000, end_unix_nano: 1_800_000_000_000_000_000 };
        let mut batches = Batches::new(shape, 512);
        let (mut made, mut all) = (0, Vec::new());
        for trace in shape.traces_from(0).take(2_000) {
            made += trace.spans.len();
            all.extend(batches.add(trace));
        }
        assert!(all.iter().all(|batch| batch.spans == 512));
        all.extend(batches.finish());
        assert!(batches.finish().is_empty());
        let mut seen = 0;
        for batch in &all {
            let request = ExportTraceServiceRequest::decode(batch.body.as_slice()).expect("valid");
            assert_eq!(request.resource_spans.len(), 1);
            seen += request.resource_spans[0].scope_spans[0].spans.len();
        }
        assert_eq!(seen, made);
        let bytes = all.iter().map(|batch| batch.body.len()).sum::<usize>() as f64 / made as f64;
        assert!((555.0..580.0).contains(&bytes), "{bytes} bytes a span");
    }
}

//! Distinguishes exact copies of a span from spans that only share its id.
//!
//! A client that retries sends copies. A process that was forked with its random state makes different spans with the same ids. Both may
//! come thousands of times, so spans are compared by a hash of their content, which is made once for each span.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use hoptrail_proto::model::{InstrumentationScope, Resource, TraceSpan};
use xxhash_rust::xxh3::Xxh3;

/// The hash of everything that a span has. Two spans with one hash are exact copies.
pub(crate) type ContentHash = u128;

/// Hashes spans. A resource or scope is hashed once, however many spans share it.
#[derive(Default)]
pub(crate) struct Contents {
    resources: Shared<Resource>,
    scopes: Shared<InstrumentationScope>,
}

/// Hashes by address. The value is kept, so that its address is not used again for another one.
type Shared<T> = HashMap<usize, (Arc<T>, ContentHash)>;

impl Contents {
    pub(crate) fn hash(&mut self, span: &TraceSpan) -> ContentHash {
        let mut hasher = Xxh3::new();
        span.span.hash(&mut hasher);
        hash_once(&mut self.resources, &span.resource).hash(&mut hasher);
        hash_once(&mut self.scopes, &span.scope).hash(&mut hasher);
        hasher.digest128()
    }
}

fn hash_once<T: Hash>(known: &mut Shared<T>, shared: &Arc<T>) -> ContentHash {
    let (_, hash) = known.entry(Arc::as_ptr(shared).addr()).or_insert_with(|| {
        let mut hasher = Xxh3::new();
        shared.hash(&mut hasher);
        (Arc::clone(shared), hasher.digest128())
    });
    *hash
}

/// Remembers spans.
#[derive(Default)]
pub(crate) struct Copies {
    contents: Contents,
    seen: HashSet<ContentHash>,
}

impl Copies {
    /// Memory of each span, about.
    pub(crate) const BYTES: usize = 32;

    /// Whether no earlier span was the same.
    pub(crate) fn is_first(&mut self, span: &TraceSpan) -> bool {
        self.seen.insert(self.contents.hash(span))
    }
}

/// The spans of a trace without exact copies.
pub(crate) fn without_copies(mut spans: Vec<TraceSpan>) -> Vec<TraceSpan> {
    let mut copies = Copies::default();
    spans.retain(|span| copies.is_first(span));
    spans
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{AnyValue, Attribute, Span, SpanId, TraceId};

    use super::*;

    fn span(name: &str, value: impl Into<AnyValue>) -> TraceSpan {
        let span = Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            name: name.to_owned(),
            attributes: vec![Attribute::new("key", value)],
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    }

    #[test]
    fn copies_go_and_spans_of_one_id_stay() {
        let other_resource = Resource { attributes: vec![Attribute::new("pod", "b")], ..Resource::default() };
        let moved = TraceSpan { resource: Arc::new(other_resource), ..span("a", "1") };
        let distinct = [span("a", "1"), span("b", "1"), span("a", "2"), span("a", 1i64), span("a", f64::NAN), moved];
        let sent = distinct.iter().chain(&distinct).chain(&distinct).cloned().collect();
        assert_eq!(without_copies(sent), distinct);
    }

    #[test]
    fn a_large_resource_is_hashed_once() {
        let large = Resource { attributes: vec![Attribute::new("key", "x".repeat(1 << 20))], ..Resource::default() };
        let large = Arc::new(large);
        let spans = (0..50_000).map(|n| TraceSpan { resource: Arc::clone(&large), ..span("a", n) });
        let begun = crate::clock::instant();
        assert_eq!(without_copies(spans.collect()).len(), 50_000);
        assert!(begun.elapsed().as_secs() < 5, "{:?}: 50 GB were read", begun.elapsed());
    }
}

//! What spans take in memory.

use super::{AnyValue, Attribute, SpanEvent, SpanLink, TraceSpan};

/// What the allocator adds to each piece of memory, about.
const PIECE: usize = 8;

impl TraceSpan {
    /// Bytes that it takes, about, without its resource and scope, which it shares with others.
    #[must_use]
    pub fn memory(&self) -> usize {
        let span = &self.span;
        let events = span.events.iter().map(|event| text(&event.name) + heap_of(&event.attributes));
        let links = span.links.iter().map(|link| text(&link.trace_state) + heap_of(&link.attributes));
        size_of::<Self>()
            + text(&span.name)
            + text(&span.trace_state)
            + text(&span.status.message)
            + heap_of(&span.attributes)
            + events.map(|heap| heap + size_of::<SpanEvent>()).sum::<usize>()
            + links.map(|heap| heap + size_of::<SpanLink>()).sum::<usize>()
    }
}

fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { text.len() + PIECE }
}

fn heap_of(attributes: &[Attribute]) -> usize {
    attributes.iter().map(|one| size_of::<Attribute>() + text(&one.key) + heap_of_value(&one.value)).sum()
}

fn heap_of_value(value: &AnyValue) -> usize {
    match value {
        AnyValue::String(value) => text(value),
        AnyValue::Bytes(bytes) => bytes.len() + PIECE,
        AnyValue::Array(values) => values.iter().map(|value| size_of::<AnyValue>() + heap_of_value(value)).sum(),
        AnyValue::KvList(list) => heap_of(list),
        AnyValue::Empty | AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Double(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Span;
    use super::*;

    #[test]
    fn what_a_span_holds_counts() {
        let of = |attributes: Vec<Attribute>| {
            let span = Span { attributes, ..Span::default() };
            TraceSpan { span, resource: Arc::default(), scope: Arc::default() }.memory()
        };
        let bare = of(vec![]);
        assert!((150..600).contains(&bare), "{bare}");
        let text = of(vec![Attribute::new("key", "x".repeat(1_000))]) - bare;
        assert!((1_000..1_200).contains(&text), "{text}");
        let nested =
            AnyValue::Array(vec![AnyValue::Bytes(vec![0; 500]), AnyValue::KvList(vec![Attribute::new("k", 7i64)])]);
        let nested = of(vec![Attribute { key: "key".to_owned(), value: nested }]) - bare;
        assert!((500..800).contains(&nested), "{nested}");
    }
}

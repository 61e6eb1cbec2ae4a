//! Which span is the parent of which, by the rules of `storage/src/scan/parents.rs`.

use std::collections::HashMap;

use hoptrail_proto::model::{SpanId, SpanKind, TraceSpan};

/// The parent of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    /// It has none.
    None,
    /// It never came.
    Missing,
    /// The span with this index.
    Span(usize),
}

impl Parent {
    pub(super) fn index(self) -> Option<usize> {
        match self {
            Self::Span(index) => Some(index),
            Self::None | Self::Missing => None,
        }
    }
}

/// The parents of the spans of a trace, which stand in the order of start, id and content.
pub(super) fn parents(spans: &[&TraceSpan]) -> Vec<Parent> {
    let mut by_id: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for (index, span) in spans.iter().enumerate() {
        by_id.entry(span.span.span_id).or_default().push(index);
    }
    for alike in by_id.values_mut() {
        alike.sort_by_key(|index| identity(spans[*index]));
    }
    let mut parents = (0..spans.len()).map(|index| parent_of(spans, &by_id, index)).collect::<Vec<_>>();
    cut_circles(spans, &mut parents);
    parents
}

/// What the first span of several is first by.
fn identity(span: &TraceSpan) -> (u64, SpanId, u64, SpanKind, &str, &str) {
    let TraceSpan { span, resource, .. } = span;
    (span.start_unix_nano, span.span_id, span.end_unix_nano, span.kind, &span.name, resource.service_name())
}

fn parent_of(spans: &[&TraceSpan], by_id: &HashMap<SpanId, Vec<usize>>, index: usize) -> Parent {
    let span = &spans[index].span;
    let alike = by_id.get(&span.span_id).map(Vec::as_slice).unwrap_or_default();
    if let Some((client, _)) = sides(spans, alike).filter(|(_, server)| *server == index) {
        return Parent::Span(client);
    }
    let Some(named) = span.parent_span_id.filter(|named| *named != span.span_id) else { return Parent::None };
    let service = spans[index].resource.service_name();
    let candidates = by_id.get(&named).into_iter().flatten();
    // The first of those that are preferred alike.
    let best = candidates.min_by_key(|candidate| {
        let candidate = spans[**candidate];
        let serves = matches!(candidate.span.kind, SpanKind::Server | SpanKind::Consumer);
        (candidate.resource.service_name() != service, !serves)
    });
    best.map_or(Parent::Missing, |best| Parent::Span(*best))
}

/// The client and the server of one call, when the spans of an id are no more than these.
fn sides(spans: &[&TraceSpan], alike: &[usize]) -> Option<(usize, usize)> {
    let &[first, second] = alike else { return None };
    let (one, other) = (&spans[first].span, &spans[second].span);
    if one.parent_span_id != other.parent_span_id {
        return None;
    }
    match (one.kind, other.kind) {
        (SpanKind::Client, SpanKind::Server) | (SpanKind::Producer, SpanKind::Consumer) => Some((first, second)),
        (SpanKind::Server, SpanKind::Client) | (SpanKind::Consumer, SpanKind::Producer) => Some((second, first)),
        _ => None,
    }
}

/// Takes the parent from the first span of each circle.
fn cut_circles(spans: &[&TraceSpan], parents: &mut [Parent]) {
    let mut seen = vec![false; spans.len()];
    for start in 0..spans.len() {
        let (mut path, mut at) = (Vec::new(), Some(start));
        while let Some(span) = at.filter(|span| !seen[*span]) {
            seen[span] = true;
            path.push(span);
            at = parents[span].index();
        }
        // The walk has met a span that it has seen: a circle, when it was on this walk.
        let circle = at.and_then(|again| path.iter().position(|span| *span == again));
        let circle = circle.map(|from| &path[from..]).unwrap_or_default();
        if let Some(first) = circle.iter().min_by_key(|span| (identity(spans[**span]), **span)) {
            parents[*first] = Parent::None;
        }
    }
}

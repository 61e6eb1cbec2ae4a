//! Of siblings that are alike a single one is left, which says how many it stands for.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};
use hoptrail_proto::model::{AnyValue, Attribute, SpanKind, StatusCode, TraceSpan};

use super::TraceTree;

/// Which siblings are alike, and how many are folded.
///
/// Siblings are alike when they have the same service, name, kind and status, the same values of the attributes that are compared, and the
/// same kinds of spans below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folding {
    /// Attributes of the span or its resource that are compared as well.
    pub by: Vec<String>,
    /// Fewer than this many stay as they are.
    pub least: usize,
    /// Most levels of spans below a span that may be folded: 0 folds only spans without children.
    pub levels: usize,
}

/// What is compared of a span, and of what is below it.
#[derive(PartialEq, Eq, Hash)]
struct Likeness<'a> {
    parent: Option<usize>,
    service: &'a str,
    name: &'a str,
    kind: SpanKind,
    status: StatusCode,
    values: Vec<Option<&'a AnyValue>>,
    below: u64,
}

impl TraceTree<'_> {
    /// The spans, in the order of the tree. The first of folded siblings stands for all of them: it begins with the earliest and ends with
    /// the latest, has attributes that say how many and how long they were, and no events or links. What was below the others is gone.
    #[must_use]
    pub fn folded(&self, folding: &Folding) -> Vec<TraceSpan> {
        let groups = self.alike(folding);
        let mut fate = vec![Fate::Stays; self.nodes.len()];
        for group in &groups {
            let [first, others @ ..] = group.as_slice() else { continue };
            fate[*first] = Fate::StandsFor(group);
            others.iter().for_each(|other| fate[*other] = Fate::Goes);
        }
        self.spared(&fate)
    }

    /// The indexes of siblings that are alike, in the order of the tree: those of each group, and the groups by their first.
    #[must_use]
    pub fn alike(&self, folding: &Folding) -> Vec<Vec<usize>> {
        let least = folding.least.max(2);
        let siblings = self.siblings();
        // Most spans have too few siblings.
        if siblings.iter().all(|count| *count < least) {
            return Vec::new();
        }
        let below = self.below();
        let heights = self.heights();
        let mut groups: HashMap<Likeness<'_>, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let has_enough = siblings[index] >= least && heights[index] <= folding.levels;
            let Some(span) = node.span().filter(|_| has_enough) else { continue };
            let value = |key: &String| span.span.attribute(key).or_else(|| span.resource.attribute(key));
            let likeness = Likeness {
                parent: node.parent,
                service: span.resource.service_name(),
                name: &span.span.name,
                kind: span.span.kind,
                status: span.span.status.code,
                values: folding.by.iter().map(value).collect(),
                below: below[index],
            };
            groups.entry(likeness).or_default().push(index);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() >= least).collect();
        groups.sort_unstable();
        groups
    }

    /// For each node how many children its parent has; for a root how many roots there are.
    fn siblings(&self) -> Vec<usize> {
        let (mut roots, mut children) = (0, vec![0; self.nodes.len()]);
        self.nodes.iter().for_each(|node| *node.parent.map_or(&mut roots, |parent| &mut children[parent]) += 1);
        self.nodes.iter().map(|node| node.parent.map_or(roots, |parent| children[parent])).collect()
    }

    /// The spans that are left.
    fn spared(&self, fate: &[Fate<'_>]) -> Vec<TraceSpan> {
        let mut spans = Vec::new();
        let mut index = 0;
        while let (Some(node), Some(fate)) = (self.nodes.get(index), fate.get(index)) {
            index = if matches!(fate, Fate::Goes) { node.next } else { index + 1 };
            match (fate, node.span()) {
                (Fate::Stays, Some(span)) => spans.push(span.clone()),
                (Fate::StandsFor(group), Some(span)) => {
                    let members = group.iter().filter_map(|member| self.nodes.get(*member)?.span());
                    spans.push(folded_span(span, members));
                }
                _ => {}
            }
        }
        spans
    }

    /// For each node how many levels are below it.
    fn heights(&self) -> Vec<usize> {
        let mut heights = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if let Some(parent) = node.parent {
                heights[parent] = heights[parent].max(heights[index] + 1);
            }
        }
        heights
    }

    /// For each node which kinds of spans are below it: equal numbers for equal kinds, however many there are of each.
    fn below(&self) -> Vec<u64> {
        let hasher = DefaultHashBuilder::default();
        let mut kinds: Vec<Vec<u64>> = vec![Vec::new(); self.nodes.len()];
        let mut below = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let mut own = std::mem::take(&mut kinds[index]);
            own.sort_unstable();
            own.dedup();
            below[index] = hasher.hash_one(own);
            if let Some(parent) = node.parent {
                let span = node.span().map(|span| (span.resource.service_name(), &span.span.name, span.span.kind));
                kinds[parent].push(hasher.hash_one((span, below[index])));
            }
        }
        below
    }
}

/// What becomes of a node.
#[derive(Debug, Clone)]
enum Fate<'a> {
    Stays,
    StandsFor(&'a [usize]),
    /// With everything below it.
    Goes,
}

fn folded_span<'a>(first: &TraceSpan, members: impl Iterator<Item = &'a TraceSpan>) -> TraceSpan {
    let mut folded = first.clone();
    let (mut count, mut total, mut least, mut most) = (0_u64, 0_u64, u64::MAX, 0);
    for member in members {
        let nanos = member.span.duration_nanos();
        (count, total) = (count + 1, total.saturating_add(nanos));
        (least, most) = (least.min(nanos), most.max(nanos));
        folded.span.start_unix_nano = folded.span.start_unix_nano.min(member.span.start_unix_nano);
        folded.span.end_unix_nano = folded.span.end_unix_nano.max(member.span.end_unix_nano);
    }
    folded.span.events.clear();
    folded.span.links.clear();
    let number = |key: &str, value: u64| Attribute::new(key, i64::try_from(value).unwrap_or(i64::MAX));
    folded.span.attributes.extend([
        Attribute::new("aggregation.is_summary", true),
        number("aggregation.span_count", count),
        number("aggregation.duration_min_ns", least),
        number("aggregation.duration_max_ns", most),
        number("aggregation.duration_avg_ns", total / count.max(1)),
        number("aggregation.duration_total_ns", total),
    ]);
    folded
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Span, SpanId, Trace, TraceId};

    use super::super::{Clocks, assemble};
    use super::*;

    const T0: u64 = 1_700_000_000_000_000_000;

    fn span(id: u64, parent: u64, name: &str, nanos: u64) -> TraceSpan {
        let span = Span {
            span_id: SpanId(id.to_be_bytes()),
            parent_span_id: SpanId::from_bytes(&parent.to_be_bytes()),
            name: name.to_owned(),
            start_unix_nano: T0 + id,
            end_unix_nano: T0 + id + nanos,
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    }

    fn folding(least: usize, levels: usize) -> Folding {
        Folding { by: Vec::new(), least, levels }
    }

    fn fold(spans: &[TraceSpan], folding: &Folding) -> Vec<TraceSpan> {
        let trace = Trace { id: TraceId([1; 16]), spans: spans.to_vec() };
        assemble(&trace, Clocks::AsSent).folded(folding)
    }

    fn ids(spans: &[TraceSpan]) -> Vec<u64> {
        spans.iter().map(|span| u64::from_be_bytes(span.span.span_id.0)).collect()
    }

    #[test]
    fn alike_siblings_without_children_become_one() {
        let mut spans = vec![span(1, 0, "root", 1000)];
        spans.extend((2..7).map(|id| span(id, 1, "get", id * 10)));
        spans.push(span(7, 1, "put", 5));
        let found = fold(&spans, &folding(5, 0));
        assert_eq!(ids(&found), [1, 2, 7]);
        let one = &found[1].span;
        assert_eq!((one.start_unix_nano, one.end_unix_nano), (T0 + 2, T0 + 6 + 60));
        let number = |key: &str| one.attribute(key).cloned();
        assert_eq!(number("aggregation.span_count"), Some(5.into()));
        assert_eq!(number("aggregation.duration_min_ns"), Some(20.into()));
        assert_eq!(number("aggregation.duration_max_ns"), Some(60.into()));
        assert_eq!(number("aggregation.duration_avg_ns"), Some(40.into()));
        assert_eq!(number("aggregation.duration_total_ns"), Some(200.into()));
        assert_eq!(fold(&spans, &folding(6, 0)), assembled(&spans), "too few");
    }

    /// The spans in the order of the tree.
    fn assembled(spans: &[TraceSpan]) -> Vec<TraceSpan> {
        fold(spans, &folding(usize::MAX, 0))
    }

    #[test]
    fn parents_are_folded_when_what_is_below_them_is_alike() {
        let mut spans = vec![span(1, 0, "root", 1000)];
        for id in [10, 20, 30] {
            spans.push(span(id, 1, "call", 50));
            spans.extend((1..=id / 10).map(|child| span(id + child, id, "get", 5)));
        }
        spans.extend([span(40, 1, "call", 50), span(41, 40, "put", 5)]);
        assert_eq!(fold(&spans, &folding(3, 0)).len(), 10, "the three children of 30 are one");
        assert_eq!(ids(&fold(&spans, &folding(3, 1))), [1, 10, 11, 40, 41]);
    }

    #[test]
    fn what_differs_is_not_folded() {
        let alike: Vec<_> = (2..6).map(|id| span(id, 1, "get", 5)).collect();
        let differing: [fn(&mut TraceSpan); 4] = [
            |span| span.span.status.code = StatusCode::Error,
            |span| span.span.kind = SpanKind::Client,
            |span| span.span.attributes.push(Attribute::new("shard", 7)),
            |span| span.resource = Arc::new(service("other")),
        ];
        let by_shard = Folding { by: vec!["shard".to_owned()], ..folding(2, 0) };
        for (number, differ) in differing.into_iter().enumerate() {
            let mut spans = alike.clone();
            differ(&mut spans[3]);
            spans.push(span(1, 0, "root", 1000));
            assert_eq!(ids(&fold(&spans, &by_shard)), [1, 2, 5], "{number}");
        }
    }

    fn service(name: &str) -> hoptrail_proto::model::Resource {
        let attributes = vec![Attribute::new("service.name", name)];
        hoptrail_proto::model::Resource { attributes, ..Default::default() }
    }

    #[test]
    fn a_large_trace_is_folded_in_one_pass() {
        let mut spans: Vec<_> = (1..50_000).map(|id| span(id, id - 1, "deep", 5)).collect();
        spans.extend((50_000..100_000).map(|id| span(id, 1, "wide", 5)));
        assert_eq!(fold(&spans, &folding(5, 1)).len(), 50_000);
    }
}

//! The spans of two traces as lines: a span of one trace, the same span of both, or all siblings that are alike. Pure.

use std::collections::HashMap;

use hoptrail_proto::model::SpanKind;
use hoptrail_query::assemble::{Node, NodeKind, TraceTree};
use hoptrail_query::diff::align;

/// What both traces know of a step of the call path.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) service: String,
    pub(super) name: String,
    /// What is missing has no service.
    pub(super) is_missing: bool,
    pub(super) depth: usize,
    /// The line above it.
    pub(super) parent: Option<usize>,
    pub(super) base: Option<Spans>,
    pub(super) compare: Option<Spans>,
}

/// The spans of one trace that a line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spans {
    pub(super) count: usize,
    pub(super) errors: usize,
    /// From the start of the trace: the first start and the last end.
    pub(super) from: u64,
    pub(super) to: u64,
    /// How long they took together, and how much of it themselves.
    pub(super) nanos: u64,
    pub(super) own: u64,
}

impl Spans {
    fn of(node: &Node<'_>, start: u64) -> Self {
        Self {
            count: 1,
            errors: usize::from(node.is_error()),
            from: node.interval.start.saturating_sub(start),
            to: node.interval.end.saturating_sub(start),
            nanos: node.interval.nanos(),
            own: node.self_nanos,
        }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.own = self.own.saturating_add(other.own);
    }
}

/// All lines, each after its parent.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) list: Vec<Line>,
    /// The longer of both durations.
    pub(super) scale: u64,
}

/// What siblings must share to be one line.
type Step = (Option<usize>, String, String, SpanKind);

/// The lines of two traces; `is_folded` makes one of siblings that are alike.
pub(super) fn lines(base: &TraceTree<'_>, compare: &TraceTree<'_>, is_folded: bool) -> Lines {
    let mut list: Vec<Line> = Vec::new();
    // For each aligned row its line.
    let mut of_rows: Vec<usize> = Vec::new();
    let mut known: HashMap<Step, usize> = HashMap::new();
    for row in align(base, compare) {
        let of = |tree: &TraceTree<'_>, index: Option<usize>| {
            tree.nodes.get(index?).map(|node| Spans::of(node, tree.interval.start))
        };
        let (one, other) = (of(base, row.base), of(compare, row.compare));
        let node = row.compare.and_then(|index| compare.nodes.get(index));
        let Some(node) = node.or_else(|| base.nodes.get(row.base?)) else { continue };
        let parent = row.parent.and_then(|parent| of_rows.get(parent)).copied();
        if matches!(node.kind, NodeKind::Inferred(_)) {
            // Its caller has the same times.
            of_rows.push(parent.unwrap_or_default());
            continue;
        }
        let span = node.span();
        let service = span.map_or_else(String::new, |span| span.resource.service_name().to_owned());
        let name = span.map_or_else(String::new, |span| span.span.name.clone());
        let kind = span.map_or(SpanKind::Unspecified, |span| span.span.kind);
        let step = (parent, service, name, kind);
        if let Some(place) = known.get(&step).copied().filter(|_| is_folded) {
            if let Some(line) = list.get_mut(place) {
                add(&mut line.base, one);
                add(&mut line.compare, other);
            }
            of_rows.push(place);
            continue;
        }
        of_rows.push(list.len());
        if is_folded {
            known.insert(step.clone(), list.len());
        }
        let (_, service, name, _) = step;
        let depth = parent.and_then(|parent| list.get(parent)).map_or(0, |above| above.depth + 1);
        list.push(Line { service, name, is_missing: span.is_none(), depth, parent, base: one, compare: other });
    }
    let list = if is_folded { depth_first(list) } else { list };
    Lines { list, scale: base.interval.nanos().max(compare.interval.nanos()) }
}

fn add(known: &mut Option<Spans>, more: Option<Spans>) {
    match (known, more) {
        (Some(known), Some(more)) => known.add(more),
        (known @ None, more) => *known = more,
        (Some(_), None) => {}
    }
}

/// The lines with children after their parents: those of folded siblings came one after the other.
fn depth_first(list: Vec<Line>) -> Vec<Line> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); list.len()];
    let mut stack = Vec::new();
    for (index, line) in list.iter().enumerate() {
        match line.parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(index),
            None => stack.push((index, None)),
        }
    }
    stack.reverse();
    let mut list: Vec<Option<Line>> = list.into_iter().map(Some).collect();
    let mut ordered: Vec<Line> = Vec::with_capacity(list.len());
    while let Some((index, parent)) = stack.pop() {
        let Some(line) = list.get_mut(index).and_then(Option::take) else { continue };
        let place = ordered.len();
        ordered.push(Line { parent, ..line });
        stack.extend(children[index].iter().rev().map(|child| (*child, Some(place))));
    }
    ordered
}
